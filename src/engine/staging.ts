/**
 * Columns of a batch on their way into WebAssembly memory: a stretch of rows at a time, into buffers that are used again.
 * What lies in that memory already is read where it stands.
 *
 *   values    as they stand in the batch (booleans as bits)        read by `gather`
 *   bitmap    the bytes that hold the rows' validity, row 0 being bit `bitOffset`; 0 where nothing is null
 */
import { type Data, DataType, type RecordBatch, Type } from '../arrow/arrow.ts';
import { concatColumn, plainType } from '../arrow/canonical.ts';
import { SchemaMismatchError } from '../base/errors.ts';
import type { Instance } from './instance.ts';
import { type Layout, layoutOf, sameType } from './types.ts';

/** A block that grows when more is needed. */
export class Buffer64 {
  private capacity = 0;
  pointer = 0;

  constructor(private readonly instance: Instance) {}

  /** Room for this many bytes; what was in it is lost when it has to grow. */
  ensure(bytes: number): number {
    if (bytes > this.capacity) {
      if (this.capacity > 0) this.instance.free(this.pointer, this.capacity);
      this.pointer = this.instance.alloc(bytes);
      this.capacity = bytes;
    }
    return this.pointer;
  }
}

export interface Bitmap {
  readonly pointer: number;
  readonly bitOffset: number;
}

/** The column of a batch, of the type that was planned for. Dictionaries of anything but strings without nulls are decoded. */
export function columnData(batch: RecordBatch, name: string, type: DataType): Data {
  const index = batch.schema.fields.findIndex((field) => field.name === name);
  const data = index < 0 ? undefined : batch.data.children[index];
  if (data === undefined) throw new SchemaMismatchError('a batch', name, 'the column is missing here, though the schema has it');
  if (!sameType(data.type, type)) throw new SchemaMismatchError('a batch', name, `expected ${type}, found ${plainType(data.type)}`);
  if (!DataType.isDictionary(data.type)) return data;
  const chunks = data.dictionary!.data;
  const direct = layoutOf(type).kind === 'string' && chunks.length === 1 && !hasNulls(chunks[0]!) && DataType.isUtf8(chunks[0]!.type);
  return direct ? data : concatColumn(type, [data], data.length);
}

export function hasNulls(data: Data): boolean {
  return data.nullBitmap !== undefined && data.nullBitmap !== null && data.nullBitmap.length > 0 && data.nullCount !== 0;
}

/** Stages one column: owns the buffers that its stretches pass through. All who read a column share its stage. */
export class ColumnStage {
  private readonly values: Buffer64;
  private readonly bytes: Buffer64;
  private readonly bitmap: Buffer64;
  private staged: { readonly data: Data; readonly start: number; readonly count: number; readonly pointer: number } | undefined;

  constructor(private readonly instance: Instance) {
    this.values = new Buffer64(instance);
    this.bytes = new Buffer64(instance);
    this.bitmap = new Buffer64(instance);
  }

  /** The validity of rows [start, start + count), or undefined where none of them is null. */
  stageBitmap(data: Data, start: number, count: number): Bitmap | undefined {
    if (data.type.typeId === Type.Null) {
      const bytes = (count + 7) >> 3;
      const pointer = this.bitmap.ensure(bytes);
      this.instance.bytes.fill(0, pointer, pointer + bytes);
      return { pointer, bitOffset: 0 };
    }
    if (!hasNulls(data)) return undefined;
    const first = data.offset + start;
    return { pointer: this.placedPart(data.nullBitmap!, first >> 3, (first + count + 7) >> 3, this.bitmap), bitOffset: first & 7 };
  }

  /**
   * Fixed-width values of rows [start, start + count) as they stand in the batch. Staging the same rows again is free, so a
   * column that is asked for twice (as event time and as a value) is copied once; nobody may write to them.
   */
  stageFixed(data: Data, start: number, count: number): number {
    const before = this.staged;
    if (before?.data === data && before.start === start && before.count === count) return before.pointer;
    const pointer = this.placedPart(data.values as Uint8Array, start * data.stride, (start + count) * data.stride, this.values);
    this.staged = { data, start, count, pointer };
    return pointer;
  }

  /** The same of some of these values. */
  private placedPart(values: Uint8Array, first: number, end: number, buffer: Buffer64): number {
    const address = this.instance.addressOf(values);
    return address === undefined ? this.placed(values.subarray(first, end), buffer) : address + first * values.BYTES_PER_ELEMENT;
  }

  /** Where these values are in memory, copied to `buffer` unless they are there already. A word may be read behind them. */
  private placed(values: ArrayBufferView, buffer: Buffer64): number {
    const address = this.instance.addressOf(values);
    if (address !== undefined) return address;
    const pointer = buffer.ensure(values.byteLength + 16);
    this.instance.put(values, pointer);
    return pointer;
  }

  /** The bytes that hold the bits of rows [start, start + count) of a boolean column. */
  stageBits(data: Data, start: number, count: number): Bitmap {
    const first = data.offset + start;
    return { pointer: this.placedPart(data.values as Uint8Array, first >> 3, (first + count + 7) >> 3, this.values), bitOffset: first & 7 };
  }

  /** Half floats, widened to doubles. */
  stageHalves(data: Data, start: number, count: number): number {
    const halves = data.values as Uint16Array;
    const pointer = this.values.ensure(count * 8);
    const doubles = new Float64Array(this.instance.kernels.memory.buffer, pointer, count);
    for (let i = 0; i < count; i++) doubles[i] = halfToDouble(halves[start + i]!);
    return pointer;
  }

  /**
   * Strings of rows [start, start + count): offsets as u32, and what they count from. That may lie before the memory's
   * start: addresses are added modulo 2^32.
   */
  stageStrings(data: Data, start: number, count: number): { readonly offsets: number; readonly bytes: number } {
    const source = data.valueOffsets as unknown as Int32Array | BigInt64Array;
    const [first, end] = [Number(source[start] ?? 0), Number(source[start + count] ?? 0)];
    const bytes = (this.placed((data.values as Uint8Array).subarray(first, end), this.bytes) - first) >>> 0;
    this.staged = undefined;
    if (source instanceof Int32Array && source.length > start + count) {
      return { offsets: this.placed(source.subarray(start, start + count + 1), this.values), bytes };
    }
    const offsets = this.values.ensure((count + 1) * 4);
    const target = this.instance.view32(offsets, count + 1);
    for (let i = 0; i <= count; i++) target[i] = Number(source[start + i] ?? 0);
    return { offsets, bytes };
  }

  /** Codes of rows [start, start + count) of a dictionary column, as u32. */
  stageCodes(data: Data, start: number, count: number): number {
    const codes: unknown = data.values;
    if (codes instanceof Int32Array || codes instanceof Uint32Array) return this.stageFixed(data, start, count);
    const pointer = this.values.ensure(count * 4);
    this.staged = undefined;
    const target = this.instance.view32(pointer, count);
    const narrow = codes as ArrayLike<number | bigint>;
    for (let i = 0; i < count; i++) target[i] = Number(narrow[start + i]!);
    return pointer;
  }
}

/** Puts the selected values side by side, 64 bits wide, at `out`; returns where they are. */
export function gatherWide(
  instance: Instance,
  stage: ColumnStage,
  data: Data,
  layout: Layout,
  window: { readonly start: number; readonly length: number; readonly rows: number; readonly count: number },
  out: Buffer64,
): number {
  const { kernels } = instance;
  const { start, length, rows, count } = window;
  if (layout.kind === 'bool') {
    const bits = stage.stageBits(data, start, length);
    const pointer = out.ensure(count * 8);
    kernels.gatherBits(bits.pointer, bits.bitOffset, rows, count, pointer);
    return pointer;
  }
  if (layout.kind !== 'int' && layout.kind !== 'float') throw new TypeError(`no 64-bit form of ${data.type}`);
  const half = layout.kind === 'float' && layout.bytes === 2;
  const values = half ? stage.stageHalves(data, start, length) : stage.stageFixed(data, start, length);
  if (half) return rows === 0 ? values : widen(instance, { kind: 'float', bytes: 8 }, values, rows, count, out);
  return widen(instance, layout, values, rows, count, out);
}

function widen(
  { kernels }: Instance,
  layout: Extract<Layout, { bytes: number }>,
  values: number,
  rows: number,
  count: number,
  out: Buffer64,
): number {
  if (layout.bytes === 8 && rows === 0) return values;
  const pointer = out.ensure(count * 8);
  if (layout.bytes === 8) kernels.gather64(values, rows, count, pointer);
  else if (layout.kind === 'float') kernels.gatherF32(values, rows, count, pointer);
  else if (layout.bytes === 4) (layout.signed ? kernels.gatherI32 : kernels.gatherU32)(values, rows, count, pointer);
  else if (layout.bytes === 2) (layout.signed ? kernels.gatherI16 : kernels.gatherU16)(values, rows, count, pointer);
  else (layout.signed ? kernels.gatherI8 : kernels.gatherU8)(values, rows, count, pointer);
  return pointer;
}

/** IEEE 754 binary16 → binary64, exactly. */
export function halfToDouble(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

/** The inverse, for doubles that are halves. */
export function doubleToHalf(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size === Number.POSITIVE_INFINITY) return sign | 0x7c00;
  if (size < 2 ** -14) return sign | (size * 2 ** 24);
  const exponent = Math.floor(Math.log2(size));
  return sign | ((exponent + 15) << 10) | ((size / 2 ** exponent) * 1024 - 1024);
}
