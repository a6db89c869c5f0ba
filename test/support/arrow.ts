/** Arrow tables for tests, straight from values: any type, nulls, slices with bit offsets, many and empty batches. */
import {
  Binary, Bool, type Data, DataType, DateDay, DateMillisecond, Decimal, Dictionary, Field, Float16, Float32, Float64, Int8, Int16, Int32, Int64,
  LargeBinary, LargeUtf8, makeData, makeVector, RecordBatch, Schema, Struct, Table, TimestampMicrosecond, TimestampMillisecond,
  TimestampNanosecond, TimestampSecond, Type, Uint8, Uint16, Uint32, Uint64, Utf8,
} from '../../src/arrow/arrow.ts';
import { doubleToHalf } from '../../src/engine/staging.ts';

export type Cell = bigint | number | string | boolean | null;

export interface TestColumn {
  readonly type: DataType;
  readonly values: readonly Cell[];
}

export const types = {
  bool: new Bool(), int8: new Int8(), int16: new Int16(), int32: new Int32(), int64: new Int64(),
  uint8: new Uint8(), uint16: new Uint16(), uint32: new Uint32(), uint64: new Uint64(),
  half: new Float16(), float: new Float32(), double: new Float64(), utf8: new Utf8(), largeUtf8: new LargeUtf8(),
  date: new DateDay(), dateMs: new DateMillisecond(), seconds: new TimestampSecond(), millis: new TimestampMillisecond('UTC'),
  micros: new TimestampMicrosecond('UTC'), nanos: new TimestampNanosecond(),
  dictionary: new Dictionary(new Utf8(), new Int32()), dictionary8: new Dictionary(new Utf8(), new Int8()),
  dictionaryInt: new Dictionary(new Int64(), new Int32()),
  binary: new Binary(), largeBinary: new LargeBinary(), decimal: new Decimal(4, 38, 128), money: new Decimal(2, 12, 128),
  dictionaryBool: new Dictionary(new Bool(), new Int32()), dictionaryDecimal: new Dictionary(new Decimal(4, 38, 128), new Int32()),
  dictionaryBinary: new Dictionary(new Binary(), new Int32()), dictionaryDouble: new Dictionary(new Float64(), new Int32()),
} as const;

/** A table of one batch. */
export function tableOf(columns: Readonly<Record<string, TestColumn>>): Table {
  return batchesOf(columns, []);
}

/**
 * The same rows cut at these positions: each piece is a slice of a longer array whose first rows are others, so that values
 * begin at an offset and bits in the middle of a byte. Equal positions make empty batches.
 */
export function batchesOf(columns: Readonly<Record<string, TestColumn>>, cuts: readonly number[]): Table {
  const entries = Object.entries(columns);
  const schema = new Schema(entries.map(([name, { type }]) => new Field(name, type, true)));
  const rows = entries[0]?.[1].values.length ?? 0;
  const bounds = [0, ...[...cuts].sort((a, b) => a - b).map((cut) => Math.min(Math.max(cut, 0), rows)), rows];
  const batches = bounds.slice(1).map((end, i) => {
    const start = bounds[i]!;
    const padding = cuts.length === 0 ? 0 : (i * 3 + 1) % 11;
    const children = entries.map(([, { type, values }]) => {
      const piece = values.slice(start, end);
      const padded = [...values.slice(0, padding), ...Array<Cell>(Math.max(0, padding - values.length)).fill(null), ...piece];
      return columnOf(type, padded).slice(padding, piece.length);
    });
    return new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length: end - start, nullCount: 0, children }));
  });
  return new Table(schema, batches);
}

export function columnOf(type: DataType, values: readonly Cell[]): Data {
  const nullBitmap = new Uint8Array((values.length + 7) >> 3);
  values.forEach((value, i) => {
    if (value !== null) nullBitmap[i >> 3]! |= 1 << (i & 7);
  });
  // The count of nulls is left for Arrow to find out, as it is in tables from elsewhere.
  const common = { type, length: values.length, nullCount: -1, nullBitmap };
  if (type.typeId === Type.Bool) {
    const data = new Uint8Array((values.length + 7) >> 3);
    values.forEach((value, i) => {
      if (value === true) data[i >> 3]! |= 1 << (i & 7);
    });
    return makeData({ ...common, data } as never);
  }
  if (DataType.isDictionary(type)) {
    const distinct = [...new Set(values.filter((value) => value !== null))].reverse();
    // An entry that no row names, in front, so that codes are not what they seem.
    const unused = DataType.isInt(type.dictionary) || DataType.isDecimal(type.dictionary) ? -77n : DataType.isFloat(type.dictionary) ? -77 : 'never used';
    const entries = [unused, ...distinct];
    const indices: { from(cells: readonly Cell[], code: (cell: Cell) => number): Int8Array | Int32Array } =
      type.indices.toString() === 'Int8' ? Int8Array : Int32Array;
    const data = indices.from(values, (value: Cell) => (value === null ? 0 : entries.indexOf(value)));
    return makeData({ ...common, data, dictionary: makeVector(columnOf(type.dictionary, entries)) } as never);
  }
  if (DataType.isUtf8(type) || DataType.isLargeUtf8(type) || DataType.isBinary(type) || DataType.isLargeBinary(type)) {
    const pieces = values.map((value) => Buffer.from(value === null ? '' : String(value), 'utf8'));
    const starts = [0];
    for (const piece of pieces) starts.push(starts.at(-1)! + piece.length);
    const valueOffsets = DataType.isLargeUtf8(type) || DataType.isLargeBinary(type) ? BigInt64Array.from(starts, BigInt) : Int32Array.from(starts);
    return makeData({ ...common, valueOffsets, data: new Uint8Array(Buffer.concat(pieces)) } as never);
  }
  if (DataType.isDecimal(type)) {
    const words = values.flatMap((value) => [0n, 32n, 64n, 96n].map((shift) => Number(BigInt.asUintN(32, BigInt(value ?? 13) >> shift))));
    return makeData({ ...common, data: Uint32Array.from(words) } as never);
  }
  const ArrayType = type.ArrayType as unknown as { from(items: readonly Cell[], map: (cell: Cell) => never): Uint8Array; readonly BYTES_PER_ELEMENT: number };
  const wide = (type.ArrayType as unknown) === BigInt64Array || (type.ArrayType as unknown) === BigUint64Array;
  const half = DataType.isFloat(type) && type.precision === 0;
  // Null slots hold garbage, as they may.
  const element = (cell: Cell): number | bigint => (wide ? BigInt(cell ?? 13) : half ? doubleToHalf(Number(cell ?? 13)) : Number(cell ?? 13));
  return makeData({ ...common, data: ArrayType.from(values, element as (cell: Cell) => never) } as never);
}

/** The values of a column of any type that the engine returns, exactly. */
export function cellsOf(table: Table, name: string): Cell[] {
  const index = table.schema.fields.findIndex((field) => field.name === name);
  return table.batches.flatMap((batch) => cellsOfData(batch.data.children[index]!));
}

function cellsOfData(data: Data): Cell[] {
  const valid = (row: number): boolean => {
    const bit = data.offset + row;
    return !data.nullBitmap || data.nullBitmap.length === 0 || ((data.nullBitmap[bit >> 3]! >> (bit & 7)) & 1) === 1;
  };
  return Array.from({ length: data.length }, (_, row) => (valid(row) ? cellAt(data, row) : null));
}

function cellAt(data: Data, row: number): Cell {
  const { type } = data;
  if (type.typeId === Type.Bool) return (((data.values as Uint8Array)[(data.offset + row) >> 3]! >> ((data.offset + row) & 7)) & 1) === 1;
  if (DataType.isDecimal(type)) {
    const words = (data.values as Uint32Array).subarray(row * 4, row * 4 + 4);
    return BigInt.asIntN(128, words.reduceRight((sum, word) => (sum << 32n) | BigInt(word), 0n));
  }
  if (DataType.isUtf8(type) || DataType.isLargeUtf8(type) || DataType.isBinary(type) || DataType.isLargeBinary(type)) {
    const offsets = data.valueOffsets as unknown as ArrayLike<number | bigint>;
    return Buffer.from((data.values as Uint8Array).subarray(Number(offsets[row]!), Number(offsets[row + 1]!))).toString('utf8');
  }
  const value = (data.values as ArrayLike<number | bigint>)[row]!;
  if (DataType.isFloat(type) && type.precision === 0) return halfValue(Number(value));
  return value;
}

function halfValue(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}
