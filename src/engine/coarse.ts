/**
 * Coarse times of resident tables: which of 256 equal parts of a column's time each row lies in, a byte a row beside its eight (beside-columns.ts). A range of
 * time is asked of these first; only rows in the parts that it touches are looked at. Law: that is the same answer.
 *
 *   part = (time − first) >> shift
 *
 * After B. Hentschel, M. Kester and S. Idreos, "Column Sketches" (2018).
 */
import type { Data, RecordBatch } from '../arrow/arrow.ts';
import { type Scale, Travelling } from './beside.ts';

/** The coarse times of a batch, and which parts a range of time touches. */
export interface CoarseRange {
  readonly data: Data;
  readonly low: number;
  readonly high: number;
}

const partMax = 255;
/** Where a range touches more parts, most rows are likely to be in it. */
const partsMost = 128;

/** With the scale (first, shift). */
export const coarseTimes = new Travelling<Uint8Array>('coarse');

/** For times from first to last. */
export function coarseScale(first: bigint, last: bigint): Scale {
  let shift = 0n;
  while ((last - first) >> shift > BigInt(partMax)) shift++;
  return [first, shift];
}

/** What coarse times tell of [start, end) in the column's unit; undefined where there are none, or most rows are likely to be inside. */
export function coarseRange(batch: RecordBatch, column: string, { start, end }: { readonly start: bigint; readonly end: bigint }): CoarseRange | undefined {
  const found = coarseTimes.found(batch, column);
  if (found === undefined) return undefined;
  const [first, shift] = found.scale;
  // Beyond the parts there are numbers of any size.
  const partOf = (time: bigint): number => Number((time - first) >> shift);
  const [low, high] = [Math.max(partOf(start), 0), Math.min(partOf(end - 1n), partMax)];
  return high - low >= partsMost ? undefined : { data: found.data, low, high };
}
