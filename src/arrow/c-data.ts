/**
 * Reads arrays that stand in a WebAssembly memory in the Arrow C data interface, and copies them out.
 *
 *   ArrowSchema (wasm32)                      ArrowArray (wasm32)
 *    0 format *   4 name *                     0 length i64    8 null count i64
 *   24 n children i64   32 children **        16 offset i64   24 n buffers i64
 *   36 dictionary *                           40 buffers **   44 children **   48 dictionary *
 *
 * Law: nothing aliases the memory, which moves when it grows. What is copied starts at its own offset zero, so a slice
 * costs no more than its rows. A dictionary that several arrays share is copied once.
 * The producer is trusted code over untrusted data: addresses are its own, values may be anything.
 */
import { invariant } from '../base/errors.ts';
import { alignedBits, countBits } from './build.ts';
import {
  Binary, Bool, type Data, type DataType, DateDay, DateMillisecond, Decimal, Dictionary, Float16, Float32, Float64, type Int, Int8, Int16, Int32,
  Int64, LargeBinary, LargeUtf8, makeData, Null, Timestamp, ArrowTimeUnit, Uint8, Uint16, Uint32, Uint64, Utf8, Vector,
} from './arrow.ts';

/** Dictionaries met so far, by where their values stand. Valid for as long as the producer holds them. */
export type DictionaryCache = Map<string, Vector>;

/** The children of a struct array, which is how a record batch travels. Copies. */
export function copyStructChildren(memory: ArrayBuffer, array: number, schema: number, dictionaries: DictionaryCache): Data[] {
  const view = new DataView(memory);
  invariant(formatAt(memory, schema) === '+s', 'a batch should travel as a struct');
  invariant(longAt(view, array + 16) === 0, 'a batch should start at its first row');
  const children: Data[] = [];
  const count = longAt(view, array + 24 + 8);
  for (let child = 0; child < count; child++) {
    const childArray = view.getUint32(view.getUint32(array + 44, true) + 4 * child, true);
    const childSchema = view.getUint32(view.getUint32(schema + 32, true) + 4 * child, true);
    children.push(copyArray(memory, childArray, childSchema, dictionaries));
  }
  return children;
}

/** One array, with its dictionary. Copies. */
export function copyArray(memory: ArrayBuffer, array: number, schema: number, dictionaries: DictionaryCache): Data {
  const view = new DataView(memory);
  const length = longAt(view, array);
  const offset = longAt(view, array + 16);
  const buffers = view.getUint32(array + 40, true);
  const buffer = (index: number): number => view.getUint32(buffers + 4 * index, true);
  const format = formatAt(memory, schema);
  if (format === 'n') return makeData({ type: new Null(), length });
  const nullBitmap = copyBits(memory, buffer(0), offset, length);
  const nullCount = nullBitmap === undefined ? 0 : length - countBits(nullBitmap, length);
  const common = { length, nullCount, ...(nullCount > 0 && { nullBitmap }) };
  const dictionarySchema = view.getUint32(schema + 36, true);
  if (dictionarySchema !== 0) {
    const dictionary = copyDictionary(memory, view.getUint32(array + 48, true), dictionarySchema, dictionaries);
    const indices = typeOf(format) as Int;
    const type = new Dictionary(dictionary.type, indices as never);
    const data = copyValues(memory, indices, buffer(1), offset, length);
    return makeData({ type, data, dictionary, ...common } as never);
  }
  if (format === 'b') {
    const data = copyBits(memory, buffer(1), offset, length) ?? new Uint8Array(0);
    return makeData({ type: new Bool(), data, ...common } as never);
  }
  if (format.startsWith('w:')) {
    return makeData({ type: new Binary(), ...copyFixedBytes(memory, Number(format.slice(2)), buffer(1), offset, length), ...common } as never);
  }
  const type = typeOf(format);
  if (/^[uzUZ]$/.test(format)) {
    const spans = format === 'u' || format === 'z' ? copyBytes(memory, buffer(1), buffer(2), offset, length) : copyLargeBytes(memory, buffer(1), buffer(2), offset, length);
    return makeData({ type, ...spans, ...common } as never);
  }
  return makeData({ type, data: copyValues(memory, type, buffer(1), offset, length), ...common } as never);
}

function copyDictionary(memory: ArrayBuffer, array: number, schema: number, dictionaries: DictionaryCache): Vector {
  const view = new DataView(memory);
  const buffers = view.getUint32(array + 40, true);
  const count = longAt(view, array + 24);
  const addresses = Array.from({ length: count }, (_, index) => view.getUint32(buffers + 4 * index, true));
  const key = [longAt(view, array), longAt(view, array + 16), ...addresses].join(' ');
  const known = dictionaries.get(key);
  if (known !== undefined) return known;
  const vector = new Vector([copyArray(memory, array, schema, dictionaries)]);
  dictionaries.set(key, vector);
  return vector;
}

const plainTypes: Readonly<Record<string, () => DataType>> = {
  c: () => new Int8(), C: () => new Uint8(), s: () => new Int16(), S: () => new Uint16(), i: () => new Int32(), I: () => new Uint32(),
  l: () => new Int64(), L: () => new Uint64(), e: () => new Float16(), f: () => new Float32(), g: () => new Float64(),
  u: () => new Utf8(), U: () => new LargeUtf8(), z: () => new Binary(), Z: () => new LargeBinary(),
  tdD: () => new DateDay(), tdm: () => new DateMillisecond(),
};

const timestampUnits: Readonly<Record<string, ArrowTimeUnit>> = {
  s: ArrowTimeUnit.SECOND, m: ArrowTimeUnit.MILLISECOND, u: ArrowTimeUnit.MICROSECOND, n: ArrowTimeUnit.NANOSECOND,
};

function typeOf(format: string): DataType {
  const plain = plainTypes[format];
  if (plain !== undefined) return plain();
  const timestamp = /^ts([smun]):(.*)$/.exec(format);
  if (timestamp !== null) return new Timestamp(timestampUnits[timestamp[1]!]!, timestamp[2] === '' ? null : timestamp[2]);
  const decimal = /^d:(\d+),(-?\d+)(?:,128)?$/.exec(format);
  invariant(decimal !== null, `there is no reader for the format '${format}'`);
  return new Decimal(Number(decimal[2]), Number(decimal[1]), 128);
}

function copyValues(memory: ArrayBuffer, type: DataType, address: number, offset: number, length: number): ArrayBufferView {
  const ArrayType = type.ArrayType as unknown as { new (buffer: ArrayBuffer): Uint8Array; readonly BYTES_PER_ELEMENT: number };
  const width = 'bitWidth' in type ? (type.bitWidth as number) / 8 : ArrayType.BYTES_PER_ELEMENT;
  return new ArrayType(memory.slice(address + offset * width, address + (offset + length) * width));
}

/** The bits of a bitmap that starts at `address`, the first row's at bit 0; undefined where there is none. */
function copyBits(memory: ArrayBuffer, address: number, offset: number, length: number): Uint8Array | undefined {
  if (address === 0) return undefined;
  return alignedBits(new Uint8Array(memory, address, (offset + length + 7) >> 3), offset, length);
}

interface Spans {
  readonly valueOffsets: Int32Array | BigInt64Array;
  readonly data: Uint8Array;
}

function copyBytes(memory: ArrayBuffer, offsets: number, values: number, offset: number, length: number): Spans {
  if (length === 0) return { valueOffsets: new Int32Array(1), data: new Uint8Array(0) };
  const valueOffsets = new Int32Array(memory.slice(offsets + 4 * offset, offsets + 4 * (offset + length + 1)));
  const [start, end] = [valueOffsets[0]!, valueOffsets[length]!];
  if (start !== 0) for (let i = 0; i <= length; i++) valueOffsets[i]! -= start;
  return { valueOffsets, data: new Uint8Array(memory.slice(values + start, values + end)) };
}

function copyLargeBytes(memory: ArrayBuffer, offsets: number, values: number, offset: number, length: number): Spans {
  if (length === 0) return { valueOffsets: new BigInt64Array(1), data: new Uint8Array(0) };
  const valueOffsets = new BigInt64Array(memory.slice(offsets + 8 * offset, offsets + 8 * (offset + length + 1)));
  const [start, end] = [valueOffsets[0]!, valueOffsets[length]!];
  if (start !== 0n) for (let i = 0; i <= length; i++) valueOffsets[i]! -= start;
  return { valueOffsets, data: new Uint8Array(memory.slice(values + Number(start), values + Number(end))) };
}

/** Fixed-size binary as binary: what it is good for here, it is good for as that. */
function copyFixedBytes(memory: ArrayBuffer, width: number, address: number, offset: number, length: number): Spans {
  const valueOffsets = Int32Array.from({ length: length + 1 }, (_, row) => row * width);
  return { valueOffsets, data: new Uint8Array(memory.slice(address + offset * width, address + (offset + length) * width)) };
}

function longAt(view: DataView, address: number): number {
  return Number(view.getBigInt64(address, true));
}

function formatAt(memory: ArrayBuffer, schema: number): string {
  const start = new DataView(memory).getUint32(schema, true);
  const bytes = new Uint8Array(memory, start);
  return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
}
