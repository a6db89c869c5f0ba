/**
 * What travels between threads. Batches lie in the shared memory; answers and errors are posted, the buffers of answers
 * handed over without a copy.
 *
 *   batch   | record | buffers of column 0 | buffers of column 1 | …      one block; the thread that made it frees it
 */
import {
  Data, DataType, Dictionary, Field, type Int, Int16, Int32, Int64, Int8, makeData, RecordBatch, Schema, Struct, type Table, Uint16,
  Uint32, Uint64, Uint8, Vector,
} from '../../arrow/arrow.ts';
import { tableOfColumns } from '../../arrow/canonical.ts';
import * as errors from '../../base/errors.ts';
import type { Instance, ViewType } from '../instance.ts';
import { hasNulls } from '../staging.ts';

/** A column as it lies in the memory, as numbers. An address of 0: there is no such array. */
const numbersOfColumn = 9;
const [rowsAt, bitOffsetAt, validityAt, valuesAt, offsetsAt, firstByteAt] = [0, 1, 2, 4, 6, 8] as const;

/** What of a column is the same for many batches. */
export interface ColumnLayout {
  readonly name: string;
  /** The entries of a dictionary, which stay in the memory until the run ends. */
  readonly dictionary?: { readonly id: number; readonly codeBits: number; readonly codesSigned: boolean; readonly entries: readonly number[] };
}

const aligned = (bytes: number): number => (bytes + 31) & ~15;

/** The arrays that rows [start, start + rows) of a column need, and what is to be known of them. */
export function arraysOf(data: Data, start: number, rows: number) {
  const first = data.offset + start;
  const bits = (bitmap: Uint8Array): Uint8Array => bitmap.subarray(first >> 3, (first + rows + 7) >> 3);
  const validity = hasNulls(data) ? bits(data.nullBitmap!) : undefined;
  const offsets = (data.valueOffsets as Int32Array | BigInt64Array | undefined | null)?.subarray(start, start + rows + 1);
  if (offsets && offsets.length > rows) {
    const firstByte = Number(offsets[0]!);
    return { validity, offsets, firstByte, values: (data.values as Uint8Array).subarray(firstByte, Number(offsets[rows]!)) };
  }
  if (data.values === undefined || data.values === null) return { validity };
  if (DataType.isBool(data.type)) return { validity, values: bits(data.values as Uint8Array) };
  return { validity, values: (data.values as Uint8Array).subarray(start * data.stride, (start + rows) * data.stride) };
}

type Arrays = ReturnType<typeof arraysOf>;

/** The same, but offsets that are in the memory already are read as they are, so nothing may be counted from the first byte. */
function arraysInPlace(instance: Instance, data: Data, start: number, rows: number): Arrays {
  const arrays = arraysOf(data, start, rows);
  const { offsets, firstByte } = arrays;
  if (offsets === undefined || firstByte === undefined || instance.addressOf(offsets) === undefined) return arrays;
  return { ...arrays, firstByte: 0, values: (data.values as Uint8Array).subarray(0, Number(offsets[rows]!)) };
}

/** Bytes that have to be copied. */
function sizeOf(instance: Instance, { validity, offsets, values }: Arrays): number {
  const isElsewhere = (array: ArrayBufferView | undefined): array is ArrayBufferView => array !== undefined && instance.addressOf(array) === undefined;
  const copied: readonly (ArrayBufferView | undefined)[] = [validity, offsets, values];
  return copied.filter(isElsewhere).reduce((sum, { byteLength }) => sum + aligned(byteLength), 0);
}

/** Copies to `address` what of a column is not in the memory yet; returns its numbers, and where the next may begin. */
function packColumn(instance: Instance, address: number, data: Data, start: number, rows: number, arrays: Arrays): { readonly numbers: number[]; readonly end: number } {
  const numbers = new Array<number>(numbersOfColumn).fill(0);
  numbers[rowsAt] = rows;
  numbers[bitOffsetAt] = (data.offset + start) & 7;
  numbers[firstByteAt] = arrays.firstByte ?? 0;
  let at = address;
  const place = (array: ArrayBufferView | undefined, number: number): void => {
    if (array === undefined) return;
    const address = instance.addressOf(array);
    numbers[number] = address ?? at;
    numbers[number + 1] = array.byteLength;
    if (address !== undefined) return;
    instance.put(array, at);
    at += aligned(array.byteLength);
  };
  place(arrays.validity, validityAt);
  place(arrays.values, valuesAt);
  place(arrays.offsets, offsetsAt);
  return { numbers, end: at };
}

/** A column that is to be packed. */
export interface NamedData {
  readonly name: string;
  readonly data: Data;
}

/** Packs batches of one run. Dictionaries are brought into the memory once and stay until the run ends. */
export class BatchPacker {
  private readonly dictionaries = new Map<Data, { readonly id: number; readonly entries: readonly number[] }>();

  constructor(private readonly instance: Instance) {}

  layoutOf(columns: readonly NamedData[]): ColumnLayout[] {
    return columns.map(({ name, data }) => {
      if (!DataType.isDictionary(data.type)) return { name };
      const indices = (data.type as Dictionary).indices as Int;
      return { name, dictionary: { ...this.dictionary(data.dictionary!.data[0]!), codeBits: indices.bitWidth, codesSigned: indices.isSigned } };
    });
  }

  /**
   * Rows [start, start + rows) of these columns: the address of a record, `| layout | rows | numbers of column 0 | … |` as
   * doubles. `free` gives the block back.
   */
  pack(layout: number, columns: readonly NamedData[], start: number, rows: number): { readonly record: number; free(): void } {
    const { instance } = this;
    const arrays = columns.map(({ data }) => arraysInPlace(instance, data, start, rows));
    const recordLength = 2 + columns.length * numbersOfColumn;
    const bytes = arrays.reduce((sum, each) => sum + sizeOf(instance, each), aligned(recordLength * 8));
    const record = instance.alloc(bytes);
    const numbers = [layout, rows];
    let at = record + aligned(recordLength * 8);
    columns.forEach(({ data }, i) => {
      const packed = packColumn(instance, at, data, start, rows, arrays[i]!);
      numbers.push(...packed.numbers);
      at = packed.end;
    });
    instance.viewDoubles(record, recordLength).set(numbers);
    return { record, free: () => instance.free(record, bytes) };
  }

  private dictionary(data: Data): { readonly id: number; readonly entries: readonly number[] } {
    let known = this.dictionaries.get(data);
    if (known === undefined) {
      const arrays = arraysInPlace(this.instance, data, 0, data.length);
      const address = this.instance.alloc(sizeOf(this.instance, arrays) + 16);
      known = { id: this.dictionaries.size, entries: packColumn(this.instance, address, data, 0, data.length, arrays).numbers };
      this.dictionaries.set(data, known);
    }
    return known;
  }
}

/** Makes batches of what a packer put into the memory; they alias it. */
export class BatchUnpacker {
  private readonly dictionaries = new Map<number, Vector>();

  constructor(private readonly instance: Instance) {}

  /** `schema`: of the columns, in order, with plain types. */
  unpack(record: number, layout: readonly ColumnLayout[], schema: Schema): RecordBatch {
    const numbers = this.instance.viewDoubles(record, 2 + layout.length * numbersOfColumn);
    const data = layout.map((column, i) => this.columnOf(column, numbers.subarray(2 + i * numbersOfColumn), schema.fields[i]!.type));
    // One schema for all batches of a layout, where it is that: what is known of a schema is known of them.
    const own = layout.some(({ dictionary }) => dictionary !== undefined) ? new Schema(layout.map(({ name }, i) => new Field(name, data[i]!.type, true))) : schema;
    return new RecordBatch(own, makeData({ type: new Struct(own.fields), length: numbers[1]!, nullCount: 0, children: data }));
  }

  private columnOf({ dictionary }: ColumnLayout, numbers: ArrayLike<number>, plain: DataType): Data {
    const { instance } = this;
    const [rows, bitOffset] = [numbers[rowsAt]!, numbers[bitOffsetAt]!];
    const nullCount = numbers[validityAt] === 0 && !DataType.isNull(plain) ? 0 : -1;
    if (dictionary !== undefined) {
      const codes = codesType(dictionary.codeBits, dictionary.codesSigned);
      const type = new Dictionary(plain, codes as Int32, dictionary.id) as unknown as DataType;
      return new Data(type, bitOffset, rows, nullCount, this.buffersOf(numbers, codes), [], this.dictionary(dictionary.id, dictionary.entries, plain));
    }
    if (numbers[offsetsAt] !== 0 && numbers[firstByteAt] !== 0) {
      instance.kernels.shiftOffsets(numbers[offsetsAt]!, rows + 1, BigInt(numbers[firstByteAt]!), isLarge(plain) ? 1 : 0);
    }
    return new Data(plain, bitOffset, rows, nullCount, this.buffersOf(numbers, plain));
  }

  private dictionary(id: number, entries: readonly number[], plain: DataType): Vector {
    let known = this.dictionaries.get(id);
    if (known === undefined) {
      known = new Vector([this.columnOf({ name: '' }, entries, plain)]);
      this.dictionaries.set(id, known);
    }
    return known;
  }

  /** As `Data` takes them: offsets, values, validity. */
  private buffersOf(numbers: ArrayLike<number>, type: DataType): never {
    const view = (at: number, ArrayType: ViewType): ArrayBufferView | undefined => {
      const [address, bytes] = [numbers[at]!, numbers[at + 1]!];
      if (address === 0) return undefined;
      return this.instance.viewAs(ArrayType, address, bytes);
    };
    const ValueType = DataType.isBool(type) ? Uint8Array : (type.ArrayType as unknown as ViewType);
    return [view(offsetsAt, isLarge(type) ? BigInt64Array : Int32Array), view(valuesAt, ValueType), view(validityAt, Uint8Array)] as never;
  }
}

const isLarge = (type: DataType): boolean => DataType.isLargeUtf8(type) || DataType.isLargeBinary(type);

function codesType(bits: number, signed: boolean): Int {
  const types = { 8: [Uint8, Int8], 16: [Uint16, Int16], 32: [Uint32, Int32], 64: [Uint64, Int64] } as const;
  return new (types[bits as 8][signed ? 1 : 0])() as unknown as Int;
}

/** A table of one batch, as it is posted; both sides know the schema. */
export interface PackedTable {
  readonly rows: number;
  readonly columns: readonly {
    readonly length: number;
    readonly nullCount: number;
    readonly offsets: ArrayBufferView | undefined;
    readonly values: ArrayBufferView | undefined;
    readonly validity: ArrayBufferView | undefined;
  }[];
}

export function packTable(table: Table): PackedTable {
  const columns = table.batches[0]!.data.children.map((data) => ({
    length: data!.length,
    nullCount: data!.nullCount,
    offsets: data!.valueOffsets as ArrayBufferView | undefined,
    values: data!.values as ArrayBufferView | undefined,
    validity: data!.nullCount > 0 ? data!.nullBitmap : undefined,
  }));
  return { rows: table.numRows, columns };
}

/** The buffers that are handed over with a table. */
export function buffersOf({ columns }: PackedTable): ArrayBuffer[] {
  const views = columns.flatMap(({ offsets, values, validity }) => [offsets, values, validity]);
  return [...new Set(views.flatMap((view) => (view && view.byteLength > 0 ? [view.buffer as ArrayBuffer] : [])))];
}

export function unpackTable(schema: Schema, { rows, columns }: PackedTable): Table {
  const data = columns.map(({ length, nullCount, offsets, values, validity }, i) =>
    new Data(schema.fields[i]!.type, 0, length, nullCount, [offsets, values, validity] as never),
  );
  return tableOfColumns(schema, data, rows);
}

/** An error as plain data, its cause too. */
export interface PackedError {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly cause?: PackedError;
}

export function packError(thrown: unknown): PackedError {
  if (!(thrown instanceof Error)) return { name: 'Error', message: String(thrown), stack: undefined, fields: {} };
  const plain = (value: unknown): boolean => value === null || ['string', 'number', 'bigint', 'boolean'].includes(typeof value);
  const fields = Object.fromEntries(Object.entries(thrown).filter(([key, value]) => key !== 'cause' && plain(value)));
  const cause = thrown.cause === undefined ? {} : { cause: packError(thrown.cause) };
  return { name: thrown.name, message: thrown.message, stack: thrown.stack, fields, ...cause };
}

/** The error again, of the class that it had, where that is one of ours. */
export function unpackError({ name, message, stack, fields, cause }: PackedError): Error {
  const error = new Error(message, cause === undefined ? undefined : { cause: unpackError(cause) });
  const Class = (errors as unknown as Readonly<Record<string, { readonly prototype: object } | undefined>>)[name];
  if (Class?.prototype instanceof errors.FeatureStoreError) Object.setPrototypeOf(error, Class.prototype);
  return Object.assign(error, fields, { name }, stack === undefined ? {} : { stack });
}
