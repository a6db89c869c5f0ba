/** Rows that arrive later than they happen, and ties: what had arrived by a moment, in every mode and in training sets. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import fc from 'fast-check';
import type { Table } from '../../src/arrow/arrow.ts';
import { dayUs } from '../../src/base/time.ts';
import type { Agg } from '../../src/engine/plan.ts';
import { FeatureStore, type FeatureStoreError, featureSet, tablesEqual, writeTable } from '../../src/index.ts';
import { aggregate } from '../oracle/group-by.ts';
import { type Cell, cellsOf, tableOf, type TestColumn, types } from '../support/arrow.ts';
import { projectFolder } from './support.ts';

const hourUs = dayUs / 24n;

/** In hours. */
interface Event {
  readonly key: bigint | null;
  readonly at: bigint | null;
  readonly arrived: bigint | null;
  readonly created: bigint | null;
  readonly value: number | null;
}

const inHours = (hours: readonly (bigint | null)[]): Cell[] => hours.map((hour) => (hour === null ? null : hour * hourUs));
const micros = (hours: readonly (bigint | null)[]): TestColumn => ({ type: types.micros, values: inHours(hours) });

function tableOfEvents(rows: readonly Event[]): Table {
  return tableOf({
    key: { type: types.int64, values: rows.map(({ key }) => key) },
    at: micros(rows.map(({ at }) => at)),
    arrived: micros(rows.map(({ arrived }) => arrived)),
    created: { type: types.int32, values: rows.map(({ created }) => created) },
    value: { type: types.double, values: rows.map(({ value }) => value) },
  });
}

const labelsAt = (asked: readonly (readonly [bigint | null, bigint | null])[]): Table => tableOf({ key: { type: types.int64, values: asked.map(([key]) => key) }, T: micros(asked.map(([, hour]) => hour)) });
const at = (hour: bigint) => ({ value: hour * hourUs, unit: 'us' as const });

test('a row that had not arrived was not known: the moment of arrival itself does not count', async () => {
  const store = await FeatureStore.open({}, { threads: 1 });
  store.registerSource('events', tableOfEvents([
    { key: 1n, at: 1n, arrived: 1n, created: null, value: 1 },
    { key: 1n, at: 2n, arrived: 30n, created: null, value: 2 },
    { key: 1n, at: 3n, arrived: 3n, created: null, value: 4 },
    { key: 1n, at: 3n, arrived: null, created: null, value: 8 },
  ]));
  store.define(featureSet({ name: 'spend', entityKeys: 'key', source: 'events', timestamp: 'at', aggregations: { value: ['sum', 'last'] }, windows: ['28h'], arrival: 'arrived' }));
  const { table } = await store.getTrainingSet(labelsAt([[1n, 3n], [1n, 4n], [1n, 30n], [1n, 31n]]), { features: ['spend'], timestamp: 'T' });
  assert.deepEqual(cellsOf(table, 'value_sum'), [1, 5, 5, 7]);
  assert.deepEqual(cellsOf(table, 'value_sum_28h'), [1, 5, 6 - 2, 4]);
  assert.deepEqual(cellsOf(table, 'value_last'), [1, 4, 4, 4]);
  const sums = async (options: object) => cellsOf((await store.getFeatures('spend', { mode: 'virtualized', features: ['value_sum'], ...options })).table, 'value_sum');
  assert.deepEqual(await sums({ asOf: at(30n) }), [5]);
  // Without an instant the question is what there is: every row has come, also that of which nobody knows when.
  assert.deepEqual(await sums({}), [15]);
  assert.deepEqual(await sums({ timeRange: 'all', asOf: at(30n) }), [15]);
  await store.close();
});

const asked: readonly Agg[] = ['sum', 'count', 'mean', 'min', 'max', 'std', 'first', 'last', 'count_distinct'];
const windows = ['5h', '12h'] as const;

function definition(more: object = {}) {
  return featureSet({
    name: 'all', entityKeys: 'key', source: 'events', timestamp: 'at', aggregations: { value: asked }, windows, tolerance: '9h', tile: '4h', arrival: 'arrived', tieBreaker: 'created', ...more,
  });
}

/** In a few lines: what happened and had arrived before the moment. */
function oracle(rows: readonly Event[], key: bigint | null, T: bigint | null): Record<string, Cell> {
  const features = asked.flatMap((aggregation) => [['', 1_000n] as const, ['_5h', 5n] as const, ['_12h', 12n] as const].map(([ending, length]) => {
    if (key === null || T === null) return [`value_${aggregation}${ending}`, null] as const;
    const before = rows.filter((row) => row.key === key && row.at !== null && row.at < T && row.arrived !== null && row.arrived < T);
    const most = aggregation === 'last' && length > 9n ? 9n : length;
    const inside = before.filter((row) => row.at! >= T - most);
    const value = before.length === 0 ? null : aggregate(inside.map((row) => row.value), aggregation, { times: inside.map((row) => row.at), ties: inside.map((row) => row.created) });
    return [`value_${aggregation}${ending}`, value] as const;
  }));
  return Object.fromEntries(features);
}

const event = fc.record({
  key: fc.option(fc.bigInt(0n, 2n), { freq: 12 }),
  at: fc.option(fc.bigInt(0n, 40n), { freq: 12 }),
  lag: fc.option(fc.oneof(fc.bigInt(-3n, 3n), fc.bigInt(0n, 40n)), { freq: 12 }),
  created: fc.option(fc.bigInt(0n, 3n), { freq: 3 }),
  value: fc.option(fc.oneof(fc.integer({ min: -9, max: 9 }), fc.constantFrom(1e300, -1e300, Number.NaN)), { freq: 5 }),
}).map(({ lag, ...row }): Event => ({ ...row, arrived: lag === null ? null : (row.at ?? 0n) + lag }));
const label = fc.tuple(fc.option(fc.bigInt(0n, 3n), { freq: 12 }), fc.option(fc.bigInt(-2n, 60n), { freq: 12 }));

test('an oracle agrees, and a label at T has the row of getFeatures as of T', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 50 }), fc.array(label, { maxLength: 20 }), async (rows, labels) => {
      const store = await FeatureStore.open({}, { threads: 1 });
      store.registerSource('events', tableOfEvents(rows));
      store.define(definition());
      const { table, sources } = await store.getTrainingSet(labelsAt(labels), { features: ['all'], timestamp: 'T' });
      const expected = labels.map(([key, T]) => oracle(rows, key, T));
      for (const { name } of table.schema.fields.slice(2)) assert.deepEqual(cellsOf(table, name), expected.map((row) => row[name]), name);
      assert.equal(sources[0]!.labelsKnown, labels.filter(([key, T]) => oracle(rows, key, T).value_count !== null).length);
      for (const [i, [key, T]] of labels.slice(0, 3).entries()) {
        if (key === null || T === null) continue;
        const answer = await store.getFeatures('all', { mode: 'virtualized', asOf: at(T), entities: [key] });
        for (const { name } of answer.table.schema.fields.slice(1)) {
          const known = answer.table.numRows === 0 ? null : cellsOf(answer.table, name)[0];
          assert.ok(Object.is(known, expected[i]![name]), `${name} as of ${T}: ${String(known)}, expected ${String(expected[i]![name])}`);
        }
      }
      await store.close();
    }),
    { numRuns: 120 },
  );
});

test('rows that happen or arrive at the latest label or after change nothing; order and split of labels do not matter', async () => {
  const featuresOf = async (rows: readonly Event[], labels: readonly (readonly [bigint | null, bigint | null])[]): Promise<Table> => {
    const store = await FeatureStore.open({}, { threads: 1 });
    store.registerSource('events', tableOfEvents(rows));
    store.define(definition());
    const { table } = await store.getTrainingSet(labelsAt(labels), { features: ['all'], timestamp: 'T' });
    await store.close();
    return table;
  };
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 30 }), fc.array(event, { maxLength: 15 }), fc.array(label, { minLength: 1, maxLength: 12 }), fc.nat(12), async (rows, others, labels, cut) => {
      const whole = await featuresOf(rows, labels);
      const latest = labels.reduce((most, [, T]) => (T !== null && T > most ? T : most), -2n);
      const later = others.map((row, i): Event => (i % 2 === 0 ? { ...row, arrived: latest + (row.at ?? 0n) } : { ...row, at: latest + (row.at ?? 0n) }));
      assert.ok(tablesEqual(await featuresOf([...later, ...rows], labels), whole), 'later rows');
      const turned = await featuresOf([...rows].reverse(), [...labels].reverse());
      const parts = [await featuresOf(rows, labels.slice(0, cut)), await featuresOf(rows, labels.slice(cut))];
      for (const { name } of whole.schema.fields) {
        assert.deepEqual(cellsOf(turned, name).reverse(), cellsOf(whole, name), `turned: ${name}`);
        assert.deepEqual(parts.flatMap((part) => cellsOf(part, name)), cellsOf(whole, name), `split: ${name}`);
      }
    }),
    { numRuns: 40 },
  );
});

test('event times and arrivals of other units are compared as instants', async () => {
  // Days that are known in the course of the day: at noon what arrived in the morning, in nanoseconds.
  const nanos = (...hours: readonly number[]): TestColumn => ({ type: types.nanos, values: hours.map((hour) => BigInt(hour * 3_600) * 1_000_000_000n) });
  const store = await FeatureStore.open({}, { threads: 1 });
  store.registerSource('days', tableOf({ key: { type: types.int32, values: [1, 1, 1] }, day: { type: types.date, values: [1n, 1n, 0n] }, arrived: nanos(30, 40, 40.5), value: { type: types.double, values: [1, 2, 4] } }));
  store.define(featureSet({ name: 'days', entityKeys: 'key', source: 'days', timestamp: 'day', arrival: 'arrived', aggregations: { value: 'sum' }, windows: ['12h'] }));
  const asking = tableOf({ key: { type: types.int32, values: [1, 1, 1, 1, 1] }, T: { type: types.micros, values: [24n, 36n, 40n, 40n, 41n].map((hour, i) => hour * hourUs + (i === 3 ? 1n : 0n)) } });
  const { table } = await store.getTrainingSet(asking, { features: ['days'], timestamp: 'T', timeZone: 'UTC' });
  assert.deepEqual(cellsOf(table, 'value_sum'), [null, 1, 1, 3, 7]);
  assert.deepEqual(cellsOf(table, 'value_sum_12h'), [null, 1, null, null, null]);
  await store.close();
});

const runs = Number(process.env.LAW_RUNS ?? 6);

test('the modes agree on what had arrived, whatever is stored, and say why where tiles do not tell', async (t) => {
  const instant = fc.option(fc.bigInt(0n, 70n));
  await fc.assert(
    fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 40 }), fc.array(event, { minLength: 1, maxLength: 20 }), fc.option(fc.bigInt(10n, 60n)), fc.array(instant, { minLength: 3, maxLength: 6 }), async (first, second, storedAt, instants) => {
      const folder = projectFolder(t, { 'config/global.yaml': 'feature_store:\n  mode: hybrid\n  background_materialization: false\n' });
      const source = join(folder, 'data/silver/events');
      await writeTable(source, tableOfEvents(first), { format: 'parquet', mode: 'error' });
      const store = await FeatureStore.open(folder, { threads: 1, now: () => new Date(Number((50n * hourUs) / 1_000n)) });
      store.define(definition());
      const materialize = () => store.materialize('all', storedAt === null ? {} : { asOf: at(storedAt) });
      const check = async (rows: readonly Event[], isFresh: boolean) => {
        for (const T of [...instants, storedAt]) {
          for (const timeRange of T === null ? [undefined] : [undefined, '8h', { end: at(30n) }]) {
            const options = { ...(T !== null && { asOf: at(T) }), ...(timeRange !== undefined && { timeRange }) };
            const expected = await store.getFeatures('all', { ...options, mode: 'virtualized' });
            const hybrid = await store.getFeatures('all', options);
            assert.ok(tablesEqual(hybrid.table, expected.table), `hybrid: ${hybrid.reasons.join('; ')}`);
            for (const road of ['merged', 'stored'] as const) {
              const answer = await store.getFeatures('all', { ...options, road }).catch((error: FeatureStoreError) => (error.tag === 'NotMaterialized' ? undefined : Promise.reject(error)));
              if (answer !== undefined && !answer.stale) assert.ok(tablesEqual(answer.table, expected.table), `${road}: ${answer.reasons.join('; ')}`);
            }
            const stored = await store.getFeatures('all', { ...options, mode: 'materialized' }).catch((error: FeatureStoreError) => (error.tag === 'NotMaterialized' ? undefined : Promise.reject(error)));
            if (stored !== undefined && isFresh) {
              const { range, asOf } = stored;
              const bound = (us: bigint) => ({ value: us, unit: 'us' as const });
              const like = range === undefined ? 'all' as const : { ...(range.startUs !== undefined && { start: bound(range.startUs) }), ...(range.endUs !== undefined && { end: bound(range.endUs) }) };
              const again = await store.getFeatures('all', { mode: 'virtualized', asOf: bound(asOf), timeRange: like });
              assert.ok(tablesEqual(stored.table, again.table), `materialized: ${stored.reasons.join('; ')}`);
            }
            if (T !== null && timeRange === undefined) {
              for (const key of cellsOf(expected.table, 'key')) {
                const row = cellsOf(expected.table, 'key').indexOf(key);
                for (const [name, value] of Object.entries(oracle(rows, key as bigint, T))) assert.ok(Object.is(cellsOf(expected.table, name)[row], value), `${name} of ${String(key)}`);
              }
            }
          }
        }
      };
      await materialize();
      await check(first, true);
      await writeTable(source, tableOfEvents(second), { format: 'parquet', mode: 'append' });
      await check([...first, ...second], false);
      await materialize();
      await check([...first, ...second], true);
      await store.close();
    }),
    { numRuns: runs },
  );
});

test('where tiles do not tell, the reason is said', async (t) => {
  const folder = projectFolder(t, { 'config/global.yaml': 'feature_store:\n  mode: hybrid\n' });
  const rows = Array.from({ length: 48 }, (_, i): Event => ({ key: 1n, at: BigInt(i), arrived: BigInt(i + 2), created: null, value: i }));
  await writeTable(join(folder, 'data/silver/events'), tableOfEvents(rows), { format: 'parquet', mode: 'error' });
  const store = await FeatureStore.open(folder, { threads: 1 });
  store.define(definition());
  await store.materialize('all');
  const features = ['value_sum', 'value_count'];
  const late = await store.explain('all', { asOf: at(40n), features });
  assert.equal(late.decision.road, 'source');
  assert.match(late.text, /stored are rows too that arrived at 1970-01-02T16:00:00Z or later, up to 1970-01-03T01:00:00Z/);
  // All had arrived: tiles answer.
  const fine = await store.explain('all', { asOf: at(52n), features });
  assert.deepEqual(fine.decision.roads!.map(({ road, open }) => [road, open]), [['stored', true], ['merged', true], ['source', true]]);
  // One of which nobody knows when it came: it is in the tiles, and counts for no instant.
  await writeTable(join(folder, 'data/silver/events'), tableOfEvents([{ key: 1n, at: 5n, arrived: null, created: null, value: 1_000 }]), { format: 'parquet', mode: 'append' });
  await store.materialize('all');
  const unknown = await store.getFeatures('all', { asOf: at(60n), features });
  assert.match(unknown.reasons.join('; '), /stored are rows too of which it is not known when they arrived/);
  assert.deepEqual(cellsOf(unknown.table, 'value_count'), [48n]);
  await store.materialize('all', { asOf: at(40n) });
  assert.match((await store.explain('all', { asOf: at(52n) })).text, /stored are the rows that had arrived before 1970-01-02T16:00:00Z/);
  assert.equal((await store.explain('all', { asOf: at(40n) })).decision.road, 'features');
  await assert.rejects(store.getFeatures('all', { mode: 'materialized', asOf: at(52n), features }), /stored are the rows that had arrived before/);
  await store.close();
});

test('what has no meaning is refused, by its name in YAML and in code', async (t) => {
  const fails = (more: object, message: RegExp) => assert.throws(() => definition(more), (error: FeatureStoreError) => message.test(error.message) || assert.fail(error.message));
  fails({ aggregations: { value: 'sum' }, tolerance: undefined }, /tieBreaker: a tie breaker orders values of 'first' and 'last'.*no such aggregation/);
  fails({ timestamp: undefined, windows: [], tolerance: undefined, tieBreaker: undefined, aggregations: { value: 'sum' } }, /arrival: 'arrival' needs a 'timestamp'/);
  fails({ tie_breaker: 'created' }, /tie_breaker.*tieBreaker/);
  fails({ arival: 'arrived' }, /arival.*arrival/);
  const folder = projectFolder(t, { 'config/global.yaml': '', 'config/feature_sets.yaml': 'feature_sets:\n  plans:\n    entity_keys: key\n    source: events\n    timestamp: at\n    aggregations:\n      value: sum\n    tie_breaker: created\n' });
  await assert.rejects(FeatureStore.open(folder), /feature_sets.yaml:8:5: feature_sets.plans.tie_breaker: a tie breaker orders/);
  const store = await FeatureStore.open({}, { threads: 1 });
  store.registerSource('events', tableOfEvents([]));
  store.define(definition({ arrival: 'value' }));
  await assert.rejects(store.getTrainingSet(labelsAt([]), { features: ['all'], timestamp: 'T' }), /column value: the time of arrival must be a date or a timestamp; this is Float64/);
  store.define(definition({ name: 'other', arrival: 'arived' }));
  await assert.rejects(store.getFeatures('other', { mode: 'virtualized', asOf: at(1n) }), /column arived: there is no such column; .*did you mean 'arrived'/);
  await store.close();
});
