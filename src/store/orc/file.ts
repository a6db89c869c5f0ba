/**
 * Reading ORC: open → plan → scan, as Parquet is read.
 *
 *   open   postscript, footer and statistics of stripes, in one or two reads from the end of the file
 *   plan   which stripes; pure
 *   scan   stripe by stripe: its footer, the streams of the wanted columns, decoded, in batches
 */
import { type Data, DataType, Field, makeData, RecordBatch, Schema, Struct, type Vector } from '../../arrow/arrow.ts';
import { DamagedFileError, SchemaMismatchError, throwIfCancelled, UnsupportedError } from '../../base/errors.ts';
import { didYouMean } from '../../base/names.ts';
import type { TimeRange } from '../../base/time.ts';
import type { FileBytes } from '../bytes.ts';
import { type EmbeddedType, embeddedTypes } from '../parquet/arrow-schema.ts';
import type { ScanOptions, TimeSpan } from '../table.ts';
import { joinSpans } from '../time-span.ts';
import { decodeColumn } from './decode-column.ts';
import type { StreamPart } from './decode-runs.ts';
import { checkCompression, type Compression, decompress } from './decompress.ts';
import {
  type ColumnStatistics, compressionKind, type Footer, footerCodec, type Metadata, metadataCodec, orcMagic, type OrcType, postScriptCodec, type StripeFooter, stripeFooterCodec,
  streamKind, type StripeInformation, typeKind,
} from './metadata.ts';
import { decodeMessage } from './protobuf.ts';
import { arrowTypeOf, kindName } from './read-types.ts';
import { WallClock } from './wall-clock.ts';

export interface OrcColumn {
  readonly name: string;
  /** Its number in the tree of types, by which streams and statistics name it. */
  readonly id: number;
  readonly orcType: OrcType;
  /** The plain type. */
  readonly type: DataType;
}

export interface OrcStripe {
  readonly rows: number;
  readonly offset: number;
  readonly indexLength: number;
  readonly dataLength: number;
  readonly footerLength: number;
  /** By the number of the column; absent where the file has none. */
  readonly statistics: readonly ColumnStatistics[] | undefined;
}

export interface OrcFile {
  readonly name: string;
  readonly rows: number;
  readonly schema: Schema;
  readonly columns: ReadonlyMap<string, OrcColumn>;
  readonly passedOver: readonly { readonly column: string; readonly why: string }[];
  readonly stripes: readonly OrcStripe[];
  readonly compression: Compression;
}

/** What a scan of one file reads. `bytes` is what the stripes have at most. */
export interface OrcPlan {
  readonly columns: readonly string[];
  readonly stripes: readonly number[];
  readonly rows: number;
  readonly bytes: number;
}

const tailBytes = 64 * 1024;
const gapBytesMax = 64 * 1024;
const batchRows = 65_536;
const blockSizeDefault = 256 * 1024;
/** The header of a block has 23 bits for its length. */
const blockSizeMax = 1 << 23;

export async function openOrc(bytes: FileBytes): Promise<OrcFile> {
  const { name, size } = bytes;
  const notOrc = (found: string): DamagedFileError => new DamagedFileError(name, `not an ORC file, or truncated: ${found}. Check the path, or write the file again`);
  if (size < 4) throw notOrc(`it has ${size} bytes`);
  const tailStart = Math.max(0, size - tailBytes);
  const tail = await readExactly(bytes, tailStart, size);
  const postScriptBytes = tail[tail.length - 1]!;
  const postScriptStart = tail.length - 1 - postScriptBytes;
  if (postScriptBytes === 0 || postScriptStart < 0) throw notOrc(`its postscript should have ${postScriptBytes} bytes`);
  const magic = Buffer.from(tail.buffer, tail.byteOffset + tail.length - 1 - orcMagic.length, orcMagic.length).toString('latin1');
  const head = tailStart === 0 ? tail.subarray(0, 3) : await readExactly(bytes, 0, 3);
  const begins = Buffer.from(head).toString('latin1') === orcMagic;
  // Files of the first version have it in the postscript only.
  if (!begins && magic !== orcMagic) throw notOrc(`it should begin with ORC, but begins with ${JSON.stringify(Buffer.from(head).toString('latin1'))}`);
  const postScript = decodeMessage(postScriptCodec, tail.subarray(postScriptStart, tail.length - 1), name, 'postscript');
  const compression = compressionOf(name, postScript.compression ?? 0, postScript.compressionBlockSize);
  const { footerLength = 0, metadataLength = 0 } = postScript;
  const end = size - 1 - postScriptBytes;
  const start = end - footerLength - metadataLength;
  if (footerLength === 0 || start < 0) throw notOrc(`its footer and metadata should have ${footerLength} and ${metadataLength} bytes, and the file has ${size}`);
  const meta = start >= tailStart ? tail.subarray(start - tailStart, end - tailStart) : await readExactly(bytes, start, end);
  const unpacked = (part: Uint8Array, what: string): Uint8Array => decompress({ file: name, stream: what }, compression, part);
  const footer = decodeMessage(footerCodec, unpacked(meta.subarray(metadataLength), 'footer'), name, 'footer');
  const metadata = metadataLength === 0 ? undefined : decodeMessage(metadataCodec, unpacked(meta.subarray(0, metadataLength), 'metadata'), name, 'metadata');
  return fileOf(name, start, footer, metadata, compression);
}

function compressionOf(file: string, kind: number, size: number | undefined): Compression {
  checkCompression(file, kind);
  const blockSize = size === undefined || size === 0 ? blockSizeDefault : size;
  if (kind !== compressionKind.none && blockSize > blockSizeMax) throw new DamagedFileError(file, `its blocks should have ${blockSize} bytes, and ${blockSizeMax} is the most; the file is damaged`);
  return { kind, blockSize };
}

function fileOf(name: string, contentEnd: number, footer: Footer, metadata: Metadata | undefined, compression: Compression): OrcFile {
  if (footer.encryption !== undefined && footer.encryption.variants.length > 0) {
    throw new UnsupportedError(name, 'encryption', 'the file has encrypted columns, which cannot be read here; write it again without encryption');
  }
  const root = footer.types[0];
  if (root === undefined) throw new DamagedFileError(name, 'its footer names no type; the file is damaged');
  if ((root.kind ?? 0) !== typeKind.struct) {
    throw new UnsupportedError(name, `a root of type ${kindName(root.kind)}`, `its rows are ${kindName(root.kind)}, not a struct of columns; write it again with named columns`);
  }
  if (root.subtypes.length !== root.fieldNames.length) throw new DamagedFileError(name, `it has ${root.subtypes.length} columns and ${root.fieldNames.length} names; the file is damaged`);
  const hints = embeddedTypes(textOf(footer.metadata.find((item) => item.name === 'ARROW:schema')?.value));
  const columns = new Map<string, OrcColumn>();
  const passedOver: { column: string; why: string }[] = [];
  root.fieldNames.forEach((column, i) => {
    const id = root.subtypes[i]!;
    const orcType = footer.types[id];
    if (orcType === undefined || id === 0) throw new DamagedFileError(name, `column ${column} is of type ${id}, and there are ${footer.types.length}; the file is damaged`);
    if (columns.has(column)) throw new UnsupportedError(name, `two columns ${column}`, 'columns are asked for by name; write it again with names that differ');
    const type = arrowTypeOf(orcType, hints.get(column) as EmbeddedType | undefined, footer.statistics[id]);
    if (type === undefined) passedOver.push({ column, why: `it is ${kindName(orcType.kind)}, and only flat columns are read` });
    else columns.set(column, { name: column, id, orcType, type });
  });
  const stripes = footer.stripes.map((stripe, index) => stripeOf(name, contentEnd, stripe, index, metadata?.stripeStatistics[index]?.columns));
  const rows = stripes.reduce((sum, stripe) => sum + stripe.rows, 0);
  if (footer.numberOfRows !== undefined && rows !== footer.numberOfRows) {
    throw new DamagedFileError(name, `its stripes have ${rows} rows, and its footer says ${footer.numberOfRows}; the file is damaged`);
  }
  const schema = new Schema([...columns.values()].map((column) => new Field(column.name, column.type, true)));
  return { name, rows, schema, columns, passedOver, stripes, compression };
}

function textOf(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : Buffer.from(bytes).toString('latin1');
}

function stripeOf(name: string, contentEnd: number, stripe: StripeInformation, index: number, statistics: readonly ColumnStatistics[] | undefined): OrcStripe {
  const { offset = 0, indexLength = 0, dataLength = 0, footerLength = 0, numberOfRows: rows = 0 } = stripe;
  if (offset + indexLength + dataLength + footerLength > contentEnd || rows > 0x7fffffff) {
    throw new DamagedFileError(name, `stripe ${index} should have ${rows} rows in ${indexLength + dataLength + footerLength} bytes from ${offset} on, and the stripes end at ${contentEnd}; the file is truncated or damaged`);
  }
  return { rows, offset, indexLength, dataLength, footerLength, statistics };
}

/** Throws SchemaMismatchError for a column that is not there, UnsupportedError for one that cannot be read. */
export function planOrc(file: OrcFile, options: ScanOptions = {}): OrcPlan {
  const columns = options.columns ?? file.schema.fields.map((field) => field.name);
  for (const column of columns) columnOf(file, column);
  const { timeRange } = options;
  const time = timeRange === undefined ? undefined : timeColumn(file, timeRange.column);
  const stripes = file.stripes.flatMap(({ rows, statistics }, index) =>
    rows === 0 || (time !== undefined && !mightContain(time, statistics?.[time.id], timeRange!.range)) ? [] : [index],
  );
  return planOf(file, columns, stripes);
}

function planOf(file: OrcFile, columns: readonly string[], stripes: readonly number[]): OrcPlan {
  const sum = (count: (stripe: OrcStripe) => number): number => stripes.reduce((total, index) => total + count(file.stripes[index]!), 0);
  return { columns, stripes, rows: sum(({ rows }) => rows), bytes: columns.length === 0 ? 0 : sum(({ dataLength, footerLength }) => dataLength + footerLength) };
}

/** The plan in parts of neighbouring stripes, each with `rowsMin` rows or more as far as there are so many. Pure. */
export function cutOrcPlan(file: OrcFile, plan: OrcPlan, rowsMin: number): OrcPlan[] {
  const parts: OrcPlan[] = [];
  let [start, rows] = [0, 0];
  plan.stripes.forEach((index, at) => {
    rows += file.stripes[index]!.rows;
    if (rows < rowsMin && at < plan.stripes.length - 1) return;
    parts.push(planOf(file, plan.columns, plan.stripes.slice(start, at + 1)));
    [start, rows] = [at + 1, 0];
  });
  return parts;
}

/** The rows of the plan, in file order. Text that the file keeps as a dictionary comes as one, in schemas too. */
export async function* scanOrc(bytes: FileBytes, file: OrcFile, plan: OrcPlan, options: { readonly signal?: AbortSignal } = {}): AsyncGenerator<RecordBatch, void, void> {
  const columns = plan.columns.map((column) => columnOf(file, column));
  for (const index of plan.stripes) {
    throwIfCancelled(options.signal, `reading ${file.name}`);
    const stripe = file.stripes[index]!;
    const data = columns.length === 0 ? [] : await readStripe(bytes, file, columns, stripe, index);
    const schema = new Schema(columns.map(({ name }, i) => new Field(name, data[i]!.type, true)));
    for (let start = 0; start < stripe.rows; start += batchRows) {
      throwIfCancelled(options.signal, `reading ${file.name}`);
      const rows = Math.min(batchRows, stripe.rows - start);
      const children = data.map((column) => (stripe.rows === rows ? column : column.slice(start, rows)));
      yield new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length: rows, nullCount: 0, children }));
    }
  }
}

const wantedStreams: ReadonlySet<number> = new Set([
  streamKind.present, streamKind.data, streamKind.length, streamKind.dictionaryData, streamKind.secondary,
]);

async function readStripe(bytes: FileBytes, file: OrcFile, columns: readonly OrcColumn[], stripe: OrcStripe, index: number): Promise<Data[]> {
  const { name } = file;
  const footerStart = stripe.offset + stripe.indexLength + stripe.dataLength;
  const packed = await readExactly(bytes, footerStart, footerStart + stripe.footerLength);
  const footer = decodeMessage(stripeFooterCodec, decompress({ file: name, stream: `footer of stripe ${index}` }, file.compression, packed), name, `footer of stripe ${index}`);
  const places = placesOf(name, stripe, index, footer, new Set(columns.map(({ id }) => id)));
  const parts = await readNear(bytes, places);
  const wallClock = new WallClock(name, footer.writerTimezone);
  return columns.map((column) => {
    const encoding = footer.columns[column.id];
    if (encoding === undefined) throw new DamagedFileError(name, `the footer of stripe ${index} says nothing of column ${column.name}; the file is damaged`);
    const streams = new Map<number, StreamPart>();
    let entries: Vector | undefined;
    for (const [i, place] of places.entries()) {
      if (place.column !== column.id) continue;
      const unpacked = decompress({ file: name, stream: `column ${column.name}, stripe ${index}` }, file.compression, parts[i]!);
      streams.set(place.kind, { bytes: unpacked, skip: 0 });
    }
    return decodeColumn({
      file: name, name: column.name, stripe: index, rows: stripe.rows, orcType: column.orcType, type: column.type, encoding: encoding.kind ?? 0,
      dictionarySize: encoding.dictionarySize ?? 0, dictionary: (make) => (entries ??= make()), streams, wallClock,
    });
  });
}

interface StreamPlace {
  readonly column: number;
  readonly kind: number;
  readonly start: number;
  readonly end: number;
}

/** Where the wanted streams are: they stand one after the other, those of the index first. */
function placesOf(file: string, stripe: OrcStripe, index: number, footer: StripeFooter, wanted: ReadonlySet<number>): StreamPlace[] {
  const places: StreamPlace[] = [];
  let start = stripe.offset;
  const end = stripe.offset + stripe.indexLength + stripe.dataLength;
  for (const { kind = 0, column = 0, length = 0 } of footer.streams) {
    if (start + length > end) throw new DamagedFileError(file, `the streams of stripe ${index} reach beyond its end; the file is damaged`);
    if (wanted.has(column) && wantedStreams.has(kind)) places.push({ column, kind, start, end: start + length });
    start += length;
  }
  return places;
}

/** The bytes of each place; what lies between near ones is read along. */
async function readNear(bytes: FileBytes, places: readonly StreamPlace[]): Promise<Uint8Array[]> {
  const ranges: { start: number; end: number }[] = [];
  for (const { start, end } of places) {
    const last = ranges.at(-1);
    if (last !== undefined && start - last.end <= gapBytesMax) last.end = end;
    else ranges.push({ start, end });
  }
  const parts = await Promise.all(ranges.map(({ start, end }) => readExactly(bytes, start, end)));
  return places.map((place) => {
    const at = ranges.findIndex(({ start, end }) => start <= place.start && place.end <= end);
    return parts[at]!.subarray(place.start - ranges[at]!.start, place.end - ranges[at]!.start);
  });
}

function columnOf(file: OrcFile, name: string): OrcColumn {
  const column = file.columns.get(name);
  if (column !== undefined) return column;
  const passedOver = file.passedOver.find((candidate) => candidate.column === name);
  if (passedOver !== undefined) throw new UnsupportedError(file.name, `column ${name}`, `column ${name} cannot be read: ${passedOver.why}`);
  const names = [...file.columns.keys()];
  throw new SchemaMismatchError(file.name, name, `there is no such column; there are ${names.join(', ')}${didYouMean(name, names)}`);
}

function timeColumn(file: OrcFile, name: string): OrcColumn {
  const column = columnOf(file, name);
  if (DataType.isTimestamp(column.type) || DataType.isDate(column.type)) return column;
  throw new SchemaMismatchError(file.name, name, `it is ${column.type}, but event time is a timestamp or a date`);
}

const dayUs = 86_400_000_000n;

/** False only when no row has its event time in the range. */
function mightContain(column: OrcColumn, statistics: ColumnStatistics | undefined, { startUs, endUs }: TimeRange): boolean {
  if (statistics?.numberOfValues === 0) return false;
  const bounds = statistics && timeBounds(column, statistics);
  if (bounds === undefined) return true;
  return (startUs === undefined || bounds.lastUs >= startUs) && (endUs === undefined || bounds.firstUs < endUs);
}

/** No event time is outside. Statistics by the writer's wall clock alone are not believed. */
function timeBounds(column: OrcColumn, { dates, timestamps }: ColumnStatistics): { readonly firstUs: bigint; readonly lastUs: bigint } | undefined {
  let bounds: { readonly firstUs: bigint; readonly lastUs: bigint } | undefined;
  if (dates?.minimum !== undefined && dates.maximum !== undefined) {
    bounds = { firstUs: BigInt(dates.minimum) * dayUs, lastUs: BigInt(dates.maximum) * dayUs };
  } else if (timestamps?.minimumUtc !== undefined && timestamps.maximumUtc !== undefined && column.orcType.kind !== typeKind.date) {
    // Whole milliseconds; what is beyond them is within the next. Before 1970 some writers round them up.
    const { minimumUtc, maximumUtc } = timestamps;
    bounds = { firstUs: (minimumUtc < 0n ? minimumUtc - 1n : minimumUtc) * 1_000n, lastUs: (maximumUtc + 1n) * 1_000n };
  }
  return bounds === undefined || bounds.firstUs > bounds.lastUs ? undefined : bounds;
}

/** The event times of the file's rows, as far as the statistics of all its stripes tell. */
export function orcTimeSpan(file: OrcFile, name: string): TimeSpan | undefined {
  const column = timeColumn(file, name);
  return joinSpans(file.stripes.filter(({ rows }) => rows > 0).map(({ rows, statistics: all }) => {
    const statistics = all?.[column.id];
    if (statistics?.numberOfValues === undefined) return undefined;
    const nulls = rows - Number(statistics.numberOfValues);
    if (nulls === rows) return { firstUs: undefined, lastUs: undefined, nulls };
    const bounds = timeBounds(column, statistics);
    return bounds && { ...bounds, nulls };
  }));
}

async function readExactly(bytes: FileBytes, start: number, end: number): Promise<Uint8Array> {
  const part = await bytes.read(start, end);
  if (part.length === end - start) return part;
  throw new DamagedFileError(bytes.name, `expected ${end - start} bytes from ${start} on, found ${part.length}; the file became shorter while it was read. Read it again`);
}
