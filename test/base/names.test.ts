import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { checkName, didYouMean, nearestName } from '../../src/base/names.ts';

const words = ['materialized', 'virtualized', 'hybrid', 'parquet', 'delta', 'orc', 'entity_keys', 'aggregations', 'approx_distinct'];

test('a slip of the keyboard finds the word that was meant', () => {
  assert.equal(nearestName('hybird', words), 'hybrid');
  assert.equal(nearestName('Parket', words), 'parquet');
  assert.equal(nearestName('zebra', words), undefined);
  assert.equal(nearestName('hybrid', []), undefined);
  assert.equal(didYouMean('agregations', words), "; did you mean 'aggregations'?");
  assert.equal(didYouMean('zebra', words), '');
});

test('the nearest of several wins, the first of equals', () => {
  assert.equal(nearestName('sum_amount', ['num_amount', 'sum_amounts', 'sum_amount']), 'sum_amount');
  assert.equal(nearestName('ab', ['ac', 'ad']), 'ac');
  assert.equal(nearestName('hybird', ['hybirdos', 'hybrid']), 'hybrid', 'neighbours that changed places are one slip');
});

test('law: one letter put in, left out, changed or swapped finds the word again', () => {
  const letter = fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz_');
  fc.assert(
    fc.property(fc.constantFrom(...words), fc.nat(20), letter, fc.constantFrom('put', 'leave', 'change', 'swap', 'case'), (word, index, char, slip) => {
      const at = index % word.length;
      const typo = {
        put: word.slice(0, at) + char + word.slice(at),
        leave: word.slice(0, at) + word.slice(at + 1),
        change: word.slice(0, at) + char + word.slice(at + 1),
        swap: word.slice(0, at) + word.slice(at, at + 2).split('').reverse().join('') + word.slice(at + 2),
        case: word.slice(0, at) + word.slice(at).toUpperCase(),
      }[slip]!;
      assert.equal(nearestName(typo, words), word);
    }),
    { numRuns: 1_000 },
  );
});

test('names that are safe as folders pass as they are', () => {
  for (const name of ['customer_demographics', 'a', '_x', '9lives', 'v1.2', 'a-b', 'año', '顧客', 'x'.repeat(128), 'console', 'com', 'nullable']) {
    assert.equal(checkName(name, 'name'), name);
  }
});

test('names that could lead elsewhere are refused', () => {
  const hostile = [
    '', '.', '..', '../../etc', 'a/b', 'a\\b', '/etc', 'C:', 'a..b', 'a.', '.hidden', '-rf', 'a b', ' a', 'a\n', 'a\0', 'a\u202Eb',
    'con', 'CON', 'nul.parquet', 'COM1', 'lpt9.x', 'a%2fb', '~', '$HOME', 'a*', 'x'.repeat(129), '\uD800',
  ];
  for (const name of hostile) assert.throws(() => checkName(name, 'feature set'), { tag: 'Argument', argument: 'feature set', message: /cannot be a name/ }, JSON.stringify(name));
});

test('law: a name that passes is one step of a path, on every system', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('.', '/', '\\', 'a', ':', '\0', '-', '_', ' ', 'ñ') }), (name) => {
      try {
        checkName(name, 'name');
      } catch {
        return;
      }
      assert.doesNotMatch(name, /[/\\:\0 ]|^[.-]|\.\.|\.$/);
    }),
    { numRuns: 1_000 },
  );
});
