/**
 * Short times of resident tables: 32 bits a row that order as the times do, beside their 64 (beside-times.ts). What keeps the least or the newest
 * of a group needs half of the room with them (states/narrow.ts).
 *
 *   short = (time − first) / unit + 1, 0 for null          `unit` divides all differences: a second, where times are whole seconds
 */
import { Int32 } from '../arrow/arrow.ts';
import { type Scale, Travelling } from './beside.ts';

/** With the scale (first, unit). As words of 32 bits, whose sign says nothing. */
export const shortTimes = new Travelling<Int32Array>('short', new Int32());

/** For times from first to last, of which all differences are multiples of `unit` (0: there are none); undefined where they take more than 32 bits. */
export function shortScale(first: bigint, last: bigint, unit: bigint): Scale | undefined {
  const by = unit === 0n ? 1n : unit;
  return (last - first) / by < (1n << 32n) - 1n ? [first, by] : undefined;
}
