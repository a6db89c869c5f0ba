/** Training sets: several sets at once, wrong questions, every kind of time, what is saved, and the command line. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { List, vectorFromArray, Field, Int64, Table } from 'apache-arrow';
import { dayUs } from '../../src/base/time.ts';
import { FeatureStore, type FeatureStoreError, featureSet, openTable, tablesEqual, writeTable } from '../../src/index.ts';
import { type Cell, cellsOf, tableOf, type TestColumn, types } from '../support/arrow.ts';
import { projectFolder, randomOf } from './support.ts';

const days = (...numbers: readonly (number | null)[]): Cell[] => numbers.map((day) => (day === null ? null : BigInt(day) * dayUs));

const purchases = tableOf({
  customer: { type: types.int64, values: [1n, 1n, 2n, 2n] },
  shop: { type: types.utf8, values: ['a', 'b', 'a', 'a'] },
  amount: { type: types.double, values: [10, 20, 30, 40] },
  at: { type: types.micros, values: days(1, 2, 3, 4) },
});

async function shopStore(project: string | object = {}): Promise<FeatureStore> {
  const store = await FeatureStore.open(project, { threads: 1 });
  store.registerSource('purchases', purchases);
  store.define(featureSet({ name: 'customers', entityKeys: 'customer', source: 'purchases', timestamp: 'at', aggregations: { amount: ['sum', 'max'] }, windows: ['2d'] }));
  store.define(featureSet({ name: 'shops', entityKeys: 'shop', source: 'purchases', timestamp: 'at', aggregations: { amount: ['sum', 'count'], customer: 'count_distinct' } }));
  store.define(featureSet({ name: 'timeless', entityKeys: 'shop', source: 'purchases', aggregations: { amount: 'min' } }));
  store.define(featureSet({ name: 'given', entityKeys: 'shop' }));
  return store;
}

const labelColumns: Readonly<Record<string, TestColumn>> = {
  customer: { type: types.int64, values: [2n, 1n, null, 2n] },
  shop: { type: types.utf8, values: ['a', 'nowhere', 'a', 'b'] },
  T: { type: types.micros, values: days(4, 3, 9, null) },
};
const labels = tableOf(labelColumns);

test('several sets at once, each by its own keys; columns come as they were asked for', async () => {
  const store = await shopStore();
  const { table } = await store.getTrainingSet(labels, {
    features: ['shops:customer_count_distinct', 'customers:amount_sum_2d', 'shops:amount_count', 'customers:amount_max'], timestamp: 'T',
  });
  assert.deepEqual(table.schema.fields.slice(3).map(({ name }) => name), ['customer_count_distinct', 'amount_sum_2d', 'amount_count', 'amount_max']);
  assert.deepEqual(cellsOf(table, 'customer_count_distinct'), [2n, null, 2n, null]);
  assert.deepEqual(cellsOf(table, 'amount_count'), [2n, null, 3n, null]);
  assert.deepEqual(cellsOf(table, 'amount_max'), [30, 20, null, null]);
  assert.deepEqual(cellsOf(table, 'amount_sum_2d'), [30, 30, null, null]);
  const full = await store.getTrainingSet(labels, { features: ['shops:amount_sum', 'customers:amount_sum'], timestamp: 'T', fullNames: true });
  assert.deepEqual(full.table.schema.fields.slice(3).map(({ name }) => name), ['shops__amount_sum', 'customers__amount_sum']);
  assert.match(full.reasons.join('\n'), /labels have a null/);
  await store.close();
});

test('no labels, and no label that is anybody’s', async () => {
  const store = await shopStore();
  for (const rows of [0, 2]) {
    const none = tableOf({ customer: { type: types.int64, values: Array<Cell>(rows).fill(null) }, T: { type: types.micros, values: Array<Cell>(rows).fill(0n) } });
    const { table } = await store.getTrainingSet(none, { features: ['customers'], timestamp: 'T' });
    assert.equal(table.numRows, rows);
    assert.deepEqual(table.schema.fields.map(({ name }) => name), ['customer', 'T', 'amount_sum', 'amount_max', 'amount_sum_2d', 'amount_max_2d']);
    assert.deepEqual(cellsOf(table, 'amount_sum'), Array(rows).fill(null));
  }
  await store.close();
});

test('label times and event times of every unit mean the same instants', async () => {
  const perDay: Readonly<Record<string, bigint>> = { date: 1n, dateMs: 86_400_000n, seconds: 86_400n, millis: 86_400_000n, micros: dayUs, nanos: dayUs * 1_000n };
  const columnOf = (kind: string, numbers: readonly number[]): TestColumn => ({ type: types[kind as keyof typeof types], values: numbers.map((day) => BigInt(day) * perDay[kind]!) });
  const store = await shopStore();
  for (const events of Object.keys(perDay)) {
    store.registerSource('dated', tableOf({ key: { type: types.int32, values: [1n, 1n, 1n] }, at: columnOf(events, [-3, 1, 5]), amount: { type: types.double, values: [1, 2, 4] } }));
    store.define(featureSet({ name: 'dated', entityKeys: 'key', source: 'dated', timestamp: 'at', aggregations: { amount: 'sum' }, windows: ['4d'] }));
    for (const asked of Object.keys(perDay)) {
      const asking = tableOf({ key: { type: types.int32, values: [1n, 1n, 1n, 1n, 1n] }, T: columnOf(asked, [-3, -2, 5, 6, 9]) });
      const { table } = await store.getTrainingSet(asking, { features: ['dated'], timestamp: 'T', timeZone: 'UTC' });
      assert.deepEqual(cellsOf(table, 'amount_sum'), [null, 1, 3, 7, 7], `${events}, asked by ${asked}`);
      assert.deepEqual(cellsOf(table, 'amount_sum_4d'), [null, 1, 2, 4, 4], `${events}, asked by ${asked}`);
    }
  }
  // A moment between two units of the events: what is stamped before it counts.
  store.registerSource('dated', tableOf({ key: { type: types.int32, values: [1n, 1n] }, at: { type: types.date, values: [0n, 1n] }, amount: { type: types.double, values: [1, 2] } }));
  const between = tableOf({ key: { type: types.int32, values: [1n, 1n, 1n] }, T: { type: types.nanos, values: [1n, dayUs * 1_000n, dayUs * 1_000n + 1n] } });
  assert.deepEqual(cellsOf((await store.getTrainingSet(between, { features: ['dated'], timestamp: 'T' })).table, 'amount_sum'), [1, 1, 3]);
  await store.close();
});

test('keys of one kind match whatever their width; integers that the source cannot hold are of nobody', async () => {
  const store = await shopStore();
  const asking = tableOf({ customer: { type: types.int16, values: [2n, 7n] }, shop: { type: types.dictionary, values: ['a', 'b'] }, T: { type: types.micros, values: days(9, 9) } });
  const { table } = await store.getTrainingSet(asking, { features: ['customers:amount_max', 'shops:amount_count'], timestamp: 'T' });
  assert.deepEqual([cellsOf(table, 'amount_max'), cellsOf(table, 'amount_count')], [[40, null], [3n, 1n]]);
  // 2^64 − 1 is not −1, which there is.
  store.registerSource('purchases', tableOf({ customer: { type: types.int64, values: [1n, -1n] }, shop: { type: types.utf8, values: ['a', 'a'] }, amount: { type: types.double, values: [20, 30] }, at: { type: types.micros, values: days(1, 1) } }));
  const large = tableOf({ customer: { type: types.uint64, values: [1n, (1n << 64n) - 1n] }, T: { type: types.micros, values: days(9, 9) } });
  assert.deepEqual(cellsOf((await store.getTrainingSet(large, { features: ['customers:amount_max'], timestamp: 'T' })).table, 'amount_max'), [20, null]);
  await store.close();
});

test('wrong questions are told what is wrong, and what is near', async () => {
  const store = await shopStore();
  const ask = (features: unknown, more: object = {}, from: Table = labels) => store.getTrainingSet(from, { features: features as string[], timestamp: 'T', ...more });
  const fails = (work: Promise<unknown>, tag: string, message: RegExp) =>
    assert.rejects(work, (error: FeatureStoreError) => error.tag === tag && message.test(error.message) ? true : assert.fail(`${error.tag}: ${error.message}`));
  const without = (...names: string[]): Table => tableOf(Object.fromEntries(Object.entries(labelColumns).filter(([name]) => !names.includes(name))));
  await fails(ask(['customer']), 'NotFound', /feature set customer: .*did you mean 'customers'/);
  await fails(ask(['customers:amount_sun']), 'NotFound', /amount_sun: there is amount_sum, .*did you mean 'amount_sum'/);
  await fails(ask([]), 'Argument', /features: expected a list/);
  await fails(ask('customers'), 'Argument', /features: expected a list/);
  await fails(ask(['timeless']), 'Argument', /timeless names no event time/);
  await fails(ask(['given']), 'Argument', /given has no aggregations/);
  await fails(ask(['customers', 'shops']), 'Argument', /feature customers:amount_sum and feature shops:amount_sum would both be called 'amount_sum'; .*fullNames/);
  await fails(ask(['customers'], { timestamp: 'time' }), 'SchemaMismatch', /the labels, column time: the time of the labels is missing; there is customer, shop, T/);
  await fails(ask(['customers'], { timestamp: '' }), 'Argument', /timestamp: name the column/);
  await fails(ask(['customers'], { timestamp: 'shop' }), 'SchemaMismatch', /must be a date or a timestamp; this is Utf8/);
  await fails(ask(['customers'], { timeRange: 'all' }), 'Argument', /must not be trained on/);
  await fails(ask(['customers'], { timeRange: '5 days' }), 'Argument', /not a duration/);
  await fails(ask(['shops'], {}, without('shop')), 'SchemaMismatch', /column shop: an entity key of feature set shops is missing/);
  const texts = tableOf({ ...labelColumns, customer: { type: types.utf8, values: ['1', '2', '3', '4'] } });
  await fails(ask(['customers'], {}, texts), 'SchemaMismatch', /column customer: it is Utf8, and the key of feature set customers is Int64/);
  const naive = tableOf({ ...labelColumns, T: { type: types.nanos, values: days(4, 3, 9, null) } });
  await fails(ask(['customers'], {}, naive), 'SchemaMismatch', /name no zone, .*timeZone: 'UTC'/);
  assert.equal((await ask(['customers'], { timeZone: 'UTC' }, naive)).table.numRows, 4);
  const nested = new Table({ customer: vectorFromArray([1n]), T: vectorFromArray([new Date(0)]), list: vectorFromArray([[1n]], new List(new Field('item', new Int64(), true))) });
  await fails(ask(['customers'], {}, nested as never), 'SchemaMismatch', /column list: .* is nested/);
  await fails(store.getTrainingSet(undefined as never, { features: ['customers'], timestamp: 'T' }), 'Argument', /expected an Arrow table/);
  await fails(ask(['customers'], { signal: AbortSignal.abort() }), 'Cancelled', /./);
  await store.close();
});

test('a sum that does not fit is an error that names the label, and only where a label asks for it', async () => {
  const store = await shopStore();
  store.registerSource('points', tableOf({ key: { type: types.int64, values: [1n, 1n, 1n] }, at: { type: types.micros, values: days(1, 2, 3) }, points: { type: types.int64, values: [1n << 62n, 1n << 62n, -1n] } }));
  store.define(featureSet({ name: 'points', entityKeys: 'key', source: 'points', timestamp: 'at', aggregations: { points: 'sum' } }));
  const ask = (...moments: number[]) => store.getTrainingSet(tableOf({ key: { type: types.int64, values: moments.map(() => 1n) }, T: { type: types.micros, values: days(...moments) } }), { features: ['points'], timestamp: 'T' });
  assert.deepEqual(cellsOf((await ask(2, 9)).table, 'points_sum'), [1n << 62n, (1n << 63n) - 1n]);
  await assert.rejects(ask(2, 3, 9), /^OverflowError: column points, key of the label in row 1: /);
  await store.close();
});

test('what is saved is what was made, says what of, and is not made twice', async (t) => {
  const folder = projectFolder(t, { 'config/global.yaml': 'feature_store:\n  mode: hybrid\n' });
  const store = await shopStore(folder);
  const options = { features: ['customers', 'shops:amount_count'], timestamp: 'T' } as const;
  const fresh = await store.getTrainingSet(labels, options);
  const saved = await store.saveTrainingSet('churn', labels, options);
  assert.ok(tablesEqual(saved.table, fresh.table));
  assert.ok(saved.changed);
  const again = await store.saveTrainingSet('churn', labels, options);
  assert.deepEqual([again.changed, again.version], [false, saved.version]);
  assert.ok(tablesEqual(again.table, saved.table));

  const [status] = await store.trainingSetStatus();
  assert.deepEqual([status!.trainingSet, status!.rows, status!.madeOf.sets.map(({ featureSet: name }) => name)], ['churn', 4, ['customers', 'shops']]);
  assert.equal(status!.madeOf.features.at(-1), 'shops:amount_count');
  assert.deepEqual(status!.madeOf.options, { timeRange: null, timeZone: null, fullNames: false });
  assert.deepEqual(status!.madeOf.sets[0]!.definition.columns, ['customer', 'amount_sum', 'amount_max', 'amount_sum_2d', 'amount_max_2d']);

  // Another source version, another definition, other options: each is made anew, and the old version stays readable.
  store.registerSource('purchases', tableOf({ customer: { type: types.int64, values: [2n] }, shop: { type: types.utf8, values: ['a'] }, amount: { type: types.double, values: [5] }, at: { type: types.micros, values: days(1) } }));
  const changed = await store.saveTrainingSet('churn', labels, options);
  assert.ok(changed.changed && changed.version > saved.version);
  const ranged = await store.saveTrainingSet('churn', labels, { ...options, timeRange: { end: new Date(3 * 86_400_000) } });
  assert.ok(ranged.changed);
  assert.equal(ranged.madeOf.options.timeRange, '(-∞, 1970-01-04T00:00:00Z)');
  // What the answer comes from changes no bit of it, so it makes no other version.
  assert.equal((await store.saveTrainingSet('churn', labels, { ...options, timeRange: { end: new Date(3 * 86_400_000) }, road: 'source' })).changed, false);
  assert.ok(tablesEqual((await store.loadTrainingSet('churn', { version: saved.version })).table, saved.table));
  await assert.rejects(store.loadTrainingSet('churm'), /training set churm: there is churn; did you mean 'churn'/);
  await assert.rejects(store.saveTrainingSet('../x', labels, options), /cannot be a name/);
  await store.close();
});

test('explain says what would be read and held, and reads nothing', async () => {
  const store = await shopStore();
  const { text, sets } = await store.explainTrainingSet(labels, { features: ['customers'], timestamp: 'T', timeRange: '1d' });
  assert.match(text, /customers: one pass of purchases/);
  assert.deepEqual(sets.map(({ entities, moments }) => [entities, moments]), [[2, 6]]);
  assert.match(sets[0]!.range, /1970-01-02T00:00:00Z, 1970-01-05T00:00:00Z/);
  await store.close();
});

test('the command line makes, saves and explains training sets', async (t) => {
  const folder = projectFolder(t, {
    'config/feature_sets.yaml': 'feature_sets:\n  customers:\n    entity_keys: customer\n    source: purchases\n    timestamp: at\n    aggregations:\n      amount: [sum]\n',
    'config/global.yaml': 'feature_store:\n  mode: hybrid\n',
  });
  await writeTable(join(folder, 'data/silver/purchases'), purchases, { format: 'parquet', mode: 'error' });
  await writeTable(join(folder, 'labels'), labels, { format: 'parquet', mode: 'error' });
  const program = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
  const run = (...argv: string[]) => promisify(execFile)(process.execPath, [program, ...argv, '--project', folder], { cwd: folder });
  const asked = ['training-set', '--labels', 'labels', '--timestamp', 'T', '--features', 'customers'];
  const { stderr } = await run(...asked, '--out', 'train.parquet', '--save', 'churn');
  assert.match(stderr, /4 labels, 1 feature/);
  const table = await (await openTable(join(folder, 'train.parquet'))).read();
  assert.deepEqual(cellsOf(table, 'amount_sum'), [30, 30, null, null]);
  assert.match((await run(...asked, '--explain')).stdout, /one pass of purchases/);
  assert.match((await run('status')).stdout, /training set churn: version 0, 4 rows[\s\S]*customers:amount_sum by T/);
  await assert.rejects(run('training-set', '--labels', 'labels', '--features', 'customers'), /--timestamp: is missing/);
  const fails = (message: RegExp, code: number, ...argv: string[]) =>
    assert.rejects(run(...argv), (error: { stderr: string; code: number }) => (error.code === code && message.test(error.stderr)) || assert.fail(`${error.code}: ${error.stderr}`));
  await fails(/error: the labels in labels, column time: the time of the labels is missing; there is customer, shop, T/, 1, 'training-set', '--labels', 'labels', '--timestamp', 'time', '--features', 'customers');
  await fails(/did you mean 'amount_sum'/, 2, 'training-set', '--labels', 'labels', '--timestamp', 'T', '--features', 'customers:amount_sun');
  await fails(/did you mean 'customers'/, 2, 'training-set', '--labels', 'labels', '--timestamp', 'T', '--features', 'customer');
  await fails(/lables/, 1, 'training-set', '--labels', 'lables', '--timestamp', 'T', '--features', 'customers');
  await fails(/road merged was asked for; nothing is stored/, 1, ...asked, '--road', 'merged');
  await writeTable(join(folder, 'texts'), tableOf({ ...labelColumns, customer: { type: types.utf8, values: ['1', '2', '3', '4'] } }), { format: 'parquet', mode: 'error' });
  await fails(/the labels in texts, column customer: it is Utf8, and the key of feature set customers is Int64; cast one of them/, 1, 'training-set', '--labels', 'texts', '--timestamp', 'T', '--features', 'customers');
  await run('materialize', 'customers');
  assert.match((await run(...asked, '--explain', '--road', 'merged')).stdout, /customers: stored tiles, merged with rows of purchases/);
  await run(...asked, '--save', 'ranged', '--time-range', '2d', '--full-names', '--format', 'json');
  assert.match((await run('status', 'ranged')).stdout, /features customers:amount_sum by T, time range 2d, full names; labels/);
});

test('threads and files change no bit, nor does how many points there are', async (t) => {
  const [rows, entities] = [300_000, 4_000];
  const random = randomOf(11);
  const whole = (below: number): bigint => BigInt(Math.floor(random() * below));
  const column = (type: TestColumn['type'], length: number, cell: () => Cell): TestColumn => ({ type, values: Array.from({ length }, cell) });
  const events = tableOf({
    customer: column(types.int64, rows, () => whole(entities)),
    shop: column(types.utf8, rows, () => `shop ${whole(5)}`),
    amount: column(types.double, rows, () => (random() < 0.1 ? null : Number(whole(100_000)) / 100)),
    at: column(types.micros, rows, () => whole(100 * 86_400) * 1_000_000n),
    arrived: column(types.micros, rows, () => whole(110 * 86_400) * 1_000_000n),
    created: column(types.int32, rows, () => whole(3)),
  });
  // Many labels of each entity, and few enough for short windows to be passed over early.
  const asking = tableOf({ customer: column(types.int64, 70_000, () => whole(entities + 100)), T: column(types.micros, 70_000, () => whole(110 * 86_400) * 1_000_000n) });
  const few = tableOf({ customer: column(types.int64, 500, () => whole(entities + 100)), T: column(types.micros, 500, () => whole(110 * 86_400) * 1_000_000n) });
  const folder = projectFolder(t, { 'config/global.yaml': 'feature_store:\n  mode: virtualized\n' });
  await writeTable(join(folder, 'data/silver/purchases'), events, { format: 'parquet', mode: 'error' });
  const late = { name: 'late', entityKeys: 'customer', source: 'purchases', timestamp: 'at', aggregations: { amount: ['sum', 'last', 'max'], shop: 'first' }, windows: ['30d'] } as const;
  const answers: Table[][] = [];
  for (const [threads, isFile] of [[1, false], [2, false], [3, true], [1, true]] as const) {
    const store = await FeatureStore.open(folder, { threads });
    if (!isFile) store.registerSource('purchases', events);
    store.define(featureSet({ name: 'spend', entityKeys: 'customer', source: 'purchases', timestamp: 'at', aggregations: { amount: ['sum', 'mean', 'last', 'std'], shop: 'last' }, windows: ['1d', '30d'] }));
    store.define(featureSet({ ...late, arrival: 'arrived', tieBreaker: 'created' }));
    const tables: Table[] = [(await store.getTrainingSet(few, { features: ['late'], timestamp: 'T' })).table];
    for (const [labelTable, features] of [[asking, ['spend:amount_sum', 'spend:amount_last', 'spend:shop_last', 'spend:amount_mean_30d']], [few, ['spend']], [few, ['spend:amount_sum_1d']]] as const) {
      tables.push((await store.getTrainingSet(labelTable, { features, timestamp: 'T', ...(features.length === 1 && features[0] !== 'spend' && { timeRange: '1d' }) })).table);
    }
    answers.push(tables);
    await store.close();
  }
  for (const [i, tables] of answers.entries()) {
    for (const [k, table] of tables.entries()) assert.ok(tablesEqual(table, answers[0]![k]!), `run ${i}, question ${k}`);
  }
  // Some of them, against getFeatures.
  const store = await FeatureStore.open(folder, { threads: 1 });
  store.define(featureSet({ name: 'spend', entityKeys: 'customer', source: 'purchases', timestamp: 'at', aggregations: { amount: ['sum', 'mean', 'last', 'std'], shop: 'last' }, windows: ['1d', '30d'] }));
  store.define(featureSet({ ...late, arrival: 'arrived', tieBreaker: 'created' }));
  for (const [k, labelTable] of [few, asking, few, few].entries()) {
    const table = answers[0]![k]!;
    for (let row = 0; row < 6; row++) {
      const [customer, T] = [labelTable.getChild('customer')!.get(row) as bigint, labelTable.getChild('T')!.data[0]!.values[row] as bigint];
      const answer = await store.getFeatures(k === 0 ? 'late' : 'spend', { asOf: { value: T, unit: 'us' }, entities: [customer], ...(k === 3 && { timeRange: '1d' }) });
      for (const { name } of table.schema.fields.slice(2)) {
        assert.deepEqual(cellsOf(table.slice(row, row + 1), name)[0], answer.table.numRows === 0 ? null : cellsOf(answer.table, name)[0], `${name} of label ${row}`);
      }
    }
  }
  await store.close();
});
