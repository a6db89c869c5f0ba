/** Training sets within a memory limit: labels go in slices, with the same answer; or the error says what does not fit. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { dayUs } from '../../src/base/time.ts';
import { encodeParquet, FeatureStore, type FeatureStoreError, featureSet, tablesEqual } from '../../src/index.ts';
import { type Cell, tableOf, types } from '../support/arrow.ts';
import { projectFolder, randomOf } from './support.ts';

const random = randomOf(77);
const whole = (below: number): bigint => BigInt(Math.floor(random() * below));
const column = (length: number, cell: () => Cell): Cell[] => Array.from({ length }, cell);
const eventRows = 60_000;
const labelRows = 30_000;
const events = tableOf({
  customer: { type: types.int64, values: column(eventRows, () => whole(2_000)) },
  shop: { type: types.utf8, values: column(eventRows, () => `shop ${whole(3_000)}`) },
  amount: { type: types.double, values: column(eventRows, () => (random() < 0.1 ? null : Number(whole(100_000)) / 100)) },
  at: { type: types.micros, values: column(eventRows, () => whole(100 * 86_400) * 1_000_000n) },
  arrived: { type: types.micros, values: column(eventRows, () => whole(110 * 86_400) * 1_000_000n) },
});
const labels = tableOf({
  customer: { type: types.int64, values: column(labelRows, () => whole(2_100)) },
  T: { type: types.micros, values: column(labelRows, () => whole(110 * 86_400) * 1_000_000n) },
});
const spend = { name: 'spend', entityKeys: 'customer', source: 'events', timestamp: 'at', aggregations: { amount: ['sum', 'std', 'last'], shop: 'last' }, windows: ['3d'] } as const;

async function storeOf(memoryLimit: number | undefined, more: object = {}, table = events) {
  const store = await FeatureStore.open({}, { threads: 1, ...(memoryLimit !== undefined && { memoryLimit }) });
  store.registerSource('events', table);
  store.define(featureSet({ ...spend, ...more }));
  return store;
}

test('labels whose states do not fit go in slices, and the answer is the same', async () => {
  for (const more of [{}, { arrival: 'arrived', aggregations: { amount: ['sum', 'last'] } }]) {
    const roomy = await storeOf(undefined, more);
    const expected = await roomy.getTrainingSet(labels, { features: ['spend'], timestamp: 'T' });
    assert.equal((await roomy.explainTrainingSet(labels, { features: ['spend'], timestamp: 'T' })).sets[0]!.slices, 1);
    const store = await storeOf(6 << 20, more);
    const { text, sets } = await store.explainTrainingSet(labels, { features: ['spend'], timestamp: 'T' });
    assert.ok(sets[0]!.slices > 1, text);
    assert.match(text, /spend: \d+ passes, one for each slice of the labels, of events/);
    assert.ok(sets[0]!.memoryBytes <= 6 << 20, text);
    const answer = await store.getTrainingSet(labels, { features: ['spend'], timestamp: 'T' });
    assert.ok(tablesEqual(answer.table, expected.table));
    assert.equal(answer.sources[0]!.labelsKnown, expected.sources[0]!.labelsKnown);
    assert.match(answer.reasons.join('\n'), /labels in \d+ slices, each with a pass of its own, to keep memoryLimit/);
    await store.close();
    await roomy.close();
  }
});

test('where states grow beyond what was estimated, a slice is halved', async () => {
  // Sets of distinct texts take room that no plan knows of.
  const more = { aggregations: { shop: ['count_distinct', 'max'] }, windows: [] };
  const [roomy, store] = [await storeOf(undefined, more), await storeOf(11 << 20, more)];
  const options = { features: ['spend'], timestamp: 'T' } as const;
  const { sets } = await store.explainTrainingSet(labels, options);
  const answer = await store.getTrainingSet(labels, options);
  const slices = Number(/labels in (\d+) slices/.exec(answer.reasons.join('\n'))?.[1]);
  assert.ok(slices > sets[0]!.slices, `${slices} of ${sets[0]!.slices}`);
  assert.ok(tablesEqual(answer.table, (await roomy.getTrainingSet(labels, options)).table));
  await store.close();
  await roomy.close();
});

test('what cannot fit is an error that names the set, its source and the limit', async () => {
  const many = tableOf({
    customer: { type: types.int64, values: column(400_000, () => whole(1 << 30) << 20n) },
    amount: { type: types.double, values: column(400_000, () => 1) },
    at: { type: types.micros, values: column(400_000, () => 5n * dayUs) },
  });
  const store = await storeOf(4 << 20, { aggregations: { amount: 'sum' } }, many);
  const options = { features: ['spend'], timestamp: 'T' } as const;
  // Keys that lie close together are their own numbers: nothing is kept of others.
  assert.equal((await store.getTrainingSet(labels.slice(0, 3), options)).table.numRows, 3);
  const three = tableOf({ customer: { type: types.int64, values: [0n, 1n << 40n, 1n << 50n] }, T: { type: types.micros, values: column(3, () => 6n * dayUs) } });
  await assert.rejects(store.getTrainingSet(three, options), (error: FeatureStoreError) =>
    (error.tag === 'MemoryLimit' && /training set: feature set spend: 3 labels of 3 entities, and the keys that events has beside theirs, do not fit 4194304 bytes; raise memoryLimit/.test(error.message)) || assert.fail(error.message));
  await store.close();
});

test('files stream through: memory is that of the labels, on several threads too, and from tiles', async (t) => {
  const folder = projectFolder(t, { 'config/global.yaml': 'feature_store:\n  mode: hybrid\n  background_materialization: false\n' });
  const source = join(folder, 'data/silver/events');
  mkdirSync(source, { recursive: true });
  writeFileSync(join(source, '0.parquet'), encodeParquet(events.schema, events.batches, { rowGroupRows: 5_000 }));
  const expected = await (await storeOf(undefined)).getTrainingSet(labels, { features: ['spend'], timestamp: 'T' });
  for (const threads of [1, 2]) {
    const store = await FeatureStore.open(folder, { threads, memoryLimit: 6 << 20 });
    store.define(featureSet(spend));
    const answer = await store.getTrainingSet(labels, { features: ['spend'], timestamp: 'T' });
    assert.ok(tablesEqual(answer.table, expected.table), `${threads} threads`);
    await store.close();
  }
  const roomy = await FeatureStore.open(folder, { threads: 1 });
  roomy.define(featureSet(spend));
  await roomy.materialize('spend');
  await roomy.close();
  const store = await FeatureStore.open(folder, { threads: 1, memoryLimit: 6 << 20 });
  store.define(featureSet(spend));
  const merged = await store.getTrainingSet(labels, { features: ['spend'], timestamp: 'T', road: 'merged' });
  assert.ok(tablesEqual(merged.table, expected.table), 'merged');
  await store.close();
});
