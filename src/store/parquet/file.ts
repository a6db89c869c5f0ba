/**
 * Reading Parquet: open → plan → scan.
 *
 *   open   the footer, in one or two reads from the end of the file
 *   plan   which row groups and which bytes of them; pure
 *   scan   row group by row group: fetch the wanted column chunks, decode, hand out batches
 *
 * One row group at a time is in memory, and the bytes of the next while it is worked on.
 */
import { type Data, DataType, Field, makeData, RecordBatch, Schema, Struct } from '../../arrow/arrow.ts';
import { DamagedFileError, SchemaMismatchError, throwIfCancelled, UnsupportedError } from '../../base/errors.ts';
import { didYouMean } from '../../base/names.ts';
import type { FileBytes } from '../bytes.ts';
import type { FilePlan } from '../file-format.ts';
import type { ScanOptions } from '../table.ts';
import { codecNames, decodeColumns, type DecodeOptions, isDecodable } from './decode.ts';
import { type Column, type ColumnChunk, fileSizeMin, type Footer, magic, parseFooter } from './footer.ts';
import { type ColumnStatistics, mightContain } from './statistics.ts';
import { asDictionary } from './types.ts';

export type { FileBytes } from '../bytes.ts';
export type { ColumnChunk, RowGroup } from './footer.ts';
export type { Bound, ColumnStatistics } from './statistics.ts';

/**
 * A Parquet file whose footer was read and checked. `schema` has the flat top-level columns that can be read: fixed-length
 * bytes as Binary, times of day as the integers that are stored, INT96 as timestamps in microseconds.
 */
export interface ParquetFile extends Footer {
  readonly name: string;
}

/** What a scan of one file reads. */
export interface ParquetPlan extends FilePlan {
  /** Indexes of the row groups that are left after pruning. */
  readonly rowGroups: readonly number[];
  /** For each of them the stretches of the file that are read, `end` excluded. */
  readonly reads: readonly (readonly ByteRange[])[];
}

export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

const tailBytes = 64 * 1024;
const gapBytesMax = 64 * 1024;
const prefetchBytesMax = 128 * 1024 * 1024;

export async function openParquet(bytes: FileBytes): Promise<ParquetFile> {
  const { name, size } = bytes;
  const notParquet = (found: string): DamagedFileError =>
    new DamagedFileError(name, `not a Parquet file, or truncated: ${found}. Check the path, or write the file again`);
  if (size < fileSizeMin) throw notParquet(`it has ${size} bytes, and the smallest Parquet file has ${fileSizeMin}`);
  const tailStart = Math.max(0, size - tailBytes);
  const tail = await readExactly(bytes, tailStart, size);
  const end = tail.subarray(tail.length - 4);
  if (latin1(end) === 'PARE') {
    throw new UnsupportedError(name, 'encryption', 'the file has an encrypted footer, which cannot be read here; write it again without encryption');
  }
  if (!endsWith(end)) throw notParquet(`it should end with PAR1, but ends with ${printable(end)}`);
  const head = tailStart === 0 ? tail.subarray(0, 4) : await readExactly(bytes, 0, 4);
  if (!endsWith(head)) throw notParquet(`it should start with PAR1, but starts with ${printable(head)}`);
  const footerBytes = new DataView(tail.buffer, tail.byteOffset, tail.byteLength).getUint32(tail.length - 8, true);
  const footerStart = size - 8 - footerBytes;
  if (footerBytes === 0 || footerStart < magic.length) {
    throw notParquet(`its footer should be ${footerBytes} bytes long, and the file has ${size}`);
  }
  const footer = footerStart >= tailStart ? tail.subarray(footerStart - tailStart, tail.length - 8) : await readExactly(bytes, footerStart, size - 8);
  return { name, ...parseFooter(name, footer, footerStart) };
}

/** Throws SchemaMismatchError for a column that is not there, UnsupportedError for one that cannot be read. */
export function planParquet(file: ParquetFile, options: ScanOptions = {}): ParquetPlan {
  const columns = options.columns ?? file.schema.fields.map((field) => field.name);
  for (const column of columns) checkColumn(file, column);
  const { timeRange } = options;
  const time = timeRange === undefined ? undefined : timeColumn(file, timeRange.column);
  const rowGroups: number[] = [];
  const reads: ByteRange[][] = [];
  let [rows, bytes] = [0, 0];
  file.rowGroups.forEach((group, index) => {
    if (group.rows === 0) return;
    if (time !== undefined && !mightContain(time, group.rows, group.columns.get(time.name)!.statistics, timeRange!.range)) return;
    const ranges = coalesce(columns.map((column) => group.columns.get(column)!));
    rowGroups.push(index);
    reads.push(ranges);
    rows += group.rows;
    bytes += totalBytes(ranges);
  });
  return { columns, rowGroups, reads, rows, bytes };
}

/** The plan in parts of neighbouring row groups, each with `rowsMin` rows or more as far as there are so many. Pure. */
export function cutPlan(file: ParquetFile, plan: ParquetPlan, rowsMin: number): ParquetPlan[] {
  const parts: ParquetPlan[] = [];
  let [start, rows] = [0, 0];
  plan.rowGroups.forEach((index, at) => {
    rows += file.rowGroups[index]!.rows;
    if (rows < rowsMin && at < plan.rowGroups.length - 1) return;
    const reads = plan.reads.slice(start, at + 1);
    parts.push({ columns: plan.columns, rowGroups: plan.rowGroups.slice(start, at + 1), reads, rows, bytes: totalBytes(reads.flat()) });
    [start, rows] = [at + 1, 0];
  });
  return parts;
}

/**
 * The rows of the plan, in file order. Batches own their buffers. Where a row group stores text as codes into a
 * dictionary its batches, and their schemas, have it as Dictionary<Int32, …> of the file's type: so it groups and filters
 * faster.
 */
export async function* scanParquet(
  bytes: FileBytes, file: ParquetFile, plan: ParquetPlan, options: DecodeOptions & { readonly signal?: AbortSignal } = {},
): AsyncGenerator<RecordBatch, void, void> {
  const columns = plan.columns.map((name) => file.columns.get(name)!);
  const fetchAt = (at: number): Promise<Uint8Array[]> => Promise.all(plan.reads[at]!.map(({ start, end }) => readExactly(bytes, start, end)));
  let fetched: Promise<Uint8Array[]> | undefined;
  for (let at = 0; at < plan.rowGroups.length; at++) {
    throwIfCancelled(options.signal, `reading ${file.name}`);
    const index = plan.rowGroups[at]!;
    const group = file.rowGroups[index]!;
    if (columns.length === 0) {
      yield batchOf(new Schema([]), [], group.rows);
      continue;
    }
    const parts = await (fetched ?? fetchAt(at));
    const next = plan.reads[at + 1];
    fetched = next !== undefined && totalBytes(next) <= prefetchBytesMax ? fetchAt(at + 1) : undefined;
    // A failure is met when its row group's turn comes, or never when the caller stops before.
    fetched?.catch(() => undefined);
    const chunks = columns.map((column) => {
      const chunk = group.columns.get(column.name)!;
      return { column: chunk.isCodes ? { ...column, ...asDictionary(column) } : column, chunk, bytes: chunkBytes(chunk, plan.reads[at]!, parts) };
    });
    const schema = new Schema(chunks.map(({ column }) => new Field(column.name, column.type, column.nullable)));
    for (const data of decodeColumns(file.name, index, group.rows, chunks, options)) {
      throwIfCancelled(options.signal, `reading ${file.name}`);
      yield batchOf(schema, data, data[0]!.length);
    }
  }
}

/** What the footer says of a column's values in one row group; undefined for a column that is not read. */
export function columnBounds(file: ParquetFile, rowGroup: number, column: string): ColumnStatistics | undefined {
  return file.rowGroups[rowGroup]?.columns.get(column)?.statistics;
}

function checkColumn(file: ParquetFile, name: string): void {
  if (file.columns.has(name)) {
    for (const { columns } of file.rowGroups) {
      const { codec } = columns.get(name)!;
      if (isDecodable(codec)) continue;
      const codecName = codecNames[codec] ?? `number ${codec}`;
      throw new UnsupportedError(file.name, `compression ${codecName}`, `column ${name} is compressed with ${codecName}, which cannot be read here; write the file again with snappy, zstd or gzip`);
    }
    return;
  }
  const passedOver = file.passedOver.find(({ column }) => column === name);
  if (passedOver !== undefined) throw new UnsupportedError(file.name, `column ${name}`, `column ${name} cannot be read: ${passedOver.why}`);
  const names = [...file.columns.keys()];
  throw new SchemaMismatchError(file.name, name, `there is no such column; there are ${names.join(', ')}${didYouMean(name, names)}`);
}

function timeColumn(file: ParquetFile, name: string): Column {
  checkColumn(file, name);
  const column = file.columns.get(name)!;
  if (!DataType.isTimestamp(column.type) && !DataType.isDate(column.type)) {
    throw new SchemaMismatchError(file.name, name, `it is ${column.type}, but event time is a timestamp or a date`);
  }
  return column;
}

/** The stretches that cover all chunks; what lies between near ones is read along. */
function coalesce(chunks: readonly ColumnChunk[]): ByteRange[] {
  const ranges: { start: number; end: number }[] = [];
  for (const { start, end } of [...chunks].sort((a, b) => a.start - b.start)) {
    const last = ranges.at(-1);
    if (last !== undefined && start - last.end <= gapBytesMax) last.end = Math.max(last.end, end);
    else ranges.push({ start, end });
  }
  return ranges;
}

function chunkBytes(chunk: ColumnChunk, ranges: readonly ByteRange[], parts: readonly Uint8Array[]): Uint8Array {
  const at = ranges.findIndex(({ start, end }) => start <= chunk.start && chunk.end <= end);
  const from = chunk.start - ranges[at]!.start;
  return parts[at]!.subarray(from, from + chunk.end - chunk.start);
}

function totalBytes(ranges: readonly ByteRange[]): number {
  return ranges.reduce((sum, { start, end }) => sum + end - start, 0);
}

async function readExactly(bytes: FileBytes, start: number, end: number): Promise<Uint8Array> {
  const part = await bytes.read(start, end);
  if (part.length === end - start) return part;
  throw new DamagedFileError(
    bytes.name,
    `expected ${end - start} bytes from ${start} on, found ${part.length}; the file became shorter while it was read. Read it again`,
  );
}

function endsWith(bytes: Uint8Array): boolean {
  return bytes.every((byte, i) => byte === magic[i]);
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

function printable(bytes: Uint8Array): string {
  return JSON.stringify(latin1(bytes));
}

function batchOf(schema: Schema, children: Data[], rows: number): RecordBatch {
  return new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length: rows, nullCount: 0, children }));
}
