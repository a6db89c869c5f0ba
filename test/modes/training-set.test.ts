/** Point-in-time training sets: what they look like, and the law that they are `getFeatures` at each label's moment. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { Table } from '../../src/arrow/arrow.ts';
import { dayUs, formatDuration } from '../../src/base/time.ts';
import type { Agg } from '../../src/engine/plan.ts';
import { FeatureStore, featureSet, tablesEqual } from '../../src/index.ts';
import { aggregate, type Row } from '../oracle/group-by.ts';
import { batchesOf, type Cell, cellsOf, tableOf, type TestColumn, types } from '../support/arrow.ts';
import { randomOf } from './support.ts';

const hourUs = 3_600_000_000n;

async function storeWith(tables: Readonly<Record<string, Table>>): Promise<FeatureStore> {
  const store = await FeatureStore.open({}, { now: () => new Date('2026-01-01T00:00:00Z'), threads: 1 });
  for (const [name, table] of Object.entries(tables)) store.registerSource(name, table);
  return store;
}

test('each label gets what was known before its moment, and nothing of it or after', async () => {
  const events = tableOf({
    customer_id: { type: types.int64, values: [1n, 1n, 2n, 1n] },
    amount: { type: types.double, values: [10, 20, 5, 40] },
    at: { type: types.micros, values: [1n * dayUs, 2n * dayUs, 2n * dayUs, 3n * dayUs] },
  });
  const store = await storeWith({ transactions: events });
  store.define(featureSet({
    name: 'spend', entityKeys: 'customer_id', source: 'transactions', timestamp: 'at',
    aggregations: { amount: ['sum', 'count', 'last'] }, windows: ['1d'],
  }));
  const labels = tableOf({
    id: { type: types.utf8, values: ['a', 'b', 'c', 'd', 'e'] },
    customer_id: { type: types.int64, values: [1n, 2n, 1n, 3n, 1n] },
    decided: { type: types.micros, values: [3n * dayUs, 2n * dayUs, 2n * dayUs + 1n, 9n * dayUs, 9n * dayUs] },
  });
  const { table, sources } = await store.getTrainingSet(labels, { features: ['spend'], timestamp: 'decided' });
  assert.deepEqual(table.schema.fields.map(({ name }) => name), [
    'id', 'customer_id', 'decided', 'amount_sum', 'amount_count', 'amount_last', 'amount_sum_1d', 'amount_count_1d', 'amount_last_1d',
  ]);
  assert.deepEqual(cellsOf(table, 'id'), ['a', 'b', 'c', 'd', 'e']);
  // The event at the third day is not seen at the third day; customer 2 has none before its label; customer 3 none at all.
  assert.deepEqual(cellsOf(table, 'amount_sum'), [30, null, 30, null, 70]);
  assert.deepEqual(cellsOf(table, 'amount_count'), [2n, null, 2n, null, 3n]);
  assert.deepEqual(cellsOf(table, 'amount_last'), [20, null, 20, null, 40]);
  // Known, but with nothing in the window: 0, as getFeatures has it.
  assert.deepEqual(cellsOf(table, 'amount_count_1d'), [1n, null, 1n, null, 0n]);
  assert.deepEqual(sources.map(({ featureSet: name, labelsKnown }) => [name, labelsKnown]), [['spend', 3]]);

  const some = await store.getTrainingSet(labels, { features: ['spend:amount_sum_1d', 'spend:amount_sum'], timestamp: 'decided', timeRange: '2d' });
  assert.deepEqual(some.table.schema.fields.slice(3).map(({ name }) => name), ['amount_sum_1d', 'amount_sum']);
  assert.deepEqual(cellsOf(some.table, 'amount_sum'), [30, null, 30, null, null]);
  await store.close();
});

const ordered: readonly Agg[] = ['count', 'min', 'max', 'first', 'last', 'count_distinct', 'approx_distinct'];
const numeric: readonly Agg[] = ['sum', 'mean', 'std', 'var', ...ordered];
const aggregations = {
  amount: numeric, price: numeric, visits: numeric, city: ordered, code: ordered, paid: [...ordered, 'any', 'all'], due: ordered,
} as const satisfies Readonly<Record<string, readonly Agg[]>>;

/** Events of few entities at few times, so that ties and label times on event times are common. */
function events(random: () => number, rows: number, keyType: TestColumn['type'], key: (i: number) => Cell): Readonly<Record<string, TestColumn>> {
  const column = (type: TestColumn['type'], cell: () => Cell, nulls = 0.15): TestColumn => ({
    type,
    values: Array.from({ length: rows }, () => (random() < nulls ? null : cell())),
  });
  const whole = (below: number): number => Math.floor(random() * below);
  return {
    key: column(keyType, () => key(whole(5)), 0.05),
    region: column(types.int32, () => BigInt(whole(2)), 0.05),
    at: column(types.micros, () => BigInt(whole(40)) * 6n * hourUs, 0.05),
    amount: column(types.double, () => (random() < 0.05 ? 10 ** (whole(600) - 300) : whole(10_000) / 100)),
    price: column(types.money, () => BigInt(whole(200_000) - 50_000)),
    visits: column(types.uint64, () => BigInt(whole(50)) << 40n),
    city: column(types.dictionary, () => ['Kraków', 'Łódź', '', 'a city of a longer name', 'z'][whole(5)]!),
    code: column(types.binary, () => `code ${whole(30)}`),
    paid: column(types.bool, () => random() < 0.9),
    due: column(types.date, () => BigInt(whole(400))),
  };
}

function labelsOf(random: () => number, rows: number, keyType: TestColumn['type'], key: (i: number) => Cell): Readonly<Record<string, TestColumn>> {
  const whole = (below: number): number => Math.floor(random() * below);
  const cells = (cell: () => Cell): Cell[] => Array.from({ length: rows }, () => (random() < 0.05 ? null : cell()));
  return {
    key: { type: keyType, values: cells(() => key(whole(7))) },
    region: { type: types.int32, values: cells(() => BigInt(whole(2))) },
    T: { type: types.micros, values: cells(() => BigInt(whole(50) - 4) * 6n * hourUs + BigInt(whole(3) - 1)) },
    note: { type: types.utf8, values: cells(() => `label ${whole(10)}`) },
  };
}

const labelCount = 30;

const keyKinds = {
  int64: { type: types.int64, cell: (i: number): Cell => BigInt(i) * 7n - 9n },
  utf8: { type: types.utf8, cell: (i: number): Cell => ['a', 'b', '', 'a longer name of an entity', 'e', 'unknown', 'x'][i]! },
} as const;

test('the law: a label at T has the row that getFeatures has as of T, bit for bit, for every aggregation and window', async () => {
  for (const [kind, { type, cell }] of Object.entries(keyKinds)) {
    for (const timeRange of [undefined, '2d', { start: new Date(2 * 86_400_000), end: new Date(6 * 86_400_000) }]) {
      const random = randomOf(kind.length * 31 + String(timeRange).length);
      const source = events(random, 400, type, cell);
      const store = await storeWith({ events: batchesOf(source, [100, 100, 250]) });
      store.define(featureSet({ name: 'all', entityKeys: ['key', 'region'], source: 'events', timestamp: 'at', aggregations, windows: ['1d', '60h'] }));
      const columns = labelsOf(random, labelCount, type, cell);
      const { table } = await store.getTrainingSet(batchesOf(columns, [9, 21]), { features: ['all'], timestamp: 'T', ...(timeRange && { timeRange }) });
      assert.equal(table.numRows, labelCount);
      const names = table.schema.fields.slice(4).map(({ name }) => name);
      const mine = new Map(names.map((name) => [name, cellsOf(table, name)]));
      for (let row = 0; row < labelCount; row++) {
        const [key, region, T] = [columns.key!.values[row]!, columns.region!.values[row]!, columns.T!.values[row]!];
        let wanted: Row = {};
        const isBeforeStart = typeof timeRange === 'object' && T !== null && (T as bigint) < 2n * dayUs;
        if (key !== null && region !== null && T !== null && !isBeforeStart) {
          const answer = await store.getFeatures('all', {
            mode: 'virtualized', asOf: { value: T as bigint, unit: 'us' }, entities: { key: [key], region: [region] }, ...(timeRange && { timeRange }),
          });
          wanted = Object.fromEntries(names.map((name) => [name, answer.table.numRows === 0 ? null : cellsOf(answer.table, name)[0]!]));
        }
        for (const name of names) {
          const [found, expected] = [mine.get(name)![row]!, wanted[name] ?? null];
          assert.ok(Object.is(found, expected) || found === expected, `${kind}, ${JSON.stringify(timeRange)}, label ${row}, ${name}: ${String(found)}, expected ${String(expected)}`);
        }
      }
      await store.close();
    }
  }
});

const label = fc.record({ key: fc.option(fc.bigInt(0n, 3n), { freq: 10 }), T: fc.option(fc.bigInt(-3n, 30n), { freq: 10 }) });
const event = fc.record({
  key: fc.option(fc.bigInt(0n, 3n), { freq: 10 }),
  at: fc.option(fc.bigInt(0n, 25n), { freq: 10 }),
  amount: fc.option(fc.oneof(fc.integer({ min: -9, max: 9 }), fc.constantFrom(1e300, -1e300, 1e-300, Number.NaN, Number.POSITIVE_INFINITY)), { freq: 5 }),
});
type Event = { readonly key: bigint | null; readonly at: bigint | null; readonly amount: number | null };
type Label = { readonly key: bigint | null; readonly T: bigint | null };

const eventTable = (rows: readonly Event[]): Table =>
  tableOf({
    key: { type: types.int64, values: rows.map(({ key }) => key) },
    at: { type: types.micros, values: rows.map(({ at }) => (at === null ? null : at * hourUs)) },
    amount: { type: types.double, values: rows.map(({ amount }) => amount) },
  });
const labelTable = (rows: readonly Label[]): Table =>
  tableOf({
    key: { type: types.int64, values: rows.map(({ key }) => key) },
    T: { type: types.micros, values: rows.map(({ T }) => (T === null ? null : T * hourUs)) },
  });

const asked: readonly Agg[] = ['sum', 'mean', 'count', 'min', 'max', 'std', 'first', 'last', 'count_distinct'];
const hours = [undefined, 5n, 12n] as const;

async function features(rows: readonly Event[], labels: Table): Promise<Table> {
  const store = await storeWith({ events: eventTable(rows) });
  store.define(featureSet({ name: 'some', entityKeys: 'key', source: 'events', timestamp: 'at', aggregations: { amount: asked }, windows: ['5h', '12h'] }));
  const { table } = await store.getTrainingSet(labels, { features: ['some'], timestamp: 'T' });
  await store.close();
  return table;
}

test('an oracle of a few lines agrees: for each label, filter, then aggregate', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 60 }), fc.array(label, { maxLength: 25 }), async (rows, labels) => {
      const table = await features(rows, labelTable(labels));
      for (const aggregation of asked) {
        for (const length of hours) {
          const name = `amount_${aggregation}${length === undefined ? '' : `_${formatDuration(length * hourUs)}`}`;
          const expected = labels.map(({ key, T }): Cell => {
            if (key === null || T === null) return null;
            const before = rows.filter((row) => row.key === key && row.at !== null && row.at < T);
            if (before.length === 0) return null;
            const inside = before.filter(({ at }) => length === undefined || at! >= T - length);
            return aggregate(inside.map(({ amount }) => amount), aggregation, { times: inside.map(({ at }) => at) });
          });
          assert.deepEqual(cellsOf(table, name), expected, name);
        }
      }
    }),
    { numRuns: 60 },
  );
});

test('events at or after the latest label change nothing; the order and the split of labels do not matter', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 40 }), fc.array(label, { minLength: 1, maxLength: 20 }), fc.nat(20), async (rows, labels, cut) => {
      const whole = await features(rows, labelTable(labels));
      const latest = labels.reduce((most, { T }) => (T !== null && T > most ? T : most), -3n);
      const later = rows.map((row) => ({ ...row, at: row.at === null ? null : row.at + latest + 0n }));
      const more = await features([...later.filter(({ at }) => at === null || at >= latest), ...rows, ...later.filter(({ at }) => at !== null && at >= latest)], labelTable(labels));
      assert.ok(tablesEqual(more, whole), 'later events');

      const turned = await features(rows, labelTable([...labels].reverse()));
      for (const { name } of whole.schema.fields) assert.deepEqual(cellsOf(turned, name).reverse(), cellsOf(whole, name), `turned: ${name}`);

      const parts = [await features(rows, labelTable(labels.slice(0, cut))), await features(rows, labelTable(labels.slice(cut)))];
      for (const { name } of whole.schema.fields) assert.deepEqual(parts.flatMap((part) => cellsOf(part, name)), cellsOf(whole, name), `split: ${name}`);
    }),
    { numRuns: 40 },
  );
});
