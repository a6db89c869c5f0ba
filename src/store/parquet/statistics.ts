/**
 * Statistics of a column chunk: the bounds that a writer left in the footer, as far as they can be trusted.
 *
 * Law: wrong only on the safe side. A bound that is missing, malformed or of a doubtful order is absent; a chunk is left
 * out only when no row of it can be in the range.
 */
import { DataType } from '../../arrow/arrow.ts';
import { ceilDivide, floorDivide, type TimeRange } from '../../base/time.ts';
import type { TimeSpan } from '../table.ts';
import type { ThriftStruct } from './thrift.ts';
import { type ColumnType, physicalType } from './types.ts';

export type Bound = bigint | number | boolean | Uint8Array;

/**
 * What a writer says of a column chunk, in the values of its Arrow type: bigint for 64-bit integers, dates in
 * milliseconds, timestamps and decimals (unscaled), number for the others, bytes for strings and binary.
 */
export interface ColumnStatistics {
  /** No valid value is less; for strings and binary perhaps cut short, so not always a value itself. NaN aside. */
  readonly min?: Bound;
  /** No valid value is greater. NaN aside. */
  readonly max?: Bound;
  readonly nullCount?: bigint;
  /** For floats: how many NaN there are. Absent means unknown, and the bounds do not say. */
  readonly nanCount?: bigint;
  /** Bounds of dates and timestamps as stored, before any conversion to the unit of the Arrow type. */
  readonly stored?: StoredBounds;
}

/** Of a time, as integers in the unit of the file. */
export interface StoredBounds {
  readonly min: bigint;
  readonly max: bigint;
}

/** `isOrdered`: the footer says that min_value and max_value are in the order of the column's type. */
export function statisticsOf(column: ColumnType, rows: number, statistics: ThriftStruct | undefined, isOrdered: boolean): ColumnStatistics {
  if (statistics === undefined) return {};
  const [nulls, nans] = [statistics.long(3), statistics.long(9)];
  const counts = {
    ...(nulls !== undefined && nulls >= 0n && nulls <= BigInt(rows) && { nullCount: nulls }),
    ...(nans !== undefined && nans >= 0n && nans <= BigInt(rows) && { nanCount: nans }),
  };
  const isSigned = isSignedInteger(column);
  let [min, max] = isSigned || isOrdered ? [statistics.binary(6), statistics.binary(5)] : [undefined, undefined];
  // The old fields compare all bytes as signed, which is right for signed integers alone.
  if (isSigned && min === undefined && max === undefined) [min, max] = [statistics.binary(2), statistics.binary(1)];
  if (min === undefined || max === undefined) return counts;
  const [least, greatest] = [boundOf(column, min, 'min'), boundOf(column, max, 'max')];
  if (least === undefined || greatest === undefined || isGreater(least, greatest)) return counts;
  if (column.timeScale === undefined) return { ...counts, min: least, max: greatest };
  const stored = { min: BigInt(least as bigint | number), max: BigInt(greatest as bigint | number) };
  const { divisor } = column;
  if (divisor === undefined) return { ...counts, min: least, max: greatest, stored };
  return { ...counts, min: stored.min / divisor, max: stored.max / divisor, stored };
}

/** False only when no row of the chunk is in the range. Null times are in no range. */
export function mightContain(column: ColumnType, rows: number, { nullCount, stored }: ColumnStatistics, range: TimeRange): boolean {
  if (nullCount === BigInt(rows)) return false;
  return stored === undefined || mightMeet(column, stored, range);
}

/** Values as bounds of the column are; undefined for a type whose bounds are not compared with values. */
export function comparableValues({ type, physical }: ColumnType, values: readonly (bigint | string)[]): (bigint | Uint8Array)[] | undefined {
  const isText = DataType.isUtf8(type) || DataType.isLargeUtf8(type);
  if (!isText && !(DataType.isInt(type) && (physical === physicalType.int32 || physical === physicalType.int64))) return undefined;
  if (values.some((value) => typeof value !== (isText ? 'string' : 'bigint'))) return undefined;
  return isText ? values.map((value) => Buffer.from(value as string)) : (values as bigint[]);
}

/** False only when no row of the chunk has any of these values. */
export function mightHaveAny({ min, max }: ColumnStatistics, values: readonly (bigint | Uint8Array)[]): boolean {
  if (min === undefined || max === undefined) return true;
  return values.some((value) =>
    value instanceof Uint8Array
      ? Buffer.compare(value, min as Uint8Array) >= 0 && Buffer.compare(value, max as Uint8Array) <= 0
      : value >= (min as bigint | number) && value <= (max as bigint | number));
}

/** True only when every row of the chunk is in the range, as far as its statistics are right. */
export function isWithin(column: ColumnType, { nullCount, stored }: ColumnStatistics, range: TimeRange): boolean {
  if (nullCount !== 0n || stored === undefined) return false;
  const { first, last } = storedRange(column, range);
  return (first === undefined || stored.min >= first) && (last === undefined || stored.max <= last);
}

/** The times of a chunk; undefined when its statistics leave something open. */
export function timeSpan({ timeScale }: ColumnType, rows: number, { nullCount, stored }: ColumnStatistics): TimeSpan | undefined {
  if (timeScale === undefined || nullCount === undefined) return undefined;
  const nulls = Number(nullCount);
  if (nulls === rows) return { firstUs: undefined, lastUs: undefined, nulls };
  if (stored === undefined) return undefined;
  const { num, den } = timeScale;
  return { firstUs: floorDivide(stored.min * num, den), lastUs: ceilDivide(stored.max * num, den), nulls };
}

/** What the bytes say are the bounds of some times; undefined where that cannot be. */
export function storedBounds(column: ColumnType, min: Uint8Array, max: Uint8Array): StoredBounds | undefined {
  if (column.timeScale === undefined) return undefined;
  const [least, greatest] = [boundOf(column, min, 'min'), boundOf(column, max, 'max')];
  if (least === undefined || greatest === undefined || isGreater(least, greatest)) return undefined;
  return { min: BigInt(least as bigint | number), max: BigInt(greatest as bigint | number) };
}

/** False only when the range has nothing of what lies between the bounds. */
export function mightMeet(column: ColumnType, { min, max }: StoredBounds, range: TimeRange): boolean {
  const { first, last } = storedRange(column, range);
  return (first === undefined || max >= first) && (last === undefined || min <= last);
}

/** The least and the greatest stored integer that is in the range: exact, since it is rounded towards the inside. */
export function storedRange({ timeScale }: ColumnType, { startUs, endUs }: TimeRange): { first?: bigint; last?: bigint } {
  if (timeScale === undefined) return {};
  const { num, den } = timeScale;
  return {
    ...(startUs !== undefined && { first: ceilDivide(startUs * den, num) }),
    ...(endUs !== undefined && { last: ceilDivide(endUs * den, num) - 1n }),
  };
}

function isSignedInteger({ physical, type }: ColumnType): boolean {
  if (physical !== physicalType.int32 && physical !== physicalType.int64) return false;
  return !(DataType.isInt(type) && !type.isSigned);
}

function isGreater(min: Bound, max: Bound): boolean {
  if (min instanceof Uint8Array) return Buffer.compare(min, max as Uint8Array) > 0;
  return min > max;
}

function boundOf(column: ColumnType, bytes: Uint8Array, side: 'min' | 'max'): Bound | undefined {
  const { physical, type } = column;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (physical) {
    case physicalType.boolean:
      return bytes.length === 1 ? bytes[0] === 1 : undefined;
    case physicalType.int32: {
      if (bytes.length !== 4) return undefined;
      if (DataType.isDecimal(type)) return BigInt(view.getInt32(0, true));
      return DataType.isInt(type) && !type.isSigned ? view.getUint32(0, true) : view.getInt32(0, true);
    }
    case physicalType.int64:
      if (bytes.length !== 8) return undefined;
      return DataType.isInt(type) && !type.isSigned ? view.getBigUint64(0, true) : view.getBigInt64(0, true);
    case physicalType.float:
      return bytes.length === 4 ? floatBound(view.getFloat32(0, true), side) : undefined;
    case physicalType.double:
      return bytes.length === 8 ? floatBound(view.getFloat64(0, true), side) : undefined;
    case physicalType.byteArray:
    case physicalType.fixed:
      if (DataType.isDecimal(type)) return bytes.length > 0 && bytes.length <= 16 ? signedOf(bytes) : undefined;
      return DataType.isFloat(type) ? undefined : bytes;
    default:
      return undefined;
  }
}

/** NaN bounds nothing, and a zero may stand for the other one. */
function floatBound(value: number, side: 'min' | 'max'): number | undefined {
  if (Number.isNaN(value)) return undefined;
  return value === 0 ? (side === 'min' ? -0 : 0) : value;
}

/** A big-endian two's complement integer. */
function signedOf(bytes: Uint8Array): bigint {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return BigInt.asIntN(8 * bytes.length, value);
}
