/** The benches' own judgement: a wrong answer is refused, whatever is wrong in it, and keys find their way back. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { openTauro } from '../../bench/contenders/tauro.ts';
import { asToy, type KeyKind, questions } from '../../bench/questions.ts';
import { type Answer, check, referenceOf } from '../../bench/support/answer.ts';
import { makeDataset } from '../../bench/support/dataset.ts';
import { groupOf, keyOf } from '../../bench/support/keys.ts';

const asked = asToy(questions.find(({ name }) => name === 'nulls/5/string')!, 2_000);
const dataset = makeDataset(asked);
const reference = referenceOf(dataset);
const right: Answer = await (await openTauro({ question: asked, dataset, folder: '', table: '' })).answer();
const judge = (changed: Partial<Answer>): void => check({ ...right, ...changed }, reference, 'somebody', { exact: true });
const with0 = <Value>(values: ArrayLike<Value>, value: unknown): Value[] => Array.from(values, (each, i) => (i === 0 ? (value as Value) : each));

test('a right answer is let through, a wrong one is not', () => {
  judge({});
  const [names] = right.keys as [ArrayLike<string>];
  const wrong: Record<string, Partial<Answer>> = {
    'a key that no group has': { keys: [with0(names, 'user99999999')] },
    'a key that is no key': { keys: [with0(names, 'usurped')] },
    'a key twice': { keys: [with0(names, names[1])] },
    'a count too high': { counts: with0(right.counts, BigInt(right.counts[0]!) + 1n) },
    'another maximum': { newest: with0(right.newest, BigInt(right.newest[0]!) + 1n) },
    'no maximum': { newest: with0(right.newest, null) },
    'a sum that is off': { sums: with0(right.sums, right.sums[0]! + 1e-6) },
    'a sum in the last bit': { sums: with0(right.sums, right.sums[0]! * (1 + Number.EPSILON)) },
    'no sum': { sums: with0(right.sums, null) },
    'a mean that is off': { means: with0(right.means, right.means[0]! + 1e-6) },
    'a group less': { keys: [Array.from(names).slice(1)], counts: Array.from(right.counts).slice(1) },
  };
  for (const [what, changed] of Object.entries(wrong)) assert.throws(() => judge(changed), what);
});

test('a key leads back to its group, for every kind', () => {
  for (const kind of ['integer', 'spread', 'string', 'dictionary', 'two-column'] as const satisfies readonly KeyKind[]) {
    for (const group of [0, 1, 7, 8, 9, 99_999, 100_000, 1_234_567, 9_999_999]) {
      const [first, second] = keyOf(kind, group);
      assert.equal(groupOf(kind, first!, second), group, `${kind} ${group}`);
    }
  }
});

test('the rows are the same in every run, and as the question says', () => {
  assert.deepEqual(makeDataset(asked), dataset);
  assert.equal(new Set(questions.map(({ name }) => name)).size, questions.length, 'names are unique');
  const nulls = dataset.amounts.filter(Number.isNaN).length / asked.rows;
  assert.ok(nulls > 0.03 && nulls < 0.07, `${nulls} of the amounts are null`);
  const giant = makeDataset({ ...asked, distribution: 'giant' });
  const most = giant.groups.filter((group) => group === asked.groups >> 1).length / asked.rows;
  assert.ok(most > 0.97, `the giant group has ${most} of the rows`);
  const each = makeDataset({ ...asked, groups: asked.rows });
  assert.equal(new Set(each.groups).size, asked.rows, 'as many groups as rows');
  const sorted = makeDataset({ ...asked, nullPercent: 0, time: 'sorted' });
  assert.deepEqual(sorted.seconds, sorted.seconds.slice().sort());
});
