/**
 * Which rows need not be looked at: where events stand in order of time, or nearly, whole stretches lie outside a range. The
 * check reads event times only, and ends at the first that lies inside.
 */
import type { Data } from '../arrow/arrow.ts';

/** False only when no event time among rows [start, start + count) lies in the range. Nulls may say either. */
export function mayHoldEvents(times: Data, start: number, count: number, range: { readonly start: bigint; readonly end: bigint }): boolean {
  // As doubles: rounding keeps the order, so a time inside is not taken for one outside.
  const [first, last] = [Number(range.start), Number(range.end)];
  const values = times.values as Int32Array | BigInt64Array;
  if (values instanceof Int32Array) {
    for (let i = start; i < start + count; i++) if (values[i]! >= first && values[i]! <= last) return true;
    return false;
  }
  const halves = new Int32Array(values.buffer, values.byteOffset + start * 8, count * 2);
  for (let i = 0; i < halves.length; i += 2) {
    const time = halves[i + 1]! * 2 ** 32 + (halves[i]! >>> 0);
    if (time >= first && time <= last) return true;
  }
  return false;
}
