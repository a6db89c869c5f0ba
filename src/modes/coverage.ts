/**
 * Which files of a source stored rows were computed from, and what has become of the source since.
 *
 *   added   files that stored rows know nothing of
 *   kept    files whose rows they have
 *   dirty   tiles that files which are gone had rows in: what is stored of them is of no use
 *
 * A file that was written again is one that is gone and one that was added.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { ceilDivide, floorDivide, type TimeRange } from '../base/time.ts';
import type { Snapshot, TimeSpan } from '../store/table.ts';

/** Files by their `id`, with the event times of their rows as far as they are known. */
export type Coverage = ReadonlyMap<string, TimeSpan | undefined>;

/** A range of time that begins somewhere. */
export interface Stretch extends TimeRange {
  readonly startUs: bigint;
}

export interface SourceChange {
  readonly added: ReadonlySet<string>;
  readonly kept: ReadonlySet<string>;
  /** Whole tiles, ascending and apart. Undefined: nobody knows which, or rows without event time are gone. */
  readonly dirty: readonly Stretch[] | undefined;
}

/** Undefined for a source that does not consist of files. `known` saves asking again for what was asked before. */
export async function coverageOf(source: Snapshot, timestamp: string | undefined, known: Coverage = new Map()): Promise<Coverage | undefined> {
  const ids = source.files?.map(({ id }) => id);
  if (ids === undefined) return undefined;
  const others = ids.filter((id) => !known.has(id));
  const spans = timestamp === undefined ? undefined : await source.only!(new Set(others)).timeSpans!(timestamp);
  return new Map(ids.map((id) => [id, known.get(id) ?? spans?.get(id)]));
}

export function changeOf(coverage: Coverage, source: Snapshot, tileUs: bigint): SourceChange | undefined {
  if (source.files === undefined) return undefined;
  const [added, kept] = [new Set<string>(), new Set<string>()];
  for (const { id } of source.files) (coverage.has(id) ? kept : added).add(id);
  const gone = [...coverage].filter(([id]) => !kept.has(id)).map(([, span]) => span);
  return { added, kept, dirty: tilesOf(gone, tileUs) };
}

function tilesOf(spans: readonly (TimeSpan | undefined)[], tileUs: bigint): Stretch[] | undefined {
  const ranges: Stretch[] = [];
  for (const span of spans) {
    if (span === undefined || span.nulls > 0) return undefined;
    const { firstUs, lastUs } = span;
    if (firstUs === undefined || lastUs === undefined) continue;
    ranges.push({ startUs: floorDivide(firstUs, tileUs) * tileUs, endUs: (floorDivide(lastUs, tileUs) + 1n) * tileUs });
  }
  return unionOf(ranges);
}

/** What lies in any of some ranges, as ranges that are apart, ascending. */
export function unionOf(ranges: readonly Stretch[]): Stretch[] {
  const union: Stretch[] = [];
  for (const range of [...ranges].sort((a, b) => (a.startUs < b.startUs ? -1 : 1))) {
    const last = union.at(-1);
    if (last === undefined || (last.endUs !== undefined && last.endUs < range.startUs)) union.push(range);
    else if (last.endUs !== undefined && (range.endUs === undefined || last.endUs < range.endUs)) union[union.length - 1] = { ...range, startUs: last.startUs };
  }
  return union;
}

/** How one part of an answer is put together. */
export interface PartRoad {
  /** Tiles that start inside, but for dirty ones; `all` has that of null event times, too. */
  readonly tiles: 'all' | 'none' | TimeRange;
  /** Where rows of covered files are read instead. A bound that is not there lies beyond all events. */
  readonly rows: readonly Stretch[];
}

export interface StoredTiles {
  readonly tileUs: bigint;
  readonly dirty: readonly Stretch[];
  /** Tiles have the events before this instant; undefined: all, and those without event time. */
  readonly endUs: bigint | undefined;
  /** No covered event is newer. */
  readonly newestUs: bigint | undefined;
}

/**
 * Splits a range of time (undefined: every row) into whole tiles and the rest. Undefined: tiles lack what it needs.
 *
 *   tiles    |·····|·····|·····|·····|··x       x newest event
 *   range       [─────────────────)
 *   is       rows  |tiles|     |     rows       and rows where a tile is dirty
 */
export function splitRange(range: TimeRange | undefined, { tileUs, dirty, endUs: storedEndUs, newestUs }: StoredTiles): PartRoad | undefined {
  if (range === undefined) return storedEndUs === undefined ? { tiles: 'all', rows: dirty } : undefined;
  const { startUs, endUs } = range;
  const tilesStartUs = startUs === undefined ? undefined : ceilDivide(startUs, tileUs) * tileUs;
  // What lies behind the newest event, or behind what is stored, is in no tile: the last one may be cut anywhere there.
  const isBeyond = (instantUs: bigint | undefined): boolean => instantUs === undefined || newestUs === undefined || newestUs < instantUs;
  const [wholeEndUs, restUs] = storedEndUs !== undefined && (endUs === undefined || endUs > storedEndUs)
    ? [ceilDivide(storedEndUs, tileUs) * tileUs, storedEndUs]
    : isBeyond(endUs) ? [undefined, undefined] : [floorDivide(endUs!, tileUs) * tileUs, floorDivide(endUs!, tileUs) * tileUs];
  const isEmpty = tilesStartUs !== undefined && wholeEndUs !== undefined && tilesStartUs >= wholeEndUs;
  if (isEmpty) return { tiles: 'none', rows: [{ ...range, startUs: startUs! }].filter(hasInstants) };
  const tiles: TimeRange = { ...(tilesStartUs !== undefined && { startUs: tilesStartUs }), ...(wholeEndUs !== undefined && { endUs: wholeEndUs }) };
  const rows: Stretch[] = [];
  if (startUs !== undefined && tilesStartUs! > startUs) rows.push({ startUs, endUs: least(tilesStartUs!, endUs) });
  // Files that are gone may have had events behind the range, in tiles that were whole without them.
  const dirtyEndUs = restUs ?? endUs;
  for (const tile of dirty) {
    const inside = meet(tile, { ...tiles, ...(dirtyEndUs !== undefined && { endUs: dirtyEndUs }) });
    if (inside !== undefined) rows.push(inside);
  }
  if (restUs !== undefined && (endUs === undefined || restUs < endUs)) rows.push({ startUs: restUs, ...(endUs !== undefined && { endUs }) });
  return { tiles, rows: rows.filter(hasInstants) };
}

/** A range that ends where it begins has none. */
function hasInstants({ startUs, endUs }: Stretch): boolean {
  return endUs === undefined || startUs < endUs;
}

function least(a: bigint, b: bigint | undefined): bigint {
  return b === undefined || a < b ? a : b;
}

/** What lies in both; undefined: nothing. */
export function meet(a: Stretch, b: TimeRange): Stretch | undefined {
  const startUs = b.startUs !== undefined && b.startUs > a.startUs ? b.startUs : a.startUs;
  const endUs = a.endUs === undefined ? b.endUs : least(a.endUs, b.endUs);
  if (endUs !== undefined && startUs >= endUs) return undefined;
  return { startUs, ...(endUs !== undefined && { endUs }) };
}

/** As text that a commit can carry: thousands of names, much alike. */
export function encodeCoverage(coverage: Coverage): string {
  const rows = Array.from(coverage, ([id, span]) => (span === undefined ? [id] : [id, span.nulls, text(span.firstUs), text(span.lastUs)]));
  return deflateRawSync(JSON.stringify(rows)).toString('base64');
}

export function decodeCoverage(encoded: string): Coverage {
  const rows = JSON.parse(inflateRawSync(Buffer.from(encoded, 'base64')).toString()) as readonly [string, number?, (string | null)?, (string | null)?][];
  return new Map(rows.map(([id, nulls, first, last]) => [id, nulls === undefined ? undefined : { nulls, firstUs: instant(first), lastUs: instant(last) }]));
}

function text(instantUs: bigint | undefined): string | null {
  return instantUs === undefined ? null : String(instantUs);
}

function instant(written: string | null | undefined): bigint | undefined {
  return written === null || written === undefined ? undefined : BigInt(written);
}
