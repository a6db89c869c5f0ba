/** Training sets from stored tiles and the rows that they lack: the same bits as from the source, whatever is stored. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import fc from 'fast-check';
import type { Table } from '../../src/arrow/arrow.ts';
import { dayUs, type TimeRange } from '../../src/base/time.ts';
import { planTiles } from '../../src/modes/training/tiles.ts';
import { col, encodeParquet, type FeatureAnswer, FeatureStore, type FeatureStoreError, featureSet, tablesEqual, writeTable } from '../../src/index.ts';
import { type Cell, cellsOf, tableOf, type TestColumn, types } from '../support/arrow.ts';
import { projectFolder } from './support.ts';

const hourUs = dayUs / 24n;
const config = { 'config/global.yaml': 'feature_store:\n  mode: hybrid\n  background_materialization: false\n' };

/** Times in hours. */
interface Event {
  readonly key: bigint | null;
  readonly at: bigint | null;
  readonly created: bigint | null;
  readonly value: number | null;
}
type Label = readonly [bigint | null, bigint | null];

const eventTable = (rows: readonly Event[], atType: TestColumn['type'] = types.micros, perHour = hourUs): Table =>
  tableOf({
    key: { type: types.int64, values: rows.map(({ key }) => key) },
    at: { type: atType, values: rows.map(({ at }) => (at === null ? null : at * perHour)) },
    created: { type: types.int32, values: rows.map(({ created }) => created) },
    value: { type: types.double, values: rows.map(({ value }) => value) },
    paid: { type: types.bool, values: rows.map(({ value }): Cell => (value === null ? null : value > -4)) },
    price: { type: types.money, values: rows.map(({ value }): Cell => (value === null || Math.abs(value) > 9 ? null : BigInt(value) * 10n ** 8n)) },
    city: { type: types.utf8, values: rows.map(({ value }): Cell => (value === null ? null : ['Łódź', 'Kraków', 'a city of a longer name'][Math.abs(value) % 3]!)) },
  });
const labelTable = (rows: readonly Label[]): Table =>
  tableOf({ key: { type: types.int64, values: rows.map(([key]) => key) }, T: { type: types.micros, values: rows.map(([, T]) => (T === null ? null : T * hourUs)) } });

const numeric = ['sum', 'count', 'mean', 'min', 'max', 'std', 'var', 'first', 'last', 'count_distinct', 'approx_distinct'] as const;
const definition = (more: object = {}) =>
  featureSet({
    name: 'all', entityKeys: 'key', source: 'events', timestamp: 'at', tile: '4h', windows: ['6h', '1d'], tolerance: '20h', tieBreaker: 'created',
    aggregations: { value: numeric, city: ['first', 'last', 'max', 'count_distinct'], paid: ['any', 'all', 'last'], price: ['sum', 'mean', 'var', 'last'] }, ...more,
  });

const ask = { features: ['all'], timestamp: 'T' } as const;

async function storeWith(t: TestContext, rows: readonly Event[], more: object = {}) {
  const folder = projectFolder(t, config);
  const source = join(folder, 'data/silver/events');
  await writeTable(source, eventTable(rows), { format: 'parquet', mode: 'error' });
  const store = await FeatureStore.open(folder, { threads: 1, now: () => new Date(100 * 86_400_000) });
  store.define(definition(more));
  return { folder, source, store };
}

const someEvents = Array.from({ length: 400 }, (_, i): Event => ({ key: BigInt(i % 5), at: BigInt((i * 7) % 240), created: BigInt(i % 3), value: (i % 11) - 5 }));

test('labels at midnight are answered from tiles; others read rows where they cut them', async (t) => {
  const { store } = await storeWith(t, someEvents, { windows: ['1d'], tolerance: undefined });
  await store.materialize('all');
  const midnights = labelTable([[0n, 96n], [1n, 120n], [2n, 120n], [7n, 48n]]);
  const merged = await store.getTrainingSet(midnights, { ...ask, road: 'merged' });
  assert.deepEqual([merged.sources[0]!.road, merged.sources[0]!.sourceRows], ['merged', 0]);
  assert.match(merged.reasons[0]!, /computed from stored tiles, merged with .*road merged was asked for/);
  const fresh = await store.getTrainingSet(midnights, { ...ask, road: 'source' });
  assert.deepEqual([fresh.sources[0]!.road, fresh.sources[0]!.sourceRows], ['source', someEvents.length]);
  assert.ok(tablesEqual(merged.table, fresh.table));
  const { text, sets } = await store.explainTrainingSet(midnights, ask);
  assert.match(text, /road merged, some [\d.]+ ms: tiles in \(-∞, 1970-01-06T00:00:00Z\); rows in none, and of 0 new files/);
  assert.deepEqual(Object.keys(sets[0]!.costMs), ['merged', 'source']);
  // One of them at six in the morning cuts the tile that begins at four, and that of the day before where its window begins.
  const odd = await store.explainTrainingSet(labelTable([[0n, 102n]]), ask);
  assert.deepEqual(odd.sets[0]!.merged!.rows, ['[1970-01-04T04:00:00Z, 1970-01-04T08:00:00Z)', '[1970-01-05T04:00:00Z, 1970-01-05T08:00:00Z)']);
  await store.close();
});

test('a tile whose events have no value is known all the same', async (t) => {
  const { store } = await storeWith(t, [{ key: 0n, at: 8n, created: null, value: null }], { windows: ['1d'], tolerance: undefined });
  await store.materialize('all');
  const labels = labelTable([[0n, 12n], [0n, 8n], [1n, 12n]]);
  const merged = await store.getTrainingSet(labels, { ...ask, road: 'merged' });
  assert.deepEqual(cellsOf(merged.table, 'value_count'), [0n, null, null]);
  assert.ok(tablesEqual(merged.table, (await store.getTrainingSet(labels, { ...ask, road: 'source' })).table));
  await store.close();
});

const event = fc.record({
  key: fc.option(fc.bigInt(0n, 2n), { freq: 12 }),
  at: fc.option(fc.bigInt(-6n, 60n), { freq: 12 }),
  created: fc.option(fc.bigInt(0n, 2n), { freq: 4 }),
  value: fc.option(fc.oneof(fc.integer({ min: -9, max: 9 }), fc.constantFrom(1e300, -1e300)), { freq: 6 }),
});
const onGrid = fc.bigInt(-2n, 18n).map((tile) => tile * 4n);
const labelsOf = (moment: fc.Arbitrary<bigint>) => fc.array(fc.tuple(fc.option(fc.bigInt(0n, 3n), { freq: 12 }), fc.option(moment, { freq: 12 })), { minLength: 1, maxLength: 12 });
const timeRange = fc.constantFrom(undefined, '8h', { start: new Date(8 * 3_600_000) }, { start: new Date(5 * 3_600_000), end: new Date(30 * 3_600_000) });
const runs = Number(process.env.LAW_RUNS ?? 6);

for (const format of ['parquet', 'delta', 'orc'] as const) {
  test(`law: tiles and rows give the bits of the source, and those of getFeatures, whatever came and went, ${format}`, async (t) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(event, { minLength: 1, maxLength: 25 }), { minLength: 2, maxLength: 4 }), labelsOf(fc.oneof(onGrid, fc.bigInt(-4n, 70n))), labelsOf(onGrid), timeRange, fc.option(onGrid), fc.boolean(), fc.nat(3), fc.constantFrom(-3, -5),
        async (files, anywhere, aligned, range, storedAt, isFiltered, gone, above) => {
          const folder = projectFolder(t, { 'config/global.yaml': `feature_store:\n  mode: hybrid\n  background_materialization: false\n  storage_format: ${format}\n` });
          const source = join(folder, 'data/silver/events');
          mkdirSync(source, { recursive: true });
          const write = (rows: readonly Event[], i: number): void => {
            const { schema, batches } = eventTable(rows);
            writeFileSync(join(source, `f${i}.parquet`), encodeParquet(schema, batches, { rowGroupRows: 7 }));
          };
          const store = await FeatureStore.open(folder, { threads: 1, now: () => new Date(100 * 86_400_000) });
          store.define(definition(isFiltered ? { filter: col('value').gt(above) } : {}));
          const check = async () => {
            for (const labels of [labelTable(anywhere), labelTable(aligned)]) {
              const options = { ...ask, ...(range !== undefined && { timeRange: range }) };
              const expected = await store.getTrainingSet(labels, { ...options, road: 'source' });
              const merged = await store.getTrainingSet(labels, { ...options, road: 'merged' }).catch((error: FeatureStoreError) => (error.tag === 'NotMaterialized' ? undefined : Promise.reject(error)));
              if (merged !== undefined) assert.ok(tablesEqual(merged.table, expected.table), merged.reasons.join('\n'));
              assert.ok(tablesEqual((await store.getTrainingSet(labels, options)).table, expected.table));
            }
            for (const [row, [key, T]] of aligned.slice(0, 2).entries()) {
              if (key === null || T === null || (typeof range === 'object' && T * hourUs < BigInt(range.start.getTime()) * 1_000n)) continue;
              const mine = await store.getTrainingSet(labelTable([[key, T]]), { ...ask, ...(range !== undefined && { timeRange: range }) });
              for (const mode of ['virtualized', 'hybrid', 'materialized'] as const) {
                const answer: FeatureAnswer | undefined = await store.getFeatures('all', { mode, asOf: { value: T * hourUs, unit: 'us' }, entities: [key], ...(range !== undefined && { timeRange: range }) }).catch((error: FeatureStoreError) => (error.tag === 'NotMaterialized' ? undefined : Promise.reject(error)));
                const isMoved = answer !== undefined && (answer.stale || answer.asOf !== T * hourUs || (range !== undefined && mode === 'materialized'));
                if (answer === undefined || isMoved) continue;
                for (const { name } of mine.table.schema.fields.slice(2)) {
                  assert.deepEqual(cellsOf(mine.table, name)[0], answer.table.numRows === 0 ? null : cellsOf(answer.table, name)[0], `${mode}, ${name} of label ${row}`);
                }
              }
            }
          };
          write(files[0]!, 0);
          await store.materialize('all', storedAt === null ? {} : { asOf: { value: storedAt * hourUs, unit: 'us' } });
          await check();
          for (const [i, rows] of files.slice(1).entries()) write(rows, i + 1);
          await check();
          // A file that is gone leaves its days dirty.
          if (gone < files.length - 1) rmSync(join(source, `f${gone}.parquet`));
          await check();
          await store.materialize('all', storedAt === null ? {} : { asOf: { value: storedAt * hourUs, unit: 'us' } });
          await check();
          await store.close();
        },
      ),
      { numRuns: runs, includeErrorInReport: true },
    );
  });
}

test('of a file that is gone no tile is taken, nor of what came after the stored instant', async (t) => {
  const folder = projectFolder(t, config);
  const source = join(folder, 'data/silver/events');
  mkdirSync(source, { recursive: true });
  const write = (name: string, rows: readonly Event[]): void => {
    const { schema, batches } = eventTable(rows);
    writeFileSync(join(source, name), encodeParquet(schema, batches));
  };
  write('a.parquet', [{ key: 1n, at: 1n, created: 0n, value: 1 }, { key: 1n, at: 49n, created: 0n, value: 2 }]);
  write('b.parquet', [{ key: 1n, at: 26n, created: 0n, value: 4 }]);
  const store = await FeatureStore.open(folder, { threads: 1 });
  store.define(featureSet({ name: 'all', entityKeys: 'key', source: 'events', timestamp: 'at', aggregations: { value: 'sum' } }));
  const sum = async () => {
    const { table, sources } = await store.getTrainingSet(labelTable([[1n, 96n]]), { ...ask, road: 'merged' });
    return [cellsOf(table, 'value_sum')[0], sources[0]!.sourceRows];
  };
  await store.materialize('all');
  assert.deepEqual(await sum(), [7, 0]);
  rmSync(join(source, 'b.parquet'));
  // No rows of the file that is left lie in the tiles that the other touched.
  assert.deepEqual(await sum(), [3, 0]);
  write('c.parquet', [{ key: 1n, at: 27n, created: 0n, value: 8 }]);
  assert.deepEqual(await sum(), [11, 1]);
  await store.materialize('all', { asOf: { value: 30n * hourUs, unit: 'us' } });
  const late = await store.explainTrainingSet(labelTable([[1n, 96n]]), ask);
  assert.deepEqual(late.sets[0]!.merged!.rows, ['[1970-01-02T00:00:00Z, 1970-01-05T00:00:00Z)']);
  assert.equal((await sum())[0], 11);
  await store.close();
});

test('event times of every unit, and tiles finer than they are', async (t) => {
  for (const [type, perHour, tile] of [[types.date, undefined, '6h'], [types.seconds, 3_600n, '4h'], [types.nanos, hourUs * 1_000n, '4h'], [types.dateMs, 3_600_000n, '1d']] as const) {
    const folder = projectFolder(t, config);
    const rows = someEvents.map((row) => (perHour === undefined ? { ...row, at: row.at! / 24n } : row));
    await writeTable(join(folder, 'data/silver/events'), eventTable(rows, type, perHour ?? 1n), { format: 'parquet', mode: 'error' });
    const store = await FeatureStore.open(folder, { threads: 1, now: () => new Date(100 * 86_400_000) });
    store.define(definition({ tile, windows: ['1d', '30h'] }));
    await store.materialize('all');
    for (const labels of [labelTable([[0n, 96n], [1n, 120n], [2n, 24n]]), labelTable([[0n, 99n], [1n, 120n], [2n, 500n]])]) {
      const [merged, fresh] = [await store.getTrainingSet(labels, { ...ask, road: 'merged', timeZone: 'UTC' }), await store.getTrainingSet(labels, { ...ask, road: 'source', timeZone: 'UTC' })];
      assert.ok(tablesEqual(merged.table, fresh.table), String(type));
    }
    await store.close();
  }
});

test('labels at the ends of time', async (t) => {
  const { store } = await storeWith(t, someEvents, { windows: ['1d'], tolerance: undefined });
  store.define(definition({ name: 'late', windows: ['1d'], tolerance: undefined, arrival: 'at' }));
  await store.materialize('all');
  const [least, greatest] = [-(1n << 63n), (1n << 63n) - 1n];
  const labels = tableOf({ key: { type: types.int64, values: [0n, 0n, 1n] }, T: { type: types.micros, values: [greatest, least, 1n << 50n] } });
  const [merged, fresh, late] = [await store.getTrainingSet(labels, { ...ask, road: 'merged' }), await store.getTrainingSet(labels, { ...ask, road: 'source' }), await store.getTrainingSet(labels, { features: ['late'], timestamp: 'T' })];
  assert.ok(tablesEqual(merged.table, fresh.table));
  assert.ok(tablesEqual(late.table, fresh.table));
  assert.deepEqual(cellsOf(fresh.table, 'value_count'), [80n, null, 80n]);
  assert.deepEqual(cellsOf(fresh.table, 'value_count_1d'), [0n, null, 0n]);
  await store.close();
});

test('why tiles are not taken is said, and a road that is closed is an error where it was asked for', async (t) => {
  const { store, folder } = await storeWith(t, someEvents);
  const labels = labelTable([[0n, 96n]]);
  const fails = (work: Promise<unknown>, tag: string, message: RegExp) =>
    assert.rejects(work, (error: FeatureStoreError) => (error.tag === tag && message.test(error.message)) || assert.fail(`${error.tag}: ${error.message}`));
  await fails(store.getTrainingSet(labels, { ...ask, road: 'merged' }), 'NotMaterialized', /feature set all: road merged was asked for; nothing is stored/);
  await fails(store.getTrainingSet(labels, { ...ask, road: 'stored' as 'merged' }), 'Argument', /road: 'stored' is not a road of training sets; one of merged, source/);
  assert.match((await store.explainTrainingSet(labels, ask)).text, /because nothing is stored/);
  await store.materialize('all');
  store.define(definition({ windows: ['3h'] }));
  assert.match((await store.explainTrainingSet(labels, ask)).text, /because what is stored was computed by another definition/);
  store.define(definition({ arrival: 'at' }));
  assert.match((await store.explainTrainingSet(labels, ask)).text, /tiles do not tell which of their rows had arrived by each moment/);
  store.define(definition());
  const everywhere = labelTable(Array.from({ length: 241 }, (_, hour): Label => [0n, BigInt(hour)]));
  assert.match((await store.explainTrainingSet(everywhere, { ...ask, timeRange: '1h' })).text, /the moments of the labels cut every tile/);
  const virtualized = await FeatureStore.open({ feature_store: { mode: 'virtualized' } }, { folder });
  virtualized.define(definition());
  assert.match((await virtualized.explainTrainingSet(labels, ask)).text, /mode virtualized always computes from the source/);
  await virtualized.close();
  await store.close();
});

test('damaged tiles are answered around, and said', async (t) => {
  const { store, folder } = await storeWith(t, someEvents);
  await store.materialize('all');
  const labels = labelTable([[0n, 96n], [3n, 120n]]);
  const expected = await store.getTrainingSet(labels, { ...ask, road: 'source' });
  const tiles = join(folder, 'data/feature_store/all/tiles');
  for (const name of readdirSync(tiles).filter((each) => each.endsWith('.parquet'))) writeFileSync(join(tiles, name), 'no longer a table');
  const other = await FeatureStore.open(folder, { threads: 1 });
  other.define(definition());
  const answer = await other.getTrainingSet(labels, ask);
  assert.ok(tablesEqual(answer.table, expected.table));
  assert.equal(answer.sources[0]!.road, 'source');
  await other.close();
  await store.close();
});

test('planTiles: every instant of the range is in rows or in tiles, once, and no moment is inside of a tile that is taken whole', () => {
  fc.assert(
    fc.property(fc.array(fc.bigInt(-60n, 60n), { minLength: 1, maxLength: 40 }), fc.bigInt(1n, 7n), fc.option(fc.bigInt(-60n, 60n)), fc.option(fc.bigInt(-60n, 60n)), fc.boolean(), (moments, tileUs, newest, end, isOpen) => {
      const points = BigInt64Array.from(moments);
      const [least, most] = [moments.reduce((a, b) => (a < b ? a : b)), moments.reduce((a, b) => (a > b ? a : b))];
      const range = { ...(!isOpen && { startUs: least }), endUs: most };
      const facts = { range: end === null ? undefined : { endUs: end }, newestEventUs: newest ?? undefined };
      const plan = planTiles({ points, momentUnitNs: 1_000n, range, tileUs, facts, dirty: [] });
      if (plan === undefined) return;
      const inside = ({ startUs, endUs }: TimeRange, instant: bigint): boolean => (startUs === undefined || startUs <= instant) && (endUs === undefined || instant < endUs);
      for (let instant = isOpen ? -70n : least; instant < most; instant++) {
        const places: TimeRange[] = [...plan.rows, ...plan.tiles].filter((each) => inside(each, instant));
        assert.equal(places.length, 1, `${instant}`);
        const tile = instant - (((instant % tileUs) + tileUs) % tileUs);
        if (plan.rows.some((each) => inside(each, instant))) continue;
        const stored = facts.newestEventUs === undefined ? [] : moments.filter((moment) => moment > tile && moment < tile + tileUs && moment <= facts.newestEventUs!);
        assert.deepEqual(stored, [], `tile ${tile}`);
        assert.ok(end === null || tile + tileUs <= end, `tile ${tile} is not whole`);
      }
      assert.ok(plan.rows.length <= 8);
    }),
    { numRuns: 500 },
  );
});
