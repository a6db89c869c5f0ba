/** Rows that are put aside and grouped a part at a time are grouped as all others. */
import assert from 'node:assert/strict';
import test, { after } from 'node:test';
import fc from 'fast-check';
import { type DataType, Field, Float64, Int64, makeData, Schema, type Table, TimestampMicrosecond } from '../../src/arrow/arrow.ts';
import { tableOfColumns, tablesEqual } from '../../src/arrow/canonical.ts';
import { MemoryLimitError } from '../../src/base/errors.ts';
import { Aggregation, type AggregationOptions, type Counters } from '../../src/engine/aggregation.ts';
import { cutForAside } from '../../src/engine/cut.ts';
import { groupBy } from '../../src/engine/group-by.ts';
import { type GroupByPlan, outputsOf } from '../../src/engine/plan.ts';
import { createAggregations } from '../../src/engine/run.ts';
import { endIdleWorkers } from '../../src/engine/threads/pool.ts';
import { randomOf } from '../../bench/support/random.ts';
import { batchesOf, type TestColumn, types } from '../support/arrow.ts';
import { caseOf } from '../support/cases.ts';
import { onOneThread, startThreads } from '../support/threads.ts';

after(endIdleWorkers);

const rows = 1 << 21;
/** As many keys as rows, or a tenth, in no order. */
const manyGroups = (groups: number, type: DataType = new Int64()): Table => {
  const keys = new BigInt64Array(rows);
  for (let row = 0; row < rows; row++) keys[row] = BigInt.asIntN(64, BigInt((row * 7919) % groups) * 0x9e3779b97f4a7c15n);
  const amounts = Float64Array.from({ length: rows }, (_, row) => (row % 1000) / 100);
  const times = BigInt64Array.from({ length: rows }, (_, row) => BigInt(row));
  const time = new TimestampMicrosecond();
  const schema = new Schema([new Field('key', type, false), new Field('amount', new Float64(), false), new Field('time', time, false)]);
  const columns = [makeData({ type: new Int64(), data: keys }), makeData({ type: new Float64(), data: amounts }), makeData({ type: time, data: times })];
  return tableOfColumns(schema, columns as never, rows);
};

test('two million rows of a million keys: an answer in parts, ascending, on one thread and on two', async () => {
  await startThreads(1);
  const groups = 1 << 20;
  const table = manyGroups(groups);
  const spec = { amount: ['sum', 'count'], time: 'max' } as const;
  const [one, two] = [await groupBy(table, 'key').agg(spec, { threads: 1 }), await groupBy(table, 'key').agg(spec, { threads: 2 })];
  assert.ok(one.batches.length > 16, 'it was read in parts');
  assert.equal(one.numRows, groups);
  assert.ok(tablesEqual(one, two));
  let before = -(1n << 63n) - 1n;
  for (const { data } of one.batches) {
    const [keys, , counts] = data.children.map((column) => column!.values as BigInt64Array) as [BigInt64Array, unknown, BigInt64Array];
    for (let i = 0; i < keys.length; i++) {
      assert.ok(keys[i]! > before);
      before = keys[i]!;
      assert.equal(counts[i], 2n);
    }
  }
});

const settings = fc.record({
  threads: fc.integer({ min: 1, max: 3 }),
  batchSize: fc.option(fc.integer({ min: 1, max: 50 }), { nil: undefined }),
  rare: fc.record({ asideParts: fc.integer({ min: 1, max: 9 }), stretchRows: fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }), allHashesEqual: fc.boolean(), noDirectAddressing: fc.boolean() }),
  what: fc.constantFrom('finish' as const, 'states' as const),
});

async function aside(plans: readonly GroupByPlan[], table: Table, { threads, batchSize, rare: { stretchRows, ...rare } }: { threads: number; batchSize: number | undefined; rare: Omit<NonNullable<AggregationOptions['rare']>, 'stretchRows'> & { readonly stretchRows: number | undefined } }, what: 'finish' | 'states') {
  const options = { threads, ...(batchSize !== undefined && { batchSize }), rare: { ...rare, ...(stretchRows !== undefined && { stretchRows }) } };
  const run = createAggregations(plans, table.schema, options);
  try {
    for (const batch of table.batches) await run.add(batch);
    const answers = await run[what]();
    return { answers, again: await run[what](), counters: run.counters };
  } finally {
    await run.close();
  }
}

test('every type and aggregation, in parts', async () => {
  await startThreads(2);
  await fc.assert(
    fc.asyncProperty(settings, caseOf, async ({ what, ...how }, { columns, plan, cuts }) => {
      const table = batchesOf(columns, cuts);
      const { answers, again } = await aside([plan], table, how, what);
      const expected = onOneThread(plan, table, what);
      assert.ok(tablesEqual(answers[0]!, expected));
      assert.ok(tablesEqual(again[0]!, expected), 'what was put aside can be read again');
    }),
    { numRuns: 250 },
  );
});

const names = fc.oneof(fc.constantFrom('', '\0', 'customer', 'customer-', 'customer-17', 'customer-170000000000', 'customes'), fc.string({ maxLength: 40 }));
const day = 86_400_000_000n;
const tables: fc.Arbitrary<Readonly<Record<string, TestColumn>>> = fc.integer({ min: 0, max: 150 }).chain((rows) => {
  const many = <T>(values: fc.Arbitrary<T>) => fc.array(fc.option(values, { freq: 8 }), { minLength: rows, maxLength: rows });
  return fc.record({
    id: many(fc.oneof(fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }), fc.bigInt({ min: 0n, max: 30n }))).map((values) => ({ type: types.int64, values })),
    dense: many(fc.bigInt({ min: -20n, max: 20n })).map((values) => ({ type: types.int32, values })),
    unsigned: many(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n })).map((values) => ({ type: types.uint64, values })),
    name: many(names).map((values) => ({ type: types.utf8, values })),
    amount: many(fc.oneof(fc.double(), fc.constantFrom(1e300, -1e300, 5e-324, -0))).map((values) => ({ type: types.double, values })),
    flag: many(fc.boolean()).map((values) => ({ type: types.bool, values })),
    time: many(fc.bigInt({ min: 0n, max: 9n * day })).map((values) => ({ type: types.micros, values })),
  });
});

test('keys of all kinds beside each other, ranges and filters, several plans over the same rows', async () => {
  const outputs = outputsOf({ amount: ['sum', 'mean', 'min', 'max', 'count'], time: 'max', flag: 'any' });
  const plans: readonly GroupByPlan[] = [
    { keys: ['id'], outputs },
    { keys: ['dense'], outputs, timestamp: 'time', range: { startUs: 2n * day, endUs: 7n * day } },
    { keys: ['unsigned'], outputs, filter: { kind: 'compare', column: 'dense', operator: '>', value: 0 } },
    { keys: ['name'], outputs: outputsOf({ amount: 'last', name: ['min', 'count_distinct'] }), timestamp: 'time' },
    { keys: ['name', 'dense'], outputs },
    { keys: ['name'], outputs, timestamp: 'time', tile: { widthUs: day, name: 'tile' } },
  ];
  await startThreads(2);
  await fc.assert(
    fc.asyncProperty(settings, tables, fc.array(fc.nat(150), { maxLength: 4 }), async ({ what, ...how }, columns, cuts) => {
      const table = batchesOf(columns, cuts);
      const { answers, counters } = await aside(plans, table, how, what);
      for (const [i, plan] of plans.entries()) assert.ok(tablesEqual(answers[i]!, onOneThread(plan, table, what)), `plan ${i}`);
      const counted = Aggregation.create(plans[1]!, table.schema);
      for (const batch of table.batches) counted.add(batch);
      counted.close();
      const numbersOf = ({ rowsSeen, rowsInRange, rowsDroppedNullKey }: Counters) => [rowsSeen, rowsInRange, rowsDroppedNullKey];
      assert.deepEqual(numbersOf(counters[1]!), numbersOf(counted));
    }),
    { numRuns: 150 },
  );
});

test('within a memory limit some rows are put aside and the others grouped at once; where the groups do not fit, it is an error, and nothing is harmed', async () => {
  await startThreads(1);
  const table = manyGroups(1 << 16);
  const spec = { amount: ['sum', 'count'], time: 'max' } as const;
  const expected = await groupBy(table, 'key').agg(spec, { threads: 1 });
  const plan = { keys: ['key'], outputs: outputsOf(spec) };
  for (const memoryLimit of [24, 64, 400].map((megabytes) => megabytes * 2 ** 20)) {
    const run = createAggregations([plan], table.schema, { threads: 1, memoryLimit, rowsExpected: rows, rare: { asideParts: 16 } });
    for (const batch of table.batches) await run.add(batch);
    assert.ok(tablesEqual((await run.finish())[0]!, expected));
    await run.close();
  }
  for (const threads of [1, 2]) {
    const tooMany = groupBy(manyGroups(rows), 'key').agg(spec, { threads, memoryLimit: 2 ** 20 });
    if (threads === 1) await assert.rejects(tooMany, MemoryLimitError);
    else await tooMany;
    assert.ok(tablesEqual(await groupBy(table, 'key').agg(spec, { threads }), expected));
  }
});

test('few rows, few groups, or keys that are all alike where it is looked: none is put aside', () => {
  const keys = (count: number, key: (i: number) => bigint) => ({ words: BigUint64Array.from({ length: count }, (_, i) => key(i)), wordsEach: 1 as const });
  const spread = (i: number): bigint => BigInt.asUintN(64, BigInt(i) * 0x9e3779b97f4a7c15n);
  const many = 1e7;
  assert.equal(cutForAside(keys(16_384, spread), { rows: 1e5, parts: undefined }), 'declined');
  assert.equal(cutForAside(keys(100, spread), { rows: many, parts: undefined }), undefined);
  assert.equal(cutForAside(keys(16_384, (i) => spread(i % 10_000)), { rows: many, parts: undefined }), 'declined');
  const random = randomOf(7);
  const spreadAmong = (groups: number) => (): bigint => spread(Math.floor(random() * groups));
  // The first few tell, or do not.
  assert.equal(cutForAside(keys(16_384, spreadAmong(50_000)), { rows: many, parts: undefined }), 'declined');
  assert.equal(typeof cutForAside(keys(16_384, spreadAmong(600_000)), { rows: many, parts: undefined }), 'object');
  // Dense keys take more groups.
  const among = (groups: number) => (): bigint => BigInt(Math.floor(random() * groups));
  assert.equal(cutForAside(keys(16_384, among(400_000)), { rows: many, parts: undefined }), 'declined');
  assert.equal(typeof cutForAside(keys(16_384, among(4_000_000)), { rows: many, parts: undefined }), 'object');
  const cut = cutForAside(keys(16_384, spread), { rows: many, parts: undefined });
  assert.ok(typeof cut === 'object' && cut.bounds.length > 100 && cut.groups! > 10_000);
  assert.ok(cut.bounds.every((bound, i) => i === 0 || bound > cut.bounds[i - 1]!));
  // Nearly all in one place, so that cells are too coarse for bounds; and strings that differ beyond what is looked at.
  const skewed = cutForAside(keys(16_384, (i) => (i % 100 === 0 ? spread(i) : BigInt(i))), { rows: many, parts: undefined });
  assert.ok(typeof skewed === 'object' && skewed.bounds[100]! < 16_384n);
  const alike = { words: BigUint64Array.from({ length: 32_768 }, (_, i) => (i % 2 === 0 ? 0n : BigInt(i % 7))), wordsEach: 2 as const };
  assert.equal(cutForAside(alike, { rows: many, parts: undefined }), 'declined');
});
