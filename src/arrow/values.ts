/**
 * The values of Arrow columns as JavaScript values and as text, exactly.
 *
 * They are read from the buffers of `Data`: arrow's own getters go through milliseconds and doubles and lose digits.
 *
 *   type                    in JavaScript (`toRows`)               in text (table, CSV, JSON)
 *   integers                number when safe, else bigint          all digits
 *   floats                  number                                 the fewest digits that read back as the same float
 *   decimals                string of all digits                   the same
 *   timestamps, dates       ISO 8601 string, UTC, every digit      the same
 *   times, durations        ISO 8601 string                        the same
 *   binary                  Uint8Array (aliases the table)         0x and hexadecimal digits
 *   lists, structs, maps    arrays and objects of these            JSON
 *
 * Law: text is a function of the value and its type alone; two values with the same text are the same value.
 */
import type { Data, DataType, Field, Table, Type as ArrowType, Vector } from './arrow.ts';
import { halfToNumber } from './half.ts';
import { arrow } from './late.ts';
import { isDecimal, isFloat, isInt, plainType, Type } from './types.ts';
import { floorDivide, formatInstant } from '../base/time.ts';

export type Value = null | boolean | number | bigint | string | Uint8Array | readonly Value[] | { readonly [name: string]: Value };

/** Reads the value at a row of the `Data` it was made for. */
export type ValueReader = (row: number) => Value;

/** The rows of a table as plain objects. Integers are numbers when they are safe and bigints when they are not. */
export function toRows(table: Table): Record<string, Value>[] {
  const names = table.schema.fields.map((field) => field.name);
  const rows: Record<string, Value>[] = [];
  for (const batch of table.batches) {
    const readers = batch.data.children.map(valueReader);
    for (let row = 0; row < batch.numRows; row++) {
      rows.push(Object.fromEntries(names.map((name, column) => [name, readers[column]!(row)])));
    }
  }
  return rows;
}

/** A reader for one column of one batch. */
export function valueReader(data: Data): ValueReader {
  const read = validValueReader(data);
  const bitmap = data.nullBitmap;
  if (!bitmap || bitmap.length === 0) return read;
  return (row) => {
    const bit = data.offset + row;
    return ((bitmap[bit >> 3]! >> (bit & 7)) & 1) === 1 ? read(row) : null;
  };
}

function validValueReader(data: Data): ValueReader {
  const { type } = data;
  switch (type.typeId) {
    case Type.Null:
      return () => null;
    case Type.Bool: {
      const bits = data.values as Uint8Array;
      return (row) => ((bits[(data.offset + row) >> 3]! >> ((data.offset + row) & 7)) & 1) === 1;
    }
    case Type.Int: {
      const values = data.values as ArrayLike<number | bigint>;
      return (row) => safeInteger(values[row]!);
    }
    case Type.Float: {
      if (type.ArrayType === Uint16Array) return (row) => halfToNumber((data.values as Uint16Array)[row]!);
      const values = data.values as Float64Array;
      return (row) => values[row]!;
    }
    case Type.Decimal: {
      const { bitWidth, scale } = type as unknown as { bitWidth: number; scale: number };
      return (row) => formatDecimal(signedInteger(data.values as Uint32Array, row, bitWidth / 32), scale);
    }
    case Type.Date:
    case Type.Time:
    case Type.Timestamp:
    case Type.Duration:
      return timeReader(data);
    case Type.Utf8:
    case Type.LargeUtf8: {
      const bytes = bytesReader(data);
      const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
      return (row) => decoder.decode(bytes(row));
    }
    case Type.Binary:
    case Type.LargeBinary:
      return bytesReader(data);
    case Type.FixedSizeBinary: {
      const width = (type as unknown as { byteWidth: number }).byteWidth;
      return (row) => (data.values as Uint8Array).subarray(row * width, (row + 1) * width);
    }
    case Type.Dictionary: {
      const entries = entryReader(data.dictionary!);
      return (row) => entries(Number((data.values as Int32Array)[row]!));
    }
    default:
      return nestedReader(data);
  }
}

function nestedReader(data: Data): ValueReader {
  const { type } = data;
  const children = data.children.map(valueReader);
  const names = (type.children ?? []).map((field: Field) => field.name);
  const listOf = (start: number, end: number): Value[] => Array.from({ length: end - start }, (_, i) => children[0]!(start + i));
  switch (type.typeId) {
    case Type.Struct:
      return (row) => Object.fromEntries(names.map((name: string, i: number) => [name, children[i]!(row)]));
    case Type.List:
    case Type.LargeList:
    case Type.Map: {
      const offsets = data.valueOffsets as unknown as ArrayLike<number | bigint>;
      return (row) => listOf(Number(offsets[row]!), Number(offsets[row + 1]!));
    }
    case Type.FixedSizeList: {
      const size = (type as unknown as { listSize: number }).listSize;
      return (row) => listOf(row * size, (row + 1) * size);
    }
    default:
      // Intervals, unions and views: rare in tables, and nothing is lost in arrow's own text of them.
      return (row) => String(arrow().makeVector(data).get(row));
  }
}

function entryReader(dictionary: Vector): ValueReader {
  const readers = dictionary.data.map(valueReader);
  if (readers.length === 1) return readers[0]!;
  return (index) => {
    let chunk = 0;
    let rest = index;
    while (rest >= dictionary.data[chunk]!.length) rest -= dictionary.data[chunk++]!.length;
    return readers[chunk]!(rest);
  };
}

function bytesReader(data: Data): (row: number) => Uint8Array {
  const offsets = data.valueOffsets as unknown as ArrayLike<number | bigint>;
  const bytes = data.values as Uint8Array;
  return (row) => bytes.subarray(Number(offsets[row]!), Number(offsets[row + 1]!));
}

function timeReader(data: Data): ValueReader {
  const values = data.values as ArrayLike<number | bigint>;
  const { type } = data;
  const unit = (type as unknown as { unit: number }).unit;
  if (type.typeId === Type.Date) {
    const msPerValue = unit === 0 ? 86_400_000n : 1n;
    return (row) => formatDate(BigInt(values[row]!) * msPerValue);
  }
  const format = { [Type.Time]: formatTimeOfDay, [Type.Timestamp]: formatTimestamp, [Type.Duration]: formatLength }[
    type.typeId as ArrowType.Time | ArrowType.Timestamp | ArrowType.Duration
  ];
  const nsPerValue = [1_000_000_000n, 1_000_000n, 1_000n, 1n][unit]!;
  return (row) => format(BigInt(values[row]!) * nsPerValue);
}

/** A number when that is exact, else the bigint. */
function safeInteger(value: number | bigint): number | bigint {
  if (typeof value === 'number') return value;
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

/** The little-endian two's complement integer in `words` 32-bit words. */
function signedInteger(values: Uint32Array, row: number, words: number): bigint {
  let value = 0n;
  for (let word = words - 1; word >= 0; word--) value = (value << 32n) | BigInt(values[row * words + word]!);
  return BigInt.asIntN(words * 32, value);
}

/** `-12.30` of −1230 at scale 2. */
export function formatDecimal(unscaled: bigint, scale: number): string {
  if (scale <= 0) return `${unscaled * 10n ** BigInt(-scale)}`;
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0');
  return `${unscaled < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

/** `2001-06-30T23:54:00Z`, with all nine digits of the second where they are not zero. */
function formatTimestamp(instantNs: bigint): string {
  const us = floorDivide(instantNs, 1_000n);
  const ns = instantNs - us * 1_000n;
  const text = formatInstant(us);
  if (ns === 0n) return text;
  if (text.endsWith('us')) return `${instantNs}ns`;
  const micros = us - floorDivide(us, 1_000_000n) * 1_000_000n;
  const fraction = `${micros.toString().padStart(6, '0')}${ns.toString().padStart(3, '0')}`;
  const wholeSeconds = text.replace(/(\.\d+)?Z$/, '');
  return `${wholeSeconds}.${fraction.replace(/0+$/, '')}Z`;
}

function formatDate(ms: bigint): string {
  const text = formatInstant(ms * 1_000n);
  return text.endsWith('T00:00:00Z') ? text.slice(0, -'T00:00:00Z'.length) : text;
}

function formatTimeOfDay(ns: bigint): string {
  const seconds = ns / 1_000_000_000n;
  const two = (value: bigint): string => value.toString().padStart(2, '0');
  return `${two(seconds / 3_600n)}:${two((seconds / 60n) % 60n)}:${two(seconds % 60n)}${fractionOf(ns % 1_000_000_000n)}`;
}

/** ISO 8601, in seconds: `PT90.5S`. */
function formatLength(ns: bigint): string {
  const size = ns < 0n ? -ns : ns;
  return `${ns < 0n ? '-' : ''}PT${size / 1_000_000_000n}${fractionOf(size % 1_000_000_000n)}S`;
}

function fractionOf(ns: bigint): string {
  return ns === 0n ? '' : `.${ns.toString().padStart(9, '0').replace(/0+$/, '')}`;
}

/** A value as one piece of text; undefined for null, which each format writes in its own way. */
export function formatValue(value: Value, type: DataType): string | undefined {
  if (value === null) return undefined;
  if (typeof value === 'number') return formatNumber(value, type);
  if (value instanceof Uint8Array) return formatBytes(value);
  return typeof value === 'object' ? formatJson(value, type) : String(value);
}

/** A value as JSON. Every digit of integers and decimals is written; NaN and the infinities are strings. */
export function formatJson(value: Value, type: DataType): string {
  const plain = plainType(type);
  if (value === null) return 'null';
  if (typeof value === 'number') return Number.isFinite(value) ? formatNumber(value, plain) : JSON.stringify(String(value));
  if (value instanceof Uint8Array) return `"${formatBytes(value)}"`;
  if (typeof value === 'string') return isDecimal(plain) ? value : JSON.stringify(value);
  if (typeof value !== 'object') return String(value);
  const children = (plain.children ?? []) as readonly Field[];
  if (Array.isArray(value)) return `[${value.map((item: Value) => formatJson(item, children[0]!.type)).join(', ')}]`;
  const members = value as { readonly [name: string]: Value };
  return `{${children.map((field) => `${JSON.stringify(field.name)}: ${formatJson(members[field.name]!, field.type)}`).join(', ')}}`;
}

function formatBytes(bytes: Uint8Array): string {
  return `0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}`;
}

/** The fewest digits that read back as the same number of this type; −0 keeps its sign. */
function formatNumber(value: number, type: DataType): string {
  if (Object.is(value, -0)) return '-0';
  const plain = plainType(type);
  if (plain.typeId !== Type.Float || plain.ArrayType !== Float32Array || !Number.isFinite(value)) return String(value);
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return String(short);
  }
  return String(Number(value.toPrecision(9)));
}

const unitNames = ['s', 'ms', 'us', 'ns'];

/** A type as a header shows it: `int64`, `timestamp[us]`, `decimal(10,2)`, `list<string>`. */
export function typeName(type: DataType): string {
  const { typeId } = type;
  const detail = type as unknown as { bitWidth: number; isSigned: boolean; precision: number; scale: number; unit: number; byteWidth: number };
  const children = ((type.children ?? []) as readonly Field[]).map((field) => ({ name: field.name, type: typeName(field.type) }));
  switch (typeId) {
    case Type.Int:
      return `${detail.isSigned ? '' : 'u'}int${detail.bitWidth}`;
    case Type.Float:
      return `float${16 << detail.precision}`;
    case Type.Decimal:
      return `decimal(${detail.precision},${detail.scale})`;
    case Type.Date:
      return detail.unit === 0 ? 'date' : 'date[ms]';
    case Type.Time:
      return `time[${unitNames[detail.unit]}]`;
    case Type.Timestamp:
      return `timestamp[${unitNames[detail.unit]}]`;
    case Type.Duration:
      return `duration[${unitNames[detail.unit]}]`;
    case Type.Utf8:
    case Type.LargeUtf8:
      return 'string';
    case Type.Bool:
      return 'bool';
    case Type.Binary:
    case Type.LargeBinary:
      return 'binary';
    case Type.FixedSizeBinary:
      return `binary(${detail.byteWidth})`;
    case Type.Dictionary:
      return typeName((type as unknown as { dictionary: DataType }).dictionary);
    case Type.List:
    case Type.LargeList:
    case Type.FixedSizeList:
      return `list<${children[0]!.type}>`;
    case Type.Struct:
      return `struct<${children.map((child) => `${child.name}: ${child.type}`).join(', ')}>`;
    case Type.Map:
      return `map<${children[0]!.type}>`;
    default:
      return type.toString().toLowerCase();
  }
}

/** Whether a column of this type reads best with its last digits below each other. */
export function isNumeric(type: DataType): boolean {
  return isInt(type) || isFloat(type) || isDecimal(type);
}
