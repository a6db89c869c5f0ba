/** Materializing what is new: how much is read, what is said, and two at a time. The law itself is in law-of-modes.test.ts. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { dayUs } from '../../src/base/time.ts';
import { encodeParquet, FeatureStore, tablesEqual } from '../../src/index.ts';
import { localBytes } from '../../src/store/local-bytes.ts';
import { openOwnTable } from '../../src/store/own-table.ts';
import { projectFolder, transactions, transactionTable } from './support.ts';

const setText = `feature_sets:
  spend:
    entity_keys: customer_id
    source: transactions
    timestamp: date
    aggregations:
      amount: [sum, mean, count]
    tile: 1d
`;
const timed = (rows: number, seed: number, fromDay: number) =>
  transactions(rows, seed, 3).map((row) => ({ ...row, dateUs: (row.dateUs ?? 0n) + BigInt(fromDay) * dayUs }));

async function project(t: TestContext, files: Readonly<Record<string, ReturnType<typeof timed>>>) {
  const folder = projectFolder(t, { 'config/global.yaml': 'feature_store:\n  mode: hybrid\n', 'config/feature_sets.yaml': setText });
  const source = join(folder, 'data/silver/transactions');
  mkdirSync(source, { recursive: true });
  const write = (name: string, rows: ReturnType<typeof timed>): void => {
    const table = transactionTable(rows);
    writeFileSync(join(source, name), encodeParquet(table.schema, table.batches));
  };
  for (const [name, rows] of Object.entries(files)) write(name, rows);
  const open = () => FeatureStore.open(folder, { threads: 1 });
  const liveFiles = async (): Promise<number> => {
    const tableOf = (table: string) => openOwnTable(localBytes(join(folder, 'data/feature_store/spend', table)), '');
    const features = await tableOf('features').snapshot();
    // The tiles that count are those that the features name.
    return features.files!.length + (await tableOf('tiles').snapshot({ version: Number(features.info.tilesVersion) })).files!.length;
  };
  const filesThere = (): number => readdirSync(join(folder, 'data/feature_store/spend'), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.parquet')).length;
  return { folder, source, write, open, liveFiles, filesThere };
}

test('only new files are read, and of a file that is gone only the days that it touched', async (t) => {
  const { open, write, source } = await project(t, { 'a.parquet': timed(300, 1, 0), 'b.parquet': timed(200, 2, 10), 'c.parquet': timed(100, 3, 20) });
  const store = await open();
  assert.equal((await store.materialize('spend')).sourceRows, 600);
  const nothing = await store.materialize('spend');
  assert.deepEqual([nothing.changed, nothing.sourceRows, nothing.reasons], [false, 0, ['the source has not changed since it was materialized']]);

  write('d.parquet', timed(50, 4, 1));
  const added = await store.materialize('spend');
  assert.deepEqual([added.sourceRows, added.reasons], [50, ['the source has changed; 1 new file is added']]);

  rmSync(join(source, 'b.parquet'));
  const removed = await store.materialize('spend');
  assert.match(removed.reasons[0]!, /tiles of files that are gone are made again/);
  assert.equal(removed.sourceRows, 0, 'no other file has rows of these days');

  rmSync(join(source, 'd.parquet'));
  const again = await store.materialize('spend');
  assert.ok(again.sourceRows > 0 && again.sourceRows <= 300, `${again.sourceRows} rows of the one file that has these days`);
  assert.ok((await store.status('spend'))[0]!.newestEvent! >= 20n * dayUs);
  rmSync(join(source, 'c.parquet'));
  await store.materialize('spend');
  assert.ok((await store.status('spend'))[0]!.newestEvent! < 4n * dayUs, 'the newest event went with its file');
  const [stored, fresh] = await Promise.all((['materialized', 'virtualized'] as const).map((mode) => store.getFeatures('spend', { mode })));
  assert.ok(tablesEqual(stored!.table, fresh!.table));
});

test('two that materialize at the same time: one result, nothing lost, nothing left', async (t) => {
  const { folder, open, write, liveFiles, filesThere } = await project(t, { 'a.parquet': timed(300, 1, 0) });
  for (let round = 0; round < 9; round++) {
    write(`n${round}.parquet`, timed(40, 10 + round, round));
    const stores = await Promise.all([open(), open(), open()]);
    const outcomes = await Promise.all(stores.map((store, i) => store.materialize('spend', { full: round % 4 === 3 && i === 0 })));
    assert.ok(outcomes.some(({ changed }) => changed));
    const [stored, fresh] = await Promise.all((['materialized', 'virtualized'] as const).map((mode) => stores[0]!.getFeatures('spend', { mode })));
    assert.equal(stored!.stale, false);
    assert.ok(tablesEqual(stored!.table, fresh!.table), `round ${round}`);
    const month = { timeRange: '30d', asOf: '1970-01-20' } as const;
    const [tiles, rows] = await Promise.all((['materialized', 'virtualized'] as const).map((mode) => stores[1]!.getFeatures('spend', { ...month, mode })));
    assert.ok(tablesEqual(tiles!.table, rows!.table), `round ${round}, tiles`);
  }
  const later = await FeatureStore.open(folder, { now: () => new Date(Date.now() + 2 * 86_400_000) });
  await later.vacuum('spend', { retentionMs: 0 });
  assert.equal(filesThere(), await liveFiles());
});

test('many small files are put together, and added to again', async (t) => {
  const { open, write, liveFiles } = await project(t, { 'a.parquet': timed(300, 1, 0) });
  const store = await open();
  for (let round = 0; round < 6; round++) {
    write(`n${round}.parquet`, timed(40, 10 + round, round));
    await store.materialize('spend');
  }
  const before = await liveFiles();
  const asked = { timeRange: '4d', asOf: '1970-01-05' } as const;
  const answer = (await store.getFeatures('spend', { ...asked, mode: 'materialized' })).table;
  const { computedAt } = await store.getFeatures('spend', { mode: 'materialized' });
  const compaction = await store.compact('spend');
  assert.deepEqual((await store.getFeatures('spend', { mode: 'materialized' })).computedAt, computedAt, 'as old as before');
  assert.ok(compaction !== undefined && compaction.filesAfter < compaction.filesBefore);
  assert.ok((await liveFiles()) < before);
  assert.ok(tablesEqual((await store.getFeatures('spend', { ...asked, mode: 'materialized' })).table, answer));
  write('z.parquet', timed(40, 99, 2));
  assert.equal((await store.materialize('spend')).sourceRows, 40);
  const [tiles, rows] = await Promise.all((['materialized', 'virtualized'] as const).map((mode) => store.getFeatures('spend', { ...asked, mode })));
  assert.ok(tablesEqual(tiles!.table, rows!.table));
});
