/**
 * Coarse times of resident tables: which of 256 equal parts of a column's time each row lies in, a byte a row beside its eight (beside-columns.ts). A range of
 * time is asked of these first; only rows in the parts that it touches are looked at. Law: that is the same answer.
 *
 *   part = (time − first) >> shift
 *
 * After B. Hentschel, M. Kester and S. Idreos, "Column Sketches" (2018).
 */
import type { Data, RecordBatch, Table } from '../arrow/arrow.ts';
import { type Scale, Travelling } from './beside.ts';
import type { RangeInUnits } from './types.ts';

/** How times become parts. */
export interface CoarseScale {
  readonly first: bigint;
  readonly shift: bigint;
}

/** The coarse times of a batch. */
export interface CoarseTimes extends CoarseScale {
  readonly data: Data;
}

/** The coarse times of a batch, and which parts a range of time touches. */
export interface CoarseRange {
  readonly data: Data;
  readonly low: number;
  readonly high: number;
  /** Those of both that it cuts through; −1 where all of the part's times lie inside. */
  readonly lowCut: number;
  readonly highCut: number;
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

/** The coarse times that a batch has of this column. */
export function coarseTimesIn(batch: RecordBatch, column: string): CoarseTimes | undefined {
  const found = coarseTimes.found(batch, column);
  if (found === undefined) return undefined;
  const { data, scale: [first, shift] } = found;
  return { data, first, shift };
}

/** What coarse times tell of [start, end) in the column's unit; undefined where most rows are likely to be inside. */
export function coarseRange({ data, first, shift }: CoarseTimes, { start, end }: RangeInUnits): CoarseRange | undefined {
  // Beyond the parts there are numbers of any size.
  const partOf = (time: bigint): number => Number((time - first) >> shift);
  const [low, high] = [Math.max(partOf(start), 0), Math.min(partOf(end - 1n), partMax)];
  if (high - low >= partsMost) return undefined;
  const startOf = (part: number): bigint => first + (BigInt(part) << shift);
  return { data, low, high, lowCut: startOf(low) < start ? low : -1, highCut: startOf(high + 1) > end ? high : -1 };
}

/** How the coarse times of a table's columns are made, by name, of those that have them. */
export function coarseScales({ schema, batches }: Table): ReadonlyMap<string, CoarseScale> {
  const scales = schema.fields.flatMap(({ name }, i): [string, CoarseScale][] => {
    const coarse = batches[0] && coarseTimes.of(batches[0].data.children[i]!);
    return coarse === undefined ? [] : [[name, { first: coarse.facts[0], shift: coarse.facts[1] }]];
  });
  return new Map(scales);
}
