/**
 * Reading Parquet: open → plan → scan.
 *
 *   open   the footer, in one or two reads from the end of the file
 *   plan   which row groups and which bytes of them, at most; pure
 *   scan   row group by row group: fetch the wanted column chunks, or pages of them, decode, hand out batches
 *
 * One row group at a time is in memory, and the bytes of the next while it is worked on.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Data, DataType, Field, makeData, RecordBatch, Schema, Struct } from '../../arrow/arrow.ts';
import type { ColumnMemory } from '../../arrow/column-memory.ts';
import { DamagedFileError, SchemaMismatchError, throwIfCancelled, UnsupportedError } from '../../base/errors.ts';
import { didYouMean } from '../../base/names.ts';
import { inTurns } from '../../base/steps.ts';
import type { TimeRange } from '../../base/time.ts';
import type { FileBytes } from '../bytes.ts';
import type { FilePlan } from '../file-format.ts';
import type { ScanOptions, TimeSpan } from '../table.ts';
import { joinSpans } from '../time-span.ts';
import { codecNames, decodeColumns, type DecodeOptions, isDecodable } from './decode.ts';
import { coalesce, type FetchedGroup, fetchGroup, isCut, ReadBuffer, readExactly, totalBytes } from './fetch.ts';
import { type ByteRange, type Column, fileSizeMin, type Footer, readingFooter } from './footer.ts';
import { magic } from './marks.ts';
import { borrowPageMemory } from './page-memory.ts';
import { type ColumnStatistics, comparableValues, mightContain, mightHaveAny, timeSpan } from './statistics.ts';
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
  /** What rows a scan is for. */
  readonly timeRange?: { readonly column: string; readonly range: TimeRange };
}

export interface ScanParquetOptions extends Omit<DecodeOptions, 'memory'> {
  readonly signal?: AbortSignal;
  /** Memory to read in: what can be read by pages is lent, and lies there. The file is read to it, and this thread waits. */
  readonly memory?: ColumnMemory | undefined;
  /** Rows outside of the plan's time range may be left out; otherwise all rows of its row groups come. */
  readonly pruned?: boolean;
}

const tailBytes = 64 * 1024;
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
  return { name, ...(await inTurns(readingFooter(name, footer, footerStart), nextTurn)) };
}

/** Throws SchemaMismatchError for a column that is not there, UnsupportedError for one that cannot be read. */
export function planParquet(file: ParquetFile, options: ScanOptions = {}): ParquetPlan {
  const columns = options.columns ?? file.schema.fields.map((field) => field.name);
  for (const column of columns) checkColumn(file, column);
  const { timeRange, anyOf } = options;
  const time = timeRange === undefined ? undefined : timeColumn(file, timeRange.column);
  const key = anyOf && file.columns.get(anyOf.column);
  const keyValues = key === undefined ? undefined : comparableValues(key, anyOf!.values);
  const rowGroups: number[] = [];
  const reads: ByteRange[][] = [];
  let [rows, bytes] = [0, 0];
  file.rowGroups.forEach((group, index) => {
    if (group.rows === 0) return;
    if (time !== undefined && !mightContain(time, group.rows, group.columns.get(time.name)!.statistics, timeRange!.range)) return;
    if (keyValues !== undefined && !mightHaveAny(group.columns.get(key!.name)!.statistics, keyValues)) return;
    const ranges = coalesce(columns.map((column) => group.columns.get(column)!));
    rowGroups.push(index);
    reads.push(ranges);
    rows += group.rows;
    bytes += totalBytes(ranges);
  });
  return { columns, rowGroups, reads, rows, bytes, ...(timeRange && { timeRange }) };
}

/** The event times of the file's rows, as far as the statistics of all its row groups tell. */
export function parquetTimeSpan(file: ParquetFile, name: string): TimeSpan | undefined {
  const column = timeColumn(file, name);
  return joinSpans(file.rowGroups.filter(({ rows }) => rows > 0).map(({ rows, columns }) => timeSpan(column, rows, columns.get(name)!.statistics)));
}

/** The plan in parts of neighbouring row groups, `rowsMin` of the rows before each telling how many it has at least. Pure. */
export function cutPlan(file: ParquetFile, plan: ParquetPlan, rowsMin: (done: number) => number): ParquetPlan[] {
  const parts: ParquetPlan[] = [];
  let [start, rows, done] = [0, 0, 0];
  plan.rowGroups.forEach((index, at) => {
    rows += file.rowGroups[index]!.rows;
    if (rows < rowsMin(done) && at < plan.rowGroups.length - 1) return;
    const reads = plan.reads.slice(start, at + 1);
    parts.push({ ...plan, rowGroups: plan.rowGroups.slice(start, at + 1), reads, rows, bytes: totalBytes(reads.flat()) });
    [start, rows, done] = [at + 1, 0, done + rows];
  });
  return parts;
}

/**
 * The rows of the plan, in file order. Batches own their buffers, unless they are `lent`. Where a row group stores text as codes into a
 * dictionary its batches, and their schemas, have it as Dictionary<Int32, …> of the file's type: so it groups and filters
 * faster.
 */
export async function* scanParquet(
  bytes: FileBytes, file: ParquetFile, plan: ParquetPlan, options: ScanParquetOptions = {},
): AsyncGenerator<RecordBatch, void, void> {
  const memory = options.memory && borrowPageMemory({ lender: options.memory });
  try {
    yield* scanGroups(bytes, file, plan, { ...options, memory });
  } finally {
    memory?.giveBack();
  }
}

type ScanGroupsOptions = DecodeOptions & Pick<ScanParquetOptions, 'signal' | 'pruned'>;

async function* scanGroups(bytes: FileBytes, file: ParquetFile, plan: ParquetPlan, options: ScanGroupsOptions): AsyncGenerator<RecordBatch, void, void> {
  const columns = plan.columns.map((name) => file.columns.get(name)!);
  const timeRange = options.pruned ? plan.timeRange : undefined;
  const time = timeRange && { column: timeColumn(file, timeRange.column), range: timeRange.range };
  const buffer = options.memory && new ReadBuffer(options.memory);
  const plain = new Schema(columns.map(({ name, type, nullable }) => new Field(name, type, nullable)));
  const fetchAt = (at: number): Promise<FetchedGroup> => fetchGroup(bytes, file.rowGroups[plan.rowGroups[at]!]!, plan.columns, plan.reads[at]!, time, buffer);
  let fetched: Promise<FetchedGroup> | undefined;
  for (let at = 0; at < plan.rowGroups.length; at++) {
    throwIfCancelled(options.signal, `reading ${file.name}`);
    const index = plan.rowGroups[at]!;
    const group = file.rowGroups[index]!;
    if (columns.length === 0) {
      yield batchOf(new Schema([]), [], group.rows);
      continue;
    }
    const { ranges, chunks: parts } = await (fetched ?? fetchAt(at));
    // What is read to a buffer waits until the buffer is free.
    const next = buffer === undefined ? plan.reads[at + 1] : undefined;
    fetched = next !== undefined && totalBytes(next) <= prefetchBytesMax ? fetchAt(at + 1) : undefined;
    // A failure is met when its row group's turn comes, or never when the caller stops before.
    fetched?.catch(() => undefined);
    const chunks = columns.map((column, i) => {
      const chunk = group.columns.get(column.name)!;
      return { column: chunk.isCodes ? { ...column, ...asDictionary(column) } : column, chunk, ...parts[i]! };
    });
    const hasCodes = chunks.some(({ chunk }) => chunk.isCodes);
    const schema = hasCodes ? new Schema(chunks.map(({ column }) => new Field(column.name, column.type, column.nullable))) : plain;
    const part = { rowGroup: index, rows: group.rows, ranges, ...(time && isCut(group, time) && { time }) };
    for (const data of decodeColumns(file.name, part, chunks, options)) {
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
