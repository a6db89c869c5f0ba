/** Rows of canonical tables by position and by key. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { sortedBy } from '../../src/arrow/rows.ts';
import { batchesOf, types } from '../support/arrow.ts';

test('rows in ascending order of a time, nulls first, ties as they were', () => {
  const times = fc.array(fc.option(fc.oneof(fc.bigInt({ min: -3n, max: 3n }), fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n })), { freq: 5 }), { maxLength: 60 });
  fc.assert(
    fc.property(times, (values) => {
      const table = batchesOf({ at: { type: types.micros, values }, row: { type: types.int64, values: values.map((_, row) => BigInt(row)) } }, []);
      const expected = values.map((value, row) => ({ value, row })).sort((a, b) => {
        if (a.value === b.value) return a.row - b.row;
        return a.value === null ? -1 : b.value === null ? 1 : a.value < b.value ? -1 : 1;
      });
      assert.deepEqual([...sortedBy(table, 'at').getChild('row')!], expected.map(({ row }) => BigInt(row)));
    }),
  );
});
