/**
 * Brings the columns of one file to the schema of its table.
 *
 * Files of one folder were often written by different hands: columns are found by name, missing ones are null, and types
 * that hold the same values are widened: integers and floats to wider ones, timestamps to finer units, decimals to more
 * digits, dictionaries to what they stand for. Whatever would lose or change a value is refused when the schemas meet. What
 * stands in a file for a type that its table format lacks (stored-types.ts) becomes that type, value by value or not at all.
 * Where a table declares a column's type, files from before it was widened (widened-types.ts) become that type, too.
 */
import {
  ArrowTimeUnit, type Data, type DataType as AnyType, DataType, type Decimal, Dictionary, Field, type Float, type Int, Int32, makeData,
  RecordBatch, Schema, Struct, Timestamp, Type, Utf8, Vector,
} from '../arrow/arrow.ts';
import { canonicalTable, plainType } from '../arrow/canonical.ts';
import { invariant, OverflowError, SchemaMismatchError } from '../base/errors.ts';
import { fromStored, standsFor } from './stored-types.ts';
import { isWidened, toWidened } from './widened-types.ts';

/**
 * A value that all rows of a file share, told by its path or the log, as Arrow stores it (decimals and instants as whole
 * numbers of their unit); null is no value. Plain data but for the field.
 */
export interface Constant {
  readonly field: Field;
  readonly value: bigint | number | string | boolean | Uint8Array | null;
}

export function sameType(a: AnyType, b: AnyType): boolean {
  return a === b || a.toString() === b.toString();
}

/** Whether a column of this type holds columns of its own; such columns are not read. */
export function isNested(type: AnyType): boolean {
  return (type.children?.length ?? 0) > 0;
}

/** The type that holds the values of both exactly, or undefined when there is none. */
export function tryCommonType(a: AnyType, b: AnyType): AnyType | undefined {
  if (sameType(a, b)) return a;
  if (DataType.isNull(a)) return b;
  if (DataType.isNull(b)) return a;
  if (DataType.isDictionary(a) || DataType.isDictionary(b)) return tryCommonType(plainType(a), plainType(b));
  if (a.typeId !== b.typeId) return undefined;
  if (DataType.isInt(a) && DataType.isInt(b)) return widerInteger(a, b);
  if (DataType.isFloat(a) && DataType.isFloat(b)) return widerFloat(a, b);
  if (DataType.isTimestamp(a) && DataType.isTimestamp(b)) {
    if ((a.timezone ?? '') !== (b.timezone ?? '')) return undefined;
    return a.unit > b.unit ? a : b;
  }
  if (DataType.isDecimal(a) && DataType.isDecimal(b)) {
    return a.scale === b.scale && a.bitWidth === b.bitWidth ? (a.precision > b.precision ? a : b) : undefined;
  }
  return undefined;
}

/**
 * Whether columns of the first type can be brought to the second: when what both have in common is the second. A table that
 * declares its types also says whether its timestamps are instants, whatever the file thinks (INT96 does not say).
 */
export function mightConform(from: AnyType, to: AnyType): boolean {
  const wanted = plainType(to);
  const plain = plainType(from);
  const stored = DataType.isTimestamp(plain) && DataType.isTimestamp(wanted) ? new Timestamp(plain.unit, wanted.timezone) : plain;
  return holdsAll(wanted, stored) || standsFor(plain, wanted);
}

/** Whether the first type has all values of the second. */
export function holdsAll(wide: AnyType, narrow: AnyType): boolean {
  const common = tryCommonType(narrow, wide);
  return (common !== undefined && sameType(common, wide)) || isWidened(narrow, wide);
}

/** Whether a key is the same number, or text, in a column of the first type and, conformed, in one of the second. */
export function keepsKeys(from: AnyType, to: AnyType): boolean {
  return plainType(from).typeId === plainType(to).typeId && !isWidened(plainType(from), plainType(to));
}

function widerInteger(a: Int, b: Int): Int | undefined {
  const [wide, narrow] = a.bitWidth >= b.bitWidth ? [a, b] : [b, a];
  if (wide.isSigned === narrow.isSigned) return wide;
  return wide.isSigned && wide.bitWidth > narrow.bitWidth ? wide : undefined;
}

/** Half floats live in 16-bit integers here; they are not widened. */
function widerFloat(a: Float, b: Float): Float | undefined {
  if (a.precision === 0 || b.precision === 0) return undefined;
  return a.precision > b.precision ? a : b;
}

/** The columns of all files, in order of first appearance; a column that a file lacks can be null. */
export function unionSchema(table: string, files: readonly { readonly name: string; readonly schema: Schema }[]): Schema {
  const columns = new Map<string, { type: AnyType; nullable: boolean; file: string; count: number }>();
  for (const { name: file, schema } of files) {
    for (const { name, type, nullable } of schema.fields) {
      const known = columns.get(name);
      if (known === undefined) {
        columns.set(name, { type, nullable, file, count: 1 });
        continue;
      }
      const common = tryCommonType(known.type, type);
      if (common === undefined) {
        throw new SchemaMismatchError(
          table, name,
          `${known.file} has it as ${known.type}, ${file} as ${type}; write the files again with one type, or keep them in tables of their own`,
        );
      }
      columns.set(name, { type: common, nullable: known.nullable || nullable, file: known.file, count: known.count + 1 });
    }
  }
  return new Schema([...columns].map(([name, { type, nullable, count }]) => new Field(name, type, nullable || count < files.length)));
}

/**
 * The rows of a batch with the columns of `target`: the batch itself where it has them. Columns that need no change alias the batch; a column that is plain in
 * the target may stay a dictionary of that type, which groups and filters faster, and the batch's own schema says so. The
 * caller has made `target` from schemas that meet (`tryCommonType`), and the constants' types are those of the target.
 */
export function conformBatch(batch: RecordBatch, target: Schema, constants: readonly Constant[] = []): RecordBatch {
  if (constants.length === 0 && isConform(batch.schema, target)) return batch;
  const rows = batch.numRows;
  const children = target.fields.map((field): Data => {
    const constant = constants.find((candidate) => candidate.field.name === field.name);
    if (constant !== undefined) return constantData(field.type, constant.value, rows);
    const index = batch.schema.fields.findIndex(({ name }) => name === field.name);
    if (index < 0) return nullData(field.type, rows);
    return convert(batch.data.children[index]!, field);
  });
  const fields = target.fields.map((field, i) => (sameType(field.type, children[i]!.type) ? field : field.clone({ type: children[i]!.type })));
  return new RecordBatch(new Schema(fields), makeData({ type: new Struct(fields), length: rows, nullCount: 0, children }));
}

/** Whether batches of a schema are what they should be, but for dictionaries that may stay. */
function isConform({ fields }: Schema, target: Schema): boolean {
  return fields.length === target.fields.length && target.fields.every(({ name, type, nullable, metadata }, i) => {
    const own = fields[i]!;
    if (own.name !== name || own.nullable !== nullable || own.metadata.size + metadata.size > 0) return false;
    return sameType(own.type, type) || (DataType.isDictionary(own.type) && sameType(own.type.dictionary, type));
  });
}

/** The same rows with exactly the types of `target`: a dictionary that stands where the target is plain is decoded. */
export function decodeBatch(batch: RecordBatch, target: Schema): RecordBatch {
  const children = target.fields.map((field, i): Data => {
    const data = batch.data.children[i]!;
    return sameType(data.type, field.type) ? data : convert(decodeDictionary(data), field);
  });
  return new RecordBatch(target, makeData({ type: new Struct(target.fields), length: batch.numRows, nullCount: 0, children }));
}

export async function* decodeBatches(batches: AsyncIterable<RecordBatch>, target: Schema): AsyncGenerator<RecordBatch, void, void> {
  for await (const batch of batches) yield decodeBatch(batch, target);
}

function convert(data: Data, field: Field): Data {
  if (sameType(data.type, field.type)) return data;
  if (DataType.isDictionary(data.type) && sameType(data.type.dictionary, field.type)) return data;
  if (DataType.isNull(data.type)) return nullData(field.type, data.length);
  if (DataType.isDictionary(field.type)) return encodeDictionary(field.type, convert(data, field.clone({ type: field.type.dictionary })), field.name);
  if (DataType.isDictionary(data.type)) return convert(decodeDictionary(data), field);
  if (standsFor(data.type, field.type)) return fromStored(data, field);
  if (isWidened(data.type, field.type)) return toWidened(data, field);
  const values = data.values as Int32Array;
  const { type, length, nullCount, nullBitmap, offset } = data;
  // Values start at the slice, the bitmap does not: only the bitmap has an offset to keep.
  const bitmap = nullBitmap && nullBitmap.length > 0 && nullCount > 0 ? alignedBitmap(nullBitmap, offset, length) : undefined;
  const common = { type: field.type as never, length, nullCount: bitmap === undefined ? 0 : nullCount, nullBitmap: bitmap };
  if (DataType.isDecimal(field.type)) return makeData({ ...common, data: (values as unknown as Uint32Array).subarray(0, (length * (type as Decimal).bitWidth) / 32) } as never);
  if (DataType.isTimestamp(field.type) && (type as Timestamp).unit === field.type.unit) return makeData({ ...common, data: (data.values as BigInt64Array).subarray(0, length) } as never);
  if (DataType.isTimestamp(field.type)) return makeData({ ...common, data: finerTimestamps(data, field) } as never);
  invariant(DataType.isInt(field.type) || DataType.isFloat(field.type), `${field.name}: no way from ${type} to ${field.type}`);
  const ArrayType = field.type.ArrayType as unknown as Int32ArrayConstructor;
  const big = ArrayType as unknown === BigInt64Array || ArrayType as unknown === BigUint64Array;
  const source = values.subarray(0, length);
  const widened = big && typeof source[0] === 'number' ? (ArrayType as unknown as BigInt64ArrayConstructor).from(source as never, BigInt as never) : ArrayType.from(source);
  return makeData({ ...common, data: widened } as never);
}

function finerTimestamps(data: Data, field: Field): BigInt64Array {
  const [from, to] = [(data.type as Timestamp).unit, (field.type as Timestamp).unit];
  const factor = 1_000n ** BigInt(to - from);
  const source = data.values as BigInt64Array;
  const finer = new BigInt64Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const value = source[i]! * factor;
    finer[i] = value;
    if (finer[i] !== value && data.getValid(i)) {
      throw new OverflowError(field.name, `row ${i}`, `${source[i]} ${ArrowTimeUnit[from]} does not fit a timestamp in ${ArrowTimeUnit[to]}`);
    }
  }
  return finer;
}

function alignedBitmap(bitmap: Uint8Array, offset: number, length: number): Uint8Array {
  const aligned = new Uint8Array((length + 7) >> 3);
  for (let i = 0; i < length; i++) {
    const bit = offset + i;
    aligned[i >> 3]! |= ((bitmap[bit >> 3]! >> (bit & 7)) & 1) << (i & 7);
  }
  return aligned;
}

function decodeDictionary(data: Data): Data {
  const schema = new Schema([new Field('values', data.type, true)]);
  const batch = new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length: data.length, nullCount: 0, children: [data] }));
  return canonicalTable(schema, [batch]).batches[0]!.data.children[0]!;
}

/** Each distinct value becomes one entry, in order of first appearance. */
function encodeDictionary(type: Dictionary, data: Data, column: string): Data {
  const plain = DataType.isDictionary(data.type) ? decodeDictionary(data) : data;
  const values = new Vector([plain]);
  const codes = new Map<unknown, number>();
  const rowOfCode: number[] = [];
  const indices = new (type.indices.ArrayType as unknown as Int32ArrayConstructor)(plain.length);
  for (let row = 0; row < plain.length; row++) {
    if (!plain.getValid(row)) continue;
    const value: unknown = values.get(row);
    const key = value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value;
    let code = codes.get(key);
    if (code === undefined) {
      code = rowOfCode.push(row) - 1;
      codes.set(key, code);
    }
    indices[row] = code;
    if (indices[row] !== code) throw new OverflowError(column, String(value), `there are more distinct values than ${type.indices} can count`);
  }
  const rows = new Dictionary(type.dictionary, new Int32());
  const entries = makeData({ type: rows, length: rowOfCode.length, nullCount: 0, data: Int32Array.from(rowOfCode), dictionary: values } as never);
  const bitmap = plain.nullCount > 0 ? alignedBitmap(plain.nullBitmap, plain.offset, plain.length) : undefined;
  return makeData({ type, length: plain.length, nullCount: plain.nullCount, nullBitmap: bitmap, data: indices, dictionary: new Vector([decodeDictionary(entries)]) } as never);
}

function nullData(type: AnyType, rows: number): Data {
  if (DataType.isNull(type)) return makeData({ type, length: rows });
  const common = { type, length: rows, nullCount: rows, nullBitmap: new Uint8Array((rows + 7) >> 3) };
  switch (type.typeId) {
    case Type.Utf8:
    case Type.Binary:
      return makeData({ ...common, valueOffsets: new Int32Array(rows + 1), data: new Uint8Array(0) } as never);
    case Type.LargeUtf8:
    case Type.LargeBinary:
      return makeData({ ...common, valueOffsets: new BigInt64Array(rows + 1), data: new Uint8Array(0) } as never);
    case Type.Bool:
      return makeData({ ...common, data: new Uint8Array((rows + 7) >> 3) } as never);
    case Type.Dictionary: {
      const { dictionary, indices } = type as Dictionary;
      return makeData({ ...common, data: new (indices.ArrayType as Int32ArrayConstructor)(rows), dictionary: new Vector([nullData(dictionary, 0)]) } as never);
    }
    default: {
      const stride = DataType.isDecimal(type) ? type.bitWidth / 32 : DataType.isFixedSizeBinary(type) ? type.byteWidth : 1;
      return makeData({ ...common, data: new (type.ArrayType as Int32ArrayConstructor)(rows * stride) } as never);
    }
  }
}

/** What the strings of a folder's name become: every row the same code of a dictionary of one entry. */
export const folderString = new Dictionary(new Utf8(), new Int32());

/** Text and bytes become codes into a dictionary of one entry, which stands for a plain column of its type. */
function constantData(type: AnyType, value: Constant['value'], rows: number): Data {
  if (value === null) return nullData(type, rows);
  if (DataType.isDictionary(type)) {
    return makeData({ type, length: rows, nullCount: 0, data: new Int32Array(rows), dictionary: new Vector([constantData(type.dictionary, value, 1)]) } as never);
  }
  const common = { type, length: rows, nullCount: 0 };
  if (typeof value === 'string' || value instanceof Uint8Array) {
    if (rows !== 1) return constantData(new Dictionary(type, new Int32()), value, rows);
    const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value;
    const isLarge = DataType.isLargeUtf8(type) || DataType.isLargeBinary(type);
    const valueOffsets = isLarge ? BigInt64Array.of(0n, BigInt(bytes.length)) : Int32Array.of(0, bytes.length);
    return makeData({ ...common, valueOffsets, data: bytes } as never);
  }
  if (typeof value === 'boolean') return makeData({ ...common, data: new Uint8Array((rows + 7) >> 3).fill(value ? 255 : 0) } as never);
  if (DataType.isDecimal(type) && typeof value === 'bigint') return makeData({ ...common, data: decimals(value, type.bitWidth, rows) } as never);
  const values = new (type.ArrayType as Int32ArrayConstructor)(rows).fill(value as never);
  return makeData({ ...common, data: values } as never);
}

function decimals(unscaled: bigint, bitWidth: number, rows: number): Uint32Array {
  const words = Uint32Array.from({ length: bitWidth / 32 }, (_, word) => Number(BigInt.asUintN(32, unscaled >> BigInt(32 * word))));
  const values = new Uint32Array(rows * words.length);
  for (let row = 0; row < rows; row++) values.set(words, row * words.length);
  return values;
}
