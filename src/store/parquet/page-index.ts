/**
 * The page index: where the pages of a column chunk lie, and between which bounds their values are.
 *
 *   offset index   per page | offset in the file | size | its first row |        column by column, as pages are
 *   column index   per page | all null? | min | max | nulls |
 *
 *   time range → pages of the event time → stretches of rows → pages of every column wanted, which begin elsewhere
 *
 * Law: wrong only on the safe side. An index that contradicts itself or the chunk is as if it were not there, and a page
 * is left out only when no row of it can be in the range. Read next: decode.ts, which finds the rows within the pages.
 */
import type { TimeRange } from '../../base/time.ts';
import type { Column, ColumnChunk } from './footer.ts';
import { mightMeet, storedBounds } from './statistics.ts';
import { readThrift, ThriftError, type ThriftStruct } from './thrift.ts';

/** A stretch of rows of a row group. */
export interface RowRange {
  readonly start: number;
  readonly end: number;
}

/** One data page of a chunk: its rows, and its bytes in the file, header included. */
export interface PagePlace {
  readonly rows: RowRange;
  readonly start: number;
  readonly end: number;
}

/** Stretches that are nearer to each other than this share of the row group are read as one. */
const rangesMax = 32;

/** The pages of a chunk as its offset index has them, or undefined where that cannot be. */
export function pagePlaces(bytes: Uint8Array, chunk: ColumnChunk, rows: number): readonly PagePlace[] | undefined {
  const locations = structOrNone(bytes)?.structs(1);
  if (locations === undefined || locations.length === 0) return undefined;
  const places: PagePlace[] = [];
  let [at, row] = [chunk.start, 0];
  for (const [page, location] of locations.entries()) {
    const [start, size, firstRow] = [Number(location.long(1) ?? -1n), location.int(2) ?? -1, Number(location.long(3) ?? -1n)];
    const next = locations[page + 1];
    const endRow = next === undefined ? rows : Number(next.long(3) ?? -1n);
    if (start < at || size <= 0 || start + size > chunk.end || firstRow !== row || endRow < firstRow || endRow > rows) return undefined;
    places.push({ rows: { start: firstRow, end: endRow }, start, end: start + size });
    [at, row] = [start + size, endRow];
  }
  return places;
}

/** The rows whose pages may have an event time in the range, in order; undefined where the column index does not tell. */
export function rowsInRange(
  column: Column, places: readonly PagePlace[], bytes: Uint8Array, range: TimeRange, rows: number,
): readonly RowRange[] | undefined {
  const index = structOrNone(bytes);
  const [allNull, mins, maxs, nulls] = [index?.bools(1), index?.binaries(2), index?.binaries(3), index?.longs(5)];
  if ([allNull, mins, maxs].some((list) => list?.length !== places.length)) return undefined;
  const kept = places.filter((place, page) => {
    const count = place.rows.end - place.rows.start;
    const nullCount = nulls?.length === places.length ? nulls[page] : undefined;
    // Writers leave the bounds of a page without a value empty. One that also counts its nulls has to agree with itself.
    if (allNull![page]) return nullCount !== undefined && nullCount !== BigInt(count);
    const stored = storedBounds(column, mins![page]!, maxs![page]!);
    return stored === undefined || mightMeet(column, stored, range);
  });
  return joined(kept.map((place) => place.rows), rows / rangesMax);
}

/** The pages that have a row of the ranges. Both are in order. */
export function pagesOf(places: readonly PagePlace[], ranges: readonly RowRange[]): readonly PagePlace[] {
  return places.filter(({ rows }) => ranges.some(({ start, end }) => rows.start < end && start < rows.end));
}

function joined(ranges: readonly RowRange[], gapMax: number): RowRange[] {
  const merged: { start: number; end: number }[] = [];
  for (const { start, end } of ranges) {
    if (start === end) continue;
    const last = merged.at(-1);
    if (last !== undefined && start - last.end <= gapMax) last.end = end;
    else merged.push({ start, end });
  }
  return merged;
}

function structOrNone(bytes: Uint8Array): ThriftStruct | undefined {
  try {
    return readThrift(bytes).value;
  } catch (thrown) {
    if (thrown instanceof ThriftError) return undefined;
    throw thrown;
  }
}
