/** Rows for threads to fetch: integers from `first` on; `what` makes it go wrong after a first batch. */
import type { RecordBatch } from '../../src/arrow/arrow.ts';
import { MemoryLimitError } from '../../src/base/errors.ts';
import type { RowsOf } from '../../src/engine/run.ts';
import { tableOf, types } from './arrow.ts';

interface Argument {
  readonly first: number;
  readonly rows: number;
  readonly what?: 'fail' | 'exit';
}

function batchOf(first: number, rows: number): RecordBatch {
  const numbers = Array.from({ length: rows }, (_, i) => BigInt(first + i));
  return tableOf({
    key: { type: types.int32, values: numbers.map((number) => number % 7n) },
    value: { type: types.int64, values: numbers },
  }).batches[0]!;
}

export const schemaOfUnits = batchOf(0, 1).schema;

export const rowsOf: RowsOf = async function* (argument) {
  const { first, rows, what } = argument as Argument;
  yield batchOf(first, rows >> 1);
  if (what === 'fail') throw new MemoryLimitError('a unit', 1, 'made to fail');
  if (what === 'exit') process.exit(3);
  yield batchOf(first + (rows >> 1), rows - (rows >> 1));
};
