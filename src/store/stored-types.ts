/**
 * Types that tables of others do not have, and those that stand for them there.
 *
 *   unsigned integers      the signed ones of twice the width; 64 bits: decimal(20, 0)
 *   halves                 floats
 *   seconds, milliseconds, nanoseconds, Date64      microseconds
 *   zones                  UTC
 *   large text and bytes, dictionaries              text and bytes, values
 *
 * Law: what was stored comes back as it was. A value that the stored type does not hold is refused when it is written, and one
 * that the table's type does not hold (another engine wrote it) when it is read.
 */
import {
  ArrowTimeUnit, Binary, type Data, DataType, Decimal, type Field, Float32, type Int, Int16, Int32, Int64, makeData, RecordBatch, Schema, Struct, Timestamp,
  Utf8,
} from '../arrow/arrow.ts';
import { plainData } from '../arrow/build.ts';
import { plainType } from '../arrow/canonical.ts';
import { floatToHalf, halfToNumber } from '../arrow/half.ts';
import { formatDecimal } from '../arrow/values.ts';
import { invariant, OverflowError } from '../base/errors.ts';

/** The type that stands for this one: itself where no other has to. */
export function storedType(type: DataType): DataType {
  const plain = plainType(type);
  if (DataType.isInt(plain) && !plain.isSigned) return { 8: new Int16(), 16: new Int32(), 32: new Int64(), 64: new Decimal(0, 20, 128) }[plain.bitWidth];
  if (DataType.isFloat(plain) && plain.precision === 0) return new Float32();
  if (DataType.isTimestamp(plain)) return new Timestamp(ArrowTimeUnit.MICROSECOND, plain.timezone ? 'UTC' : null);
  if (DataType.isDate(plain) && plain.unit === 1) return new Timestamp(ArrowTimeUnit.MICROSECOND);
  if (DataType.isLargeUtf8(plain)) return new Utf8();
  return DataType.isLargeBinary(plain) ? new Binary() : plain;
}

export function storedSchema(schema: Schema): Schema {
  return new Schema(schema.fields.map((field) => field.clone({ type: storedType(field.type) })));
}

/** Whether a column of the first type is what stands for the second, another one. */
export function standsFor(found: DataType, wanted: DataType): boolean {
  const [stored, plain] = [storedType(wanted), plainType(wanted)];
  // Finer units and other zones need no more than any table does.
  if (DataType.isTimestamp(plain)) return DataType.isTimestamp(found) && found.unit === ArrowTimeUnit.MICROSECOND && plain.unit < found.unit;
  return stored.toString() !== plain.toString() && found.toString() === stored.toString();
}

/** The batch as it is stored; `stored` is what `storedSchema` made of its schema. Throws OverflowError. */
export function storedBatch(batch: RecordBatch, stored: Schema): RecordBatch {
  const children = stored.fields.map((field, i) => asStored(batch.data.children[i]!, field));
  return new RecordBatch(stored, makeData({ type: new Struct(stored.fields), length: batch.numRows, nullCount: 0, children }));
}

function asStored(column: Data, field: Field): Data {
  const data = plainData(column);
  const { type, length } = data;
  if (type.toString() === field.type.toString()) return data;
  const values = data.values as BigInt64Array;
  if (DataType.isInt(type)) return remade(data, field, type.bitWidth === 64 ? toDecimals(values as unknown as BigUint64Array) : copied(values, field));
  if (DataType.isFloat(type)) return remade(data, field, Float32Array.from(data.values as unknown as Uint16Array, halfToNumber));
  if (DataType.isDate(type) || DataType.isTimestamp(type)) return remade(data, field, toMicroseconds(data, field));
  invariant(DataType.isLargeUtf8(type) || DataType.isLargeBinary(type), `no way to store ${type} as ${field.type}`);
  const offsets = data.valueOffsets as unknown as BigInt64Array;
  if (offsets[length]! > 0x7fff_ffffn) throw new OverflowError(field.name, 'all rows', `${offsets[length]} bytes in one batch are too many; write smaller batches`);
  return makeData({ ...common(data, field), valueOffsets: Int32Array.from(offsets, Number), data: data.values } as never);
}

/** What is stored as what it stands for: the inverse. Throws OverflowError, which says that another engine wrote it. */
export function fromStored(column: Data, field: Field): Data {
  const data = plainData(column);
  const { type } = field;
  if (DataType.isInt(type)) return remade(data, field, type.bitWidth === 64 ? fromDecimals(data, field) : narrowed(data, field, type));
  if (DataType.isFloat(type)) return remade(data, field, halves(data, field));
  if (DataType.isDate(type) || DataType.isTimestamp(type)) return remade(data, field, fromMicroseconds(data, field));
  const offsets = BigInt64Array.from(data.valueOffsets, BigInt);
  return makeData({ ...common(data, field), valueOffsets: offsets, data: data.values } as never);
}

function common({ length, nullCount, nullBitmap }: Data, field: Field): object {
  return { type: field.type, length, nullCount, ...(nullCount > 0 && { nullBitmap }) };
}

function remade(data: Data, field: Field, values: ArrayBufferView): Data {
  return makeData({ ...common(data, field), data: values } as never);
}

function copied(values: ArrayLike<number | bigint>, field: Field): ArrayBufferView {
  if ((field.type as Int).bitWidth === 64) return BigInt64Array.from(values as ArrayLike<number>, BigInt);
  return ((field.type as Int).ArrayType as unknown as Int32ArrayConstructor).from(values as ArrayLike<number>);
}

function toDecimals(values: BigUint64Array): Uint32Array {
  const decimals = new BigUint64Array(2 * values.length);
  for (let row = 0; row < values.length; row++) decimals[2 * row] = values[row]!;
  return new Uint32Array(decimals.buffer);
}

function fromDecimals(data: Data, field: Field): BigUint64Array {
  const words = data.values as Uint32Array;
  const values = new BigUint64Array(data.length);
  for (let row = 0; row < data.length; row++) {
    const [low, high] = [words[4 * row]!, words[4 * row + 1]!];
    if ((words[4 * row + 2] !== 0 || words[4 * row + 3] !== 0) && data.getValid(row)) throw misfit(field, row, decimalText(words, row));
    values[row] = (BigInt(high) << 32n) | BigInt(low);
  }
  return values;
}

function decimalText(words: Uint32Array, row: number): string {
  const unscaled = [3, 2, 1, 0].reduce((sum, word) => (sum << 32n) | BigInt(words[4 * row + word]!), 0n);
  return formatDecimal(BigInt.asIntN(128, unscaled), 0);
}

function narrowed(data: Data, field: Field, type: Int): ArrayBufferView {
  const source = data.values as ArrayLike<number | bigint>;
  const values = new (type.ArrayType as unknown as Uint32ArrayConstructor)(data.length);
  for (let row = 0; row < data.length; row++) {
    const value = Number(source[row]!);
    values[row] = value;
    if (values[row] !== value && data.getValid(row)) throw misfit(field, row, String(source[row]));
  }
  return values;
}

function halves(data: Data, field: Field): Uint16Array {
  const source = data.values as Float32Array;
  const values = Uint16Array.from(source, floatToHalf);
  for (let row = 0; row < data.length; row++) {
    if (!Object.is(halfToNumber(values[row]!), source[row]!) && data.getValid(row)) throw misfit(field, row, String(source[row]));
  }
  return values;
}

const perSecond: Readonly<Record<number, bigint>> = {
  [ArrowTimeUnit.SECOND]: 1n, [ArrowTimeUnit.MILLISECOND]: 1_000n, [ArrowTimeUnit.MICROSECOND]: 1_000_000n, [ArrowTimeUnit.NANOSECOND]: 1_000_000_000n,
};

/** How many units of an instant's type are a second. */
function unitsOf(type: DataType): bigint {
  return perSecond[DataType.isTimestamp(type) ? type.unit : ArrowTimeUnit.MILLISECOND]!;
}

function toMicroseconds(data: Data, field: Field): BigInt64Array {
  const units = unitsOf(data.type);
  return rescaled(data, units, 1_000_000n, (row, value) => {
    const detail = units > 1_000_000n ? 'ns is finer than a microsecond, in which the table keeps it; round the column to microseconds first' : 'does not fit microseconds, in which the table keeps it';
    return new OverflowError(field.name, `row ${row}`, `${value} ${detail}`);
  });
}

function fromMicroseconds(data: Data, field: Field): BigInt64Array {
  return rescaled(data, 1_000_000n, unitsOf(field.type), (row, value) => misfit(field, row, `${value} µs`));
}

function rescaled(data: Data, from: bigint, to: bigint, refusal: (row: number, value: bigint) => Error): BigInt64Array {
  const source = (data.values as BigInt64Array).subarray(0, data.length);
  if (from === to) return source;
  const values = new BigInt64Array(source.length);
  for (let row = 0; row < source.length; row++) {
    const value = source[row]!;
    const scaled = to > from ? value * (to / from) : value / (from / to);
    values[row] = scaled;
    const back = to > from ? values[row] : scaled * (from / to);
    if (back !== (to > from ? scaled : value) && data.getValid(row)) throw refusal(row, value);
  }
  return values;
}

function misfit(field: Field, row: number, value: string): OverflowError {
  const cure = 'To read the column in the type that the table has for others, take its property tauro.arrowSchema off (ALTER TABLE … UNSET TBLPROPERTIES)';
  return new OverflowError(field.name, `row ${row} of a batch`, `${value} is no ${field.type}, which the table's writer declared; another engine has written it. ${cure}`);
}
