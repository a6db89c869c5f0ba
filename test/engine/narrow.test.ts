/** States in half of the room are the same states, whatever values come, and however many rows a group has. */
import assert from 'node:assert/strict';
import test, { after, mock } from 'node:test';
import fc from 'fast-check';
import { Table } from '../../src/arrow/arrow.ts';
import { tablesEqual } from '../../src/arrow/canonical.ts';
import { col } from '../../src/arrow/expression.ts';
import { Aggregation } from '../../src/engine/aggregation.ts';
import { borrowInstance } from '../../src/engine/instance.ts';
import { type GroupByPlan, outputsOf } from '../../src/engine/plan.ts';
import { createAggregations, type RunOptions } from '../../src/engine/run.ts';
import { Narrow } from '../../src/engine/states/narrow.ts';
import { endIdleWorkers } from '../../src/engine/threads/pool.ts';
import { residentTable } from '../../src/engine/threads/resident.ts';
import { batchesOf, type Cell, types } from '../support/arrow.ts';
import { onOneThread, startThreads } from '../support/threads.ts';

after(endIdleWorkers);

const cents = fc.integer({ min: -10_000, max: 40_000 }).map((amount) => amount / 100);
const scaled = fc.tuple(fc.integer({ min: -(2 ** 53), max: 2 ** 53 }), fc.integer({ min: -40, max: 40 })).map(([digits, exponent]) => digits * 2 ** exponent);
const hostile = fc.oneof(fc.double(), fc.constantFrom(0, -0, NaN, Infinity, -Infinity, 5e-324, 1.7976931348623157e308, -1e308));
/** Mostly of one size, with what is not now and then. */
const doubles = fc.constantFrom<readonly [fc.Arbitrary<Cell>, fc.Arbitrary<Cell>]>(
  [cents, fc.constant(null)], [cents, hostile], [cents, scaled], [fc.double({ min: 0, max: 1, noNaN: true }), cents],
  [fc.integer({ min: -1000, max: 1000 }), fc.constant(0)], [fc.constant(0), cents], [scaled, scaled], [hostile, fc.constant(null)],
);
const times = fc.constantFrom<fc.Arbitrary<Cell>>(
  fc.nat(100_000).map((second) => 1_735_689_600_000_000n + BigInt(second) * 1_000_000n), fc.bigInt({ min: -5n, max: 5n }),
  fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }), fc.constant(7n),
);
const some = (usual: fc.Arbitrary<Cell>, rare: fc.Arbitrary<Cell>, rows: number) =>
  fc.tuple(fc.array(usual, { minLength: 1, maxLength: 30 }), fc.array(rare, { minLength: 1, maxLength: 4 }), fc.integer({ min: 2, max: 200 }), fc.boolean(), fc.constantFrom(0, 0, 0.5)).map(([many, few, every, inOrder, front]) =>
    Array.from({ length: rows }, (_, i) => (i < rows * front || (front === 0 && i % every === every - 1) ? few[i % few.length]! : many[(inOrder ? Math.floor((i * many.length) / rows) : i * 7) % many.length]!)));

const tables = fc.record({ rows: fc.constantFrom(1, 3, 64, 200, 700), groups: fc.constantFrom(1, 1, 2, 5, 40), far: fc.boolean() }).chain(({ rows, groups, far }) =>
  fc.record({
    values: doubles.chain(([usual, rare]) => some(usual, rare, rows)),
    times: times.chain((usual) => some(usual, fc.oneof(usual, fc.constant(null)), rows)),
    keys: fc.constant(Array.from({ length: rows }, (_, i) => (far && i > rows / 2 && i % 13 === 0 ? 1e9 : (i * i) % groups)).map(BigInt)),
  }),
).map((random) => Object.assign(random, { [fc.toStringMethod]: () => `${random.keys.length} rows, values ${[...new Set(random.values)].slice(0, 40)}, times ${[...new Set(random.times)].slice(0, 40)}` }));
const specs = [
  { value: ['sum', 'mean', 'count'], time: 'max' }, { value: ['sum'], time: ['min'] }, { value: ['mean', 'sum'] }, { value: ['sum'], time: ['min', 'max'] },
] as const;

async function ask(plan: GroupByPlan, table: Table, what: 'finish' | 'states', options: RunOptions): Promise<Table> {
  const run = createAggregations([plan], table.schema, { ...options, table });
  try {
    for (const batch of table.batches) await run.add(batch);
    return (await run[what]())[0]!;
  } finally {
    await run.close();
  }
}

test('whatever the values, the answer and the partial states are the same bits', async () => {
  await startThreads(3);
  const add = mock.method(Narrow.prototype, 'add');
  let used = 0;
  await fc.assert(
    fc.asyncProperty(
      tables, fc.constantFrom(...specs), fc.array(fc.nat(600), { maxLength: 2 }), fc.constantFrom('finish' as const, 'states' as const),
      fc.record({ threads: fc.constantFrom(1, 1, 2, 3), batchSize: fc.constantFrom(3, 64, 100, 300), stretchRows: fc.constantFrom(7, 100, 500), noDirectAddressing: fc.boolean() }),
      fc.constantFrom({}, { filter: col('value').gt(1).expression }, { timestamp: 'time', range: { startUs: 1_735_689_650_000_000n } }),
      async (columns, spec, cuts, what, { threads, batchSize, stretchRows, noDirectAddressing }, chosen) => {
        const plain = batchesOf({ key: { type: types.int32, values: columns.keys }, value: { type: types.double, values: columns.values }, time: { type: types.micros, values: columns.times } }, cuts);
        const plan: GroupByPlan = { keys: ['key'], outputs: outputsOf(spec), ...chosen };
        const expected = onOneThread(plan, plain, what);
        add.mock.resetCalls();
        const answer = await ask(plan, await residentTable(plain), what, { threads, batchSize, rare: { isNarrow: true, noDirectAddressing, ...(threads > 1 && { stretchRows }) } });
        used += add.mock.calls.some(({ result }) => result === true) ? 1 : 0;
        assert.ok(tablesEqual(answer, expected));
      },
    ),
    { numRuns: 400, endOnFailure: true },
  );
  assert.ok(used > 60, `states were narrow ${used} times`);
  add.mock.restore();
});

test('what three threads have of a group may be more rows than can be counted', () => {
  const table = batchesOf({ key: { type: types.int32, values: Array.from({ length: 127 }, () => 1n) }, value: { type: types.double, values: Array.from({ length: 127 }, (_, i) => i / 100 - 1) } }, []);
  const plan: GroupByPlan = { keys: ['key'], outputs: outputsOf({ value: ['sum', 'mean', 'count'] }) };
  const instance = borrowInstance(undefined);
  const [own, ...others] = [0, 1, 2].map(() => Aggregation.create(plan, table.schema, { rare: { isNarrow: true } }, instance)) as [Aggregation, Aggregation, Aggregation];
  for (const aggregation of [own, ...others]) aggregation.add(table.batches[0]!);
  for (const { memory } of others) {
    assert.ok(memory.accumulators.isNarrow);
    own.merge(memory);
  }
  assert.ok(tablesEqual(own.finish(), onOneThread(plan, new Table(table.schema, [0, 1, 2].flatMap(() => table.batches)), 'finish')));
  instance.giveBack();
});

test('half a million rows of many groups are narrow of themselves, few rows of as many are not', async () => {
  const groups = 20_000;
  const add = mock.method(Narrow.prototype, 'add');
  for (const [rows, isNarrow] of [[1 << 19, true], [1 << 17, false]] as const) {
    const row = (of: (i: number) => Cell): Cell[] => Array.from({ length: rows }, (_, i) => of(i));
    const plain = batchesOf({
      key: { type: types.int32, values: row((i) => BigInt((i * 7919) % groups)) },
      value: { type: types.double, values: row((i) => ((i * 31) % 40_000) / 100 - 100) },
      time: { type: types.micros, values: row((i) => BigInt((i * 17) % 86_400) * 1_000_000n) },
    }, []);
    const plan: GroupByPlan = { keys: ['key'], outputs: outputsOf({ value: ['sum', 'mean', 'count'], time: 'max' }) };
    const resident = await residentTable(plain);
    const expected = onOneThread(plan, plain, 'finish');
    for (const threads of [1, 2]) {
      add.mock.resetCalls();
      const answer = await ask(plan, resident, 'finish', { threads, rowsExpected: rows });
      assert.ok(threads === 2 || add.mock.calls.some(({ result }) => result === true) === isNarrow);
      assert.ok(tablesEqual(answer, expected));
    }
  }
  add.mock.restore();
});
