/**
 * Types that a table's column had before it was given a wider one, by the list of Delta's protocol.
 *
 *   tinyint, smallint, int    double, decimal with ten digits before its point or more
 *   bigint                    decimal with twenty or more
 *   date                      timestamp without zone: its midnight
 *   decimal                   one with more digits behind its point, and no fewer before it
 *
 * Wider types of one kind (integers, floats, decimals of one scale) are for conform.ts. Law: every value is the same one, or,
 * where a midnight does not fit 64 bits, refused.
 */
import { ArrowTimeUnit, type Data, DataType, type Decimal, type Field, type Int, makeData, type Timestamp } from '../arrow/arrow.ts';
import { plainData } from '../arrow/build.ts';
import { OverflowError } from '../base/errors.ts';
import { dayUs } from '../base/time.ts';

/** Whether a column of the first type becomes one of the second by these. */
export function isWidened(from: DataType, to: DataType): boolean {
  if (DataType.isDate(from)) return from.unit === 0 && DataType.isTimestamp(to) && to.unit === ArrowTimeUnit.MICROSECOND && !to.timezone;
  if (DataType.isInt(from) && from.isSigned) {
    if (DataType.isFloat(to)) return to.precision === 2 && from.bitWidth < 64;
    return DataType.isDecimal(to) && to.bitWidth === 128 && to.scale >= 0 && to.precision - to.scale >= (from.bitWidth < 64 ? 10 : 20);
  }
  if (!DataType.isDecimal(from) || !DataType.isDecimal(to) || from.bitWidth !== 128 || to.bitWidth !== 128) return false;
  return to.scale > from.scale && to.precision - to.scale >= from.precision - from.scale;
}

/** The column as one of the field's type; `isWidened` has said that it can be. */
export function toWidened(column: Data, field: Field): Data {
  const data = plainData(column);
  const { length, nullCount, nullBitmap } = data;
  return makeData({ type: field.type, length, nullCount, ...(nullCount > 0 && { nullBitmap }), data: widenedValues(data, field) } as never);
}

function widenedValues(data: Data, field: Field): ArrayBufferView {
  const { type } = field;
  if (DataType.isFloat(type)) return Float64Array.from(data.values as Int32Array);
  if (DataType.isTimestamp(type)) return midnights(data, field as Field<Timestamp>);
  const { scale } = type as Decimal;
  if (DataType.isDecimal(data.type)) return scaled(data, 10n ** BigInt(scale - data.type.scale), (words, row) => (words[2 * row + 1]! << 64n) | BigInt.asUintN(64, words[2 * row]!));
  const factor = 10n ** BigInt(scale);
  return scaled(data, factor, (data.type as Int).bitWidth === 64 ? (values, row) => values[row]! : (values, row) => BigInt(values[row]!));
}

function midnights(data: Data, field: Field<Timestamp>): BigInt64Array {
  const days = data.values as Int32Array;
  const instants = new BigInt64Array(data.length);
  for (let row = 0; row < data.length; row++) {
    const us = BigInt(days[row]!) * dayUs;
    instants[row] = us;
    if (instants[row] !== us && data.getValid(row)) throw new OverflowError(field.name, `row ${row}`, `the day ${days[row]} (since 1970) does not fit a timestamp in microseconds`);
  }
  return instants;
}

/** Unscaled values, 128 bits each, times a power of ten. */
function scaled(data: Data, factor: bigint, valueAt: (values: BigInt64Array, row: number) => bigint): Uint32Array {
  const { values } = data;
  const source = DataType.isDecimal(data.type) ? new BigInt64Array((values as Uint32Array).slice(0, 4 * data.length).buffer) : (values as unknown as BigInt64Array);
  const words = new BigInt64Array(2 * data.length);
  for (let row = 0; row < data.length; row++) {
    const value = valueAt(source, row) * factor;
    words[2 * row] = BigInt.asIntN(64, value);
    words[2 * row + 1] = value >> 64n;
  }
  return new Uint32Array(words.buffer);
}
