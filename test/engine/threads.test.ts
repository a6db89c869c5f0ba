/** Several threads give what one gives, bit for bit; what goes wrong on one of them is an error, not a hang. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test, { after } from 'node:test';
import fc from 'fast-check';
import type { Table } from '../../src/arrow/arrow.ts';
import { tablesEqual } from '../../src/arrow/canonical.ts';
import { ArgumentError, CancelledError, MemoryLimitError, OverflowError, ThreadError } from '../../src/base/errors.ts';
import { Aggregation, type AggregationOptions } from '../../src/engine/aggregation.ts';
import { groupBy } from '../../src/engine/group-by.ts';
import { type GroupByPlan, outputsOf } from '../../src/engine/plan.ts';
import { createAggregations, type RowUnit } from '../../src/engine/run.ts';
import { endIdleWorkers } from '../../src/engine/threads/pool.ts';
import { batchesOf, type Cell, type TestColumn, types } from '../support/arrow.ts';
import { caseOf } from '../support/cases.ts';
import { onOneThread, startThreads } from '../support/threads.ts';

after(endIdleWorkers);

const someNull = <T extends Exclude<Cell, null>>(values: fc.Arbitrary<T>, rows: number) =>
  fc.array(fc.option(values, { freq: 6 }), { minLength: rows, maxLength: rows });

const wild = fc.oneof(fc.double(), fc.constantFrom(1e308, -1e308, 5e-324, Infinity, NaN, -0), fc.integer().map((n) => n / 100));
const day = 86_400_000_000n;

const tables: fc.Arbitrary<Readonly<Record<string, TestColumn>>> = fc.integer({ min: 0, max: 120 }).chain((rows) =>
  fc.record({
    id: someNull(fc.oneof(fc.bigInt({ min: 0n, max: 9n }), fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n })), rows).map((values) => ({ type: types.int64, values })),
    name: someNull(fc.constantFrom('', 'a', 'long enough to be two words', 'é'), rows).map((values) => ({ type: types.utf8, values })),
    large: someNull(fc.constantFrom('x', 'yy', 'zzz'), rows).map((values) => ({ type: types.largeUtf8, values })),
    code: someNull(fc.constantFrom('red', 'green', 'blue'), rows).map((values) => ({ type: types.dictionary8, values })),
    flag: someNull(fc.boolean(), rows).map((values) => ({ type: types.bool, values })),
    amount: someNull(wild, rows).map((values) => ({ type: types.double, values })),
    small: someNull(fc.bigInt({ min: -128n, max: 127n }), rows).map((values) => ({ type: types.int8, values })),
    time: someNull(fc.bigInt({ min: 0n, max: 9n * day }), rows).map((values) => ({ type: types.micros, values })),
  }),
);

const outputs = outputsOf({ amount: ['sum', 'mean', 'count', 'min', 'max'], small: ['sum', 'max'], time: ['min', 'max'], flag: 'count' });
const plans: readonly GroupByPlan[] = [
  { keys: ['id'], outputs },
  { keys: ['name', 'id'], outputs },
  { keys: ['code', 'flag', 'large'], outputs, timestamp: 'time', range: { startUs: 2n * day, endUs: 7n * day } },
  { keys: ['time'], outputs, filter: { kind: 'compare', column: 'small', operator: '>', value: 0 } },
  { keys: ['name'], outputs, timestamp: 'time', tile: { widthUs: day, name: 'tile' } },
];

type Rare = NonNullable<AggregationOptions['rare']>;

async function several(plans: readonly GroupByPlan[], table: Table, threads: number, rare: Rare, what: 'finish' | 'states'): Promise<readonly Table[]> {
  const run = createAggregations(plans, table.schema, { threads, batchSize: 5, rare });
  try {
    for (const batch of table.batches) await run.add(batch);
    return await run[what]();
  } finally {
    await run.close();
  }
}

const settings = fc.record({
  threads: fc.integer({ min: 1, max: 4 }),
  rare: fc.record({ stretchRows: fc.integer({ min: 1, max: 40 }), allHashesEqual: fc.boolean(), noDirectAddressing: fc.boolean() }),
  what: fc.constantFrom('finish' as const, 'states' as const),
});

/** So that threads take part from the first stretch on. */

test('whatever the threads, stretches and hashes, the answer and the partial states are the same bits', async () => {
  await startThreads(4);
  await fc.assert(
    fc.asyncProperty(settings, tables, fc.array(fc.nat(120), { maxLength: 4 }), async ({ threads, rare, what }, columns, cuts) => {
      const table = batchesOf(columns, cuts);
      const answers = await several(plans, table, threads, rare, what);
      for (const [i, plan] of plans.entries()) assert.ok(tablesEqual(answers[i]!, onOneThread(plan, table, what)), `plan ${i}`);
    }),
    { numRuns: 150 },
  );
});

test('every type and aggregation on several threads', async () => {
  await startThreads(4);
  await fc.assert(
    fc.asyncProperty(settings, caseOf, async ({ threads, rare, what }, { columns, plan, cuts }) => {
      const table = batchesOf(columns, cuts);
      const [answer] = await several([plan], table, threads, rare, what);
      assert.ok(tablesEqual(answer!, onOneThread(plan, table, what)));
    }),
    { numRuns: 200 },
  );
});

test('partial states are merged by threads as by one', async () => {
  const plan = plans[0]!;
  await fc.assert(
    fc.asyncProperty(tables, fc.integer({ min: 1, max: 20 }), async (columns, stretchRows) => {
      const table = batchesOf(columns, []);
      const states = onOneThread(plan, table, 'states');
      const run = createAggregations([plan], table.schema, { threads: 3, rare: { stretchRows } });
      try {
        for (const batch of states.batches) await run.addStates(batch);
        for (const batch of table.batches) await run.add(batch);
        const twice = Aggregation.create(plan, table.schema);
        for (const batch of [...table.batches, ...table.batches]) twice.add(batch);
        assert.ok(tablesEqual((await run.finish())[0]!, twice.finish()));
        twice.close();
      } finally {
        await run.close();
      }
    }),
    { numRuns: 50 },
  );
});

const million = 1_000_000;
const manyRows = (): Table =>
  batchesOf({ key: { type: types.int32, values: Array.from({ length: million }, (_, i) => BigInt(i % 1000)) } , value: { type: types.int64, values: Array.from({ length: million }, () => 1n << 60n) } }, []);

test('an error of a thread is the error of one thread: class, fields, message', async () => {
  const table = manyRows();
  const fails = async (threads: number): Promise<OverflowError> => {
    try {
      await groupBy(table, 'key').agg({ value: 'sum' }, { threads });
    } catch (error) {
      assert.ok(error instanceof OverflowError);
      return error;
    }
    return assert.fail('the sums should not fit');
  };
  const [one, two] = [await fails(1), await fails(2)];
  assert.deepEqual([two.tag, two.column, two.key, two.message], [one.tag, one.column, one.key, one.message]);
  await assert.rejects(groupBy(table, 'key').agg({ value: 'max' }, { threads: 0 }), ArgumentError);
});

test('the event loop gets its turn while threads work, and a signal stops them', async () => {
  const table = manyRows();
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  await groupBy(table, 'key').agg({ value: ['min', 'max'] }, { threads: 2 });
  clearInterval(timer);
  assert.ok(turns > 0);
  const controller = new AbortController();
  const work = groupBy(table, 'key').agg({ value: ['min', 'max'] }, { threads: 2, signal: controller.signal });
  controller.abort();
  await assert.rejects(work, CancelledError);
});

const unitModule = new URL('../support/row-units.js', import.meta.url).href;
const unit = (argument: object): RowUnit => ({ module: unitModule, argument, rows: 1000 });

test('a batch may be written over once it was added', async () => {
  await startThreads(2);
  const rows = 400;
  const values = Array.from({ length: rows }, (_, i) => BigInt(i % 7));
  const plan: GroupByPlan = { keys: ['key'], outputs: outputsOf({ value: ['sum', 'count'] }) };
  const columns = { key: { type: types.int64, values }, value: { type: types.int64, values } };
  const whole = onOneThread(plan, batchesOf(columns, []), 'finish');
  for (let turn = 0; turn < 40; turn++) {
    const table = batchesOf(columns, [100, 200, 300]);
    const run = createAggregations([plan], table.schema, { threads: 3, rare: { stretchRows: 10 } });
    try {
      for (const batch of table.batches) {
        await run.add(batch);
        for (const { values: array } of batch.data.children as unknown as { readonly values: BigInt64Array }[]) array.fill(99n);
      }
      assert.ok(tablesEqual((await run.finish())[0]!, whole));
    } finally {
      await run.close();
    }
  }
});

test('units are fetched on the threads', async () => {
  const plan: GroupByPlan = { keys: ['key'], outputs: outputsOf({ value: ['sum', 'count'] }) };
  const { schemaOfUnits } = (await import(unitModule)) as typeof import('../support/row-units.ts');
  const run = createAggregations([plan], schemaOfUnits, { threads: 2, rare: { stretchRows: 10 } });
  let rows = 0;
  await run.addUnits(Array.from({ length: 20 }, (_, i) => unit({ first: i * 1000, rows: 1000 })), (more) => (rows += more));
  const [answer] = await run.finish();
  await run.close();
  assert.equal(rows, 20_000);
  assert.equal(answer!.numRows, 7);
  assert.equal(run.counters[0]!.rowsSeen, 20_000);
});

test('what was answered may be asked again, and more units may follow', async () => {
  const plan: GroupByPlan = { keys: ['key'], outputs: outputsOf({ value: ['sum', 'count'] }) };
  const { schemaOfUnits } = (await import(unitModule)) as typeof import('../support/row-units.ts');
  await startThreads(2);
  // As by default, so that one thread takes over the groups of the other.
  const run = createAggregations([plan], schemaOfUnits, { threads: 2, rowsExpected: million });
  const alone = createAggregations([plan], schemaOfUnits, { threads: 1 });
  for (let round = 0; round < 3; round++) {
    const units = Array.from({ length: 100 }, (_, i) => unit({ first: (round * 100 + i) * 1000, rows: 1000 }));
    for (const each of [run, alone]) await each.addUnits(units);
    for (const what of ['finish', 'states', 'finish'] as const) assert.ok(tablesEqual((await run[what]())[0]!, (await alone[what]())[0]!));
  }
  for (const each of [run, alone]) await each.close();
});

test('groups of keys that lie close together are taken over in order; they may be asked again, and more rows may follow', async () => {
  await startThreads(2);
  const rows = 400_000;
  const at = <T>(make: (i: number) => T): T[] => Array.from({ length: rows }, (_, i) => make(i));
  // Each round has other keys, with gaps, and more of them than are merged at a time; some amounts need an exact accumulator, some are null.
  const round = (n: number): Table =>
    batchesOf(
      {
        key: { type: types.int32, values: at((i) => BigInt(((i * 7919) % 9_000) * 2 + n * 777 - 5_000)) },
        amount: { type: types.double, values: at((i) => (i % 100_003 === 7 ? 2 ** 1000 : i % 50 === 3 ? null : ((i * 31) % 100_000) / 100)) },
        time: { type: types.micros, values: at((i) => BigInt(i) * 1000n) },
        shop: { type: types.int32, values: at((i) => BigInt(i % 13)) },
      },
      [rows / 2],
    );
  const asked: readonly GroupByPlan[] = [
    { keys: ['key'], outputs: outputsOf({ shop: ['count_distinct', 'last'], amount: ['std', 'mean'] }), timestamp: 'time' },
    { keys: ['key'], outputs: outputsOf({ amount: ['sum', 'mean', 'count', 'min'], time: 'max' }) },
  ];
  const tables = [0, 1, 2].map(round);
  const run = createAggregations(asked, tables[0]!.schema, { threads: 2, rowsExpected: million });
  const alone = createAggregations(asked, tables[0]!.schema, { threads: 1 });
  for (const table of tables) {
    for (const each of [run, alone]) for (const batch of table.batches) await each.add(batch);
    for (const what of ['finish', 'states', 'finish'] as const) {
      const [answers, expected] = [await run[what](), await alone[what]()];
      for (const i of asked.keys()) assert.ok(tablesEqual(answers[i]!, expected[i]!), `plan ${i}, ${what}`);
    }
  }
  for (const each of [run, alone]) await each.close();
});

test('a unit that fails, and a thread that dies, are errors with a cause; the next run finds new threads', async () => {
  const plan: GroupByPlan = { keys: ['key'], outputs: outputsOf({ value: ['sum', 'count'] }) };
  const { schemaOfUnits } = (await import(unitModule)) as typeof import('../support/row-units.ts');
  await startThreads(2);
  for (const [what, expected] of [['fail', MemoryLimitError], ['exit', ThreadError]] as const) {
    const run = createAggregations([plan], schemaOfUnits, { threads: 2, rare: { stretchRows: 10 } });
    const units = [unit({ first: 0, rows: 1000 }), unit({ first: 0, rows: 1000, what }), unit({ first: 0, rows: 1000 })];
    await assert.rejects(run.addUnits(units).then(() => run.finish()), expected);
    await run.close();
    const next = createAggregations([plan], schemaOfUnits, { threads: 2, rare: { stretchRows: 10 } });
    await next.addUnits([unit({ first: 0, rows: 1000 })]);
    assert.equal((await next.finish())[0]!.numRows, 7);
    await next.close();
  }
});

test('a process ends by itself although its threads had not begun when the run was closed', () => {
  const script = `
    import { createAggregations } from ${JSON.stringify(new URL('../../src/engine/run.js', import.meta.url).href)};
    import { tableOf, types } from ${JSON.stringify(new URL('../support/arrow.js', import.meta.url).href)};
    const table = tableOf({ id: { type: types.int64, values: [1n, null, 3n] } });
    const run = createAggregations([{ keys: ['id'], outputs: [] }], table.schema, { threads: 2, rare: { stretchRows: 1 } });
    await run.add(table.batches[0]);
    console.log((await run.finish())[0].numRows);
    await run.close();`;
  const { stdout, status, signal } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], { encoding: 'utf8', timeout: 60_000 });
  assert.deepEqual({ stdout, status, signal }, { stdout: '2\n', status: 0, signal: null });
});

test('the memory of a large run is given back, by the threads too', async () => {
  await startThreads(2);
  const table = batchesOf({ key: { type: types.int64, values: Array.from({ length: million }, (_, i) => BigInt(i) * 1_000_003n) } }, []);
  const rssAfter = async (runs: number): Promise<number> => {
    for (let run = 0; run < runs; run++) await groupBy(table, 'key').agg({ key: ['min', 'max', 'sum'] }, { threads: 3 });
    return process.memoryUsage().rss;
  };
  const few = await rssAfter(3);
  const grown = (await rssAfter(8)) - few;
  assert.ok(grown < 400 * 2 ** 20, `${grown} bytes more after eight more runs`);
});
