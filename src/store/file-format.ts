/**
 * What a format of data files has to offer, so that tables need not know which they consist of: open → plan → scan, encode.
 *
 *   open   what the end of a file says of the rest, checked against the file
 *   plan   which parts (row groups, stripes) and which bytes of them; pure, plain data that other threads can be given
 *   scan   the rows of a plan, in file order
 *
 * Law: metadata and plans go back only to the format that made them. The formats are listed in file-formats.ts.
 */
import type { RecordBatch, Schema } from '../arrow/arrow.ts';
import type { ColumnMemory } from '../arrow/column-memory.ts';
import type { FileBytes } from './bytes.ts';
import type { ScanOptions, TimeSpan } from './table.ts';

export type FileFormatName = 'parquet' | 'orc';

/** A file whose metadata was read and checked. */
export interface FileMetadata {
  readonly name: string;
  readonly rows: number;
  /** The flat columns that can be read. */
  readonly schema: Schema;
  /** The other columns, and why. */
  readonly passedOver: readonly { readonly column: string; readonly why: string }[];
  /** The names of columns by the ids that table formats give them, where the file has such ids. */
  readonly fieldIds?: ReadonlyMap<number, string> | undefined;
}

/** What a scan of one file reads. */
export interface FilePlan {
  readonly columns: readonly string[];
  readonly rows: number;
  readonly bytes: number;
}

/** Rows of a file that follow each other; `first` counts from the file's first row. */
export interface RowStretch {
  readonly first: number;
  readonly rows: number;
}

export interface FileScanOptions {
  readonly signal?: AbortSignal | undefined;
  /** Rows outside of the plan's time range may be left out; otherwise all rows of its stretches come. */
  readonly pruned: boolean;
  /** A batch need be good until the next is asked for only. */
  readonly lent: boolean;
  /** Where columns that are lent may lie, so that they need not be copied there. */
  readonly memory?: ColumnMemory | undefined;
}

export type ParquetCompression = 'snappy' | 'lz4_raw' | 'zstd' | 'gzip' | 'brotli' | 'uncompressed';

export interface FileEncodeOptions {
  /** How many rows a part has at most. */
  readonly partRows?: number | undefined;
  /** Of Parquet; Snappy unless told otherwise. */
  readonly compression?: ParquetCompression | undefined;
}

export interface FileFormat<Metadata extends FileMetadata = FileMetadata, Plan extends FilePlan = FilePlan> {
  readonly name: FileFormatName;
  /** As people write it. */
  readonly title: string;
  /** Of file names, with the dot. */
  readonly ending: string;
  /** What its files begin with. */
  readonly beginning: string;
  open(bytes: FileBytes): Promise<Metadata>;
  /** How many parts the file has. */
  partsOf(metadata: Metadata): number;
  /** Throws SchemaMismatchError for a column that is not there, UnsupportedError for one that cannot be read. */
  plan(metadata: Metadata, options: ScanOptions): Plan;
  /** The event times of its rows, as far as its statistics tell. */
  timeSpan(metadata: Metadata, column: string): TimeSpan | undefined;
  /** How many parts the plan reads. */
  partsRead(plan: Plan): number;
  /** Which rows the plan reads, in file order; those that a scan which is pruned leaves out among them. */
  stretchesOf(metadata: Metadata, plan: Plan): RowStretch[];
  /** The plan in parts that are read on their own; `rowsMin` of the rows before a part: how many it has at least, as far as there are so many. */
  cut(metadata: Metadata, plan: Plan, rowsMin: (done: number) => number): Plan[];
  /** Text may come as a dictionary of the column's type. */
  scan(bytes: FileBytes, metadata: Metadata, plan: Plan, options: FileScanOptions): AsyncGenerator<RecordBatch, void, void>;
  /** The bytes of one file; the columns of each batch are those of `schema`, in its order. */
  encode(schema: Schema, batches: readonly RecordBatch[], options: FileEncodeOptions): Uint8Array;
}
