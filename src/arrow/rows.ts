/**
 * Rows of canonical tables (see canonical.ts): picked by position, and matched by key between two sorted tables.
 */
import { invariant } from '../base/errors.ts';
import { canonicalTable, tableOfColumns } from './canonical.ts';
import { type Data, DataType, makeData, type RecordBatch, Schema, type Table, Type } from './arrow.ts';

/**
 * For each row of `base` the position of the row of `other` with the same key, or −1. Both are canonical and ascend by
 * `keys`, without doubles: one merge, no hashing.
 */
export function alignByKey(base: Table, other: Table, keys: readonly string[]): Int32Array {
  const positions = new Int32Array(base.numRows).fill(-1);
  if (other.numRows === 0) return positions;
  const compare = keyComparer(base, other, keys);
  let candidate = 0;
  for (let row = 0; row < base.numRows; row++) {
    let order = -1;
    while (candidate < other.numRows && (order = compare(candidate, row)) < 0) candidate++;
    if (candidate === other.numRows) break;
    if (order === 0) positions[row] = candidate;
  }
  return positions;
}

/** Compares row `b` of the other table with row `a` of the base: negative when the other's comes first. */
function keyComparer(base: Table, other: Table, keys: readonly string[]): (b: number, a: number) => number {
  const comparers = keys.map((key) => valueComparer(columnOf(other, key), columnOf(base, key)));
  return (b, a) => {
    for (const compare of comparers) {
      const order = compare(b, a);
      if (order !== 0) return order;
    }
    return 0;
  };
}

function valueComparer(left: Data, right: Data): (i: number, j: number) => number {
  if (DataType.isUtf8(left.type) || DataType.isLargeUtf8(left.type) || DataType.isBinary(left.type)) {
    const [a, b] = [spanOf(left), spanOf(right)];
    return (i, j) => Buffer.compare(a(i), b(j));
  }
  if (left.type.typeId === Type.Bool) {
    const [a, b] = [left.values as Uint8Array, right.values as Uint8Array];
    return (i, j) => ((a[i >> 3]! >> (i & 7)) & 1) - ((b[j >> 3]! >> (j & 7)) & 1);
  }
  const [a, b] = [left.values as ArrayLike<number | bigint>, right.values as ArrayLike<number | bigint>];
  return (i, j) => (a[i]! < b[j]! ? -1 : a[i]! > b[j]! ? 1 : 0);
}

function spanOf(data: Data): (row: number) => Uint8Array {
  const offsets = data.valueOffsets as unknown as ArrayLike<number | bigint>;
  const bytes = data.values as Uint8Array;
  return (row) => bytes.subarray(Number(offsets[row]!), Number(offsets[row + 1]!));
}

/**
 * A column of a canonical table. Not by `getChild`: what a Vector was made of is not freed by a scavenge, only when V8 looks through the
 * whole heap, as buffers of some megabytes have it do every third answer.
 */
export function columnOf(table: Table, name: string): Data {
  const column = table.schema.fields.findIndex((field) => field.name === name);
  invariant(column >= 0 && table.batches.length === 1, `no canonical column ${name}`);
  return table.batches[0]!.data.children[column]!;
}

/**
 * The rows at `positions`, in that order, as a canonical table. A position of −1 gives null, or zero in the columns named
 * by `zeroes` (which must be numbers). Copies.
 */
export function pickRows(table: Table, positions: Int32Array, zeroes: ReadonlySet<string> = new Set()): Table {
  const rows = positions.length;
  const columns = table.schema.fields.map((field) =>
    pickColumn(table.numRows === 0 ? undefined : columnOf(table, field.name), field.type, positions, zeroes.has(field.name)),
  );
  return tableOfColumns(table.schema, columns, rows);
}

function pickColumn(data: Data | undefined, type: DataType, positions: Int32Array, zeroWhereMissing: boolean): Data {
  const rows = positions.length;
  const bitmap = new Uint8Array((rows + 7) >> 3);
  let nullCount = 0;
  for (let row = 0; row < rows; row++) {
    const position = positions[row]!;
    if (position < 0 ? zeroWhereMissing : validAt(data!, position)) bitmap[row >> 3]! |= 1 << (row & 7);
    else nullCount++;
  }
  const common = { length: rows, nullCount, ...(nullCount > 0 && { nullBitmap: bitmap }) };
  if (DataType.isNull(type)) return makeData({ type, length: rows });
  if (type.typeId === Type.Bool) {
    const values = new Uint8Array((rows + 7) >> 3);
    const source = data?.values as Uint8Array;
    for (let row = 0; row < rows; row++) {
      const position = positions[row]!;
      if (position >= 0 && (source[position >> 3]! >> (position & 7)) & 1) values[row >> 3]! |= 1 << (row & 7);
    }
    return makeData({ type, data: values, ...common } as never);
  }
  if (DataType.isUtf8(type) || DataType.isBinary(type) || DataType.isLargeUtf8(type) || DataType.isLargeBinary(type)) {
    return pickBytes(data, type, positions, common);
  }
  const stride = DataType.isDecimal(type) ? type.bitWidth / 32 : DataType.isFixedSizeBinary(type) ? type.byteWidth : 1;
  const values = new (type.ArrayType as new (length: number) => Uint8Array)(rows * stride);
  const source = data?.values as Uint8Array;
  for (let row = 0; row < rows; row++) {
    const position = positions[row]!;
    if (position < 0) continue;
    for (let k = 0; k < stride; k++) values[row * stride + k] = source[position * stride + k]!;
  }
  return makeData({ type, data: values, ...common } as never);
}

function pickBytes(data: Data | undefined, type: DataType, positions: Int32Array, common: object): Data {
  const span = data === undefined ? () => new Uint8Array(0) : spanOf(data);
  const starts = new Float64Array(positions.length + 1);
  for (let row = 0; row < positions.length; row++) {
    starts[row + 1] = starts[row]! + (positions[row]! < 0 ? 0 : span(positions[row]!).length);
  }
  const values = new Uint8Array(starts[positions.length]!);
  for (let row = 0; row < positions.length; row++) if (positions[row]! >= 0) values.set(span(positions[row]!), starts[row]!);
  const large = DataType.isLargeUtf8(type) || DataType.isLargeBinary(type);
  const valueOffsets = large ? BigInt64Array.from(starts, (start) => BigInt(start)) : Int32Array.from(starts);
  return makeData({ type, valueOffsets, data: values, ...common } as never);
}

function validAt(data: Data, row: number): boolean {
  const bitmap = data.nullBitmap;
  return !bitmap || bitmap.length === 0 || ((bitmap[row >> 3]! >> (row & 7)) & 1) === 1;
}

/** The named columns of a canonical table, in that order. Aliases. */
export function pickColumns(table: Table, names: readonly string[]): Table {
  const fields = names.map((name) => {
    const field = table.schema.fields.find((candidate) => candidate.name === name);
    invariant(field, `no column ${name}`);
    return field;
  });
  const data = fields.map((field) => columnOf(table, field.name));
  return tableOfColumns(new Schema(fields), data, table.numRows);
}

/** Of the rows that share a key the last one, in ascending order of key; null keys first. The table is canonical. */
export function lastOfEachKey(table: Table, keys: readonly string[]): Table {
  if (table.numRows === 0) return table;
  const columns = keys.map((key) => columnOf(table, key));
  const comparers = columns.map((column) => valueComparer(column, column));
  const compare = (a: number, b: number): number => {
    for (let key = 0; key < columns.length; key++) {
      const validities = Number(validAt(columns[key]!, a)) - Number(validAt(columns[key]!, b));
      const order = validities || comparers[key]!(a, b);
      if (order !== 0) return order;
    }
    return 0;
  };
  const sorted = Int32Array.from({ length: table.numRows }, (_, row) => row).sort((a, b) => compare(a, b) || a - b);
  return pickRows(table, sorted.filter((row, i) => i + 1 === sorted.length || compare(row, sorted[i + 1]!) !== 0));
}

/** The rows of a batch at these positions, in that order, in the canonical layout. Copies. */
export function takeRows(batch: RecordBatch, rows: Uint32Array): RecordBatch {
  const table = canonicalTable(batch.schema, [batch]);
  return pickRows(table, Int32Array.from(rows)).batches[0]!;
}
