/** Files in memory that count what is read of them, and columns of every type from plain values and back. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  Binary, Bool, type Data, DataType, DateDay, DateMillisecond, Decimal, Dictionary, Field, Float16, Float32, Float64, Int8, Int16, Int32,
  Int64, LargeBinary, LargeUtf8, makeData, RecordBatch, Schema, Struct, TimestampMicrosecond, TimestampMillisecond, TimestampNanosecond,
  TimestampSecond, Type, Uint8, Uint16, Uint32, Uint64, Utf8, Vector,
} from '../../../src/arrow/arrow.ts';
import type { ColumnMemory } from '../../../src/arrow/column-memory.ts';
import { type FileBytes, openParquet, planParquet, scanParquet, type ScanParquetOptions } from '../../../src/store/parquet/file.ts';
import { readThrift, type ThriftStruct, writeThrift } from '../../../src/store/parquet/thrift.ts';
import type { ScanOptions } from '../../../src/store/table.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../../..');

/** The fixtures of other engines, or undefined where they are absent. */
export const fixtures = existsSync(join(root, '../shared/fixtures/parquet')) ? join(root, '../shared/fixtures/parquet') : undefined;

/** Small files of other engines; its README says how they were made. */
export const golden = join(root, 'test/store/parquet/golden');

/** Three million flights, written by Polars. */
export function flights(): MemoryFile {
  return new MemoryFile('flights-3m.parquet', readFileSync(join(root, 'node_modules/vega-datasets/data/flights-3m.parquet')));
}

export class MemoryFile implements FileBytes {
  bytesRead = 0;
  reads = 0;
  readonly size: number;
  constructor(
    readonly name: string,
    readonly bytes: Uint8Array,
  ) {
    this.size = bytes.length;
  }

  async read(start: number, end: number): Promise<Uint8Array> {
    this.bytesRead += end - start;
    this.reads++;
    return this.bytes.slice(start, end);
  }
}

/** A file whose bytes need not be waited for, as those of a local disk. */
export class LocalFile extends MemoryFile {
  readInto(target: Uint8Array, start: number): void {
    this.bytesRead += target.length;
    this.reads++;
    target.set(this.bytes.subarray(start, start + target.length));
  }
}

/** A shared memory that others lend, as the engine does: blocks one behind the other, dirty ones. */
export class LentMemory implements ColumnMemory {
  readonly memory = new WebAssembly.Memory({ initial: 1, maximum: 65_536, shared: true });
  readonly held = new Map<number, number>();
  private end = 4_096;

  constructor(readonly bytesMax = 2 ** 28) {}

  alloc(bytes: number): number {
    const at = this.end;
    this.end = Math.ceil((at + bytes) / 64) * 64;
    const missing = this.end - this.memory.buffer.byteLength;
    if (missing > 0) this.memory.grow(Math.ceil(missing / 65_536));
    new Uint8Array(this.memory.buffer).fill(0xa5, at, this.end);
    this.held.set(at, bytes);
    return at;
  }

  free(at: number, bytes: number): void {
    if (this.held.get(at) !== bytes) throw new Error(`${bytes} bytes at ${at} are given back that were not taken so`);
    this.held.delete(at);
  }

  view(at: number, bytes: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, at, bytes);
  }

  /** Whether an array lies in a block that is held. */
  has({ buffer, byteOffset, byteLength }: ArrayBufferView): boolean {
    if (!(buffer instanceof SharedArrayBuffer)) return false;
    return [...this.held].some(([at, bytes]) => at <= byteOffset && byteOffset + byteLength <= at + bytes);
  }
}

/** `byPages: false` reads with the one decoder that can do everything. */
export async function readAll(bytes: Uint8Array | MemoryFile, options: ScanOptions & ScanParquetOptions = {}): Promise<{ schema: Schema; batches: RecordBatch[]; rows: number }> {
  const source = bytes instanceof MemoryFile ? bytes : new MemoryFile('t.parquet', bytes);
  const file = await openParquet(source);
  const batches: RecordBatch[] = [];
  for await (const batch of scanParquet(source, file, planParquet(file, options), options)) batches.push(batch);
  return { schema: file.schema, batches, rows: batches.reduce((sum, batch) => sum + batch.numRows, 0) };
}

/** A value as tests write it: bytes as `b:` and hex, halves as their bits, decimals unscaled. */
export type Cell = bigint | number | string | boolean | null;

/** Every type that our writer takes; dictionaries stand beside what they hold. */
export const writable: Readonly<Record<string, DataType>> = {
  bool: new Bool(), int8: new Int8(), int16: new Int16(), int32: new Int32(), int64: new Int64(), uint8: new Uint8(), uint16: new Uint16(),
  uint32: new Uint32(), uint64: new Uint64(), half: new Float16(), float: new Float32(), double: new Float64(), utf8: new Utf8(),
  largeUtf8: new LargeUtf8(), binary: new Binary(), largeBinary: new LargeBinary(), day: new DateDay(), date64: new DateMillisecond(),
  s: new TimestampSecond(), ms: new TimestampMillisecond(), us: new TimestampMicrosecond(), ns: new TimestampNanosecond(),
  sZone: new TimestampSecond('Europe/Berlin'), msZone: new TimestampMillisecond('UTC'), usZone: new TimestampMicrosecond('UTC'),
  nsZone: new TimestampNanosecond('America/New_York'), decimal: new Decimal(2, 38, 128), smallDecimal: new Decimal(3, 9, 128),
};

export function columnOf(type: DataType, cells: readonly Cell[]): Data {
  const nullBitmap = new Uint8Array((cells.length + 7) >> 3);
  cells.forEach((cell, row) => {
    if (cell !== null) nullBitmap[row >> 3]! |= 1 << (row & 7);
  });
  // Left for Arrow to count, as in tables from elsewhere.
  const common = { type, length: cells.length, nullCount: -1, nullBitmap };
  if (type.typeId === Type.Bool) {
    const data = new Uint8Array((cells.length + 7) >> 3);
    cells.forEach((cell, row) => {
      if (cell === true) data[row >> 3]! |= 1 << (row & 7);
    });
    return makeData({ ...common, data } as never);
  }
  if (isSpans(type)) {
    const parts = cells.map((cell) => (cell === null ? Buffer.alloc(0) : DataType.isUtf8(type) || DataType.isLargeUtf8(type) ? Buffer.from(String(cell)) : Buffer.from(String(cell).slice(2), 'hex')));
    const offsets = [0];
    for (const part of parts) offsets.push(offsets.at(-1)! + part.length);
    const large = DataType.isLargeUtf8(type) || DataType.isLargeBinary(type);
    return makeData({ ...common, data: new Uint8Array(Buffer.concat(parts)), valueOffsets: large ? BigInt64Array.from(offsets, BigInt) : Int32Array.from(offsets) } as never);
  }
  if (DataType.isDecimal(type)) {
    const data = new Uint32Array(4 * cells.length);
    cells.forEach((cell, row) => {
      for (let k = 0; k < 4; k++) data[4 * row + k] = Number(BigInt.asUintN(128, BigInt(cell ?? 0)) >> BigInt(32 * k) & 0xffff_ffffn);
    });
    return makeData({ ...common, data } as never);
  }
  const data = new (type.ArrayType as new (length: number) => Float64Array)(cells.length);
  const zero = (data as unknown) instanceof BigInt64Array || (data as unknown) instanceof BigUint64Array ? 0n : 0;
  for (const [row, cell] of cells.entries()) data[row] = (cell ?? zero) as number;
  return makeData({ ...common, data } as never);
}

/** The same cells as codes into a dictionary, whose entries come in two chunks and hold one that no row uses. */
export function dictionaryOf(type: DataType, cells: readonly Cell[]): Data {
  const entries: Cell[] = [];
  // Not a Set, to which −0 is 0.
  const codeOf = (cell: Cell): number => entries.findIndex((entry) => Object.is(entry, cell));
  for (const cell of cells) if (cell !== null && codeOf(cell) < 0) entries.push(cell);
  const chunks = [entries.slice(0, 2), [...entries.slice(2), entries[0] ?? null]].filter((chunk) => chunk.length > 0);
  const dictionary = new Vector(chunks.map((chunk) => columnOf(type, chunk)));
  const codes = columnOf(new Int32(), cells.map((cell) => (cell === null ? null : codeOf(cell))));
  const dictionaryType = new Dictionary(type, new Int32());
  return makeData({ type: dictionaryType, length: cells.length, nullCount: -1, nullBitmap: codes.nullBitmap, data: codes.values, dictionary } as never);
}

export function batchOf(schema: Schema, children: Data[], rows = children[0]?.length ?? 0): RecordBatch {
  return new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length: rows, nullCount: 0, children }));
}

/** A batch from columns by name; all can be null. */
export function batchFrom(columns: Readonly<Record<string, { type: DataType; cells: readonly Cell[] }>>): RecordBatch {
  const schema = new Schema(Object.entries(columns).map(([name, { type }]) => new Field(name, type, true)));
  return batchOf(schema, Object.values(columns).map(({ type, cells }) => columnOf(type, cells)));
}

/** The values of a column over all batches, read from the buffers. */
export function cellsOf(batches: readonly RecordBatch[], column: string, rowsMax = Number.POSITIVE_INFINITY): Cell[] {
  const cells: Cell[] = [];
  for (const batch of batches) {
    const data = batch.data.children[batch.schema.fields.findIndex((field) => field.name === column)]!;
    for (let row = 0; row < data.length && cells.length < rowsMax; row++) cells.push(cellAt(data, row));
  }
  return cells;
}

function cellAt(data: Data, row: number): Cell {
  const { type, offset, nullBitmap } = data;
  if (type.typeId === Type.Null) return null;
  if (nullBitmap && nullBitmap.length > 0 && ((nullBitmap[(offset + row) >> 3]! >> ((offset + row) & 7)) & 1) === 0) return null;
  const values = data.values as Uint8Array;
  if (DataType.isDictionary(type)) {
    let code = Number(values[row]!);
    for (const chunk of data.dictionary!.data) {
      if (code < chunk.length) return cellAt(chunk, code);
      code -= chunk.length;
    }
    throw new Error(`code ${values[row]} is beyond the dictionary`);
  }
  if (type.typeId === Type.Bool) return ((values[(offset + row) >> 3]! >> ((offset + row) & 7)) & 1) === 1;
  if (isSpans(type)) {
    const offsets = data.valueOffsets as unknown as ArrayLike<number | bigint>;
    const bytes = Buffer.from(values.subarray(Number(offsets[row]!), Number(offsets[row + 1]!)));
    return DataType.isUtf8(type) || DataType.isLargeUtf8(type) ? bytes.toString() : `b:${bytes.toString('hex')}`;
  }
  if (DataType.isDecimal(type)) {
    let value = 0n;
    for (let k = 3; k >= 0; k--) value = (value << 32n) | BigInt(values[4 * row + k]!);
    return BigInt.asIntN(128, value);
  }
  return values[row]!;
}

function isSpans(type: DataType): boolean {
  return DataType.isUtf8(type) || DataType.isLargeUtf8(type) || DataType.isBinary(type) || DataType.isLargeBinary(type);
}

/** The file with its footer changed. */
export function withFooter(bytes: Uint8Array, change: (meta: ThriftStruct) => void): Uint8Array {
  const size = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(bytes.length - 8, true);
  const meta = readThrift(bytes.subarray(bytes.length - 8 - size, bytes.length - 8)).value;
  change(meta);
  const footer = writeThrift(meta);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(footer.length);
  return Buffer.concat([bytes.subarray(0, bytes.length - 8 - size), footer, length, Buffer.from('PAR1')]);
}

/** Of the first column of the first row group. */
export const chunkMeta = (meta: ThriftStruct): ThriftStruct => meta.structs(4)![0]!.structs(1)![0]!.struct(3)!;
