/** Means where the exact quotient lies halfway between two doubles, or next to it: what the kernel's test of rounding cannot decide. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { makeVector, Table } from '../../src/arrow/arrow.ts';
import { Aggregation } from '../../src/engine/aggregation.ts';
import { dyadicOf, meanOf } from '../../src/engine/exact.ts';
import { outputsOf } from '../../src/engine/plan.ts';

function meansOf(groups: readonly (readonly number[])[]): Float64Array {
  const rows = groups.flatMap((values, key) => values.map((value) => ({ key, value })));
  const table = new Table({ key: makeVector(Int32Array.from(rows, ({ key }) => key)), value: makeVector(Float64Array.from(rows, ({ value }) => value)) });
  const aggregation = Aggregation.create({ keys: ['key'], outputs: outputsOf({ value: 'mean' }) }, table.schema);
  try {
    for (const batch of table.batches) aggregation.add(batch);
    return aggregation.finish().getChild('value_mean')!.data[0]!.values as Float64Array;
  } finally {
    aggregation.close();
  }
}

/** Values whose mean is a double and so many sixteenths of the step to the next, in a handful of rows. */
const nearTies = fc.record({ count: fc.integer({ min: 1, max: 13 }), mantissa: fc.bigInt({ min: 1n << 52n, max: (1n << 53n) - 1n }), sixteenths: fc.integer({ min: 0, max: 16 }), exponent: fc.integer({ min: -300, max: 200 }) })
  .map(({ count, mantissa, sixteenths, exponent }) => {
    // Sixteen times the mean is a whole number of steps; what one value cannot have is left to a second.
    const sum = (mantissa * 16n + BigInt(sixteenths)) * BigInt(count);
    const high = BigInt(Number(sum));
    const scale = 2 ** exponent;
    return [Number(high) * scale, Number(sum - high) * scale, ...new Array<number>(Math.max(0, count - 2)).fill(0)].slice(0, Math.max(2, count));
  });
const cents = fc.array(fc.integer({ min: -10_000, max: 40_000 }).map((value) => value / 100), { minLength: 1, maxLength: 13 });

test('means are correctly rounded, also of what lies halfway', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(nearTies, cents), { minLength: 1, maxLength: 40 }), (groups) => {
      const found = meansOf(groups);
      for (const [i, values] of groups.entries()) assert.equal(found[i], meanOf(dyadicOf(values), BigInt(values.length)), `group ${i}: ${values.join(', ')}`);
    }),
    { numRuns: 300 },
  );
});
