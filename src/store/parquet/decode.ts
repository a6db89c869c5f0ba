/**
 * From the bytes of column chunks to Arrow columns.
 *
 *   chunks of the common kinds   page-reader.ts, batch by batch  ┐
 *   all others                   codec.ts, window by window      ┴→ joined to batches
 *
 * The latter takes whole files, so it gets one: the chunks of some columns of one row group, spliced behind a footer that
 * is written here from what was understood and checked of the real one. Foreign annotations, statistics and metadata
 * never reach it.
 *
 *   | PAR1 | chunk of column 0 | chunk of column 1 | … | footer | length | PAR1 |
 */
import { type Data, DataType, Field, makeData, Schema } from '../../arrow/arrow.ts';
import { copyStructChildren } from '../../arrow/c-data.ts';
import { DamagedFileError, MemoryLimitError } from '../../base/errors.ts';
import { embeddedSchema } from './arrow-schema.ts';
import { CodecError, decode } from './codec.ts';
import type { TimeFilter } from './fetch.ts';
import type { Column, ColumnChunk } from './footer.ts';
import { magic } from './marks.ts';
import type { RowRange } from './page-index.ts';
import { borrowPageMemory, type PageMemory } from './page-memory.ts';
import { canRead, type PagedChunk, PageReader, workBytes } from './page-reader.ts';
import { checkPages, PageError } from './pages.ts';
import { storedRange } from './statistics.ts';
import { ThriftStruct, thriftType, type ThriftValue, writeThrift } from './thrift.ts';
import { type Annotation, physicalType } from './types.ts';

/** By their number in the format. */
export const codecNames: readonly string[] = ['UNCOMPRESSED', 'SNAPPY', 'GZIP', 'LZO', 'BROTLI', 'LZ4', 'ZSTD', 'LZ4_RAW'];

export function isDecodable(codec: number): boolean {
  return codecNames[codec] !== undefined && codecNames[codec] !== 'LZO';
}

export interface ChunkToDecode {
  readonly column: Column;
  readonly chunk: ColumnChunk;
  readonly bytes: Uint8Array;
  /** Where the bytes are in the memory that pages are read in; absent: elsewhere. */
  readonly at?: number | undefined;
  /** The rows of each of its data pages, where not all are there. */
  readonly held?: readonly RowRange[];
}

/** Which rows of a row group are decoded. */
export interface RowsToDecode {
  readonly rowGroup: number;
  /** Of the row group. */
  readonly rows: number;
  /** In order; every chunk holds them. */
  readonly ranges: readonly RowRange[];
  /** Batches without an event time in the range may be left out. */
  readonly time?: TimeFilter;
}

/** Rows per batch: large enough to make calls cheap; small enough to stay in cache, where they are copied; fewer where values are large. */
const batchRowsMax = { copied: 1 << 16, inPlace: 1 << 17 } as const;
const batchRowsMin = 1_024;
/** Columns are decoded together up to this many stored bytes, and rows up to about this many decoded ones. */
const bytesPerDecode = 64 * 1024 * 1024;
const decodedBytesPerWindow = 256 * 1024 * 1024;

/** Chunks are read by pages as long as that takes no more memory than this; large pages are better decoded by windows. */
const pagedBytesMax = 256 * 1024 * 1024;

export interface DecodeOptions {
  /** False leaves all chunks to the other decoder, so that the two can be compared. */
  readonly byPages?: boolean;
  /** Batches are good until the next is asked for: their buffers are used again, which spares a fifth of the time. */
  readonly lent?: boolean;
  /** Memory to read pages in, which stays the caller's. Where it is absent, or too small, one is borrowed. */
  readonly memory?: PageMemory | undefined;
}

/**
 * The columns of some rows of a row group, a batch at a time; every batch has one Data per chunk. Large row groups are
 * decoded in windows of rows, so that what is held at once stays bounded. Event time comes first: of a batch that has none
 * in the range nothing else is decoded, and pages that lie in such batches are passed over unopened.
 */
export function* decodeColumns(
  file: string, part: RowsToDecode, chunks: readonly ChunkToDecode[], { byPages = true, lent = false, memory: given }: DecodeOptions = {},
): Generator<Data[], void, void> {
  const { rows, time } = part;
  const where = `row group ${part.rowGroup}`;
  const checked = chunks.map((chunk) => named(file, where, chunk, () => withPages(chunk, rows)));
  const { paged, bytes: pagedBytes } = byPages ? chunksByPages(checked) : noPages;
  const others = checked.filter((chunk) => !paged.has(chunk));
  const groups = groupBySize(others).map((members) => ({ members, spliced: splice(members, rowsHeld(members[0]!, rows)) }));
  const isGiven = given?.hasRoomFor(pagedBytes) ?? false;
  const memory = isGiven ? given! : paged.size > 0 ? borrowPageMemory({ lends: lent }) : undefined;
  const readers = checked.map((chunk) => (paged.has(chunk) ? new PageReader(memory!, isGiven ? chunk : { ...chunk, at: undefined }) : undefined));
  try {
    const next = (at: number, row: number, count: number): Data => named(file, where, checked[at]!, () => {
      readers[at]!.skipTo(rowAmongHeld(checked[at]!, row));
      return readers[at]!.next(count);
    });
    const timeAt = time === undefined ? -1 : checked.findIndex(({ column }, at) => column.name === time.column.name && readers[at] !== undefined);
    const { batchRows, windowRows } = batching(checked, rows, isGiven ? batchRowsMax.inPlace : batchRowsMax.copied);
    for (const { start, end } of cut(part.ranges, windowRows)) {
      let decoded: Data[][][] | undefined;
      for (let row = start; row < end; row += batchRows) {
        const count = Math.min(batchRows, end - row);
        memory?.lendAgain();
        const times = timeAt < 0 ? undefined : next(timeAt, row, count);
        if (times !== undefined && !mightHave(times, time!)) continue;
        decoded ??= groups.map(({ members, spliced }) => decodeWindow(file, where, members, spliced, { start, end, batchRows, rows }));
        const spliced = decoded.flatMap((batches) => batches[(row - start) / batchRows]!).values();
        yield checked.map((chunk, at) => {
          const data = at === timeAt ? times! : readers[at] === undefined ? spliced.next().value! : next(at, row, count);
          return toColumnType(file, where, chunk.column, data);
        });
      }
    }
  } finally {
    for (const reader of readers) reader?.release();
    if (!isGiven) memory?.giveBack();
  }
}

function withPages({ column, chunk, bytes, at, held }: ChunkToDecode, rows: number): PagedChunk & ChunkToDecode {
  if (held === undefined) {
    const { end, pages } = checkPages(bytes, chunk, rows);
    return { column, chunk, bytes: bytes.subarray(0, end), at, pages };
  }
  const { end, pages } = checkPages(bytes, chunk, rowsHeld({ held }, rows));
  const counts = pages.filter(({ kind }) => kind !== 'dictionary').map(({ values }) => values);
  if (counts.length !== held.length || counts.some((count, page) => count !== held[page]!.end - held[page]!.start)) {
    throw new PageError(`its pages hold ${counts.join(', ')} values where the page index says ${held.map((page) => page.end - page.start).join(', ')}`);
  }
  return { column, chunk, bytes: bytes.subarray(0, end), pages, held };
}

function rowsHeld({ held }: Pick<ChunkToDecode, 'held'>, rows: number): number {
  return held === undefined ? rows : held.reduce((sum, { start, end }) => sum + end - start, 0);
}

/** Where a row of the row group is among those that the chunk holds. */
function rowAmongHeld({ held }: Pick<ChunkToDecode, 'held'>, row: number): number {
  let before = 0;
  for (const { start, end } of held ?? []) {
    if (row < end) return before + row - start;
    before += end - start;
  }
  return before + (held === undefined ? row : 0);
}

function cut(ranges: readonly RowRange[], rowsMax: number): RowRange[] {
  return ranges.flatMap(({ start, end }) =>
    Array.from({ length: Math.ceil((end - start) / rowsMax) }, (_, i) => ({ start: start + i * rowsMax, end: Math.min(end, start + (i + 1) * rowsMax) })));
}

/**
 * False only when no value is in the range. Values and bounds are compared as doubles: rounding keeps their order, so at
 * worst one just outside is taken to be inside.
 */
function mightHave({ length, values }: Data, { column, range }: TimeFilter): boolean {
  const { first, last } = storedRange(column, range);
  const [least, greatest] = [first === undefined ? Number.NEGATIVE_INFINITY : Number(first), last === undefined ? Number.POSITIVE_INFINITY : Number(last)];
  const stored: ArrayBufferView = values;
  const words = new Int32Array(stored.buffer, stored.byteOffset, stored.byteLength >> 2);
  if (words.length === length) return words.some((value) => value >= least && value <= greatest);
  const isInside = (row: number): boolean => {
    const value = words[2 * row + 1]! * 4_294_967_296 + (words[2 * row]! >>> 0);
    return value >= least && value <= greatest;
  };
  // From both ends: rows in the order of time have what is in the range at one of them.
  for (let row = 0; row <= length - 1 - row; row++) if (isInside(row) || isInside(length - 1 - row)) return true;
  return false;
}

const noPages = { paged: new Set<PagedChunk>(), bytes: 0 } as const;

/** The chunks that are read by pages, and about how many bytes of memory that takes. */
function chunksByPages(chunks: readonly PagedChunk[]): { readonly paged: ReadonlySet<PagedChunk>; readonly bytes: number } {
  const paged = new Set<PagedChunk>();
  let bytes = 0;
  for (const chunk of chunks) {
    if (!canRead(chunk)) continue;
    const more = workBytes(chunk);
    if (bytes + more > pagedBytesMax) break;
    bytes += more;
    paged.add(chunk);
  }
  return { paged, bytes };
}

/** What fails in a chunk, with its name. */
function named<Result>(file: string, where: string, { column, bytes }: ChunkToDecode, work: () => Result): Result {
  try {
    return work();
  } catch (thrown) {
    if (thrown instanceof PageError) throw damaged(file, `${where}, column ${column.name}: ${thrown.message}`, thrown);
    if (thrown instanceof RangeError) throw doesNotFit(file, where, bytes.length, column.name);
    if (!(thrown instanceof WebAssembly.RuntimeError)) throw thrown;
    throw damaged(file, `${where}, column ${column.name}: the data cannot be decoded: the decoder gave up (${thrown.message})`, thrown);
  }
}

function doesNotFit(file: string, where: string, bytes: number, names: string): MemoryLimitError {
  return new MemoryLimitError(`${file}, ${where}`, bytes, `the ${bytes} bytes of ${names} do not fit the decoder; write the file with smaller row groups`);
}

interface Decoding extends RowRange {
  readonly batchRows: number;
  /** Of the row group. */
  readonly rows: number;
}

function decodeWindow(file: string, where: string, members: readonly ChunkToDecode[], spliced: Uint8Array, decoding: Decoding): Data[][] {
  const { start, end, batchRows, rows } = decoding;
  const window = { start: rowAmongHeld(members[0]!, start), rows: end - start };
  const names = members.map(({ column }) => column.name).join(', ');
  let batches: Data[][];
  try {
    batches = decode(spliced, { batchRows, ...(window.rows < rowsHeld(members[0]!, rows) && { window }) }, copyStructChildren);
  } catch (thrown) {
    if (!(thrown instanceof CodecError)) throw thrown;
    if (thrown.cause instanceof RangeError) throw doesNotFit(file, where, spliced.length, names);
    throw damaged(file, `${where}, columns ${names}: the data cannot be decoded: ${thrown.message}`, thrown);
  }
  const found = batches.reduce((sum, batch) => sum + batch[0]!.length, 0);
  if (found !== window.rows || batches.length !== Math.ceil(window.rows / batchRows)) {
    throw damaged(file, `${where}, columns ${names}: the footer says ${window.rows} rows, the data holds ${found}`);
  }
  return batches;
}

function damaged(file: string, detail: string, cause?: unknown): DamagedFileError {
  return new DamagedFileError(file, `${detail}. The file is damaged; restore it, or write it again`, cause);
}

/** Runs of neighbouring columns that together are not too large to be decoded in one call; one of some pages is alone. */
function groupBySize(chunks: readonly ChunkToDecode[]): ChunkToDecode[][] {
  const groups: ChunkToDecode[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const chunk of chunks) {
    if (bytes + chunk.bytes.length > bytesPerDecode || chunk.held !== undefined) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)!.push(chunk);
    bytes = chunk.held === undefined ? bytes + chunk.bytes.length : Number.POSITIVE_INFINITY;
  }
  return groups;
}

function batching(chunks: readonly ChunkToDecode[], rows: number, most: number): { batchRows: number; windowRows: number } {
  // Text and binary are taken as no shorter than they are stored; a dictionary spares the repetitions.
  const bytesPerRow = chunks.reduce((sum, { column, chunk }) => {
    const isBytes = column.physical === physicalType.byteArray && !DataType.isDictionary(column.type);
    return sum + (isBytes ? 8 + chunk.uncompressedBytes / rows : Math.max(8, 2 * column.fixedLength));
  }, 0);
  const rowsMax = Math.max(batchRowsMin, Math.floor(decodedBytesPerWindow / bytesPerRow));
  const batchRows = Math.min(most, rowsMax);
  return { batchRows, windowRows: Math.floor(rowsMax / batchRows) * batchRows };
}

/** A Parquet file of one row group from these chunks. Its columns are called 0, 1, 2, … */
function splice(chunks: readonly ChunkToDecode[], rows: number): Uint8Array {
  let at = magic.length;
  const columns: ThriftStruct[] = [];
  for (const [index, { column, chunk, bytes }] of chunks.entries()) {
    const meta = structOf([
      [1, thriftType.i32, column.physical],
      [2, thriftType.list, { elementType: thriftType.i32, elements: [0] }],
      [3, thriftType.list, { elementType: thriftType.binary, elements: [utf8(String(index))] }],
      [4, thriftType.i32, chunk.codec],
      [5, thriftType.i64, BigInt(rows)],
      [6, thriftType.i64, BigInt(chunk.uncompressedBytes)],
      [7, thriftType.i64, BigInt(bytes.length)],
      // A dictionary page is known by its own header, so one offset does for both.
      [9, thriftType.i64, BigInt(at)],
    ]);
    columns.push(structOf([[2, thriftType.i64, BigInt(at)], [3, thriftType.struct, meta]]));
    at += bytes.length;
  }
  const total = chunks.reduce((sum, { chunk }) => sum + chunk.uncompressedBytes, 0);
  const group = structOf([
    [1, thriftType.list, { elementType: thriftType.struct, elements: columns }],
    [2, thriftType.i64, BigInt(total)],
    [3, thriftType.i64, BigInt(rows)],
  ]);
  const root = structOf([[4, thriftType.binary, utf8('rows')], [5, thriftType.i32, chunks.length]]);
  const elements = [root, ...chunks.map(({ column }, index) => schemaElement(column, String(index)))];
  const fields = chunks.map(({ column }, index) => new Field(String(index), column.type, column.nullable));
  const arrowSchema = structOf([[1, thriftType.binary, utf8('ARROW:schema')], [2, thriftType.binary, utf8(embeddedSchema(new Schema(fields)))]]);
  const footer = writeThrift(structOf([
    [1, thriftType.i32, 1],
    [2, thriftType.list, { elementType: thriftType.struct, elements }],
    [3, thriftType.i64, BigInt(rows)],
    [4, thriftType.list, { elementType: thriftType.struct, elements: [group] }],
    [5, thriftType.list, { elementType: thriftType.struct, elements: [arrowSchema] }],
  ]));
  const file = new Uint8Array(at + footer.length + 8);
  file.set(magic);
  let to = magic.length;
  for (const { bytes } of chunks) {
    file.set(bytes, to);
    to += bytes.length;
  }
  file.set(footer, at);
  new DataView(file.buffer).setUint32(file.length - 8, footer.length, true);
  file.set(magic, file.length - 4);
  return file;
}

function schemaElement(column: Column, name: string): ThriftStruct {
  const element = structOf([
    [1, thriftType.i32, column.physical],
    ...(column.physical === physicalType.fixed ? ([[2, thriftType.i32, column.fixedLength]] as const) : []),
    [3, thriftType.i32, column.nullable ? 1 : 0],
    [4, thriftType.binary, utf8(name)],
  ]);
  return annotate(element, column.annotation);
}

function annotate(element: ThriftStruct, annotation: Annotation): ThriftStruct {
  const logical = (kind: number, fields: readonly FieldOf[] = []): ThriftStruct => structOf([[kind, thriftType.struct, structOf(fields)]]);
  switch (annotation.kind) {
    case 'none':
      return element;
    case 'utf8':
      return element.set(6, thriftType.i32, 0).set(10, thriftType.struct, logical(1));
    case 'float16':
      return element.set(10, thriftType.struct, logical(15));
    case 'integer': {
      const { bitWidth, signed } = annotation;
      return element.set(10, thriftType.struct, logical(10, [[1, thriftType.i8, bitWidth], [2, thriftType.true, signed]]));
    }
    case 'decimal': {
      const { precision, scale } = annotation;
      element.set(6, thriftType.i32, 5).set(7, thriftType.i32, scale).set(8, thriftType.i32, precision);
      return element.set(10, thriftType.struct, logical(5, [[1, thriftType.i32, scale], [2, thriftType.i32, precision]]));
    }
  }
}

type FieldOf = readonly [id: number, type: number, value: ThriftValue];

function structOf(fields: readonly FieldOf[]): ThriftStruct {
  const struct = new ThriftStruct();
  for (const [id, type, value] of fields) struct.append(id, type, value);
  return struct;
}

function utf8(text: string): Uint8Array {
  return Buffer.from(text, 'utf8');
}

/** The decoded values as the column's own type: the same buffers under another name, in all cases but seconds and nulls. */
function toColumnType(file: string, where: string, column: Column, data: Data): Data {
  const { type, divisor } = column;
  const { length, nullCount, nullBitmap } = data;
  if (data.type === type) return data;
  if (DataType.isNull(type)) return makeData({ type, length });
  const common = { type, length, nullCount, ...(nullCount > 0 && { nullBitmap }) };
  if (divisor !== undefined) return makeData({ ...common, data: divided(file, where, column, data, divisor) } as never);
  if (DataType.isDictionary(type)) return makeData({ ...common, data: data.values, dictionary: data.dictionary } as never);
  if (data.valueOffsets !== undefined) return makeData({ ...common, valueOffsets: data.valueOffsets, data: data.values } as never);
  return makeData({ ...common, data: asArrayOf(type, data.values as Uint8Array) } as never);
}

/** Views the same bits as signed or unsigned, as the type wants them. */
function asArrayOf(type: DataType, values: Uint8Array): ArrayBufferView {
  const ArrayType = type.ArrayType as unknown as new (buffer: ArrayBufferLike, offset: number, length: number) => ArrayBufferView;
  return new ArrayType(values.buffer, values.byteOffset, values.length);
}

function divided(file: string, where: string, column: Column, data: Data, divisor: bigint): BigInt64Array {
  const stored = data.values as BigInt64Array;
  const values = new BigInt64Array(stored.length);
  for (let i = 0; i < stored.length; i++) {
    values[i] = stored[i]! / divisor;
    if (values[i]! * divisor !== stored[i]! && data.getValid(i)) {
      throw damaged(file, `${where}, column ${column.name}: ${stored[i]} ms is no whole second, as its Arrow schema says it is`);
    }
  }
  return values;
}
