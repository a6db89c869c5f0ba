/**
 * Short forms of resident columns: fewer bytes that say the same, beside the column (beside-columns.ts). Where few of many rows are wanted their values
 * are read from these, since what costs then is the memory that is touched; and what keeps the least or the newest time of a group needs half of the room with
 * them (states/narrow.ts).
 *
 *   times     32 bits that order as the times do: (time − first) / unit + 1, 0 for null        `unit` divides all differences: a second, for whole seconds
 *   doubles   16 or 32 bits: value · by − first, where all values are whole numbers divided by a power of ten: amounts in cents. Of −0 that is 0,
 *             which is the same to every state
 */
import { type Data, DataType } from '../arrow/arrow.ts';
import { type Scale, Travelling } from './beside.ts';
import type { Window } from './grouper.ts';
import type { Instance } from './instance.ts';
import type { Buffer64, ColumnStage } from './staging.ts';
import type { RangeInUnits } from './types.ts';

/** With the scale (first, unit) of times, whose words have no sign, and (first, by) of doubles. */
export const shortForms = new Travelling<Int32Array | Uint16Array>('short');

const beyondCodes = 1n << 32n;

/** For times from first to last, of which all differences are multiples of `unit` (0: there are none); undefined where they take more than 32 bits. */
export function shortTimeScale(first: bigint, last: bigint, unit: bigint): Scale | undefined {
  const by = unit === 0n ? 1n : unit;
  return (last - first) / by < beyondCodes - 1n ? [first, by] : undefined;
}

/** A range of time as a range of short times: what is null is outside. */
export function shortRange({ start, end }: RangeInUnits, [first, unit]: Scale): RangeInUnits {
  const atLeast = (time: bigint): bigint => {
    const code = time <= first ? 1n : (time - first + unit - 1n) / unit + 1n;
    return code < beyondCodes ? code : beyondCodes;
  };
  return { start: atLeast(start), end: atLeast(end) };
}

/** The short form of a column in a batch. */
export interface Short {
  readonly data: Data;
  readonly stage: ColumnStage;
  readonly scale: Scale;
}

/** The values of the selected rows, 64 bits wide, at `out`. What is null is something. */
export function lengthened({ kernels }: Instance, type: DataType, { data, stage, scale: [first, by] }: Short, { start, length, rows, count }: Window, out: Buffer64): number {
  const short = stage.stageFixed(data, start, length);
  const pointer = out.ensure(count * 8);
  if (DataType.isFloat(type)) kernels.lengthenDoubles(short, (data.values as Int32Array | Uint16Array).BYTES_PER_ELEMENT, rows, count, Number(by), Number(first), pointer);
  else kernels.lengthen(short, rows, count, first, by, pointer);
  return pointer;
}
