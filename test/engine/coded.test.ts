/** Keys that have codes in a resident table are grouped by those, and no answer tells. */
import assert from 'node:assert/strict';
import test, { after } from 'node:test';
import fc from 'fast-check';
import { type Data, Field, Int32, makeData, RecordBatch, Schema, Struct, Table, Utf8, Vector, vectorFromArray } from '../../src/arrow/arrow.ts';
import { tablesEqual } from '../../src/arrow/canonical.ts';
import { col } from '../../src/arrow/expression.ts';
import { CancelledError, OverflowError } from '../../src/base/errors.ts';
import { type GroupByOptions, groupBy } from '../../src/engine/group-by.ts';
import { type AggSpec, type GroupByPlan, outputsOf } from '../../src/engine/plan.ts';
import { codedTable } from '../../src/engine/threads/coded.ts';
import { endIdleWorkers } from '../../src/engine/threads/pool.ts';
import { residentTable } from '../../src/engine/threads/resident.ts';
import { batchesOf, types } from '../support/arrow.ts';
import { startThreads } from '../support/threads.ts';

after(endIdleWorkers);

const isCoded = (table: Table, keys: readonly string[], spec: AggSpec = { value: 'sum' }): boolean => {
  const plan: GroupByPlan = { keys, outputs: outputsOf(spec) };
  return codedTable(table, plan) !== undefined;
};

/** Few values, each in many rows. */
const texts = ['', 'a', 'b', 'ab', 'ba', 'æøå', 'a longer text than sixteen bytes', 'a longer text than sixteen bytes!', '\0', 'Z'];
const signed = [-(2n ** 63n), -(2n ** 62n), -1n, 0n, 5n, 2n ** 40n, 2n ** 63n - 1n];
const unsigned = [0n, 1n, 2n ** 40n, 2n ** 63n, 2n ** 64n - 1n];
const nullable = <T>(values: readonly T[]) => fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...values) }, { weight: 1, arbitrary: fc.constant(null) });
const rowsOf = fc.array(
  fc.record({
    text: nullable(texts), signed: nullable(signed), unsigned: nullable(unsigned), other: nullable([1n, 2n, 3n]),
    value: nullable([0.1, -2.5, 1e16, 3, 1e-9]), time: nullable([0n, 1_000n, 2_000n, 3_000n]),
  }),
  { minLength: 1, maxLength: 25 },
).map((rows) => Array.from({ length: 6 }, () => rows).flat());
type Row = ReturnType<typeof rowsOf.generate>['value'][number];
const tableOf = (rows: readonly Row[], cuts: readonly number[]): Table => {
  const column = <Name extends keyof Row>(name: Name, type: (typeof types)[keyof typeof types]) => ({ type, values: rows.map((row) => row[name]) });
  return batchesOf({
    text: column('text', types.utf8), dictionary: column('text', types.dictionary), signed: column('signed', types.int64), unsigned: column('unsigned', types.uint64),
    other: column('other', types.int32), value: column('value', types.double), time: column('time', types.micros),
  } as never, cuts);
};

const keysOf = fc.constantFrom(['dictionary'], ['dictionary', 'other'], ['text'], ['signed'], ['unsigned'], ['text', 'other'], ['other', 'text'], ['text', 'signed', 'unsigned'], ['signed', 'other']);
const specOf = fc.constantFrom<AggSpec>({ value: ['sum', 'mean', 'count'], time: 'max' }, { value: ['std', 'last'], other: 'count_distinct' }, { text: ['min', 'count'], value: 'sum' });
const optionsOf = fc.constantFrom<GroupByOptions>(
  { timestamp: 'time' },
  { timestamp: 'time', timeRange: { start: { value: 1_000n, unit: 'us' }, end: { value: 3_000n, unit: 'us' } } },
  { timestamp: 'time', filter: col('text').ne('a').expression },
  { timestamp: 'time', filter: col('value').gt(0).expression },
);

test('keys that have codes: the answer is that of the same table without', async () => {
  await startThreads(2);
  let coded = 0;
  await fc.assert(
    fc.asyncProperty(rowsOf, fc.array(fc.nat(150), { maxLength: 3 }), keysOf, specOf, optionsOf, fc.integer({ min: 1, max: 2 }), fc.nat(40), fc.nat(120), async (rows, cuts, keys, spec, options, threads, from, length) => {
      const table = tableOf(rows, cuts);
      const resident = await residentTable(table);
      if (isCoded(resident, keys, spec)) coded++;
      for (const [ours, plain] of [[resident, table], [resident.slice(from, from + length), table.slice(from, from + length)]] as const) {
        assert.ok(tablesEqual(await groupBy(ours, keys).agg(spec, { ...options, threads, batchSize: 7 }), await groupBy(plain, keys).agg(spec, { ...options, threads: 1 })));
      }
    }),
    { numRuns: 120 },
  );
  assert.ok(coded > 30, `codes were used ${coded} times`);
});

const many = (name: (i: number) => string, rows = 40_000): Table =>
  batchesOf({
    key: { type: types.utf8, values: Array.from({ length: rows }, (_, i) => name(i)) },
    wide: { type: types.int64, values: Array.from({ length: rows }, (_, i) => BigInt(i % 1000) * 2n ** 50n) },
    dictionary: { type: types.dictionary, values: Array.from({ length: rows }, (_, i) => name(i)) },
    small: { type: types.dictionary8, values: Array.from({ length: rows }, (_, i) => name(i % 100)) },
    close: { type: types.int64, values: Array.from({ length: rows }, (_, i) => BigInt(i % 1000)) },
    value: { type: types.int64, values: Array.from({ length: rows }, () => 2n ** 62n) },
  }, [10_000]);

test('a slice has the codes of its own column, whatever stands near to it', async () => {
  const rows = 36;
  const times = (value: string | bigint) => Array.from({ length: rows }, () => value);
  const table = batchesOf({ text: { type: types.utf8, values: times('') }, signed: { type: types.int64, values: times(-(2n ** 63n)) }, value: { type: types.int64, values: times(1n) } } as never, []);
  const resident = await residentTable(table);
  for (let from = 0; from < rows; from++) {
    const [ours, plain] = [resident, table].map((whole) => groupBy(whole.slice(from, from + 1), 'signed').agg({ value: 'sum' }));
    assert.ok(tablesEqual(await ours!, await plain!), `row ${from}`);
  }
});

test('what gets codes: text and integers far apart, of which each value stands in four rows or more, where they are but keys', async () => {
  const resident = await residentTable(many((i) => `customer ${i % 9_000}`));
  assert.ok(isCoded(resident, ['key']));
  assert.ok(isCoded(resident, ['wide']));
  assert.ok(isCoded(resident, ['dictionary']));
  assert.ok(isCoded(resident, ['small']));
  assert.ok(isCoded(resident, ['close', 'wide']));
  assert.ok(!isCoded(resident, ['close']));
  assert.ok(!isCoded(resident, ['key'], { key: 'count' }));
  assert.ok(!isCoded(await residentTable(many((i) => `customer ${i % 11_000}`)), ['key']));
  assert.ok(!isCoded(many((i) => `customer ${i % 10}`), ['key']));
});

test('dictionaries that batches do not share, of several chunks, with entries twice or unused; one with a null entry has no codes', async () => {
  const type = types.dictionary;
  const column = (chunks: readonly (readonly (string | null)[])[], indices: readonly number[]): Data =>
    makeData({ type, data: Int32Array.from(indices), nullCount: 0, dictionary: new Vector(chunks.flatMap((values) => vectorFromArray(values, new Utf8()).data)) } as never);
  const table = (...columns: readonly Data[]): Table => {
    const fields = [new Field('key', type, true), new Field('value', new Int32(), false)];
    const batches = columns.map((key) => {
      const value = makeData({ type: new Int32(), data: Int32Array.from({ length: key.length }, (_, i) => i) });
      return new RecordBatch(new Schema(fields), makeData({ type: new Struct(fields), length: key.length, nullCount: 0, children: [key, value] as never }));
    });
    return new Table(new Schema(fields), batches);
  };
  const rows = Array.from({ length: 48 }, (_, i) => i % 6);
  const made = table(column([['b', 'a', 'unused'], ['z', 'a', 'b']], rows), column([['a', 'c', 'z', 'never', 'c', 'b']], rows));
  const resident = await residentTable(made);
  assert.ok(isCoded(resident, ['key']));
  assert.ok(tablesEqual(await groupBy(resident, 'key').agg({ value: ['sum', 'count'] }), await groupBy(made, 'key').agg({ value: ['sum', 'count'] })));
  const withNull = table(column([['b', null, 'a', 'c', 'd', 'e']], rows));
  const other = await residentTable(withNull);
  assert.ok(!isCoded(other, ['key']));
  assert.ok(tablesEqual(await groupBy(other, 'key').agg({ value: 'sum' }), await groupBy(withNull, 'key').agg({ value: 'sum' })));
});

test('an error names the key, not its code', async () => {
  const resident = await residentTable(many((i) => `customer ${i % 10}`));
  await assert.rejects(groupBy(resident, 'key').agg({ value: 'sum' }), (error: OverflowError) => error instanceof OverflowError && error.message.includes('customer 0'));
});

test('a table that is cancelled while it gets its codes is not made', async () => {
  const signal = new AbortController();
  const made = residentTable(many((i) => `customer ${i % 10}`, 400_000), { signal: signal.signal });
  setImmediate(() => signal.abort());
  await assert.rejects(made, CancelledError);
});
