/** Rows in a range of time: where all of a stretch are in it or none is, and where a few are not as the others. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { type GroupByPlan, outputsOf } from '../../src/engine/plan.ts';
import { batchesOf, types } from '../support/arrow.ts';
import { onOneThread } from '../support/threads.ts';

const range = { startUs: 1_000n, endUs: 2_000n };
const isInside = (time: bigint | null): boolean => time !== null && time >= range.startUs && time < range.endUs;
const plan: GroupByPlan = { keys: ['key'], outputs: outputsOf({ value: ['sum', 'count'] }), timestamp: 'time', range };

const inside = fc.constantFrom(1_000n, 1_001n, 1_500n, 1_999n);
const outside = fc.constantFrom(-(1n << 63n), -1n, 999n, 2_000n, 1n << 40n, (1n << 63n) - 1n);

test('stretches of rows that are alike, but for a few', () => {
  const alike = fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 60 })).chain(([areInside, rows]) => fc.array(areInside ? inside : outside, { minLength: rows, maxLength: rows }));
  const strangers = fc.array(fc.record({ at: fc.nat(), time: fc.oneof(inside, outside, fc.constant(null)) }), { maxLength: 2 });
  fc.assert(
    fc.property(alike, strangers, fc.constantFrom('one after the other', 'at once'), (some, others, how) => {
      const times: (bigint | null)[] = [...some];
      for (const { at, time } of others) times[at % times.length] = time;
      const values = times.map((_, i) => BigInt(i + 1));
      const cuts = how === 'at once' ? [] : [Math.floor(times.length / 2)];
      const table = batchesOf({ key: { type: types.int64, values: times.map(() => 7n) }, value: { type: types.int64, values }, time: { type: types.micros, values: times } }, cuts);
      const kept = values.filter((_, i) => isInside(times[i]!));
      const answer = onOneThread(plan, table, 'finish');
      const row = answer.numRows === 0 ? undefined : answer.get(0)!.toJSON();
      assert.deepEqual([row?.value_sum ?? 0n, row?.value_count ?? 0n].map(BigInt), [kept.reduce((all, value) => all + value, 0n), BigInt(kept.length)]);
    }),
    { numRuns: 500 },
  );
});
