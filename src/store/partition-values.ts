/**
 * Rows in key=value folders: which partition each row belongs to, and how a partition's values are written as text, in logs
 * and in names of folders.
 *
 *   day=2024-05-01/shop=München%2FOst/part-….parquet        {"day":"2024-05-01","shop":"München/Ost"}
 *
 * Law: text and value determine each other, for the types of `isPartitionable`. Null is null in the log, and
 * `__HIVE_DEFAULT_PARTITION__` as a folder.
 */
import { type Data, DataType, type RecordBatch, type Schema } from '../arrow/arrow.ts';
import { canonicalTable, plainType } from '../arrow/canonical.ts';
import { pickRows } from '../arrow/rows.ts';
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

/** The folders of a partition, joined by '/'; '' when the table is not partitioned. `escaped` writes a name or value into a folder's name. */
export function partitionFolder(table: string, columns: readonly string[], values: PartitionValues, escaped: (text: string) => string = withLetters): string {
  return columns.map((column) => {
    const value = values[column]!;
    const folder = `${escaped(column).replace(/^\./, '%2E')}=${value === null ? nullFolder : escaped(value)}`;
    const bytes = Buffer.byteLength(folder);
    if (bytes <= folderBytesMax) return folder;
    throw new ArgumentError('partitionBy', `a value of column ${column} of ${table} makes a folder's name of ${bytes} bytes, and ${folderBytesMax} are the most; do not partition by long texts`);
  }).join('/');
}

/** Escaped as a URL, and `*`, too: engines escape it when they write a path again, so that delta-rs would not find what it is to remove. */
export function inAscii(text: string): string {
  return encodeURIComponent(text).replaceAll('*', '%2A');
}

/** Escaped so, but for letters beyond ASCII: Spark takes each escape for a character, others for a byte of UTF-8. */
function withLetters(text: string): string {
  return inAscii(text).replace(/(?:%[89A-F][0-9A-F])+/g, decodeURIComponent);
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
  const coded = columns.map((column) => codesOf(column, batch.data.children[batch.schema.fields.findIndex(({ name }) => name === column)]!));
  const { ids, firstRows, counts } = partitionIds(coded, batch.numRows);
  checkCount(table, columns, counts.length);
  const others = batch.selectAt(batch.schema.fields.flatMap(({ name }, index) => (columns.includes(name) ? [] : [index])));
  const valuesAt = (row: number): PartitionValues => Object.fromEntries(columns.map((column, i) => [column, coded[i]!.texts[coded[i]!.codes[row]!]!]));
  if (counts.length === 1) return [{ values: valuesAt(0), rows: others }];
  const rowsOf = counts.map((count) => new Int32Array(count));
  const filled = new Uint32Array(counts.length);
  for (let row = 0; row < batch.numRows; row++) rowsOf[ids[row]!]![filled[ids[row]!]!++] = row;
  const whole = canonicalTable(others.schema, [others]);
  return rowsOf.map((rows, id) => ({ values: valuesAt(firstRows[id]!), rows: pickRows(whole, rows).batches[0]! }));
}

interface Coded {
  /** For each row, which of the texts. */
  readonly codes: Uint32Array;
  readonly texts: readonly (string | null)[];
}

/** Dense ids of the combinations of codes, in order of first appearance. */
function partitionIds(coded: readonly Coded[], rows: number): { ids: Uint32Array; firstRows: number[]; counts: number[] } {
  let ids = new Uint32Array(rows);
  let firstRows: number[] = [];
  // A column at a time, so that a pair of numbers is never too large to be one.
  for (const { codes, texts } of coded) {
    const known = new Map<number, number>();
    const paired = new Uint32Array(rows);
    firstRows = [];
    for (let row = 0; row < rows; row++) {
      const pair = ids[row]! * texts.length + codes[row]!;
      let id = known.get(pair);
      if (id === undefined) {
        id = firstRows.push(row) - 1;
        known.set(pair, id);
      }
      paired[row] = id;
    }
    ids = paired;
  }
  const counts = firstRows.map(() => 0);
  for (let row = 0; row < rows; row++) counts[ids[row]!]!++;
  return { ids, firstRows, counts };
}

export function checkCount(table: string, columns: readonly string[], count: number): void {
  if (count <= partitionsMax) return;
  throw new ArgumentError('partitionBy', `${columns.join(', ')} would cut ${table} into more than ${partitionsMax} folders; partition by columns of fewer values`);
}

/** Each distinct value's text once, and for each row which it is. */
function codesOf(column: string, data: Data): Coded {
  const text = textReader(column, data);
  // Numbers and codes are looked up as they are stored; only a new one is written as text.
  const stored = data.values as ArrayLike<number | bigint>;
  const isNumber = DataType.isInt(data.type) || DataType.isDate(data.type) || DataType.isDictionary(data.type);
  const [codes, texts] = [new Uint32Array(data.length), [] as (string | null)[]];
  const [known, codeOfText] = [new Map<unknown, number>(), new Map<string | null, number>()];
  for (let row = 0; row < data.length; row++) {
    const value = !data.getValid(row) ? null : isNumber ? stored[row]! : text(row);
    let code = known.get(value);
    if (code === undefined) {
      const written = text(row);
      code = codeOfText.get(written) ?? texts.push(written) - 1;
      codeOfText.set(written, code);
      known.set(value, code);
      checkCount(column, [column], texts.length);
    }
    codes[row] = code;
  }
  return { codes, texts };
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
