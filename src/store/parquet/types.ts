/**
 * What a Parquet column is in Arrow: physical type and annotation in, Arrow type and the way to decode it out.
 *
 *   physical     the integers, floats and bytes in the file
 *   annotation   what the decoder is told of them; its file is ours, so foreign annotations never reach it
 *   type         what the reader gets: the decoder's buffers, but for seconds (stored as milliseconds) and fixed-length
 *                bytes (which become Binary)
 *
 * Of an embedded Arrow schema only what Parquet cannot say is taken: time zones, seconds, Date64,
 * and in our own files large offsets.
 */
import {
  ArrowTimeUnit, Binary, Bool, DataType, DateDay, DateMillisecond, Decimal, Dictionary, Float16, Float32, Float64, Int8, Int16, Int32,
  Int64, LargeBinary, LargeUtf8, Null, Timestamp, TimestampMicrosecond, Uint8, Uint16, Uint32, Uint64, Utf8,
} from '../../arrow/arrow.ts';
import type { EmbeddedType } from './arrow-schema.ts';
import type { ThriftStruct } from './thrift.ts';

export const physicalType = {
  boolean: 0, int32: 1, int64: 2, int96: 3, float: 4, double: 5, byteArray: 6, fixed: 7,
} as const;

/** The annotation that the decoder's file gets. */
export type Annotation =
  | { readonly kind: 'none' | 'utf8' | 'float16' }
  | { readonly kind: 'integer'; readonly bitWidth: number; readonly signed: boolean }
  | { readonly kind: 'decimal'; readonly precision: number; readonly scale: number };

/** How a stored integer is a time: `value · num / den` microseconds. */
export interface TimeScale {
  readonly num: bigint;
  readonly den: bigint;
}

export interface ColumnType {
  readonly physical: number;
  readonly fixedLength: number;
  readonly type: DataType;
  readonly annotation: Annotation;
  /** Set for dates and timestamps whose statistics can be compared. */
  readonly timeScale?: TimeScale;
  /** What stored integers are to be divided by to be in the unit of `type`. */
  readonly divisor?: bigint;
}

const none: Annotation = { kind: 'none' };

const scales = {
  ms: { num: 1_000n, den: 1n },
  us: { num: 1n, den: 1n },
  ns: { num: 1n, den: 1_000n },
  s: { num: 1_000_000n, den: 1n },
  day: { num: 86_400_000_000n, den: 1n },
} as const;

/** What the embedded Arrow schema says of a column, and whether it is from us. */
export interface TypeHint {
  readonly type: EmbeddedType | undefined;
  readonly isOurs: boolean;
}

/** The type of a leaf, or why it cannot be read. */
export function columnTypeOf(element: ThriftStruct, { type: hint, isOurs }: TypeHint): ColumnType | { readonly why: string } {
  const physical = element.int(1)!;
  const fixedLength = element.int(2) ?? 0;
  const logical = element.struct(10);
  const kind = logical?.member;
  const converted = element.int(6);
  const plain = { physical, fixedLength, annotation: none };
  const decimal = decimalOf(element, logical);
  if (decimal !== undefined && physical !== physicalType.boolean && physical <= physicalType.fixed && !isFloating(physical)) {
    return decimalColumn(physical, fixedLength, decimal);
  }
  switch (physical) {
    case physicalType.boolean:
      return { ...plain, type: new Bool() };
    case physicalType.int32:
      if (kind === logicalKind.unknown) return nullColumn(physical);
      if (kind === logicalKind.date || converted === 6) return { ...plain, type: new DateDay(), timeScale: scales.day };
      return integerColumn(physical, integerOf(logical, converted));
    case physicalType.int64:
      if (kind === logicalKind.unknown) return nullColumn(physical);
      return timestampColumn(logical, converted, hint) ?? integerColumn(physical, integerOf(logical, converted));
    case physicalType.int96:
      return { ...plain, type: new TimestampMicrosecond() };
    case physicalType.float:
      return { ...plain, type: new Float32() };
    case physicalType.double:
      return { ...plain, type: new Float64() };
    case physicalType.byteArray: {
      // Others use large offsets out of habit, which would only keep their files from meeting ours in one table.
      const isLarge = isOurs && hint?.kind === 'large';
      const isText = kind === logicalKind.string || kind === logicalKind.enum || kind === logicalKind.json;
      if (isText || (kind === undefined && (converted === 0 || converted === 4 || converted === 19))) return textColumn(isLarge);
      const type = isLarge ? new LargeBinary() : new Binary();
      return { ...plain, type };
    }
    case physicalType.fixed:
      if (fixedLength <= 0 || fixedLength > 1_048_576) return { why: `its values are ${fixedLength} bytes long` };
      if (converted === 21) return { why: 'it holds intervals of months, days and milliseconds' };
      if (kind === logicalKind.float16 && fixedLength === 2) return { ...plain, type: new Float16(), annotation: { kind: 'float16' } };
      return { ...plain, type: new Binary() };
    default:
      return { why: `its physical type ${physical} is not known` };
  }
}

/** The column with its strings as codes into a dictionary. Each call makes a type of its own, as batches need. */
export function asDictionary(column: ColumnType): ColumnType {
  return { ...column, type: new Dictionary(column.type, new Int32()) };
}

export function isText(type: DataType): boolean {
  return DataType.isUtf8(type) || DataType.isLargeUtf8(type);
}

const logicalKind = {
  string: 1, enum: 4, decimal: 5, date: 6, timestamp: 8, integer: 10, unknown: 11, json: 12, float16: 15,
} as const;

function isFloating(physical: number): boolean {
  return physical === physicalType.float || physical === physicalType.double || physical === physicalType.int96;
}

function nullColumn(physical: number): ColumnType {
  return { physical, fixedLength: 0, type: new Null(), annotation: none };
}

function textColumn(isLarge: boolean): ColumnType {
  const type = isLarge ? new LargeUtf8() : new Utf8();
  return { physical: physicalType.byteArray, fixedLength: 0, type, annotation: { kind: 'utf8' } };
}

function decimalOf(element: ThriftStruct, logical: ThriftStruct | undefined): { precision: number; scale: number } | undefined {
  const annotated = logical?.struct(logicalKind.decimal);
  if (annotated !== undefined) return { scale: annotated.int(1) ?? 0, precision: annotated.int(2) ?? 0 };
  if (logical?.member !== undefined || element.int(6) !== 5) return undefined;
  return { scale: element.int(7) ?? 0, precision: element.int(8) ?? 0 };
}

function decimalColumn(physical: number, fixedLength: number, { precision, scale }: { precision: number; scale: number }): ColumnType | { why: string } {
  if (precision < 1 || precision > 38 || scale < 0 || scale > precision) {
    return { why: `it holds decimals of ${precision} digits, ${scale} of them after the point; up to 38 digits can be read` };
  }
  if (physical === physicalType.fixed && (fixedLength < 1 || fixedLength > 16)) return { why: `its decimals are ${fixedLength} bytes long` };
  const digitsMax = physical === physicalType.int32 ? 9 : physical === physicalType.int64 ? 18 : 38;
  if (precision > digitsMax) return { why: `it claims decimals of ${precision} digits in ${physical === physicalType.int32 ? 32 : 64} bits` };
  return {
    physical, fixedLength, type: new Decimal(scale, precision, 128), annotation: { kind: 'decimal', precision, scale },
  };
}

function integerOf(logical: ThriftStruct | undefined, converted: number | undefined): { bitWidth: number; signed: boolean } | undefined {
  const annotated = logical?.struct(logicalKind.integer);
  if (annotated !== undefined) return { bitWidth: annotated.int(1) ?? 0, signed: annotated.bool(2) ?? true };
  if (logical?.member !== undefined || converted === undefined || converted < 11 || converted > 18) return undefined;
  return { bitWidth: 8 << ((converted - 11) % 4), signed: converted >= 15 };
}

function integerColumn(physical: number, annotated: { bitWidth: number; signed: boolean } | undefined): ColumnType {
  const plain = { physical, fixedLength: 0, annotation: none };
  if (physical === physicalType.int64) {
    return { ...plain, type: annotated?.bitWidth === 64 && !annotated.signed ? new Uint64() : new Int64() };
  }
  const { bitWidth, signed } = annotated ?? { bitWidth: 32, signed: true };
  if (bitWidth === 32) return { ...plain, type: signed ? new Int32() : new Uint32() };
  if (bitWidth !== 8 && bitWidth !== 16) return { ...plain, type: new Int32() };
  const type = bitWidth === 8 ? (signed ? new Int8() : new Uint8()) : signed ? new Int16() : new Uint16();
  return { ...plain, type, annotation: { kind: 'integer', bitWidth, signed } };
}

/** A timestamp by annotation, or by the embedded schema where it says seconds or Date64 of plain integers. */
function timestampColumn(logical: ThriftStruct | undefined, converted: number | undefined, hint: EmbeddedType | undefined): ColumnType | undefined {
  const plain = { physical: physicalType.int64, fixedLength: 0, annotation: none };
  const hinted = hint?.kind === 'timestamp' ? hint : undefined;
  const annotated = annotatedTimestamp(logical, converted);
  if (annotated === undefined) {
    if (logical?.member !== undefined || converted !== undefined) return undefined;
    if (hint?.kind === 'date64') return { ...plain, type: new DateMillisecond(), timeScale: scales.ms };
    if (hinted?.unit !== ArrowTimeUnit.SECOND) return undefined;
    return { ...plain, type: new Timestamp(ArrowTimeUnit.SECOND, hinted.timezone), timeScale: scales.s };
  }
  const { unit, utc } = annotated;
  const timeScale = unit === ArrowTimeUnit.MILLISECOND ? scales.ms : unit === ArrowTimeUnit.MICROSECOND ? scales.us : scales.ns;
  const isMillisecond = unit === ArrowTimeUnit.MILLISECOND;
  if (hint?.kind === 'date64' && isMillisecond && !utc) return { ...plain, type: new DateMillisecond(), timeScale };
  const timezone = utc ? hinted?.timezone || 'UTC' : null;
  if (hinted?.unit === ArrowTimeUnit.SECOND && isMillisecond) {
    return { ...plain, type: new Timestamp(ArrowTimeUnit.SECOND, timezone), timeScale, divisor: 1_000n };
  }
  return { ...plain, type: new Timestamp(unit, timezone), timeScale };
}

function annotatedTimestamp(logical: ThriftStruct | undefined, converted: number | undefined): { unit: ArrowTimeUnit; utc: boolean } | undefined {
  const annotated = logical?.struct(logicalKind.timestamp);
  if (annotated !== undefined) {
    const unit = annotated.struct(2)?.member;
    if (unit === undefined || unit < 1 || unit > 3) return undefined;
    return { unit: unit as ArrowTimeUnit, utc: annotated.bool(1) ?? false };
  }
  if (logical?.member !== undefined) return undefined;
  if (converted === 9) return { unit: ArrowTimeUnit.MILLISECOND, utc: true };
  if (converted === 10) return { unit: ArrowTimeUnit.MICROSECOND, utc: true };
  return undefined;
}
