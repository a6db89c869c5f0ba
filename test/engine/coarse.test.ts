/** Ranges of time are asked of coarse times first where a table is resident, and no answer tells. */
import assert from 'node:assert/strict';
import test, { after } from 'node:test';
import fc from 'fast-check';
import type { RecordBatch, Table } from '../../src/arrow/arrow.ts';
import { tablesEqual } from '../../src/arrow/canonical.ts';
import { col } from '../../src/arrow/expression.ts';
import { travellingFields } from '../../src/engine/beside.ts';
import { coarseRange, coarseTimes, coarseTimesIn } from '../../src/engine/coarse.ts';
import { type GroupByPlan, outputsOf } from '../../src/engine/plan.ts';
import { endIdleWorkers } from '../../src/engine/threads/pool.ts';
import { residentTable } from '../../src/engine/threads/resident.ts';
import { batchesOf, types } from '../support/arrow.ts';
import { answersOf, startThreads } from '../support/threads.ts';

after(endIdleWorkers);

const [least, greatest] = [-(1n << 63n), (1n << 63n) - 1n];
/** Times that lie close together, far apart, at the ends of what there is, and null. */
const timesOf = fc.tuple(fc.constantFrom(0n, 1n, 40n, 10n ** 6n, 1n << 52n), fc.constantFrom(0n, -1_000n, 1n << 50n)).chain(([width, from]) =>
  fc.array(fc.oneof({ weight: 12, arbitrary: fc.bigInt({ min: from, max: from + width }) }, { weight: 1, arbitrary: fc.constant(null) }), { minLength: 1, maxLength: 40 }),
);
/** Many in few parts of all time, a unit or several apart: a range cuts through parts in which there are others. */
const clusters = fc.tuple(fc.constantFrom(1n, 7n, 1_000n), fc.constantFrom(-3n, 0n, 10n ** 9n)).chain(([unit, from]) =>
  fc.array(fc.oneof({ weight: 12, arbitrary: fc.tuple(fc.bigInt({ min: 0n, max: 5n }), fc.bigInt({ min: 0n, max: 9n })).map(([cluster, step]) => from + (cluster * (1n << 30n) + step) * unit) }, { weight: 1, arbitrary: fc.constant(null) }), { minLength: 20, maxLength: 40 }),
);
const extremes = fc.array(fc.oneof(fc.constantFrom(least, least + 1n, -1n, 0n, 1n, greatest), fc.constant(null)), { minLength: 1, maxLength: 30 });

const tableOf = (times: readonly (bigint | null)[], type: (typeof types)[keyof typeof types], cuts: readonly number[]): Table =>
  batchesOf({
    key: { type: types.int32, values: times.map((_, i) => BigInt(i % 3)) },
    value: { type: types.int64, values: times.map((_, i) => BigInt(i)) },
    time: { type, values: times },
  } as never, cuts);

test('ranges of time over a resident table have the same answer', async () => {
  await startThreads(2);
  const times = fc.oneof(timesOf, clusters, extremes).chain((some) => fc.constantFrom(1, 9).map((repeat) => Array.from({ length: repeat }, () => some).flat()));
  const ends = fc.record({ from: fc.nat(400), to: fc.nat(400), around: fc.constantFrom(-1n, 0n, 1n, 3n), open: fc.constantFrom('start', 'end', 'neither') });
  let used = 0;
  await fc.assert(
    fc.asyncProperty(
      times, ends, fc.constantFrom(types.micros, types.seconds, types.nanos), fc.array(fc.nat(300), { maxLength: 2 }), fc.integer({ min: 1, max: 2 }), fc.boolean(), fc.nat(30),
      async (all, { from, to, around, open }, type, cuts, threads, isFiltered, first) => {
        const known = all.filter((time) => time !== null);
        const scale = type === types.seconds ? 1_000_000n : 1n;
        const at = (i: number): bigint => ((known[i % Math.max(known.length, 1)] ?? 0n) * scale) / (type === types.nanos ? 1_000n : 1n) + around;
        const range = { ...(open !== 'start' && { startUs: at(from) }), ...(open !== 'end' && { endUs: at(to) }) };
        const filter = isFiltered ? { filter: col('value').gt(3n).expression } : {};
        const plan: GroupByPlan = { keys: ['key'], outputs: outputsOf({ value: ['sum', 'count', 'last'], time: ['min', 'max'] }), timestamp: 'time', range, ...filter };
        const table = tableOf(all, type, cuts);
        const resident = await residentTable(table);
        assert.ok(tablesEqual(resident, table));
        if (resident.batches.some((batch) => travellingFields(coarseTimes.joined(batch, 'time')).length === 1)) used++;
        for (const [ours, plain] of [[resident, table], [resident.slice(first, 200), table.slice(first, 200)]] as const) {
          const plans = [plan, { ...plan, keys: ['value'] }];
          const expected = await answersOf(plans, plain, { threads: 1 });
          const answers = await answersOf(plans, ours, { threads, batchSize: 100, ...(threads > 1 && { rare: { stretchRows: 90 } }) });
          assert.ok(answers.every((answer, i) => tablesEqual(answer, expected[i]!)));
        }
      },
    ),
    { numRuns: 200 },
  );
  assert.ok(used > 100, `coarse times were there ${used} times`);
});

test('which parts a range touches: none outside, and nothing is said where most are', async () => {
  const second = 1_000_000n;
  const table = tableOf(Array.from({ length: 256 }, (_, i) => BigInt(i) * second), types.micros, []);
  const [batch] = (await residentTable(table)).batches as [RecordBatch];
  const rows = coarseTimes.joined(batch, 'time');
  const parts = (start: bigint, end: bigint) => {
    const range = coarseRange(coarseTimesIn(rows, 'time')!, { start, end });
    return range && [range.low, range.high];
  };
  const cuts = (start: bigint, end: bigint) => {
    const { lowCut, highCut } = coarseRange(coarseTimesIn(rows, 'time')!, { start, end })!;
    return [lowCut, highCut];
  };
  // 255 s take 243 parts of 2^20 µs.
  assert.deepEqual(parts(0n, 1n), [0, 0]);
  assert.deepEqual(parts(10n * second, 20n * second), [9, 19]);
  assert.deepEqual(parts(250n * second, greatest), [238, 255]);
  assert.equal(parts(0n, greatest), undefined);
  assert.ok(parts(least, 0n)![0]! > parts(least, 0n)![1]!);
  assert.ok(parts(300n * second, greatest)![0]! > 255);
  assert.equal(coarseTimesIn(batch, 'time'), undefined);
  const part = 1n << 20n;
  assert.deepEqual(cuts(3n * part, 7n * part), [-1, -1]);
  assert.deepEqual(cuts(3n * part + 1n, 7n * part), [3, -1]);
  assert.deepEqual(cuts(3n * part, 7n * part - 1n), [-1, 6]);
  assert.deepEqual(cuts(3n * part, 7n * part + 1n), [-1, 7]);
  assert.deepEqual(cuts(least, 1n), [-1, 0]);
  assert.deepEqual(cuts(250n * second, greatest), [238, -1]);
});
