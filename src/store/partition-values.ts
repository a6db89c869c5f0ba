/**
 * Rows in key=value folders: which partition each row belongs to, and how a partition's values are written as text, in logs
 * and in names of folders.
 *
 *   day=2024-05-01/shop=M%C3%BCnchen/part-….parquet        {"day":"2024-05-01","shop":"München"}
 *
 * Law: text and value determine each other, for the types of `isPartitionable`. Null is null in the log, and
 * `__HIVE_DEFAULT_PARTITION__` as a folder.
 */
import { type Data, DataType, type RecordBatch, type Schema } from '../arrow/arrow.ts';
import { plainType } from '../arrow/canonical.ts';
import { takeRows } from '../arrow/rows.ts';
import { valueReader } from '../arrow/values.ts';
import { ArgumentError, SchemaMismatchError } from '../base/errors.ts';
import { didYouMean } from '../base/names.ts';
import { dayUs, parseInstant } from '../base/time.ts';
import type { Constant } from './conform.ts';
import { nullFolder } from './partitions.ts';

/** By column; as text, null where the rows have null. */
export type PartitionValues = Readonly<Record<string, string | null>>;

/** More than this are a mistake: each takes a folder and a file. */
const partitionsMax = 10_000;
const folderBytesMax = 255;

/** Throws unless every column is there, can be the name of a folder, and leaves others to be stored. */
export function checkPartitionBy(table: string, schema: Schema, partitionBy: readonly string[]): void {
  const names = schema.fields.map(({ name }) => name);
  partitionBy.forEach((column, index) => {
    const field = schema.fields.find(({ name }) => name === column);
    if (field === undefined) throw new SchemaMismatchError(table, column, `partitionBy names no column; there are ${names.join(', ')}${didYouMean(column, names)}`);
    if (partitionBy.indexOf(column) !== index) throw new ArgumentError('partitionBy', `${column} is named twice`);
    if (!isPartitionable(plainType(field.type))) {
      throw new SchemaMismatchError(table, column, `${field.type} cannot be the name of a folder; partition by integers, strings, booleans or dates`);
    }
  });
  if (partitionBy.length === names.length && names.length > 0) throw new ArgumentError('partitionBy', `names all columns of ${table}; files need at least one`);
}

function isPartitionable(type: DataType): boolean {
  return DataType.isInt(type) || DataType.isUtf8(type) || DataType.isLargeUtf8(type) || DataType.isBool(type) || (DataType.isDate(type) && type.unit === 0);
}

/** The folders of a partition, joined by '/'; '' when the table is not partitioned. */
export function partitionFolder(table: string, columns: readonly string[], values: PartitionValues): string {
  return columns.map((column) => {
    const value = values[column]!;
    const folder = `${encodeURIComponent(column).replace(/^\./, '%2E')}=${value === null ? nullFolder : encodeURIComponent(value)}`;
    if (folder.length <= folderBytesMax) return folder;
    throw new ArgumentError('partitionBy', `a value of column ${column} of ${table} makes a folder's name of ${folder.length} bytes, and ${folderBytesMax} are the most; do not partition by long texts`);
  }).join('/');
}

/** What all rows of a file of that partition have. `values` is what a log told. */
export function partitionConstants(table: string, schema: Schema, values: PartitionValues): Constant[] {
  return Object.entries(values).map(([column, text]) => {
    const field = schema.fields.find(({ name }) => name === column);
    if (field === undefined) throw new SchemaMismatchError(table, column, 'the log has files partitioned by it, but there is no such column');
    return { field, value: text === null ? null : valueOfText(plainType(field.type), text) };
  });
}

function valueOfText(type: DataType, text: string): Constant['value'] {
  if (DataType.isInt(type)) return type.bitWidth === 64 ? BigInt(text) : Number(text);
  if (DataType.isBool(type)) return text === 'true';
  return DataType.isDate(type) ? Number(parseInstant(text) / dayUs) : text;
}

export interface Partition {
  readonly values: PartitionValues;
  /** Rows without the partition's columns, in the order of the batch. */
  readonly rows: RecordBatch;
}

/** The rows of a batch by partition, in order of first appearance. */
export function splitByPartition(table: string, batch: RecordBatch, columns: readonly string[]): Partition[] {
  if (batch.numRows === 0) return [];
  const readers = columns.map((column) => textReader(column, batch.data.children[batch.schema.fields.findIndex(({ name }) => name === column)]!));
  const partitions = new Map<string, { readonly values: PartitionValues; readonly rows: number[] }>();
  for (let row = 0; row < batch.numRows; row++) {
    const texts = readers.map((read) => read(row));
    const key = JSON.stringify(texts);
    let partition = partitions.get(key);
    if (partition === undefined) {
      partition = { values: Object.fromEntries(columns.map((column, i) => [column, texts[i]!])), rows: [] };
      partitions.set(key, partition);
      checkCount(table, columns, partitions.size);
    }
    partition.rows.push(row);
  }
  const others = batch.selectAt(batch.schema.fields.flatMap(({ name }, index) => (columns.includes(name) ? [] : [index])));
  return Array.from(partitions.values(), ({ values, rows }) => ({
    values, rows: rows.length === batch.numRows ? others : takeRows(others, Uint32Array.from(rows)),
  }));
}

export function checkCount(table: string, columns: readonly string[], count: number): void {
  if (count <= partitionsMax) return;
  throw new ArgumentError('partitionBy', `${columns.join(', ')} would cut ${table} into more than ${partitionsMax} folders; partition by columns of fewer values`);
}

function textReader(column: string, data: Data): (row: number) => string | null {
  const read = valueReader(data);
  const isDate = DataType.isDate(data.type);
  return (row) => {
    const value = read(row);
    if (value === null) return null;
    const text = String(value);
    if (!isDate || /^\d{4}-/.test(text)) return text;
    throw new ArgumentError('partitionBy', `column ${column} has the date ${text}; only the years 0000 to 9999 can be names of folders`);
  };
}
