/** The loops of the engine take rows in blocks: where the kinds of values change decides nothing. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { tablesEqual } from '../../src/arrow/canonical.ts';
import { Aggregation } from '../../src/engine/aggregation.ts';
import { type GroupByPlan, outputsOf } from '../../src/engine/plan.ts';
import type { AggSpec } from '../../src/engine/plan.ts';
import { batchesOf, cellsOf, type TestColumn, types } from '../support/arrow.ts';

/** Stretches of values of one size each; most are longer than a block. */
const stretches = fc.array(
  fc.record({
    rows: fc.integer({ min: 1, max: 300 }),
    value: fc.oneof(
      fc.integer({ min: 1, max: 10_000_000 }).map((cents) => cents / 100),
      fc.constantFrom(0, -0, 1, 5e-324, 1e-300, 1e300, 1.7976931348623157e308, NaN, Infinity, -Infinity, 2 ** -40, 2 ** 60, 0.1),
    ),
    step: fc.constantFrom(0, 0.01, 1, -3, 2 ** -30),
  }),
  { minLength: 1, maxLength: 12 },
);

function answer(columns: Readonly<Record<string, TestColumn>>, spec: AggSpec, batchSize: number) {
  const plan: GroupByPlan = { keys: ['key'], outputs: outputsOf(spec) };
  const table = batchesOf(columns, []);
  const aggregation = Aggregation.create(plan, table.schema, { batchSize });
  try {
    for (const batch of table.batches) aggregation.add(batch);
    return aggregation.finish();
  } finally {
    aggregation.close();
  }
}

const specs: readonly AggSpec[] = [
  { amount: ['sum', 'mean', 'count'], time: 'max' },
  { amount: ['sum', 'count'], time: ['min', 'max'] },
  { amount: ['sum', 'min'], time: 'min' },
  { amount: ['sum', 'max', 'min'], unsigned: ['min', 'max'] },
  { amount: ['mean', 'max'] },
  { amount: ['sum'] },
  { time: 'max', amount: ['sum', 'min', 'max'] },
];

test('sums and extremes of doubles whose size changes from block to block', () => {
  fc.assert(
    fc.property(stretches, fc.integer({ min: 1, max: 5 }), fc.constantFrom(...specs), (parts, groups, spec) => {
      const amounts = parts.flatMap(({ rows, value, step }) => Array.from({ length: rows }, (_, i) => value + i * step));
      const column = (value: (i: number) => bigint) => amounts.map((_, i) => value(i));
      const columns = {
        key: { type: types.int32, values: column((i) => BigInt((i * 7) % groups)) },
        amount: { type: types.double, values: amounts },
        time: { type: types.micros, values: column((i) => BigInt((i * 7919) % 1000) - 500n) },
        unsigned: { type: types.uint64, values: column((i) => (1n << 63n) + BigInt((i * 31) % 1000) - 500n) },
      };
      const expected = answer(columns, spec, 5);
      for (const batchSize of [64, 1_000, 16_384]) assert.ok(tablesEqual(answer(columns, spec, batchSize), expected), `batches of ${batchSize}`);
    }),
    { numRuns: 150 },
  );
});

test('a sum that fills its room again and again within one stretch', () => {
  // One group, values near the largest magnitude that was decided on: each look finds something to carry.
  const amounts = Array.from({ length: 300_000 }, (_, i) => (i % 2 === 0 ? 1e15 : 0.001) + (i % 3));
  const columns = {
    key: { type: types.int32, values: amounts.map(() => 1n) },
    amount: { type: types.double, values: amounts },
    time: { type: types.micros, values: amounts.map((_, i) => BigInt(i)) },
  };
  const spec = { amount: ['sum', 'count'], time: 'max' } as const;
  assert.ok(tablesEqual(answer(columns, spec, 16_384), answer(columns, spec, 7)));
});

test('thousands of keys of all lengths are told apart, however many there are', () => {
  const text = fc.oneof(fc.string({ maxLength: 40 }), fc.integer({ min: 0, max: 100_000 }).map((n) => `customer-${n}`), fc.constantFrom('', '\0', '\0\0', 'sixteen bytes ok', 'sixteen bytes ok\0', 'sixteen bytes okk'));
  fc.assert(
    fc.property(fc.array(text, { minLength: 1, maxLength: 200 }), fc.integer({ min: 1, max: 40 }), (seeds, times) => {
      const keys = Array.from({ length: seeds.length * times }, (_, i) => (i % 3 === 0 ? seeds[i % seeds.length]! : `${seeds[i % seeds.length]!}${Math.floor(i / seeds.length) * 3}`));
      const counts = new Map<string, bigint>();
      for (const key of keys) counts.set(key, (counts.get(key) ?? 0n) + 1n);
      const result = answer({ key: { type: types.utf8, values: keys }, amount: { type: types.double, values: keys.map(() => 1) } }, { amount: 'count' }, 16_384);
      const found = new Map(cellsOf(result, 'key').map((key, i) => [key as string, cellsOf(result, 'amount_count')[i] as bigint]));
      assert.deepEqual(found, counts);
    }),
    { numRuns: 40 },
  );
});

test('integer keys that lie far apart, and whose hashes share their lower bits', () => {
  const keys = Array.from({ length: 40_000 }, (_, i) => (BigInt(i % 9_000) * 0x1_0000_0001n) ^ (BigInt(i % 7) << 60n));
  const counts = new Map<bigint, bigint>();
  for (const key of keys.map((each) => BigInt.asIntN(64, each))) counts.set(key, (counts.get(key) ?? 0n) + 1n);
  const values = keys.map((key) => BigInt.asIntN(64, key));
  const result = answer({ key: { type: types.int64, values }, amount: { type: types.double, values: keys.map(() => 1) } }, { amount: 'count' }, 16_384);
  const found = cellsOf(result, 'amount_count');
  assert.deepEqual(new Map(cellsOf(result, 'key').map((key, i) => [key as bigint, found[i] as bigint])), counts);
});
