/**
 * What a contender says, and whether it is so. The reference is worked out from the rows with sums that are exact: amounts
 * are whole cents below 512, so their doubles are whole multiples of 2^-60, added up here in three limbs of 20 bits.
 */
import assert from 'node:assert/strict';
import { type Dataset, firstDayUs, since } from './dataset.ts';
import { groupOf, type KeyValue } from './keys.ts';

/** One element per group, in any order. Null sums and means, of groups without amounts, are null or NaN. */
export interface Answer {
  readonly keys: readonly ArrayLike<KeyValue>[];
  readonly sums: ArrayLike<number | null>;
  readonly means: ArrayLike<number | null>;
  readonly counts: ArrayLike<number | bigint>;
  /** Microseconds. */
  readonly newest: ArrayLike<number | bigint | null>;
}

/** By group. Of groups without rows `rows` is 0. */
export interface Reference {
  readonly dataset: Dataset;
  readonly rows: Int32Array;
  readonly counts: Int32Array;
  readonly newest: Int32Array;
  readonly limbs: readonly [Float64Array, Float64Array, Float64Array];
}

export function referenceOf(dataset: Dataset): Reference {
  const { groups, amounts, seconds, question } = dataset;
  const start = question.days === 'all' ? -1 : since.seconds;
  const rows = new Int32Array(question.groups);
  const counts = new Int32Array(question.groups);
  const newest = new Int32Array(question.groups).fill(-1);
  const limbs = [0, 1, 2].map(() => new Float64Array(question.groups)) as [Float64Array, Float64Array, Float64Array];
  for (let row = 0; row < groups.length; row++) {
    const second = seconds[row]!;
    if (second < start) continue;
    const group = groups[row]!;
    rows[group]!++;
    if (second > newest[group]!) newest[group] = second;
    const amount = amounts[row]!;
    if (Number.isNaN(amount)) continue;
    counts[group]!++;
    const high = Math.floor(amount * 2 ** 20);
    const middle = (amount * 2 ** 20 - high) * 2 ** 20;
    limbs[0][group]! += high;
    limbs[1][group]! += Math.floor(middle);
    limbs[2][group]! += (middle - Math.floor(middle)) * 2 ** 20;
  }
  return { dataset, rows, counts, newest, limbs };
}

/** Keys, counts and maxima exactly, sums and means to 1e-9; with `exact`, the sums of a sample too. */
export function check(answer: Answer, reference: Reference, who: string, { exact = false } = {}): void {
  const { dataset: { question }, rows, counts, newest, limbs } = reference;
  const groups = answer.counts.length;
  const expected = rows.reduce((sum, each) => sum + (each > 0 ? 1 : 0), 0);
  assert.equal(groups, expected, `${who}: groups of ${question.name}`);
  const seen = new Uint8Array(question.groups);
  const [first, second] = answer.keys as [ArrayLike<KeyValue>, ArrayLike<KeyValue>?];
  const every = Math.max(1, Math.floor(expected / 10_000));
  for (let i = 0; i < groups; i++) {
    const group = groupOf(question.key, first[i]!, second?.[i]);
    const fail = (what: string, found: unknown, wanted: unknown): never => assert.fail(`${who}, ${question.name}: the ${what} of group ${group} is ${found}, wanted ${wanted}`);
    // Of a key that no group has, there is no such element.
    if (seen[group] !== 0 || rows[group] === 0) fail('key', answer.keys.map((column) => column[i]).join(', '), 'one that is there, once');
    seen[group] = 1;
    if (Number(answer.counts[i]) !== counts[group]) fail('count', answer.counts[i], counts[group]);
    const wanted = newest[group]! < 0 ? null : Number(firstDayUs) + newest[group]! * 1_000_000;
    const found = answer.newest[i] ?? null;
    if ((found === null ? null : Number(found)) !== wanted) fail('maximum', found, wanted);
    const [sum, mean] = [answer.sums[i] ?? Number.NaN, answer.means[i] ?? Number.NaN];
    if (counts[group] === 0) {
      if (!Number.isNaN(sum) || !Number.isNaN(mean)) fail('sum', sum, 'null');
      continue;
    }
    const near = limbs[0][group]! / 2 ** 20 + limbs[1][group]! / 2 ** 40 + limbs[2][group]! / 2 ** 60;
    // Relative to the amounts, not to what is left of them: rivals add up doubles.
    const allowed = 1e-9 * Math.max(Math.abs(near), counts[group]!);
    if (!(Math.abs(sum - near) <= allowed)) fail('sum', sum, near);
    if (!(Math.abs(mean - near / counts[group]!) <= allowed / counts[group]!)) fail('mean', mean, near / counts[group]!);
    if (exact && i % every === 0) {
      const whole = (BigInt(limbs[0][group]!) << 40n) + (BigInt(limbs[1][group]!) << 20n) + BigInt(limbs[2][group]!);
      if (sum !== Number(whole) / 2 ** 60) fail('exact sum', sum, Number(whole) / 2 ** 60);
    }
  }
}
