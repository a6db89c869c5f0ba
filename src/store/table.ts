/**
 * The one contract of every table, whatever its format: snapshot → plan → scan; stage → commit.
 *
 *   snapshot   which files, with which statistics, at which version: fixed for as long as the caller holds it
 *   plan       what of it must be read for these columns and this stretch of time; pure, can be printed
 *   scan       the rows, a batch at a time; pruning may only be wrong on the safe side, so the caller filters again
 *   stage      new files, written where no reader looks
 *   commit     one put-if-absent that makes them the table's, or finds that another writer was faster
 */
import type { RecordBatch, Schema, Table } from '../arrow/arrow.ts';
import type { TimeRange } from '../base/time.ts';

export interface ScanOptions {
  /** Top-level columns to read, in this order; absent: all that are not nested. */
  readonly columns?: readonly string[];
  /** Rows outside may be left out (by file, row group and page), but need not be. */
  readonly timeRange?: { readonly column: string; readonly range: TimeRange };
  /** Rows that have none of these whole numbers or strings in the column may be left out, but need not be. */
  readonly anyOf?: { readonly column: string; readonly values: readonly (bigint | string)[] };
  readonly signal?: AbortSignal;
}

/** What a scan would read. `unit`s are row groups or stripes; the counts are before and after pruning. */
export interface ScanPlan {
  readonly columns: readonly string[];
  readonly files: number;
  readonly filesTotal: number;
  readonly units: number;
  readonly unitsTotal: number;
  readonly rows: number;
  readonly rowsTotal: number;
  readonly bytes: number;
}

/** Rows of a scan that another thread can fetch: `rowsOf` of this module, called with `argument`, gives its batches. */
export interface RowUnit {
  /** The module's URL. */
  readonly module: string;
  /** Plain data, which can be cloned. */
  readonly argument: unknown;
  readonly rows: number;
}

/** A data file of a version. */
export interface SnapshotFile {
  readonly path: string;
  readonly size: number;
  readonly modifiedNs: bigint;
  /** The same text if and only if it gives the same rows; no two files of a version have the same. */
  readonly id: string;
}

/** The event times of a file's rows, both included, rounded outwards to microseconds; undefined where there are none. */
export interface TimeSpan {
  readonly firstUs: bigint | undefined;
  readonly lastUs: bigint | undefined;
  /** How many rows have no event time. */
  readonly nulls: number;
}

/** One version of a table. */
export interface Snapshot {
  /** For messages: the path, or the registered name. */
  readonly name: string;
  readonly format: 'parquet' | 'delta' | 'orc' | 'memory';
  /**
   * The version: the same string if and only if a read gives the same rows. For tables with a log its number and what
   * tells it from the same number of a table that was deleted and made anew; for folders and files a digest of the list
   * of files with size and modification time.
   */
  readonly version: string;
  readonly schema: Schema;
  /** What its rows are read from, where that is a table in memory. */
  readonly table?: Table;
  /** Columns that are there but cannot be read, and why. */
  readonly passedOver?: readonly { readonly column: string; readonly why: string }[];
  /** The data files that the version consists of, in the order of their rows. Absent for tables in memory. */
  readonly files?: readonly SnapshotFile[];
  /** The same table with only those of its files whose `id` is among these. Present where `files` is. */
  only?(ids: ReadonlySet<string>): Snapshot;
  /** By the `id` of a file; those of which nobody says it are missing. Present where `files` is. */
  timeSpans?(column: string): Promise<ReadonlyMap<string, TimeSpan>>;
  plan(options?: ScanOptions): Promise<ScanPlan>;
  /** Rows in file order; a batch may be empty. Stops early without harm when the caller stops. */
  scan(options?: ScanOptions): AsyncGenerator<RecordBatch, void, void>;
  /** The rows of a scan in parts, for several threads to read. Absent or undefined where only this thread can read them. */
  units?(options?: ScanOptions): Promise<readonly RowUnit[] | undefined>;
}

/** Which version of a table; by default the newest. Older ones are known to tables with a log only. */
export interface SnapshotOptions {
  readonly version?: number;
  /** The version that was the newest at this time, in microseconds since the epoch. */
  readonly timestampUs?: bigint;
  readonly signal?: AbortSignal;
}

/** Anything that can be read: a source layer's table, a registered Arrow table, a table of our own. */
export interface ReadableTable {
  readonly name: string;
  /** Throws NotFoundError when there is no table, or no such version. */
  snapshot(options?: SnapshotOptions): Promise<Snapshot>;
}

/** A data file that was written but belongs to no version yet. */
export interface StagedFile {
  /** Where it will live, from the table's folder on. */
  readonly path: string;
  /** What all its rows have in the partition columns, which it lacks; as text. Absent: the table is not partitioned. */
  readonly partitionValues?: Readonly<Record<string, string | null>>;
  readonly rows: number;
  /** Row groups, or stripes; absent: one. */
  readonly parts?: number;
  readonly bytes: number;
  readonly checksum: string;
  /** Delta's statistics of the file (numRecords, minValues, maxValues, nullCount), as JSON. */
  readonly stats: string;
}

export interface CommitRequest {
  /** What the writer has read, -1 for "no table yet": a later version is a conflict, unless the commit only appends. */
  readonly readVersion: number;
  readonly kind: 'append' | 'overwrite';
  /** Of an overwrite: the files of this version stay, but for these. They have the same schema. Absent: none stays. */
  readonly keep?: { readonly version: number; readonly without: ReadonlySet<SnapshotFile['id']> };
  readonly schema: Schema;
  readonly add: readonly StagedFile[];
  /** Facts to keep with the version, such as the source fingerprint it covers; JSON values only. */
  readonly info: Readonly<Record<string, unknown>>;
}

export type CommitResult =
  | { readonly kind: 'committed'; readonly version: number }
  | { readonly kind: 'conflict'; readonly winner: number };

/** A snapshot of a table of ours: also knows the facts that were committed with it. */
export interface OwnSnapshot extends Snapshot {
  readonly versionNumber: number;
  readonly info: Readonly<Record<string, unknown>>;
  readonly rows: number;
  readonly bytes: number;
  readonly committedAtMs: number;
}

export interface Compaction {
  readonly version: number;
  /** How many files were replaced, and by how many. */
  readonly filesBefore: number;
  readonly filesAfter: number;
}

/** A table of our own, with a commit log. */
export interface OwnTable extends ReadableTable {
  /** Undefined when nothing was ever committed. */
  trySnapshot(options?: SnapshotOptions): Promise<OwnSnapshot | undefined>;
  snapshot(options?: SnapshotOptions): Promise<OwnSnapshot>;
  stage(
    schema: Schema,
    batches: AsyncIterable<RecordBatch> | Iterable<RecordBatch>,
    options?: { readonly signal?: AbortSignal; readonly onProgress?: (rows: number) => void },
  ): Promise<StagedFile[]>;
  commit(request: CommitRequest): Promise<CommitResult>;
  /** Removes what a failed or cancelled writer staged. */
  discard(staged: readonly StagedFile[]): Promise<void>;
  /** Puts small files together, as a version of the same rows. Undefined when there was nothing to gain. */
  compact(options?: { readonly signal?: AbortSignal }): Promise<Compaction | undefined>;
  /**
   * Deletes files that no version within the retention refers to, nor `keepVersion`, which something else still names; says
   * how many and how large they were.
   */
  vacuum(options: { readonly retentionMs?: number; readonly nowMs: number; readonly keepVersion?: number }): Promise<{ files: number; bytes: number }>;
}
