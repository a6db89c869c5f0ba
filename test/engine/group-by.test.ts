import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Schema, type Table, tableFromArrays } from '../../src/arrow/arrow.ts';
import { tablesEqual } from '../../src/arrow/canonical.ts';
import { OverflowError, SchemaMismatchError } from '../../src/base/errors.ts';
import { dayUs } from '../../src/base/time.ts';
import { Aggregation, type AggregationOptions } from '../../src/engine/aggregation.ts';
import { groupBy } from '../../src/engine/group-by.ts';
import { borrowInstance } from '../../src/engine/instance.ts';
import { type Agg, type GroupByPlan, outputsOf } from '../../src/engine/plan.ts';
import { sumOf } from '../oracle/exact.ts';
import { groupByOracle, type Row } from '../oracle/group-by.ts';
import { batchesOf, type Cell, cellsOf, tableOf, types } from '../support/arrow.ts';
import { type Case, caseOf, finite } from '../support/cases.ts';

test('sums, means, counts and the newest date of each customer', async () => {
  const table = tableOf({
    customer_id: { type: types.int32, values: [2, 1, 2, null, 1] },
    amount: { type: types.double, values: [0.1, 5, 0.2, 7, null] },
    date: { type: types.micros, values: [30n, 10n, 20n, 99n, 40n] },
  });
  const answer = await groupBy(table, 'customer_id').agg({ amount: ['sum', 'mean', 'count'], date: 'max' });
  assert.deepEqual(answer.schema.fields.map((field) => field.name), ['customer_id', 'amount_sum', 'amount_mean', 'amount_count', 'date_max']);
  assert.deepEqual(cellsOf(answer, 'customer_id'), [1, 2]);
  assert.deepEqual(cellsOf(answer, 'amount_sum'), [5, 0.30000000000000004]);
  assert.deepEqual(cellsOf(answer, 'amount_count'), [1n, 2n]);
  assert.deepEqual(cellsOf(answer, 'date_max'), [40n, 30n]);
});

function run(table: Table, plan: GroupByPlan, options: AggregationOptions = {}): Table {
  const aggregation = Aggregation.create(plan, table.schema, options);
  try {
    for (const batch of table.batches) aggregation.add(batch);
    return aggregation.finish();
  } finally {
    aggregation.close();
  }
}

/** Cells as the oracle takes them: integers as bigints, as they are in the columns of tests. */
function rowsOf(columns: Case['columns']): Row[] {
  const names = Object.keys(columns);
  return columns[names[0]!]!.values.map((_, i) => Object.fromEntries(names.map((name) => [name, columns[name]!.values[i]!])));
}

function answerRows(table: Table): Row[] {
  const names = table.schema.fields.map((field) => field.name);
  const cells = names.map((name) => cellsOf(table, name));
  return Array.from({ length: table.numRows }, (_, row) => Object.fromEntries(names.map((name, i) => [name, cells[i]![row]!])));
}

function expectSame(table: Table, expected: readonly Row[]): void {
  const actual = answerRows(table);
  assert.equal(actual.length, expected.length, 'rows');
  actual.forEach((row, i) => {
    for (const [name, cell] of Object.entries(row)) {
      const wanted = expected[i]![name]!;
      // One hash in 2^26 may be shared.
      if (name.endsWith('approx_distinct')) {
        assert.ok((cell as bigint) <= (wanted as bigint) && (cell as bigint) >= (wanted as bigint) - 1n, `row ${i}, ${name}`);
        continue;
      }
      const same = typeof wanted === 'bigint' && typeof cell === 'number' ? BigInt(cell) === wanted : Object.is(cell, wanted === 0 ? 0 : wanted);
      assert.ok(same, `row ${i}, ${name}: ${String(cell)}, expected ${String(wanted)}`);
    }
  });
}

test('property: every type, null, slice and batch agrees with the oracle', () => {
  fc.assert(
    fc.property(caseOf, fc.constantFrom(1, 3, 16_384), ({ columns, plan, cuts }, batchSize) => {
      expectSame(run(batchesOf(columns, cuts), plan, { batchSize }), groupByOracle(rowsOf(columns), plan));
    }),
    { numRuns: 600 },
  );
});

test('property: batches, hashing and addressing change no bit', () => {
  fc.assert(
    fc.property(caseOf, ({ columns, plan, cuts }) => {
      const whole = run(tableOf(columns), plan);
      assert.ok(tablesEqual(whole, run(batchesOf(columns, cuts), plan, { batchSize: 3 })), 'batches');
      assert.ok(tablesEqual(whole, run(tableOf(columns), plan, { rare: { noDirectAddressing: true } })), 'hashed');
      assert.ok(tablesEqual(whole, run(tableOf(columns), plan, { rare: { noDirectAddressing: true, allHashesEqual: true } })), 'all hashes equal');
    }),
    { numRuns: 200 },
  );
});

test('property: the order of rows changes no bit', () => {
  fc.assert(
    fc.property(caseOf, fc.infiniteStream(fc.nat()), ({ columns, plan }, stream) => {
      const rows = Object.values(columns)[0]!.values.length;
      const order = Array.from({ length: rows }, (_, i) => ({ i, at: stream.next().value! })).sort((a, b) => a.at - b.at);
      const shuffled = Object.fromEntries(
        Object.entries(columns).map(([name, { type, values }]) => [name, { type, values: order.map(({ i }) => values[i]!) }]),
      );
      assert.ok(tablesEqual(run(tableOf(columns), plan), run(tableOf(shuffled), plan)));
    }),
    { numRuns: 200 },
  );
});

test('property: partial states, merged in any order, are the same answer and the same states', () => {
  fc.assert(
    fc.property(caseOf, fc.boolean(), ({ columns, plan, cuts }, reversed) => {
      const table = batchesOf(columns, cuts);
      const parts = table.batches.map((batch) => {
        const part = Aggregation.create(plan, table.schema);
        part.add(batch);
        const states = part.states();
        part.close();
        return states;
      });
      if (reversed) parts.reverse();
      const [merged, direct] = [Aggregation.create(plan, table.schema, { batchSize: 3 }), Aggregation.create(plan, table.schema)];
      for (const part of parts) for (const batch of part.batches) merged.addStates(batch);
      for (const batch of table.batches) direct.add(batch);
      assert.ok(tablesEqual(merged.finish(), direct.finish()), 'answers');
      assert.ok(tablesEqual(merged.states(), direct.states()), 'states');
      merged.close();
      direct.close();
    }),
    { numRuns: 300 },
  );
});

test('property: states merged from memory to memory are the same answer and the same states', () => {
  fc.assert(
    fc.property(caseOf, fc.boolean(), ({ columns, plan, cuts }, reversed) => {
      const table = batchesOf(columns, cuts);
      const direct = Aggregation.create(plan, table.schema);
      const instance = borrowInstance(undefined);
      const parts = table.batches.map(() => Aggregation.create(plan, table.schema, {}, instance));
      const merged = parts[0] ?? Aggregation.create(plan, table.schema, {}, instance);
      for (const [i, batch] of table.batches.entries()) {
        direct.add(batch);
        parts[reversed ? parts.length - 1 - i : i]!.add(batch);
      }
      const before = parts.slice(1).map((part) => part.states());
      for (const part of parts.slice(1)) merged.merge(structuredClone(part.memory));
      assert.ok(tablesEqual(merged.finish(), direct.finish()), 'answers');
      assert.ok(tablesEqual(merged.states(), direct.states()), 'states');
      for (const [i, part] of parts.slice(1).entries()) assert.ok(tablesEqual(part.states(), before[i]!), 'what was merged is as it was');
      instance.giveBack();
      direct.close();
    }),
    { numRuns: 300 },
  );
});

test('property: sums over wild magnitudes are correctly rounded', () => {
  fc.assert(
    fc.property(fc.array(finite, { minLength: 1, maxLength: 60 }), (values) => {
      const columns = { k: { type: types.int32, values: values.map(() => 1) }, v: { type: types.double, values } };
      const plan = { keys: ['k'], outputs: (['sum', 'mean'] as const).map((aggregation) => ({ column: 'v', aggregation, name: aggregation })) };
      expectSame(run(tableOf(columns), plan), groupByOracle(rowsOf({ k: { ...columns.k, values: values.map(() => 1n) }, v: columns.v }), plan));
    }),
    { numRuns: 400 },
  );
});

test('intermediate overflow and cancellation do no harm', async () => {
  const big = 1.7976931348623157e308;
  const table = tableOf({
    k: { type: types.utf8, values: ['a', 'a', 'a', 'b', 'b', 'c', 'c', 'c', 'd', 'd'] },
    v: { type: types.double, values: [big, big, -big, big, big, 1, 1e100, -1e100, Infinity, -Infinity] },
  });
  const answer = await groupBy(table, 'k').agg({ v: ['sum', 'mean'] });
  assert.deepEqual(cellsOf(answer, 'v_sum'), [big, Infinity, 1, NaN]);
  assert.deepEqual(cellsOf(answer, 'v_mean'), [big / 3, big, 1 / 3, NaN]);
});

test('sums of many values stay exact beyond the room of both of their parts, whatever they are added along with', async () => {
  const [rows, groups] = [120_000, 3];
  // So far apart that they can only just be split; then many of the large ones, which leave little room.
  const amount = Float64Array.from({ length: rows }, (_, i) => (i < groups ? 1e-6 / 3 : 1000 / 3 + (i % 7) / 10));
  const id = Int32Array.from({ length: rows }, (_, i) => i % groups);
  const date = BigInt64Array.from({ length: rows }, (_, i) => BigInt(i));
  const expected = Array.from({ length: groups }, (_, group) => sumOf([...amount].filter((_, i) => i % groups === group)));
  const columns = tableFromArrays({ id, amount, date });
  const nulls = tableOf({
    id: { type: types.int32, values: [...id, 0, 1, 2] }, amount: { type: types.double, values: [...amount, null, null, null] }, date: { type: types.int64, values: [...date, null, null, null] },
  });
  for (const table of [columns, nulls]) {
    const specs: readonly Record<string, Agg | Agg[]>[] = [
      { amount: 'sum' }, { amount: ['sum', 'min'] }, { amount: ['sum', 'min', 'max'], date: ['min', 'max'] }, { date: 'max', amount: 'sum' },
    ];
    for (const spec of specs) {
      const answer = await groupBy(table, 'id').agg(spec, { threads: 1, batchSize: 1000 });
      assert.deepEqual(cellsOf(answer, 'amount_sum'), expected, JSON.stringify(spec));
    }
  }
});

test('a sum is looked at in time although counts pass the mark by rows that add nothing', () => {
  const round = [...Array<number>(63).fill(1000 / 3), null];
  const values = [1e-6 / 3, ...round.slice(1), ...Array.from({ length: 300 }, () => round).flat()];
  const cuts = values.flatMap((value, i) => (value === null ? [i, i + 1] : []));
  const table = batchesOf({ id: { type: types.int32, values: values.map(() => 1) }, amount: { type: types.double, values } }, cuts);
  const answer = run(table, { keys: ['id'], outputs: outputsOf({ amount: 'sum' }) });
  assert.deepEqual(cellsOf(answer, 'amount_sum'), [sumOf(values.filter((value) => value !== null))]);
});

test('property: nulls that are filled are nulls that are left out, whatever share they are and wherever batches begin', () => {
  const some = <T>(values: fc.Arbitrary<T>, rows: number) =>
    fc.constantFrom(0.03, 0.5, 0.97).chain((share) => fc.array(fc.tuple(values, fc.double({ min: 0, max: 1, noNaN: true })).map(([value, at]) => (at < share ? null : value)), { minLength: rows, maxLength: rows }));
  const tables = fc.integer({ min: 0, max: 200 }).chain((rows) =>
    fc.record({
      id: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: rows, maxLength: rows }),
      amount: some(finite, rows), date: some(fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }), rows), number: some(fc.integer({ min: -9, max: 9 }), rows),
      cuts: fc.array(fc.nat({ max: rows }), { maxLength: 3 }),
    }),
  );
  fc.assert(
    fc.property(tables, ({ id, amount, date, number, cuts }) => {
      const table = batchesOf(
        { id: { type: types.int32, values: id }, amount: { type: types.double, values: amount }, date: { type: types.int64, values: date }, number: { type: types.int32, values: number } },
        cuts,
      );
      const all = run(table, { keys: ['id'], outputs: outputsOf({ amount: ['sum', 'min', 'max', 'count'], date: ['min', 'max'], number: ['sum', 'min', 'max'] }) });
      for (const spec of [{ amount: 'sum', date: 'max' }, { amount: ['sum', 'count'], date: 'min' }, { date: 'max', amount: 'min' }, { number: 'sum', amount: 'max' }] as const) {
        const some = run(table, { keys: ['id'], outputs: outputsOf(spec as Record<string, Agg | Agg[]>) });
        for (const { name } of some.schema.fields) assert.deepEqual(cellsOf(some, name), cellsOf(all, name), name);
      }
    }),
    { numRuns: 200 },
  );
});

test('keys that differ in zeros at their end only are different keys, even where all hashes are equal', () => {
  const names = ['', '\0', '\0\0', 'abcdefgh', 'abcdefgh\0', 'sixteen letters!', 'sixteen letters!\0', 'sixteen letters!\0\0'];
  const table = tableOf({ name: { type: types.utf8, values: [...names, ...names] } });
  for (const rare of [{}, { allHashesEqual: true }]) {
    const answer = run(table, { keys: ['name'], outputs: outputsOf({ name: 'count' }) }, { rare });
    assert.deepEqual(cellsOf(answer, 'name'), names);
    assert.deepEqual(cellsOf(answer, 'name_count'), names.map(() => 2n));
  }
});

test('a sum of integers that does not fit is an error that names column and key, never a wrapped number', () => {
  const max = (1n << 63n) - 1n;
  const columns = { k: { type: types.utf8, values: ['x', 'Kraków', 'Kraków'] }, v: { type: types.int64, values: [max, max, 1n] } };
  const sum = { keys: ['k'], outputs: [{ column: 'v', aggregation: 'sum' as const, name: 's' }] };
  assert.throws(() => run(tableOf(columns), sum), (error: unknown) => error instanceof OverflowError && /column v/.test(error.message) && /Kraków/.test(error.message) && /9223372036854775808/.test(error.message));
  const mean = { keys: ['k'], outputs: [{ column: 'v', aggregation: 'mean' as const, name: 'm' }] };
  assert.deepEqual(cellsOf(run(tableOf(columns), mean), 'm'), [2 ** 62, 2 ** 63]);
  const unsigned = { ...columns, v: { type: types.uint64, values: [max, max, 2n] } };
  assert.deepEqual(cellsOf(run(tableOf(unsigned), sum), 's'), [max + 2n, max]);
});

test('property: a range of time keeps exactly the events inside, in the unit of the column', () => {
  const units = { date: dayUs, dateMs: 1_000n, seconds: 1_000_000n, millis: 1_000n, micros: 1n, nanos: undefined } as const;
  const near = fc.bigInt({ min: -3n * dayUs, max: 3n * dayUs });
  fc.assert(
    fc.property(
      fc.constantFrom(...(Object.keys(units) as (keyof typeof units)[])),
      fc.array(fc.option(near), { maxLength: 20 }),
      near,
      near,
      fc.boolean(),
      (name, instants, a, b, exactBound) => {
        const unitUs = units[name];
        const toUnit = (us: bigint): bigint => (unitUs === undefined ? us * 1_000n : us / unitUs);
        const toNs = (value: bigint): bigint => (unitUs === undefined ? value : value * unitUs * 1_000n);
        const times = instants.map((us) => (us === null ? null : toUnit(us)));
        const [startUs, endUs] = a < b ? [a, b] : [b, a];
        const start = exactBound && times[0] != null ? toNs(times[0]) / 1_000n : startUs;
        const table = tableOf({ k: { type: types.int8, values: times.map(() => 1) }, t: { type: types[name], values: times } });
        const plan: GroupByPlan = { keys: ['k'], outputs: [{ column: 't', aggregation: 'count', name: 'n' }], timestamp: 't', range: { startUs: start, endUs } };
        const inside = times.filter((time) => time !== null && toNs(time) >= start * 1_000n && toNs(time) < endUs * 1_000n);
        assert.deepEqual(cellsOf(run(table, plan, { batchSize: 3 }), 'n'), inside.length === 0 ? [] : [BigInt(inside.length)]);
      },
    ),
    { numRuns: 400 },
  );
});

test('where a range leaves out most rows, more are looked at at a time: the same answer', async () => {
  const times = Array.from({ length: 300_000 }, (_, i) => BigInt((i * 7919) % 1_000));
  const cells = { key: { type: types.int32, values: times.map((_, i) => BigInt(i % 7)) }, value: { type: types.int64, values: times.map((_, i) => BigInt(i)) } };
  const table = tableOf({ ...cells, time: { type: types.micros, values: times } } as never);
  // Few, nearly all, none.
  for (const end of [30n, 999n, 0n]) {
    const ask = (batchSize: object): Promise<Table> =>
      groupBy(table, 'key').agg({ value: ['sum', 'count', 'max'] }, { timestamp: 'time', timeRange: { end: { value: end, unit: 'us' } }, threads: 1, ...batchSize });
    assert.ok(tablesEqual(await ask({}), await ask({ batchSize: 1_000 })));
  }
});

test('property: tiles start on the grid and hold their events; merged within a range they are that range', () => {
  const event = fc.record({ k: fc.integer({ min: 0, max: 2 }), t: fc.option(fc.bigInt({ min: -5n * dayUs, max: 5n * dayUs }), { freq: 9 }), v: finite });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 30 }), fc.integer({ min: -5, max: 5 }), fc.nat(6), (events, first, length) => {
      const table = tableOf({
        k: { type: types.int32, values: events.map(({ k }) => k) },
        t: { type: types.micros, values: events.map(({ t }) => t) },
        v: { type: types.double, values: events.map(({ v }) => v) },
      });
      const base: GroupByPlan = { keys: ['k'], outputs: (['sum', 'count', 'max'] as const).map((aggregation) => ({ column: 'v', aggregation, name: aggregation })), timestamp: 't' };
      const tiles = Aggregation.create({ ...base, tile: { widthUs: dayUs, name: 'tile' } }, table.schema);
      for (const batch of table.batches) tiles.add(batch);
      const states = tiles.states();
      tiles.close();
      const starts = cellsOf(states, 'tile') as (bigint | null)[];
      for (const start of starts) assert.ok(start === null || start % dayUs === 0n);
      // Tiles stand in the order of time, so that a stretch of it is in few places.
      const timed = starts.filter((start) => start !== null);
      assert.deepEqual(timed, [...timed].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)));
      const range = { startUs: BigInt(first) * dayUs, endUs: BigInt(first + length) * dayUs };
      const merged = Aggregation.create(base, table.schema);
      for (const batch of states.batches) merged.addStates(batch, { tileColumn: 'tile', tileRange: range });
      assert.ok(tablesEqual(merged.finish(), run(table, { ...base, range })), 'a range');
      const everything = Aggregation.create(base, table.schema);
      for (const batch of states.batches) everything.addStates(batch, { tileColumn: 'tile' });
      assert.ok(tablesEqual(everything.finish(), run(table, base)), 'everything');
      merged.close();
      everything.close();
    }),
    { numRuns: 200 },
  );
});

test('many groups: hash tables, direct tables and dictionaries grow', () => {
  const rows = 30_000;
  const spread = Array.from({ length: rows }, (_, i) => BigInt.asIntN(64, BigInt(i % 9_000) * 0x9e3779b97f4a7c15n));
  const names = Array.from({ length: rows }, (_, i) => `customer ${i % 9_000}`);
  const ones = { type: types.int32, values: Array<number>(rows).fill(1) };
  const creeping = Array.from({ length: rows }, (_, i) => BigInt(i % 9_000) * (i < rows / 2 ? 1n : -7n));
  for (const column of [{ type: types.int64, values: spread }, { type: types.utf8, values: names }, { type: types.dictionary, values: names }, { type: types.int64, values: creeping }]) {
    const table = batchesOf({ k: column, v: ones }, [10_000, 20_000]);
    const answer = run(table, { keys: ['k'], outputs: [{ column: 'v', aggregation: 'sum', name: 's' }] }, { batchSize: 1_000 });
    const counts = new Map<Cell, bigint>();
    for (const cell of column.values) counts.set(cell, (counts.get(cell) ?? 0n) + 1n);
    assert.equal(answer.numRows, counts.size);
    const keys = cellsOf(answer, 'k');
    for (const [i, sum] of cellsOf(answer, 's').entries()) assert.equal(sum, counts.get(keys[i]!));
    assert.equal(new Set(keys).size, keys.length);
  }
});

test('wrong questions are answered before any work', () => {
  const { schema } = tableOf({ k: { type: types.utf8, values: [] }, d: { type: types.date, values: [] }, f: { type: types.double, values: [] } });
  const ask = (plan: Partial<GroupByPlan>) => () => Aggregation.create({ keys: ['k'], outputs: [], ...plan }, schema).close();
  const output = (column: string, aggregation: Agg) => ({ outputs: [{ column, aggregation, name: 'x' }] });
  assert.throws(ask({ keys: ['K2'] }), SchemaMismatchError);
  assert.throws(ask(output('amount', 'sum')), /there is k, d, f/);
  assert.throws(ask(output('d', 'sum')), /it has count, min, max/);
  assert.throws(ask(output('k', 'mean')), /it has count, min, max, first, last, count_distinct, approx_distinct$/);
  assert.throws(ask(output('f', 'any')), /Float64 has no any/);
  assert.throws(ask(output('f', 'last')), /goes by event time/);
  assert.throws(ask({ keys: ['f'] }), /cannot be a key/);
  assert.throws(ask({ timestamp: 'f', range: {} }), /event time/);
  assert.throws(ask({ keys: [] }), /at least one/);
  assert.throws(ask({ keys: ['k', 'k'] }), /twice/);
  assert.doesNotThrow(() => Aggregation.create({ keys: ['k'], outputs: [] }, new Schema(schema.fields)).close());
});

test('a memory limit is an error, and the next aggregation is not harmed', async () => {
  const rows = 200_000;
  const table = tableOf({ k: { type: types.int64, values: Array.from({ length: rows }, (_, i) => BigInt(i) * 1_000_003n) }, v: { type: types.double, values: Array<number>(rows).fill(1) } });
  await assert.rejects(groupBy(table, 'k').agg({ v: 'sum' }, { memoryLimit: 2 ** 20 }), { tag: 'MemoryLimit' });
  const answer = await groupBy(table, 'k').agg({ v: 'sum' });
  assert.equal(answer.numRows, rows);
});

test('keys at the ends of the integers, one after the other', async () => {
  const [least, greatest] = [-(1n << 63n), (1n << 63n) - 1n];
  const keys = [greatest - 65_535n, greatest, 0n, least, least + 65_535n, -1n];
  for (const order of [keys, keys.toReversed()]) {
    for (const others of [{}, { j: { type: types.int64, values: order } }]) {
      const table = tableOf({ k: { type: types.int64, values: order }, ...others });
      const answer = run(table, { keys: Object.keys({ k: 0, ...others }), outputs: [] }, { batchSize: 1 });
      assert.deepEqual(cellsOf(answer, 'k'), [least, least + 65_535n, -1n, 0n, greatest - 65_535n, greatest]);
    }
  }
});
