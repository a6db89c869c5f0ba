/** Means are the doubles nearest to exact sums over counts, where those lie in the middle between two doubles too. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Aggregation } from '../../src/engine/aggregation.ts';
import { type GroupByPlan, outputsOf } from '../../src/engine/plan.ts';
import { sumOf } from '../oracle/exact.ts';
import { batchesOf, cellsOf, types } from '../support/arrow.ts';

const plan: GroupByPlan = { keys: ['key'], outputs: outputsOf({ amount: 'mean' }) };

/** The mean of each of these lists. */
function means(lists: readonly (readonly number[])[]): number[] {
  const table = batchesOf(
    {
      key: { type: types.int32, values: lists.flatMap((list, key) => list.map(() => key)) },
      amount: { type: types.double, values: lists.flat() },
    },
    [],
  );
  const aggregation = Aggregation.create(plan, table.schema);
  try {
    for (const batch of table.batches) aggregation.add(batch);
    return cellsOf(aggregation.finish(), 'amount_mean') as number[];
  } finally {
    aggregation.close();
  }
}

function check(lists: readonly (readonly number[])[]): void {
  for (const [i, mean] of means(lists).entries()) assert.equal(mean, sumOf(lists[i]!, BigInt(lists[i]!.length)), `${lists[i]}`);
}

/** `count` values whose mean is mean + half of its last place · (1 + nudge). */
function around(mean: number, count: number, nudge: number): number[] {
  const half = 2 ** (Math.floor(Math.log2(Math.abs(mean))) - 53) * Math.sign(mean);
  return [...Array.from({ length: count - 2 }, () => mean), 2 * mean, half * count * (1 + nudge)];
}

const counts = fc.integer({ min: 3, max: 40 });
const numbers = fc.tuple(fc.double({ min: 1, max: 2, noNaN: true, maxExcluded: true }), fc.integer({ min: -300, max: 300 }), fc.boolean())
  .map(([value, exponent, isNegative]) => (isNegative ? -value : value) * 2 ** exponent);

test('a mean in the middle between two doubles is the even one; beside the middle it is the nearer one', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(numbers, counts, fc.constantFrom(0, 1, -1, 2 ** -30, -(2 ** -30), 2 ** -50, -(2 ** -50))), { minLength: 1, maxLength: 40 }), (cases) => {
      check(cases.map(([mean, count, nudge]) => around(mean, count, nudge)));
    }),
    { numRuns: 200 },
  );
});

test('means of sums of money', () => {
  const amounts = fc.integer({ min: -10_000, max: 40_000 }).map((cents) => cents / 100);
  fc.assert(fc.property(fc.array(fc.array(amounts, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 60 }), check), { numRuns: 200 });
});

test('means of more values than half of a double has digits', () => {
  const some = fc.tuple(numbers, fc.bigInt({ min: (1n << 26n) - 2n, max: 1n << 52n }));
  fc.assert(
    fc.property(fc.array(some, { minLength: 1, maxLength: 40 }), (groups) => {
      const table = batchesOf({ key: { type: types.int32, values: [0] }, amount: { type: types.double, values: [1] } }, []);
      const aggregation = Aggregation.create(plan, table.schema);
      const states = batchesOf(
        {
          key: { type: types.int32, values: groups.map((_, i) => i) },
          amount__count: { type: types.int64, values: groups.map(([, count]) => count) },
          amount__sum_hi: { type: types.double, values: groups.map(([sum]) => sum) },
          amount__sum_lo: { type: types.double, values: groups.map(([sum]) => sum * 2 ** -54) },
          amount__sum_wide: { type: types.binary, values: groups.map(() => null) },
        },
        [],
      );
      for (const batch of states.batches) aggregation.addStates(batch);
      const found = cellsOf(aggregation.finish(), 'amount_mean');
      aggregation.close();
      for (const [i, [sum, count]] of groups.entries()) assert.equal(found[i], sumOf([sum, sum * 2 ** -54], count));
    }),
    { numRuns: 100 },
  );
});

test('means near the ends of the doubles', () => {
  const ends = [[5e-324, 5e-324, 0], [1e-300, 1e-316, 1e-310], [1.7976931348623157e308, 1.7976931348623157e308, -1e292], [1e300, 1, -7e-300], [0, -0, 0]];
  check(ends);
  // Behind more groups than are read out at a time.
  check([...Array.from({ length: 5_000 }, (_, i) => [i, 0.1]), ...ends]);
});
