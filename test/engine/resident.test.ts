/** Tables that live in the engine's memory are the same tables, and every question over them has the same answer, bit for bit. */
import assert from 'node:assert/strict';
import test, { after } from 'node:test';
import fc from 'fast-check';
import type { Table } from '../../src/arrow/arrow.ts';
import { tablesEqual } from '../../src/arrow/canonical.ts';
import { CancelledError, MemoryLimitError } from '../../src/base/errors.ts';
import { groupBy } from '../../src/engine/group-by.ts';
import { type GroupByPlan, outputsOf } from '../../src/engine/plan.ts';
import { endIdleWorkers } from '../../src/engine/threads/pool.ts';
import { homeOf, residentTable } from '../../src/engine/threads/resident.ts';
import { batchesOf, types } from '../support/arrow.ts';
import { caseOf } from '../support/cases.ts';
import { answersOf, onOneThread, startThreads } from '../support/threads.ts';

after(endIdleWorkers);

async function answered(table: Table, plan: GroupByPlan, threads: number, stretchRows: number | undefined): Promise<Table> {
  return (await answersOf([plan], table, { threads, ...(stretchRows !== undefined && { rare: { stretchRows } }) }))[0]!;
}

test('whatever the types, the batches and where a slice begins: the table and its answers are the same', async () => {
  await startThreads(3);
  await fc.assert(
    fc.asyncProperty(
      caseOf, fc.integer({ min: 1, max: 3 }), fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }), fc.nat(20), fc.nat(60),
      async ({ columns, plan, cuts }, threads, stretchRows, from, length) => {
        const whole = batchesOf(columns, cuts);
        for (const table of [whole, whole.slice(from, from + length)]) {
          const resident = await residentTable(table);
          assert.ok(tablesEqual(resident, table));
          const expected = await answered(table, plan, 1, undefined);
          assert.ok(tablesEqual(await answered(resident, plan, threads, stretchRows), expected));
          // Part of a resident table is read in place, too.
          const part = resident.slice(1, 17);
          assert.ok(tablesEqual(await answered(part, plan, threads, stretchRows), await answered(table.slice(1, 17), plan, 1, undefined)));
        }
      },
    ),
    { numRuns: 80 },
  );
});

const rows = 400_000;
const large = (): Table =>
  batchesOf({
    key: { type: types.int32, values: Array.from({ length: rows }, (_, i) => BigInt((i * 7919) % 1000)) },
    name: { type: types.utf8, values: Array.from({ length: rows }, (_, i) => `customer ${(i * 31) % 500}`) },
    value: { type: types.int64, values: Array.from({ length: rows }, (_, i) => BigInt(i)) },
  }, [100_000, 250_000]);

test('several questions at once: one works where the table lives, the others elsewhere, and later ones there again', async () => {
  await startThreads(2);
  const table = large();
  const resident = await residentTable(table);
  const home = homeOf(resident)!;
  const spec = { value: ['sum', 'max', 'count'] } as const;
  const expected = await groupBy(table, ['key', 'name']).agg(spec, { threads: 1 });
  for (let round = 0; round < 2; round++) {
    const all = await Promise.all([1, 2, 3].map((threads) => groupBy(resident, ['key', 'name']).agg(spec, { threads })));
    for (const answer of all) assert.ok(tablesEqual(answer, expected));
    assert.equal(home.isTaken, false);
  }
  assert.ok(tablesEqual(resident, table), 'no question writes to the table');
});

test('a question that fails leaves the table as it was', async () => {
  await startThreads(2);
  const resident = await residentTable(batchesOf({ key: { type: types.int64, values: Array.from({ length: rows }, (_, i) => BigInt(i) * 1_000_003n) }, value: { type: types.int64, values: Array.from({ length: rows }, () => 1n << 62n) } }, []));
  for (const threads of [1, 2]) {
    if (threads === 1) await assert.rejects(groupBy(resident, 'key').agg({ value: 'sum' }, { threads, memoryLimit: 1 << 20 }), MemoryLimitError);
    await assert.rejects(groupBy(resident, 'key').agg({ value: 'sum' }, { threads, signal: AbortSignal.abort() }), CancelledError);
    const answer = await groupBy(resident, 'key').agg({ value: 'count' }, { threads });
    assert.equal(answer.numRows, rows);
  }
});

test('a table that is too large, and one whose copying is cancelled, are errors of ours', async () => {
  const half = batchesOf({ value: { type: types.int8, values: [1n] } }, []);
  const data = half.batches[0]!.data.children[0]!;
  // It says that it has 2^31 bytes, without having them; twice that is too much.
  Object.defineProperty(data.values, 'byteLength', { value: 2 ** 31 });
  Object.defineProperty(data.values, 'subarray', { value: () => data.values });
  const both = half.concat(half);
  await assert.rejects(residentTable(both), (error: unknown) => error instanceof MemoryLimitError && /keep fewer columns or rows/.test(error.message));
  await assert.rejects(residentTable(large(), { signal: AbortSignal.abort() }), CancelledError);
});

test('tables without rows, without columns', async () => {
  const empty = batchesOf({ key: { type: types.utf8, values: [] }, value: { type: types.double, values: [] } }, []);
  const resident = await residentTable(empty);
  assert.equal((await groupBy(resident, 'key').agg({ value: 'sum' })).numRows, 0);
  assert.equal((await residentTable(empty.select([]))).numRows, 0);
});

test('who takes a stretch of many rows adds it in several pieces', async () => {
  await startThreads(1);
  const values = Array.from({ length: 300_000 }, (_, i) => BigInt(i));
  const table = batchesOf({ key: { type: types.int32, values: values.map((value) => value % 11n) }, value: { type: types.int64, values } } as never, []);
  const resident = await residentTable(table);
  const plan: GroupByPlan = { keys: ['key'], outputs: outputsOf({ value: ['sum', 'count', 'max'] }) };
  const whole = onOneThread(plan, table, 'finish');
  // Either thread may take any of them.
  for (const stretchRows of [70_000, 300_000, 300_000]) {
    const [answer] = await answersOf([plan], resident, { threads: 2, rare: { stretchRows } });
    assert.ok(tablesEqual(answer!, whole));
  }
});
