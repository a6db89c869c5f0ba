/** Times in 32 bits, by what divides all differences, and amounts in 16 or 32. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { DataType, RecordBatch } from '../../src/arrow/arrow.ts';
import { tablesEqual } from '../../src/arrow/canonical.ts';
import { type GroupByPlan, outputsOf } from '../../src/engine/plan.ts';
import { shortForms } from '../../src/engine/short.ts';
import { residentTable } from '../../src/engine/threads/resident.ts';
import { batchesOf, type Cell, types } from '../support/arrow.ts';
import { answersOf, onOneThread } from '../support/threads.ts';

const shortsOf = async (values: readonly Cell[], cuts: readonly number[] = [], type: DataType = types.micros) => {
  const table = await residentTable(batchesOf({ a: { type, values } }, cuts));
  return table.batches.filter(({ numRows }) => numRows > 0).map((batch: RecordBatch) => shortForms.found(shortForms.joined(batch, 'a'), 'a'));
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

test('amounts take two bytes, or four where they lie farther apart', async () => {
  const shorts = async (values: readonly Cell[], cuts: readonly number[] = []) => {
    const [found] = await shortsOf(values, cuts, types.double);
    return found && [found.scale, found.data.values.constructor, [...(found.data.values as Int32Array)]];
  };
  assert.deepEqual(await shorts([0.5, -0.25, 3]), [[-25n, 100n], Uint16Array, [75, 0, 325]]);
  assert.deepEqual(await shorts([0.5, 700.01, 7]), [[0n, 100n], Int32Array, [50, 70_001, 700]]);
  // Digits behind the point that come later.
  assert.deepEqual(await shorts([300, 300, 299.5], [2]), [[2_995n, 10n], Uint16Array, [5, 5]]);
  assert.deepEqual(await shorts([1, -0]), [[0n, 1n], Uint16Array, [1, 0]]);
  assert.deepEqual(await shorts([-(2 ** 31), 2 ** 31 - 1]), [[0n, 1n], Int32Array, [-(2 ** 31), 2 ** 31 - 1]]);
  for (const values of [[2 ** 31], [NaN], [1 / 3], [0.1 + 0.2], [1e-5], [2e8, 0.01, 3e9], [300_000_000, 0.25], [null]]) assert.equal(await shorts(values), undefined);
});

test('what few rows say is the same by short forms, nulls, zeros without and with a sign, and all', async () => {
  const cents = fc.integer({ min: -3_000, max: 90_000 }).chain((amount) => fc.constantFrom(amount / 100, amount / 10, amount));
  const amounts = fc.constantFrom<fc.Arbitrary<Cell>>(cents, fc.oneof(cents, fc.constantFrom(0, -0)), fc.oneof(cents, fc.constant(null)), fc.oneof(cents, fc.double()));
  const specs = [{ amount: ['sum', 'mean', 'count'], time: 'max' }, { amount: ['sum', 'min', 'max', 'std'] }, { amount: ['min', 'max'] }, { amount: ['first', 'last', 'count_distinct'], time: ['min', 'last'] }] as const;
  let used = 0;
  await fc.assert(
    fc.asyncProperty(
      amounts.chain((amount) => fc.array(fc.tuple(amount, fc.option(fc.nat(60), { freq: 9 })), { minLength: 1, maxLength: 120 })), fc.constantFrom(...specs), fc.array(fc.nat(120), { maxLength: 2 }), fc.nat(60),
      async (rows, spec, cuts, from) => {
        const table = batchesOf({
          key: { type: types.int32, values: rows.map((_, i) => BigInt(i % 3)) },
          amount: { type: types.double, values: rows.map(([amount]) => amount) },
          time: { type: types.micros, values: rows.map(([, time]) => (time === null ? null : BigInt(time) * 1_000n)) },
        }, cuts);
        const plan: GroupByPlan = { keys: ['key'], outputs: outputsOf(spec), timestamp: 'time', range: { startUs: BigInt(from) * 1_000n } };
        const resident = await residentTable(table);
        used += shortForms.found(shortForms.joined(resident.batches.find(({ numRows }) => numRows > 0)!, 'amount'), 'amount') === undefined ? 0 : 1;
        const [answer] = await answersOf([plan], resident, { threads: 1, batchSize: 50 });
        assert.ok(tablesEqual(answer!, onOneThread(plan, table, 'finish')));
      },
    ),
    { numRuns: 200 },
  );
  assert.ok(used > 60, `amounts were short ${used} times`);
});
