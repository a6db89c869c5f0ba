/** What each aggregation promises beyond agreeing with the oracle on small tables. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Binary, Field, makeData, Schema, type Table, Utf8 } from '../../src/arrow/arrow.ts';
import { tableOfColumns, tablesEqual } from '../../src/arrow/canonical.ts';
import { InvariantError, OverflowError } from '../../src/base/errors.ts';
import { Aggregation } from '../../src/engine/aggregation.ts';
import { groupBy } from '../../src/engine/group-by.ts';
import { borrowInstance, type Instance } from '../../src/engine/instance.ts';
import { type Agg, aggregationNames, type GroupByPlan } from '../../src/engine/plan.ts';
import { aggregate } from '../oracle/group-by.ts';
import { batchesOf, type Cell, cellsOf, tableOf, types } from '../support/arrow.ts';

test('the last known city, how amounts spread, and how many shops there were', async () => {
  const table = tableOf({
    customer: { type: types.int32, values: [1, 1, 1, 2, 2] },
    at: { type: types.micros, values: [10n, 30n, 20n, 5n, null] },
    city: { type: types.utf8, values: ['Kraków', 'Gdańsk', 'Łódź', null, 'Warszawa'] },
    amount: { type: types.double, values: [1, 2, 4, 8, null] },
    shop: { type: types.dictionary, values: ['a', 'b', 'a', 'a', null] },
  });
  const answer = await groupBy(table, 'customer').agg({ city: ['first', 'last', 'max'], amount: ['var', 'std'], shop: ['count_distinct', 'approx_distinct'] }, { timestamp: 'at' });
  assert.deepEqual(cellsOf(answer, 'city_first'), ['Kraków', null]);
  assert.deepEqual(cellsOf(answer, 'city_last'), ['Gdańsk', null]);
  assert.deepEqual(cellsOf(answer, 'city_max'), ['Łódź', 'Warszawa']);
  assert.deepEqual(cellsOf(answer, 'amount_var'), [7 / 3, null]);
  assert.deepEqual(cellsOf(answer, 'amount_std'), [Math.sqrt(7 / 3), null]);
  assert.deepEqual(cellsOf(answer, 'shop_count_distinct'), [2n, 1n]);
  assert.deepEqual(cellsOf(answer, 'shop_approx_distinct'), [2n, 1n]);
});

test('of several values at the first or the last time, the greatest is taken, whatever the order of rows', async () => {
  const values = ['b', 'c', 'a', 'd'];
  for (const order of [[0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2]]) {
    const table = tableOf({
      k: { type: types.int8, values: order.map(() => 1) },
      t: { type: types.date, values: order.map((i) => (i === 3 ? 2n : 1n)) },
      v: { type: types.utf8, values: order.map((i) => values[i]!) },
    });
    const answer = await groupBy(table, 'k').agg({ v: ['first', 'last'] }, { timestamp: 't' });
    assert.deepEqual([cellsOf(answer, 'v_first'), cellsOf(answer, 'v_last')], [['c'], ['d']]);
  }
});

function run(table: Table, plan: GroupByPlan, batchSize?: number): Aggregation {
  const aggregation = Aggregation.create(plan, table.schema, batchSize === undefined ? {} : { batchSize });
  for (const batch of table.batches) aggregation.add(batch);
  return aggregation;
}

const planOf = (...wanted: readonly Agg[]): GroupByPlan => ({ keys: ['k'], timestamp: 't', outputs: wanted.map((aggregation) => ({ column: 'v', aggregation, name: aggregation })) });

test('property: variances and deviations over wild magnitudes are correctly rounded', () => {
  const value = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.constantFrom(0, -0, 5e-324, -5e-324, 1.7976931348623157e308, -1.7976931348623157e308, 2 ** -450, 2 ** 450, 1e-200, 1e154, 1 + 2 ** -52),
    fc.integer({ min: -100_000, max: 100_000 }).map((cents) => cents / 100),
    fc.constantFrom(1e15, 1e15 + 0.125, 1e15 + 0.25),
  );
  const plan: GroupByPlan = { keys: ['k'], outputs: (['var', 'std', 'mean'] as const).map((aggregation) => ({ column: 'v', aggregation, name: aggregation })) };
  fc.assert(
    fc.property(fc.array(value, { minLength: 2, maxLength: 40 }), fc.nat(40), (values, cut) => {
      const table = batchesOf({ k: { type: types.int8, values: values.map(() => 1) }, v: { type: types.double, values } }, [cut]);
      const whole = run(table, plan);
      const answer = whole.finish();
      for (const name of ['var', 'std'] as const) assert.ok(Object.is(cellsOf(answer, name)[0], aggregate(values, name)), `${name}: ${String(cellsOf(answer, name)[0])}, expected ${String(aggregate(values, name))}`);
      const merged = Aggregation.create(plan, table.schema);
      for (const batch of table.batches) {
        const part = Aggregation.create(plan, table.schema);
        part.add(batch);
        for (const states of part.states().batches) merged.addStates(states);
        part.close();
      }
      assert.ok(tablesEqual(merged.states(), whole.states()), 'states');
      assert.ok(tablesEqual(merged.finish(), answer), 'answers');
      merged.close();
      whole.close();
    }),
    { numRuns: 500 },
  );
});

test('a variance beyond all doubles is infinite, its deviation is not; with NaN or an infinity there is none', async () => {
  const table = tableOf({
    k: { type: types.int8, values: [1, 1, 2, 2, 3, 3, 4] },
    v: { type: types.double, values: [1e308, -1e308, NaN, 1, Infinity, 1, NaN] },
  });
  const answer = await groupBy(table, 'k').agg({ v: ['var', 'std'] });
  assert.deepEqual(cellsOf(answer, 'v_var'), [Infinity, NaN, NaN, null]);
  assert.deepEqual(cellsOf(answer, 'v_std'), [aggregate([1e308, -1e308], 'std'), NaN, NaN, null]);
});

/** Values of many groups, among them groups of many values and of few. */
function many(): Table {
  const rows = 150_000;
  const key = (i: number): number => (i % 2 === 0 ? (i * 7919) % 20_000 : i % 3);
  return batchesOf({
    k: { type: types.int32, values: Array.from({ length: rows }, (_, i) => key(i)) },
    t: { type: types.micros, values: Array.from({ length: rows }, (_, i) => BigInt((i * 31) % 977)) },
    v: { type: types.double, values: Array.from({ length: rows }, (_, i) => (i % 97 === 0 ? null : i % 11 === 0 ? 10 ** ((i % 600) - 300) : (i % 40_000) / 4)) },
    w: { type: types.utf8, values: Array.from({ length: rows }, (_, i) => (i % 53 === 0 ? null : `${'word '.repeat(i % 7)}${i % 30_000}`)) },
    d: { type: types.decimal, values: Array.from({ length: rows }, (_, i) => BigInt(i % 25_000) * 10n ** 25n - 10n ** 29n) },
  }, [50_000, 80_000]);
}

const everything: GroupByPlan = {
  keys: ['k'],
  timestamp: 't',
  outputs: ['v', 'w', 'd'].flatMap((column) =>
    aggregationNames
      .filter((name) => name !== 'any' && name !== 'all' && (column !== 'w' || !['sum', 'mean', 'std', 'var'].includes(name)))
      .map((aggregation) => ({ column, aggregation, name: `${column}_${aggregation}` })),
  ),
};

test('many groups: sets and sketches grow, and merge by columns and by memory to the same bits', () => {
  const table = many();
  const direct = run(table, everything);
  const answer = direct.finish();
  const states = direct.states();
  const byColumns = Aggregation.create(everything, table.schema, { batchSize: 1_000 });
  const instance = borrowInstance(undefined);
  const byMemory = Aggregation.create(everything, table.schema, {}, instance);
  for (const batch of [...table.batches].reverse()) {
    const part = Aggregation.create(everything, table.schema);
    part.add(batch);
    for (const each of part.states().batches) byColumns.addStates(each);
    part.close();
    const beside = Aggregation.create(everything, table.schema, {}, instance);
    beside.add(batch);
    byMemory.merge(structuredClone(beside.memory));
  }
  for (const merged of [byColumns, byMemory]) {
    assert.ok(tablesEqual(merged.states(), states), 'states');
    assert.ok(tablesEqual(merged.finish(), answer), 'answers');
  }
  byColumns.close();
  instance.giveBack();
  direct.close();
  const [keys, values, groups] = [cellsOf(table, 'k'), cellsOf(table, 'w'), new Map<Cell, Set<Cell>>()];
  for (const [i, key] of keys.entries()) {
    if (values[i] === null) continue;
    groups.set(key, (groups.get(key) ?? new Set()).add(values[i]!));
  }
  const distinct = cellsOf(answer, 'w_count_distinct');
  for (const [i, key] of cellsOf(answer, 'k').entries()) assert.equal(distinct[i], BigInt(groups.get(key)?.size ?? 0), `group ${String(key)}`);
});

test('a memory that grows while the answer is read out changes no bit of it', () => {
  const table = many();
  for (const output of everything.outputs) {
    const plan = { ...everything, outputs: [output] };
    const answers = (instance: Instance): readonly Table[] => {
      const aggregation = Aggregation.create(plan, table.schema, {}, instance);
      for (const batch of table.batches) aggregation.add(batch);
      return [aggregation.finish(), aggregation.states()];
    };
    // Those that wait to be lent have grown before; with many lent at once there is one that has not.
    const lent = Array.from({ length: 20 }, () => borrowInstance(undefined));
    const fresh = answers(lent.at(-1)!);
    lent[0]!.free(lent[0]!.alloc(64 << 20), 64 << 20);
    const grown = answers(lent[0]!);
    for (const [i, answer] of fresh.entries()) assert.ok(tablesEqual(answer, grown[i]!), output.name);
    for (const instance of lent) instance.giveBack();
  }
});

test('approx_distinct is off by no more than a few standard errors of 1.6 %, for numbers and strings', async () => {
  for (const distinct of [1, 100, 512, 513, 2_000, 10_000, 50_000, 200_000]) {
    const columns = {
      k: { type: types.int8, values: Array<number>(distinct).fill(1) },
      n: { type: types.int64, values: Array.from({ length: distinct }, (_, i) => BigInt(i) * 3n) },
      s: { type: types.utf8, values: Array.from({ length: distinct }, (_, i) => `customer ${i}`) },
    };
    const answer = await groupBy(tableOf(columns), 'k').agg({ n: 'approx_distinct', s: 'approx_distinct' });
    for (const name of ['n', 's']) {
      const estimate = Number(cellsOf(answer, `${name}_approx_distinct`)[0]);
      assert.ok(Math.abs(estimate - distinct) <= (distinct <= 512 ? 1 : 0.05 * distinct), `${name}: ${estimate} of ${distinct}`);
    }
  }
});

test('of two hashes that begin alike a sketch keeps the rarer one, whichever came first', () => {
  const { schema } = tableOf({ k: { type: types.utf8, values: [] }, v: { type: types.utf8, values: [] } });
  const plan: GroupByPlan = { keys: ['k'], outputs: [{ column: 'v', aggregation: 'approx_distinct', name: 'n' }] };
  const sketch = (entry: number): Uint8Array => Uint8Array.of(0, entry & 255, (entry >> 8) & 255, (entry >> 16) & 255, entry >>> 24);
  const merged = (entries: readonly number[]): Table => {
    const aggregation = Aggregation.create(plan, schema);
    for (const entry of entries) for (const batch of statesOf(sketch(entry), 'v__sketch').batches) aggregation.addStates(batch);
    const states = aggregation.states();
    aggregation.close();
    return states;
  };
  const [common, rare] = [(77 << 6) | 1, (77 << 6) | 9];
  assert.ok(tablesEqual(merged([common, rare]), merged([rare, common])));
  assert.deepEqual([...(merged([common, rare]).batches[0]!.data.children[2]!.values as Uint8Array)], [...sketch(rare)]);
});

/** States of one group 'g' that has one value. */
function statesOf(state: Uint8Array, name: string): Table {
  const schema = new Schema([new Field('k', new Utf8(), false), new Field('v__count', types.int64, false), new Field(name, new Binary(), false)]);
  return tableOfColumns(schema, [
    makeData({ type: new Utf8(), length: 1, nullCount: 0, valueOffsets: Int32Array.of(0, 1), data: Uint8Array.of(103) }),
    makeData({ type: types.int64, length: 1, nullCount: 0, data: BigInt64Array.of(1n) }),
    makeData({ type: new Binary(), length: 1, nullCount: 0, valueOffsets: Int32Array.of(0, state.length), data: state }),
  ], 1);
}

test('states that are none are refused', () => {
  const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values);
  for (const [aggregation, type, name, state] of [
    ['approx_distinct', types.utf8, 'v__sketch', bytes()],
    ['approx_distinct', types.utf8, 'v__sketch', bytes(2, 1, 1, 1, 1)],
    ['approx_distinct', types.utf8, 'v__sketch', bytes(0, 1, 1)],
    ['approx_distinct', types.utf8, 'v__sketch', bytes(1, 1, 1)],
    ['count_distinct', types.utf8, 'v__distinct', bytes(9, 0, 0, 0, 65)],
    ['count_distinct', types.utf8, 'v__distinct', bytes(9)],
    ['count_distinct', types.int32, 'v__distinct', bytes(1, 2, 3)],
  ] as const) {
    const { schema } = tableOf({ k: { type: types.utf8, values: [] }, v: { type, values: [] } });
    const merged = Aggregation.create({ keys: ['k'], outputs: [{ column: 'v', aggregation, name: 'n' }] }, schema);
    assert.throws(() => merged.addStates(statesOf(state, name).batches[0]!), (error: unknown) => error instanceof InvariantError && /partial state of v/.test(error.message));
    merged.close();
  }
});

test('binary is bytes, not text: as key, and least and greatest', async () => {
  const binary = (pieces: readonly (readonly number[])[]) => {
    const starts = [0];
    for (const piece of pieces) starts.push(starts.at(-1)! + piece.length);
    return makeData({ type: new Binary(), length: pieces.length, nullCount: 0, valueOffsets: Int32Array.from(starts), data: Uint8Array.from(pieces.flat()) });
  };
  const schema = new Schema([new Field('k', new Binary(), false), new Field('v', new Binary(), false)]);
  const table = tableOfColumns(schema, [binary([[0xff, 0], [0x80], [0xff, 0], [0xff]]), binary([[0xc3], [1], [0xc3, 0x28, 0xff], []])], 4);
  const answer = await groupBy(table, 'k').agg({ v: ['min', 'max', 'count_distinct'] });
  const piecesOf = (name: string): number[][] => {
    const data = answer.batches[0]!.data.children[answer.schema.fields.findIndex((field) => field.name === name)]!;
    return Array.from({ length: data.length }, (_, i) => [...(data.values as Uint8Array).subarray(data.valueOffsets[i]!, data.valueOffsets[i + 1]!)]);
  };
  assert.deepEqual(piecesOf('k'), [[0x80], [0xff], [0xff, 0]]);
  assert.deepEqual(piecesOf('v_min'), [[1], [], [0xc3]]);
  assert.deepEqual(piecesOf('v_max'), [[1], [], [0xc3, 0x28, 0xff]]);
});

test('decimals: ordered as keys, summed to 38 digits, an error beyond', async () => {
  const largest = 10n ** 38n - 1n;
  const table = tableOf({
    k: { type: types.money, values: [-150n, 20n, -150n, 0n] },
    v: { type: types.decimal, values: [largest, 1n, -largest, -largest] },
  });
  const answer = await groupBy(table, 'k').agg({ v: ['sum', 'mean'] });
  assert.deepEqual(cellsOf(answer, 'k'), [-150n, 0n, 20n]);
  assert.deepEqual(cellsOf(answer, 'v_sum'), [0n, -largest, 1n]);
  assert.deepEqual(cellsOf(answer, 'v_mean'), [0, -1e34, 0.0001]);
  assert.equal(String(answer.schema.fields[1]!.type), 'Decimal[38e+4]');
  const tooMuch = tableOf({ k: { type: types.money, values: [-150n, -150n] }, v: { type: types.decimal, values: [largest, 1n] } });
  await assert.rejects(groupBy(tooMuch, 'k').agg({ v: 'sum' }), (error: unknown) => error instanceof OverflowError && /column v/.test(error.message) && /-1\.50/.test(error.message));
});

test('strings that give way to greater ones leave no memory behind', async () => {
  const rows = 60_000;
  const table = tableOf({
    k: { type: types.int8, values: Array<number>(rows).fill(1) },
    v: { type: types.utf8, values: Array.from({ length: rows }, (_, i) => `${String(i).padStart(8, '0')}${'x'.repeat(i % 300)}`) },
  });
  const answer = await groupBy(table, 'k').agg({ v: 'max' }, { memoryLimit: 2 ** 20, batchSize: 500 });
  assert.equal(cellsOf(answer, 'v_max')[0], `${String(rows - 1).padStart(8, '0')}${'x'.repeat((rows - 1) % 300)}`);
});

test('which aggregations a type has is said before any work', () => {
  const { schema } = tableOf({ k: { type: types.int8, values: [] }, t: { type: types.micros, values: [] }, v: { type: types.bool, values: [] } });
  assert.throws(() => Aggregation.create(planOf('std'), schema), /Bool has no std; it has count, min, max, first, last, count_distinct, approx_distinct, any, all/);
  assert.doesNotThrow(() => Aggregation.create(planOf('any', 'all', 'first'), schema).close());
});
