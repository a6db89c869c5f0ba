/** Times in 32 bits, by what divides all differences. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { RecordBatch } from '../../src/arrow/arrow.ts';
import { shortTimes } from '../../src/engine/short.ts';
import { residentTable } from '../../src/engine/threads/resident.ts';
import { batchesOf, type Cell, types } from '../support/arrow.ts';

const shortsOf = async (times: readonly Cell[], cuts: readonly number[] = []) => {
  const table = await residentTable(batchesOf({ time: { type: types.micros, values: times } }, cuts));
  return table.batches.filter(({ numRows }) => numRows > 0).map((batch: RecordBatch) => shortTimes.found(shortTimes.joined(batch, 'time'), 'time'));
};

test('whole seconds count as such', async () => {
  const [found] = await shortsOf([7_000_000n, null, 3_000_000n, 1_003_000_000n]);
  assert.deepEqual(found!.scale, [3_000_000n, 4_000_000n]);
  assert.deepEqual([...(found!.data.values as Int32Array)], [2, 0, 1, 251]);
});

test('what takes more than 32 bits has none', async () => {
  assert.deepEqual(await shortsOf([0n, 1n, 1n << 32n]), [undefined]);
  assert.deepEqual((await shortsOf([0n, 1n, (1n << 32n) - 2n]))[0]!.scale, [0n, 1n]);
  assert.deepEqual(await shortsOf([null, null]), [undefined]);
  assert.deepEqual((await shortsOf([5n]))[0]!.scale, [5n, 1n]);
  assert.deepEqual((await shortsOf([-(1n << 63n), (1n << 63n) - 1n]))[0]!.scale, [-(1n << 63n), (1n << 64n) - 1n]);
});

test('a time is found again from its short one, and the unit is the greatest that there is', async () => {
  const divisor = (a: bigint, b: bigint): bigint => (b === 0n ? a : divisor(b, a % b));
  const units = fc.oneof(fc.constantFrom(1n, 1_000n, 1_000_000n, 86_400_000_000n, 1n << 40n, 3n << 20n), fc.bigInt({ min: 1n, max: 1n << 45n }));
  await fc.assert(
    fc.asyncProperty(
      units, fc.bigInt({ min: -(1n << 60n), max: 1n << 60n }), fc.array(fc.option(fc.nat(1 << 17), { freq: 6 }), { minLength: 1, maxLength: 200 }), fc.array(fc.nat(200), { maxLength: 2 }),
      async (unit, first, steps, cuts) => {
        const times = steps.map((step) => (step === null ? null : first + BigInt(step) * unit));
        const known = times.filter((time) => time !== null);
        const found = await shortsOf(times, cuts);
        const least = known.reduce((a, b) => (b < a ? b : a), known[0] ?? 0n);
        const by = known.reduce((all, time) => divisor(all, time - least), 0n) || 1n;
        const shorts = found.flatMap((each) => (each === undefined ? [] : [...(each.data.values as Int32Array)].map((short) => (short === 0 ? null : BigInt(short >>> 0)))));
        if (known.length === 0) return assert.deepEqual(shorts, []);
        assert.deepEqual(found.map((each) => each!.scale), found.map(() => [least, by]));
        assert.deepEqual(shorts.map((short) => short && least + (short - 1n) * by), times);
      },
    ),
    { numRuns: 100 },
  );
});
