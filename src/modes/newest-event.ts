/** The newest event time of a batch or a source, in microseconds rounded up, straight from the buffers. */
import { DataType, type RecordBatch, type Timestamp } from '../arrow/arrow.ts';
import { ceilDivide, dayUs } from '../base/time.ts';
import type { Snapshot } from '../store/table.ts';

/** The later of `newestUs` and the newest event of the batch that lies before `endUs`. Null event times do not count. */
export function maxOfTimes(
  batch: RecordBatch,
  column: string,
  newestUs: bigint | undefined,
  endUs?: bigint,
): bigint | undefined {
  const data = batch.data.children[batch.schema.fields.findIndex((field) => field.name === column)]!;
  const values = data.values as BigInt64Array | Int32Array;
  const bitmap = data.nullBitmap && data.nullBitmap.length > 0 ? data.nullBitmap : undefined;
  const toUs = microseconds(data.type);
  const limit = endUs === undefined ? undefined : lastBefore(endUs, data.type);
  const valid = (row: number): boolean => {
    const bit = data.offset + row;
    return bitmap === undefined || ((bitmap[bit >> 3]! >> (bit & 7)) & 1) === 1;
  };
  let newest: bigint | number | undefined;
  for (let row = 0; row < data.length; row++) {
    const value = values[row]!;
    if ((newest !== undefined && value <= newest) || (limit !== undefined && value > limit)) continue;
    if (valid(row)) newest = value;
  }
  if (newest === undefined) return newestUs;
  const us = toUs(BigInt(newest));
  return newestUs === undefined || us > newestUs ? us : newestUs;
}

/** The newest event of a whole source; reads the event time column only. */
export async function newestEventOf(snapshot: Snapshot, column: string, signal?: AbortSignal): Promise<bigint | undefined> {
  let newestUs: bigint | undefined;
  for await (const batch of snapshot.scan({ columns: [column], ...(signal !== undefined && { signal }) })) {
    newestUs = maxOfTimes(batch, column, newestUs);
  }
  return newestUs;
}

/** How many units of a time column make a microsecond, or the other way round. */
function unitOf(type: DataType): { readonly usPerUnit: bigint } | { readonly unitsPerUs: bigint } {
  if (DataType.isDate(type)) return { usPerUnit: type.unit === 0 ? dayUs : 1_000n };
  const unit = (type as Timestamp).unit;
  return unit === 3 ? { unitsPerUs: 1_000n } : { usPerUnit: [1_000_000n, 1_000n, 1n][unit]! };
}

function microseconds(type: DataType): (value: bigint) => bigint {
  const unit = unitOf(type);
  return 'usPerUnit' in unit ? (value) => value * unit.usPerUnit : (value) => ceilDivide(value, unit.unitsPerUs);
}

/** The last value of the column that lies before an instant. */
function lastBefore(endUs: bigint, type: DataType): bigint {
  const unit = unitOf(type);
  return ('usPerUnit' in unit ? ceilDivide(endUs, unit.usPerUnit) : endUs * unit.unitsPerUs) - 1n;
}
