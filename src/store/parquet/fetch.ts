/**
 * The bytes of a row group: all of the wanted chunks, or only the pages that a range of time needs.
 *
 *   row group all in the range, or without a page index   → the reads of the plan
 *   otherwise                                             → the index, then of each chunk its dictionary and some pages
 *
 * What lies between near stretches is read along: one read more takes longer than some bytes more.
 */
import { DamagedFileError } from '../../base/errors.ts';
import type { TimeRange } from '../../base/time.ts';
import type { FileBytes } from '../bytes.ts';
import type { ByteRange, Column, ColumnChunk, RowGroup } from './footer.ts';
import { type PagePlace, pagePlaces, pagesOf, type RowRange, rowsInRange } from './page-index.ts';
import type { Block, PageMemory } from './page-memory.ts';
import { isWithin } from './statistics.ts';

export interface FetchedChunk {
  readonly bytes: Uint8Array;
  /** Where they are in the memory that they were read into; absent: elsewhere. */
  readonly at?: number;
  /** The rows of each data page among the bytes; absent: the chunk is whole. */
  readonly held?: readonly RowRange[];
}

export interface FetchedGroup {
  /** The rows to be decoded, in order. Every chunk holds all of them. */
  readonly ranges: readonly RowRange[];
  /** As the columns were asked for. */
  readonly chunks: readonly FetchedChunk[];
}

export interface TimeFilter {
  readonly column: Column;
  readonly range: TimeRange;
}

const gapBytesMax = 64 * 1024;

/** Whether some rows of the group may be outside of the range, as far as its statistics say. */
export function isCut(group: RowGroup, { column, range }: TimeFilter): boolean {
  return !isWithin(column, group.columns.get(column.name)!.statistics, range);
}

/** Where bytes are read to that are worked on there: a block for each stretch of the file, used again for the next row group. */
export class ReadBuffer {
  private readonly blocks: Block[] = [];

  constructor(private readonly memory: PageMemory) {}

  /** The chunks of some reads; undefined where there is no room for them, or where the file cannot be read so. */
  tryRead(file: FileBytes, chunks: readonly ColumnChunk[], reads: readonly ByteRange[]): FetchedChunk[] | undefined {
    if (file.readInto === undefined || !this.memory.hasRoomFor(totalBytes(reads))) return undefined;
    const places = reads.map(({ start, end }, i) => {
      const block = (this.blocks[i] ??= { at: 0, bytes: 0 });
      return this.memory.fit(block, end - start);
    });
    const parts = reads.map(({ start, end }, i) => this.memory.bytes.subarray(places[i]!, places[i]! + end - start));
    for (const [i, { start }] of reads.entries()) file.readInto(parts[i]!, start);
    return chunks.map((chunk) => {
      const bytes = bytesAt(chunk, reads, parts);
      return { bytes, at: bytes.byteOffset };
    });
  }
}

/** `reads` cover all chunks of the columns. Whole chunks are read to `buffer`, where there is one. */
export async function fetchGroup(
  file: FileBytes, group: RowGroup, columns: readonly string[], reads: readonly ByteRange[], time: TimeFilter | undefined, buffer?: ReadBuffer,
): Promise<FetchedGroup> {
  const chunks = columns.map((column) => group.columns.get(column)!);
  const some = time === undefined || !isCut(group, time) ? undefined : await fetchPages(file, group, chunks, time);
  if (some !== undefined) return some;
  const ranges = [{ start: 0, end: group.rows }];
  const read = buffer?.tryRead(file, chunks, reads);
  if (read !== undefined) return { ranges, chunks: read };
  const parts = await readAll(file, reads);
  return { ranges, chunks: chunks.map((chunk) => ({ bytes: bytesAt(chunk, reads, parts) })) };
}

/** Only what the page index leaves; undefined where there is none, or where it does not help. */
async function fetchPages(file: FileBytes, group: RowGroup, chunks: readonly ColumnChunk[], { column, range }: TimeFilter): Promise<FetchedGroup | undefined> {
  const timeChunk = group.columns.get(column.name)!;
  const bounds = timeChunk.pageIndex?.bounds;
  if (bounds === undefined) return undefined;
  const offsets = [timeChunk, ...chunks].flatMap(({ pageIndex }) => pageIndex?.offsets ?? []);
  const index = [bounds, ...offsets];
  if (2 * totalBytes(index) > totalBytes(chunks)) return undefined;
  const indexReads = coalesce(index);
  const indexParts = await readAll(file, indexReads);
  const placesOf = (chunk: ColumnChunk): readonly PagePlace[] | undefined =>
    chunk.pageIndex && pagePlaces(bytesAt(chunk.pageIndex.offsets, indexReads, indexParts), chunk, group.rows);
  const timePlaces = placesOf(timeChunk);
  const ranges = timePlaces && rowsInRange(column, timePlaces, bytesAt(bounds, indexReads, indexParts), range, group.rows);
  if (ranges === undefined) return undefined;
  const wanted = chunks.map((chunk) => piecesOf(chunk, placesOf(chunk), ranges));
  const reads = coalesce(wanted.flatMap(({ pieces }) => pieces));
  const parts = await readAll(file, reads);
  return {
    ranges,
    chunks: wanted.map(({ pieces, held }) => ({ bytes: joined(pieces.map((piece) => bytesAt(piece, reads, parts))), ...(held && { held }) })),
  };
}

/** The stretches of a chunk that hold the rows: its dictionary, which stands before the first page, and pages. */
function piecesOf(chunk: ColumnChunk, places: readonly PagePlace[] | undefined, ranges: readonly RowRange[]): { pieces: readonly ByteRange[]; held?: readonly RowRange[] } {
  const pages = places && pagesOf(places, ranges);
  if (pages === undefined || pages.length === places!.length) return { pieces: [chunk] };
  const pieces: { start: number; end: number }[] = [];
  const dictionary = { start: chunk.start, end: places![0]!.start };
  for (const { start, end } of pages.length === 0 ? [] : [dictionary, ...pages]) {
    const last = pieces.at(-1);
    if (last?.end === start) last.end = end;
    else if (start < end) pieces.push({ start, end });
  }
  return { pieces, held: pages.map(({ rows }) => rows) };
}

/** The stretches that cover all of these; what lies between near ones is read along. */
export function coalesce(stretches: readonly ByteRange[]): ByteRange[] {
  const ranges: { start: number; end: number }[] = [];
  for (const { start, end } of [...stretches].sort((a, b) => a.start - b.start)) {
    const last = ranges.at(-1);
    if (last !== undefined && start - last.end <= gapBytesMax) last.end = Math.max(last.end, end);
    else ranges.push({ start, end });
  }
  return ranges;
}

export function totalBytes(ranges: readonly ByteRange[]): number {
  return ranges.reduce((sum, { start, end }) => sum + end - start, 0);
}

function readAll(file: FileBytes, ranges: readonly ByteRange[]): Promise<Uint8Array[]> {
  return Promise.all(ranges.map(({ start, end }) => readExactly(file, start, end)));
}

function bytesAt(stretch: ByteRange, ranges: readonly ByteRange[], parts: readonly Uint8Array[]): Uint8Array {
  const at = ranges.findIndex(({ start, end }) => start <= stretch.start && stretch.end <= end);
  const from = stretch.start - ranges[at]!.start;
  return parts[at]!.subarray(from, from + stretch.end - stretch.start);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}

export async function readExactly(bytes: FileBytes, start: number, end: number): Promise<Uint8Array> {
  const part = await bytes.read(start, end);
  if (part.length === end - start) return part;
  throw new DamagedFileError(
    bytes.name,
    `expected ${end - start} bytes from ${start} on, found ${part.length}; the file became shorter while it was read. Read it again`,
  );
}
