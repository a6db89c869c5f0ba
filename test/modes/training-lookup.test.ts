/** Looked-up features: `last` with a tolerance, in training sets and in every mode alike. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import fc from 'fast-check';
import { dayUs } from '../../src/base/time.ts';
import { FeatureStore, type FeatureStoreError, featureSet, tablesEqual, writeTable } from '../../src/index.ts';
import { type Cell, cellsOf, tableOf, types } from '../support/arrow.ts';
import { projectFolder, transactions, transactionTable } from './support.ts';

const customers = (rows: readonly (readonly [bigint, number | bigint | null, string | null])[]) =>
  tableOf({
    customer: { type: types.int64, values: rows.map(([key]) => key) },
    since: { type: types.micros, values: rows.map(([, day]) => (day === null ? null : BigInt(day) * dayUs)) },
    plan: { type: types.utf8, values: rows.map(([, , plan]) => plan) },
  });

test('the latest value before the moment counts, if it is no older than the tolerance', async () => {
  const store = await FeatureStore.open({}, { threads: 1 });
  store.registerSource('customers', customers([[1n, 1, 'free'], [1n, 40, 'pro'], [1n, 45, null], [2n, 1, 'free'], [2n, 1, 'pro']]));
  store.define(featureSet({ name: 'plans', entityKeys: 'customer', source: 'customers', timestamp: 'since', aggregations: { plan: ['last', 'count'] }, windows: ['60d'], tolerance: '30d' }));
  const labels = tableOf({
    customer: { type: types.int64, values: [1n, 1n, 1n, 1n, 1n, 2n] },
    T: { type: types.micros, values: [1, 2, 31, 32, 70, 2].map((day) => BigInt(day) * dayUs) },
  });
  const { table } = await store.getTrainingSet(labels, { features: ['plans'], timestamp: 'T' });
  assert.deepEqual(table.schema.fields.slice(2).map(({ name }) => name), ['plan_last', 'plan_count', 'plan_last_60d', 'plan_count_60d']);
  // Of several at the same time, the greatest.
  const expected: Cell[] = [null, 'free', 'free', null, 'pro', 'pro'];
  assert.deepEqual(cellsOf(table, 'plan_last'), expected);
  assert.deepEqual(cellsOf(table, 'plan_last_60d'), expected);
  assert.deepEqual(cellsOf(table, 'plan_count'), [null, 1n, 1n, 1n, 2n, 2n]);
  const answer = await store.getFeatures('plans', { mode: 'virtualized', asOf: { value: 32n * dayUs, unit: 'us' } });
  assert.deepEqual([cellsOf(answer.table, 'plan_last'), cellsOf(answer.table, 'plan_count')], [[null, null], [1n, 2n]]);
  await store.close();
});

test('a tolerance means the same in every mode', async (t) => {
  const folder = projectFolder(t, {
    'config/feature_sets.yaml': 'feature_sets:\n  spend:\n    entity_keys: customer_id\n    source: transactions\n    timestamp: date\n    aggregations:\n      amount: [sum, last]\n    windows: [7d, 30d]\n    tolerance: 10d\n',
    'config/global.yaml': 'feature_store:\n  mode: hybrid\n',
  });
  const rows = transactions(2_000, 5);
  await writeTable(join(folder, 'data/silver/transactions'), transactionTable(rows), { format: 'parquet', mode: 'error' });
  const store = await FeatureStore.open(folder, { now: () => new Date(80 * 86_400_000) });
  await store.materialize('spend');
  for (const asOf of [undefined, new Date(60 * 86_400_000)]) {
    const ask = (mode: 'materialized' | 'virtualized' | 'hybrid') => store.getFeatures('spend', { mode, ...(asOf && { asOf }) });
    const [virtualized, hybrid, materialized] = [await ask('virtualized'), await ask('hybrid'), await ask('materialized')];
    assert.ok(tablesEqual(hybrid.table, virtualized.table), 'hybrid');
    assert.ok(tablesEqual(materialized.table, virtualized.table), 'materialized');
    const end = BigInt((asOf ?? new Date(80 * 86_400_000)).getTime()) * 1_000n;
    const recent = (key: Cell) => rows.filter((row) => row.customer === BigInt(key as bigint) && row.amount !== null && row.dateUs !== null && row.dateUs < end && row.dateUs >= end - 10n * dayUs);
    const lasts = cellsOf(virtualized.table, 'amount_last');
    cellsOf(virtualized.table, 'customer_id').forEach((key, i) => {
      const latest = recent(key).sort((a, b) => Number(b.dateUs! - a.dateUs!) || b.amount! - a.amount!)[0];
      assert.equal(lasts[i], latest?.amount ?? null, `customer ${String(key)}`);
    });
  }
  await store.close();

  // Later, with more rows: what is stored is brought up to date, not computed anew.
  await writeTable(join(folder, 'data/silver/transactions'), transactionTable(transactions(300, 6)), { format: 'parquet', mode: 'append' });
  const later = await FeatureStore.open(folder, { now: () => new Date(84 * 86_400_000) });
  await later.materialize('spend');
  const [stored, fresh] = [await later.getFeatures('spend', { mode: 'materialized' }), await later.getFeatures('spend', { mode: 'virtualized' })];
  assert.ok(tablesEqual(stored.table, fresh.table), 'after an increment');
  await later.close();
});

test('the law holds for looked-up features: training sets are getFeatures at each moment', async () => {
  const event = fc.tuple(fc.bigInt(0n, 2n), fc.option(fc.bigInt(0n, 20n)), fc.option(fc.constantFrom('a', 'b', 'c')));
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 30 }), fc.array(fc.tuple(fc.bigInt(0n, 3n), fc.bigInt(0n, 25n)), { minLength: 1, maxLength: 8 }), async (events, asked) => {
      const store = await FeatureStore.open({}, { threads: 1 });
      store.registerSource('customers', customers(events));
      store.define(featureSet({ name: 'plans', entityKeys: 'customer', source: 'customers', timestamp: 'since', aggregations: { plan: ['first', 'last'] }, windows: ['3d', '9d'], tolerance: '5d' }));
      const labels = tableOf({ customer: { type: types.int64, values: asked.map(([key]) => key) }, T: { type: types.micros, values: asked.map(([, day]) => day * dayUs) } });
      const { table } = await store.getTrainingSet(labels, { features: ['plans'], timestamp: 'T' });
      for (const [row, [key, day]] of asked.entries()) {
        const answer = await store.getFeatures('plans', { mode: 'virtualized', asOf: { value: day * dayUs, unit: 'us' }, entities: [key] });
        for (const { name } of table.schema.fields.slice(2)) {
          assert.equal(cellsOf(table, name)[row], answer.table.numRows === 0 ? null : cellsOf(answer.table, name)[0], `${name} of label ${row}`);
        }
      }
      await store.close();
    }),
    { numRuns: 40 },
  );
});

test('a tolerance that has no meaning is refused', () => {
  const define = (more: object) => featureSet({ name: 'plans', entityKeys: 'customer', source: 'customers', timestamp: 'since', aggregations: { plan: 'last' }, ...more });
  const fails = (more: object, message: RegExp) => assert.throws(() => define(more), (error: FeatureStoreError) => message.test(error.message));
  fails({ tolerance: 'a month' }, /tolerance: 'a month' is not a duration/);
  fails({ tolerance: '90d', aggregations: { plan: 'count' } }, /no such aggregation/);
});
