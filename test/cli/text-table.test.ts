/** Tables for a terminal: aligned, cut where they must be, harmless whatever the data say. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { Int64, makeData, makeVector, Table, tableFromArrays, TimestampMicrosecond, Utf8, vectorFromArray } from '../../src/arrow/arrow.ts';
import { arrowTableLines, formatCount, formatElapsed, tableLines } from '../../src/cli/text-table.ts';
import { cutText, escapeControls, padText, textWidth } from '../../src/cli/text-width.ts';

const shops = new Table({
  merchant: vectorFromArray(['Casa Verde', '東京', null, 'a\tb'], new Utf8()),
  visits: vectorFromArray([5n, 12345n, null, -1n], new Int64()),
});

test('usage: names, types, a rule, rows; numbers to the right; ∅ for null; wide characters take two cells', () => {
  assert.deepEqual(arrowTableLines(shops, 20), [
    'merchant    visits',
    'string       int64',
    '──────────  ──────',
    'Casa Verde       5',
    '東京         12345',
    '∅                ∅',
    'a\\tb            -1',
  ]);
});

test('rows beyond the limit are counted', () => {
  const table = tableFromArrays({ x: Int32Array.from({ length: 1234 }, (_, i) => i) });
  assert.equal(arrowTableLines(table, 2).at(-1), '… 1,232 more rows');
  assert.equal(arrowTableLines(table, 1233).at(-1), '… 1 more row');
  assert.equal(arrowTableLines(table, 1234).at(-1), ' 1233');
  assert.deepEqual(arrowTableLines(table.slice(0, 0), 20), ['    x', 'int32', '─────']);
});

test('too narrow: texts are cut, then columns are left out and named; numbers are never cut', () => {
  const columns = [
    { name: 'merchant', align: 'left', isText: true },
    { name: 'note', align: 'left', isText: true },
    { name: 'amount', align: 'right', isText: false },
    { name: 'total', align: 'right', isText: false },
  ] as const;
  const rows = [['Casa Verde', 'a very long remark', '1234567890', '42']];
  assert.deepEqual(tableLines(columns, rows, { width: 40 }).slice(0, 3), [
    'merchant   note            amount  total',
    '─────────  ──────────  ──────────  ─────',
    'Casa Ver…  a very lo…  1234567890     42',
  ]);
  const narrow = tableLines(columns, rows, { width: 32 });
  assert.equal(narrow[2], 'Casa Ver…  a very l…  1234567890');
  assert.equal(narrow.at(-1), '… and 1 column that did not fit: total');
  const tight = tableLines(columns, rows, { width: 20 });
  assert.equal(tight[2], 'Casa Ver…  a very l…');
  assert.equal(tight.at(-1), '… and 2 columns that did not fit: amount, total');
});

test('times are never cut', () => {
  const table = new Table({
    shop: vectorFromArray(['a shop with a long name'], new Utf8()),
    seen: makeVector(makeData({ type: new TimestampMicrosecond('UTC'), data: BigInt64Array.of(0n) })),
  });
  assert.equal(arrowTableLines(table, 1, { width: 40 })[3], 'a shop with a lon…  1970-01-01T00:00:00Z');
  assert.equal(arrowTableLines(table, 1, { width: 25 }).at(-1), '… and 1 column that did not fit: seen');
});

test('a line never exceeds the width, whatever the texts', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.string({ unit: 'grapheme', maxLength: 60 }), fc.string({ unit: 'binary', maxLength: 60 })), { maxLength: 5 }), fc.integer({ min: 20, max: 80 }), (rows, width) => {
      const columns = [{ name: 'a', align: 'left', isText: true }, { name: 'b', align: 'left', isText: true }] as const;
      for (const line of tableLines(columns, rows, { width })) assert.ok(textWidth(line) <= width, line);
    }),
  );
});

test('what a terminal would obey is shown instead', () => {
  assert.equal(escapeControls('\u001b[31mred\u0007\r\n\t\u009b\u202e'), '\\x1b[31mred\\x07\\r\\n\\t\\x9b\\u202e');
  assert.equal(escapeControls('Bäckerei 👩‍👩‍👧'), 'Bäckerei 👩‍👩‍👧');
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
      assert.doesNotMatch(escapeControls(text), /[\u0000-\u001f\u007f-\u009f\u2028-\u202e]/);
    }),
  );
});

test('widths: combining marks take none, East Asian characters and emoji two', () => {
  assert.deepEqual(['e\u0301', '東京', '한글', '👩‍👩‍👧', '☂️', 'abc', ''].map(textWidth), [1, 4, 4, 2, 2, 3, 0]);
  assert.equal(cutText('東京都庁', 5), '東京…');
  assert.equal(cutText('東京都庁', 8), '東京都庁');
  assert.equal(padText('東', 4, 'right'), '  東');
});

test('counts and times for a person', () => {
  assert.deepEqual([0, 999, 1000, 3_000_000].map(formatCount), ['0', '999', '1,000', '3,000,000']);
  assert.deepEqual([0.42, 12, 999, 1234, 59_990, 185_000].map(formatElapsed), ['0.4 ms', '12 ms', '999 ms', '1.23 s', '60.0 s', '3 min 5 s']);
});
