/** Each wrong thing gets a clear error of our own, and nothing is written. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, truncateSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { FeatureStore, FeatureStoreError, writeTable } from '../../src/index.ts';
import { customerSet, projectFolder, transactions, transactionTable } from './support.ts';

const global = 'feature_store:\n  mode: hybrid\n';

interface Case {
  readonly name: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly tag: string;
  readonly says: readonly RegExp[];
  readonly source?: 'none' | 'truncated' | 'foreign';
  readonly run?: (store: FeatureStore) => Promise<unknown>;
}

const materialize = (store: FeatureStore): Promise<unknown> => store.materialize('customer_demographics');

const cases: readonly Case[] = [
  { name: 'no source table', source: 'none', tag: 'NotFound', says: [/transactions/, /silver/] },
  {
    name: 'a column that is missing',
    files: { 'config/feature_sets.yaml': customerSet.replace('amount:', 'amuont:') },
    tag: 'SchemaMismatch',
    says: [/amuont/, /'?amount'?/],
  },
  {
    name: 'a time column of the wrong type',
    files: { 'config/feature_sets.yaml': customerSet.replace('timestamp: date', 'timestamp: amount') },
    tag: 'SchemaMismatch',
    says: [/amount/, /date|timestamp/i],
  },
  {
    name: 'an aggregation that the type does not have',
    files: { 'config/feature_sets.yaml': customerSet.replace('date: max', 'date: sum') },
    tag: 'SchemaMismatch',
    says: [/date/, /sum/, /count/, /min/, /max/],
  },
  { name: 'a truncated Parquet file', source: 'truncated', tag: 'DamagedFile', says: [/\.parquet/, /truncated|end/i] },
  { name: 'a file that is not Parquet', source: 'foreign', tag: 'DamagedFile', says: [/\.parquet/, /not a Parquet file|PAR1/i] },
  {
    name: 'YAML with a syntax error',
    files: { 'config/feature_sets.yaml': 'feature_sets:\n  a: [1,\n  b: }\n' },
    tag: 'Configuration',
    says: [/feature_sets\.yaml:\d+:\d+/],
  },
  {
    name: 'an unknown key',
    files: { 'config/global.yaml': 'feature_store:\n  mod: hybrid\n' },
    tag: 'Configuration',
    says: [/global\.yaml:2:3/, /mod/, /'mode'/],
  },
  {
    name: 'a misspelt mode',
    files: { 'config/global.yaml': 'feature_store:\n  mode: hybird\n' },
    tag: 'Configuration',
    says: [/global\.yaml:2:9/, /materialized/, /'hybrid'/],
  },
  {
    name: 'time_range: 30 parsecs',
    files: { 'config/inputs.yaml': 'inputs:\n  a:\n    feature_store: true\n    feature_set: customer_demographics\n    time_range: 30 parsecs\n' },
    tag: 'Configuration',
    says: [/inputs\.yaml:5:17/, /30 parsecs/, /30d/],
  },
  { name: 'timeRange: 30 parsecs, in code', run: (store) => store.getFeatures('customer_demographics', { timeRange: '30 parsecs' }), tag: 'Argument', says: [/30 parsecs/] },
  {
    name: 'a feature set called ../../etc',
    files: { 'config/feature_sets.yaml': customerSet.replace('customer_demographics', '../../etc') },
    tag: 'Configuration',
    says: [/feature_sets\.yaml:2:3/, /\.\.\/\.\.\/etc/],
  },
  { name: 'a set of that name, asked for', run: (store) => store.materialize('../../etc'), tag: 'NotFound', says: [/\.\.\/\.\.\/etc/] },
  {
    name: 'a storage path that cannot be written',
    files: { 'config/global.yaml': `${global}  storage_path: occupied/store\n`, occupied: 'a file, where a folder should be' },
    tag: 'Storage',
    says: [/occupied/],
  },
];

for (const { name, files, tag, says, source, run = materialize } of cases) {
  test(name, async (t) => {
    const folder = projectFolder(t, { 'config/global.yaml': global, 'config/feature_sets.yaml': customerSet, ...files });
    await prepareSource(folder, source);
    await assert.rejects(
      async () => run(await FeatureStore.open(folder)),
      (error: unknown) => {
        assert.ok(error instanceof FeatureStoreError, String((error as Error).stack));
        assert.equal(error.tag, tag, error.message);
        for (const pattern of says) assert.match(error.message, pattern);
        return true;
      },
    );
    assert.ok(!existsSync(join(folder, 'data/feature_store')), 'nothing is written');
    if (files?.occupied !== undefined) assert.equal(readFileSync(join(folder, 'occupied'), 'utf8'), files.occupied);
  });
}

async function prepareSource(folder: string, source: Case['source']): Promise<void> {
  if (source === 'none') return;
  const path = join(folder, 'data/silver/transactions.parquet');
  if (source === 'foreign') {
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, 'customer_id,amount,date\n1,2.50,2024-01-01\n'.repeat(100));
    return;
  }
  await writeTable(join(folder, 'staging'), transactionTable(transactions(1_000)), { format: 'parquet', mode: 'error' });
  const { renameSync, readdirSync } = await import('node:fs');
  const file = readdirSync(join(folder, 'staging')).find((each) => each.endsWith('.parquet'))!;
  mkdirSync(join(path, '..'), { recursive: true });
  renameSync(join(folder, 'staging', file), path);
  if (source === 'truncated') truncateSync(path, Math.floor(statSync(path).size * 0.7));
}
