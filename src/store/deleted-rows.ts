/**
 * Rows of a data file that the table has no more: told by their positions in the file, ascending and distinct, and left out
 * as they are read. The file itself stays as it was written.
 *
 *   file         |  row group 0   |  row group 1   |  row group 2   |
 *   plan         |----stretch-----|                |----stretch-----|
 *   deleted          x      x            x               xx
 */
import { DataType, Field, makeData, RecordBatch, Schema, Struct } from '../arrow/arrow.ts';
import { takeRows } from '../arrow/rows.ts';
import { invariant } from '../base/errors.ts';
import type { RowStretch } from './file-format.ts';

/** Positions are whole numbers; a Float64Array holds them beyond 2^32. */
export type DeletedRows = Float64Array;

/** Those that lie in one of the stretches, which are in file order. Copies. */
export function deletedWithin(deleted: DeletedRows, stretches: readonly RowStretch[]): DeletedRows {
  const runs = stretches.map(({ first, rows }) => deleted.subarray(lowerBound(deleted, first), lowerBound(deleted, first + rows)));
  const within = new Float64Array(runs.reduce((sum, run) => sum + run.length, 0));
  let at = 0;
  for (const run of runs) {
    within.set(run, at);
    at += run.length;
  }
  return within;
}

/** The rows of `batches`, which are those of the stretches in their order, without the deleted ones. */
export async function* withoutDeleted(
  batches: AsyncIterable<RecordBatch>, stretches: readonly RowStretch[], deleted: DeletedRows,
): AsyncGenerator<RecordBatch, void, void> {
  let [stretch, row] = [0, 0];
  for await (const batch of batches) {
    const gone: number[] = [];
    for (let start = 0; start < batch.numRows; ) {
      const { first, rows } = stretches[stretch]!;
      const count = Math.min(batch.numRows - start, rows - row);
      const end = lowerBound(deleted, first + row + count);
      for (let i = lowerBound(deleted, first + row); i < end; i++) gone.push(deleted[i]! - first - row + start);
      start += count;
      row += count;
      if (row === rows) [stretch, row] = [stretch + 1, 0];
    }
    yield gone.length === 0 ? batch : withoutRows(batch, gone);
  }
  invariant(stretch === stretches.length && row === 0, 'the rows of a scan are those of its stretches');
}

/** `gone` is ascending. */
function withoutRows(batch: RecordBatch, gone: readonly number[]): RecordBatch {
  const kept = new Uint32Array(batch.numRows - gone.length);
  let at = 0;
  for (let row = 0, next = 0; row < batch.numRows; row++) {
    if (row === gone[next]) next++;
    else kept[at++] = row;
  }
  return withDictionariesOf(batch, takeRows(withCodes(batch), kept));
}

/** Codes in place of dictionaries, so that text is not copied. Aliases. */
function withCodes(batch: RecordBatch): RecordBatch {
  const children = batch.data.children.map((data) => {
    if (!DataType.isDictionary(data.type)) return data;
    const { length, offset, nullCount, nullBitmap, values } = data;
    return makeData({ type: data.type.indices, length, offset, nullCount, nullBitmap, data: values } as never);
  });
  return batchOf(batch.schema.fields.map((field, i) => new Field(field.name, children[i]!.type, field.nullable)), children, batch.numRows);
}

function withDictionariesOf(original: RecordBatch, codes: RecordBatch): RecordBatch {
  const children = original.data.children.map(({ type, dictionary }, i) => {
    const data = codes.data.children[i]!;
    if (!DataType.isDictionary(type)) return data;
    const { length, nullCount, nullBitmap, values } = data;
    return makeData({ type, length, nullCount, nullBitmap, data: values, dictionary } as never);
  });
  return batchOf(original.schema.fields, children, codes.numRows);
}

function batchOf(fields: readonly Field[], children: RecordBatch['data']['children'], rows: number): RecordBatch {
  const schema = new Schema([...fields]);
  return new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length: rows, nullCount: 0, children }));
}

/** The index of the first position that is not below `position`. */
function lowerBound(deleted: DeletedRows, position: number): number {
  let [low, high] = [0, deleted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (deleted[middle]! < position) low = middle + 1;
    else high = middle;
  }
  return low;
}
