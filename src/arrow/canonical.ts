/**
 * One canonical layout for a table, so that equal answers are equal bytes wherever they come from.
 *
 *   one batch; dictionaries decoded; no offsets; null slots hold zeros; bits beyond the end are zero;
 *   a validity bitmap only where there is a null
 *
 * Results copy; nothing aliases its input.
 */
import { invariant } from '../base/errors.ts';
import type { Data, DataType, RecordBatch, Schema, Table, Vector } from './arrow.ts';
import { arrow } from './late.ts';
import { isDecimal, isDictionary, isFixedSizeBinary, plainType, Type } from './types.ts';

export { plainType } from './types.ts';

/** The schema with dictionaries decoded; metadata is dropped. */
export function plainSchema(schema: Schema): Schema {
  const { Field, Schema } = arrow();
  return new Schema(schema.fields.map((field) => new Field(field.name, plainType(field.type), field.nullable)));
}

/** The rows of `batches`, in order, in the canonical layout. Every batch has the columns of `schema`, found by name. */
export function canonicalTable(schema: Schema, batches: readonly RecordBatch[]): Table {
  const plain = plainSchema(schema);
  const rows = batches.reduce((sum, batch) => sum + batch.numRows, 0);
  const columns = plain.fields.map((field) => {
    const parts = batches.filter((batch) => batch.numRows > 0).map((batch) => columnData(batch, field.name));
    return concatColumn(field.type, parts, rows);
  });
  return tableOfColumns(plain, columns, rows);
}

/** The same rows in one batch: the engine reads out large answers in several. */
export function oneBatch(table: Table): Table {
  return table.batches.length === 1 ? table : canonicalTable(table.schema, table.batches);
}

/** A table of one batch from one Data per column. */
export function tableOfColumns(schema: Schema, columns: readonly Data[], rows: number): Table {
  const { makeData, RecordBatch, Struct, Table } = arrow();
  const struct = makeData({ type: new Struct(schema.fields), length: rows, nullCount: 0, children: [...columns] });
  return new Table(schema, [new RecordBatch(schema, struct)]);
}

/** Whether two tables have the same columns, types and values: NaN equals NaN by its bits, −0 differs from 0. */
export function tablesEqual(a: Table, b: Table): boolean {
  const [left, right] = [canonicalTable(a.schema, a.batches), canonicalTable(b.schema, b.batches)];
  if (left.numRows !== right.numRows || left.schema.fields.length !== right.schema.fields.length) return false;
  return left.schema.fields.every((field, column) => {
    const other = right.schema.fields[column]!;
    if (field.name !== other.name || field.type.toString() !== other.type.toString()) return false;
    if (left.numRows === 0) return true;
    return dataEqual(left.batches[0]!.data.children[column]!, right.batches[0]!.data.children[column]!);
  });
}

function columnData(batch: RecordBatch, name: string): Data {
  const column = batch.schema.fields.findIndex((field) => field.name === name);
  invariant(column >= 0, `a batch lacks column ${name}`);
  return batch.data.children[column]!;
}

function dataEqual(a: Data, b: Data): boolean {
  return [
    [a.nullBitmap, b.nullBitmap],
    [a.valueOffsets, b.valueOffsets],
    [a.values, b.values],
  ].every(([left, right]) => bytesOf(left).equals(bytesOf(right)));
}

function bytesOf(view: ArrayBufferView | undefined | null): Buffer {
  return view ? Buffer.from(view.buffer, view.byteOffset, view.byteLength) : Buffer.alloc(0);
}

/** One column from its parts, `rows` in all, in the canonical layout and of this (plain) type. */
export function concatColumn(type: DataType, parts: readonly Data[], rows: number): Data {
  const validity = concatValidity(parts, rows);
  const bitmap = validity === undefined ? {} : { nullBitmap: validity.bitmap };
  const common = { length: rows, nullCount: validity?.nullCount ?? 0, ...bitmap };
  switch (type.typeId) {
    case Type.Null:
      return arrow().makeData({ type: type as never, length: rows });
    case Type.Bool: {
      const values = new Uint8Array((rows + 7) >> 3);
      let row = 0;
      for (const part of parts) {
        const valid = validityReader(part);
        const value = booleanReader(part);
        for (let i = 0; i < part.length; i++, row++) {
          if ((valid === undefined || valid(i)) && value(i)) values[row >> 3]! |= 1 << (row & 7);
        }
      }
      return arrow().makeData({ type, data: values, ...common } as never);
    }
    case Type.Utf8:
    case Type.Binary:
    case Type.LargeUtf8:
    case Type.LargeBinary:
      return concatBytes(type, parts, rows, common);
    default:
      return concatFixed(type, parts, rows, common);
  }
}

/** Numbers, dates, timestamps, decimals, fixed-size binary: `stride` array elements each. */
function concatFixed(type: DataType, parts: readonly Data[], rows: number, common: object): Data {
  const ArrayType = type.ArrayType as new (length: number) => Uint8Array;
  const stride = strideOf(type);
  const values = new ArrayType(rows * stride);
  let row = 0;
  for (const part of parts) {
    const valid = validityReader(part);
    if (isDictionary(part.type)) {
      const { chunks, starts } = dictionaryChunks(part.dictionary!);
      const codes = part.values as Int32Array;
      for (let i = 0; i < part.length; i++, row++) {
        if (valid !== undefined && !valid(i)) continue;
        const code = Number(codes[i]!);
        const chunk = chunkOf(starts, code);
        const inChunk = code - starts[chunk]!;
        const source = chunks[chunk]!.values as Uint8Array;
        for (let k = 0; k < stride; k++) values[row * stride + k] = source[inChunk * stride + k]!;
      }
      continue;
    }
    const source = (part.values as Uint8Array).subarray(0, part.length * stride);
    values.set(source, row * stride);
    if (valid !== undefined) {
      for (let i = 0; i < part.length; i++) {
        if (!valid(i)) values.fill(zeroOf(values), (row + i) * stride, (row + i + 1) * stride);
      }
    }
    row += part.length;
  }
  return arrow().makeData({ type, data: values, ...common } as never);
}

function zeroOf(values: Uint8Array): number {
  const zero: unknown = values instanceof BigInt64Array || values instanceof BigUint64Array ? 0n : 0;
  return zero as number;
}

function strideOf(type: DataType): number {
  if (isDecimal(type)) return type.bitWidth / 32;
  if (isFixedSizeBinary(type)) return type.byteWidth;
  return 1;
}

function concatBytes(type: DataType, parts: readonly Data[], rows: number, common: object): Data {
  const large = type.typeId === Type.LargeUtf8 || type.typeId === Type.LargeBinary;
  const starts = new Float64Array(rows + 1);
  let row = 0;
  let total = 0;
  for (const part of parts) {
    const [span, valid] = [spanReader(part), validityReader(part)];
    for (let i = 0; i < part.length; i++, row++) {
      starts[row] = total;
      if (valid === undefined || valid(i)) total += span(i).length;
    }
  }
  starts[rows] = total;
  const values = new Uint8Array(total);
  row = 0;
  for (const part of parts) {
    const [span, valid] = [spanReader(part), validityReader(part)];
    for (let i = 0; i < part.length; i++, row++) {
      if (valid === undefined || valid(i)) values.set(span(i), starts[row]!);
    }
  }
  const valueOffsets = large ? BigInt64Array.from(starts, (start) => BigInt(start)) : Int32Array.from(starts);
  return arrow().makeData({ type, valueOffsets, data: values, ...common } as never);
}

/** Reads the bytes of a string or binary element, through its dictionary where there is one. The view aliases. */
function spanReader(part: Data): (row: number) => Uint8Array {
  if (isDictionary(part.type)) {
    const { chunks, starts } = dictionaryChunks(part.dictionary!);
    const readers = chunks.map(spanReader);
    const codes = part.values as Int32Array;
    return (row) => {
      const code = Number(codes[row]!);
      const chunk = chunkOf(starts, code);
      return readers[chunk]!(code - starts[chunk]!);
    };
  }
  const offsets = part.valueOffsets as unknown as ArrayLike<number | bigint>;
  const bytes = part.values as Uint8Array;
  return (row) => bytes.subarray(Number(offsets[row]!), Number(offsets[row + 1]!));
}

function dictionaryChunks(dictionary: Vector): { chunks: readonly Data[]; starts: readonly number[] } {
  let start = 0;
  const starts = dictionary.data.map((chunk) => {
    const first = start;
    start += chunk.length;
    return first;
  });
  return { chunks: dictionary.data, starts };
}

function chunkOf(starts: readonly number[], index: number): number {
  let chunk = starts.length - 1;
  while (chunk > 0 && starts[chunk]! > index) chunk--;
  return chunk;
}

/** Says whether an element is there: its own bit, and that of the dictionary's entry. Undefined: all of them are. */
function validityReader(part: Data): ((row: number) => boolean) | undefined {
  const bitmap = part.nullBitmap;
  const own = bitmap && bitmap.length > 0 ? bitReader(bitmap, part.offset) : undefined;
  if (!isDictionary(part.type)) return own;
  const { chunks, starts } = dictionaryChunks(part.dictionary!);
  const entries = chunks.map(validityReader);
  if (entries.every((entry) => entry === undefined)) return own;
  const codes = part.values as Int32Array;
  return (row) => {
    if (own !== undefined && !own(row)) return false;
    const code = Number(codes[row]!);
    const chunk = chunkOf(starts, code);
    return entries[chunk]?.(code - starts[chunk]!) ?? true;
  };
}

/** Reads a boolean, through its dictionary where there is one. */
function booleanReader(part: Data): (row: number) => boolean {
  if (!isDictionary(part.type)) return bitReader(part.values as Uint8Array, part.offset);
  const { chunks, starts } = dictionaryChunks(part.dictionary!);
  const readers = chunks.map(booleanReader);
  const codes = part.values as Int32Array;
  return (row) => {
    const code = Number(codes[row]!);
    const chunk = chunkOf(starts, code);
    return readers[chunk]!(code - starts[chunk]!);
  };
}

function bitReader(bitmap: Uint8Array, offset: number): (row: number) => boolean {
  return (row) => {
    const bit = offset + row;
    return ((bitmap[bit >> 3]! >> (bit & 7)) & 1) === 1;
  };
}

function concatValidity(parts: readonly Data[], rows: number): { bitmap: Uint8Array; nullCount: number } | undefined {
  const readers = parts.map(validityReader);
  if (readers.every((reader) => reader === undefined)) return undefined;
  const bitmap = new Uint8Array((rows + 7) >> 3);
  let nullCount = 0;
  let row = 0;
  parts.forEach((part, index) => {
    const valid = readers[index];
    for (let i = 0; i < part.length; i++, row++) {
      if (valid === undefined || valid(i)) bitmap[row >> 3]! |= 1 << (row & 7);
      else nullCount++;
    }
  });
  return nullCount === 0 ? undefined : { bitmap, nullCount };
}
