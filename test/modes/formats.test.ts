/** The modes do not know which format they talk to: whatever sources and storage are kept in, the answers are the same bits. */
import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { dayUs } from '../../src/base/time.ts';
import { FeatureStore, groupBy, type StorageFormat, tablesEqual, writeTable } from '../../src/index.ts';
import { fileFormats, tableFormats } from '../support/store.ts';
import { customerSet, projectFolder, transactions, transactionTable } from './support.ts';

const now = new Date(Number((100n * dayUs) / 1_000n));
const rows = transactions(2_000);
const set = 'customer_demographics';
const spenders = '  spenders:\n    entity_keys: customer_id\n';

async function shop(t: test.TestContext, storage: StorageFormat, source: StorageFormat) {
  const folder = projectFolder(t, {
    'config/global.yaml': `feature_store:\n  mode: hybrid\n  storage_format: ${storage}  # parquet, delta, orc\n`,
    'config/feature_sets.yaml': customerSet + spenders,
  });
  const path = join(folder, 'data/silver/transactions');
  await writeTable(path, transactionTable(rows), { format: source });
  return { folder, path, store: await FeatureStore.open(folder, { now: () => now }) };
}

const reads = [{}, { asOf: '1970-03-01', timeRange: '30d' }, { asOf: '1970-02-11T13:00:00Z', timeRange: 'all' }] as const;

test('every pair of formats gives the same answers in every mode', async (t) => {
  const reference = await shop(t, 'parquet', 'parquet');
  const wanted = await Promise.all(reads.map((options) => reference.store.getFeatures(set, { ...options, mode: 'virtualized' })));
  for (const storage of tableFormats) {
    for (const source of tableFormats) {
      const { store, path } = await shop(t, storage, source);
      assert.equal((await store.materialize(set)).changed, true);
      for (const [i, options] of reads.entries()) {
        for (const mode of ['virtualized', 'hybrid'] as const) {
          const answer = await store.getFeatures(set, { ...options, mode });
          assert.ok(tablesEqual(answer.table, wanted[i]!.table), `${storage} over ${source}, ${mode}: ${answer.reasons.join('; ')}`);
        }
      }
      assert.ok(tablesEqual((await store.getFeatures(set, { mode: 'materialized' })).table, wanted[0]!.table));
      assert.equal((await store.materialize(set)).changed, false);
      // A source that grows is noticed, whatever it is.
      await writeTable(path, transactionTable(transactions(100, 7)), { mode: 'append' });
      assert.equal((await store.getFeatures(set, { mode: 'materialized' })).stale, true);
      assert.equal((await store.materialize(set)).changed, true);
      const [hybrid, virtualized] = [await store.getFeatures(set), await store.getFeatures(set, { mode: 'virtualized' })];
      assert.ok(tablesEqual(hybrid.table, virtualized.table));
    }
  }
});

for (const format of tableFormats) {
  test(`${format}: rows that are written, put together and vacuumed`, async (t) => {
    const { store } = await shop(t, format, 'parquet');
    const computed = await groupBy(transactionTable(rows), 'customer_id').agg({ amount: ['sum', 'max'] });
    for (let first = 0; first < 40; first += 10) await store.write('spenders', computed.slice(first, first + 10), { mode: 'append' });
    const before = await store.getFeatures('spenders');
    assert.ok(tablesEqual(before.table, computed));
    const compacted = await store.compact('spenders');
    assert.deepEqual([compacted?.filesBefore, compacted?.filesAfter], [4, 1]);
    const after = await store.getFeatures('spenders');
    assert.ok(tablesEqual(after.table, computed));
    assert.deepEqual(after.computedAt, before.computedAt);
    assert.equal(await store.compact('spenders'), undefined);
    assert.equal((await store.vacuum('spenders', { retentionMs: 0 })).files, 4);
    assert.equal((await store.write('spenders', computed, { mode: 'merge' })).rows, 40);
  });
}

test('storage in another format than the project asks for is written anew', async (t) => {
  const { folder, store } = await shop(t, 'parquet', 'parquet');
  await store.materialize(set);
  const computed = await groupBy(transactionTable(rows), 'customer_id').agg({ amount: ['sum', 'max'] });
  await store.write('spenders', computed.slice(0, 30), { mode: 'append' });
  const wanted = await store.getFeatures(set);
  for (const format of fileFormats) {
    writeFileSync(join(folder, 'config/global.yaml'), `feature_store:\n  mode: hybrid\n  storage_format: ${format}\n`);
    const other = await FeatureStore.open(folder, { now: () => now });
    // What is stored is read as it is, until it is written.
    assert.ok(tablesEqual((await other.getFeatures(set, { mode: 'materialized' })).table, wanted.table));
    const made = await other.materialize(set);
    assert.equal(made.changed, format !== 'parquet');
    assert.ok(tablesEqual((await other.getFeatures(set)).table, wanted.table));
    const { rows: count } = await other.write('spenders', computed.slice(30), { mode: 'append' });
    await other.write('spenders', computed.slice(0, 30), { mode: 'overwrite' });
    assert.equal(count, 40);
    const files = readdirSync(join(folder, 'data/feature_store', set, 'features')).filter((name) => name.startsWith('part-'));
    assert.ok(files.length === 1 && files[0]!.endsWith(`.${format}`), files.join());
  }
});
