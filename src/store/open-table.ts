/** Tables on their own, by path: opened whatever they are, written in the format that is asked for. */
import { type RecordBatch, type Schema, Table } from '../arrow/arrow.ts';
import { decodeBatch } from './conform.ts';
import { ArgumentError, CommitConflictError } from '../base/errors.ts';
import { didYouMean } from '../base/names.ts';
import { type Instant, parseInstant } from '../base/time.ts';
import type { Bytes } from './bytes.ts';
import { placeAt, type StorageOptions } from './bytes-at.ts';
import { requestedSchema } from './data-files.ts';
import type { DeltaCommitRequest } from './delta/write-plan.ts';
import { openStored } from './source.ts';
import type { ScanOptions, ScanPlan, Snapshot } from './table.ts';
import { kindOfTable, openWritable, type TableFormat } from './tables.ts';

/** One version of a table. `timeRange` prunes what is read: rows outside may still come, as in every scan. */
export interface OpenedTable {
  readonly schema: Schema;
  readonly version: string;
  readonly format: Snapshot['format'];
  read(options?: ScanOptions): Promise<Table>;
  scan(options?: ScanOptions): AsyncGenerator<RecordBatch, void, void>;
  plan(options?: ScanOptions): Promise<ScanPlan>;
}

export interface OpenTableOptions extends StorageOptions {
  /** A number; for tables with a log only. */
  readonly version?: number;
  /** The version that was the newest then; for tables with a log only. */
  readonly timestamp?: Instant;
  readonly signal?: AbortSignal;
}

/** Opens the file, folder or table at a path. */
export async function openTable(path: string, { timestamp, s3, env, ...options }: OpenTableOptions = {}): Promise<OpenedTable> {
  const { bytes, name } = placeAt(path, { s3, env });
  if (timestamp !== undefined && options.version !== undefined) throw new ArgumentError('timestamp', 'a version is asked for by its number or by a time, not by both');
  const snapshot = await openStored(bytes, name).snapshot({ ...options, ...(timestamp !== undefined && { timestampUs: parseInstant(timestamp, 'timestamp') }) });
  const target = { name: snapshot.name, schema: snapshot.schema, passedOver: snapshot.passedOver ?? [] };
  const rowsOf = async function* (scanOptions: ScanOptions = {}): AsyncGenerator<RecordBatch, void, void> {
    const schema = requestedSchema(target, scanOptions);
    // Inside, strings may stay dictionaries; whoever reads a table on its own gets the types that its schema names.
    for await (const batch of snapshot.scan(scanOptions)) yield decodeBatch(batch, schema);
  };
  return {
    schema: snapshot.schema,
    version: snapshot.version,
    format: snapshot.format,
    scan: rowsOf,
    plan: (scanOptions) => snapshot.plan(scanOptions),
    async read(scanOptions) {
      const batches: RecordBatch[] = [];
      for await (const batch of rowsOf(scanOptions)) batches.push(batch);
      return new Table(requestedSchema(target, scanOptions ?? {}), batches);
    },
  };
}

export interface WriteTableOptions extends StorageOptions {
  /** Absent: as the table has it; Parquet where there is none yet. */
  readonly format?: TableFormat;
  /** What to do when there is a table already; `error` unless told otherwise. */
  readonly mode?: 'append' | 'overwrite' | 'error';
  /** Columns whose values become key=value folders. Absent: as the table has it; none where there is none yet. */
  readonly partitionBy?: string | readonly string[];
  /** Delta, append: columns that the table lacks are added to it; columns that the rows lack are null in them. */
  readonly mergeSchema?: boolean;
  /** Delta, overwrite: only rows with these values in columns that the table is partitioned by are replaced; all new rows must have them. */
  readonly replaceWhere?: Readonly<Record<string, string | number | bigint | boolean | Date | null>>;
  /** Delta: the write is done once, however often it is tried, if it has a version above those that the application wrote before. */
  readonly transaction?: { readonly application: string; readonly version: number };
  readonly signal?: AbortSignal;
  readonly onProgress?: (rows: number) => void;
}

/** Writes the rows as one commit; readers see all of them or none. */
export async function writeTable(path: string, table: Table, options: WriteTableOptions = {}): Promise<{ readonly version: number }> {
  const { format, mode = 'error', partitionBy, s3, env, mergeSchema, replaceWhere, transaction, ...staging } = options;
  const modes = ['append', 'overwrite', 'error'];
  if (!Array.isArray(table?.batches)) throw new ArgumentError('table', 'expected an Arrow table');
  if (partitionBy !== undefined && !(typeof partitionBy === 'string' || (Array.isArray(partitionBy) && partitionBy.every((column) => typeof column === 'string')))) {
    throw new ArgumentError('partitionBy', 'expected the name of a column, or a list of names');
  }
  if (!modes.includes(mode)) throw new ArgumentError('mode', `'${mode}' is not one of ${modes.join(', ')}${didYouMean(mode, modes)}`);
  const { bytes, name } = placeAt(path, { s3, env });
  const where = bytes.locate(name);
  const found = await kindThere(bytes, name);
  const tableFormat = format ?? (found === 'delta' ? found : undefined);
  const special = deltaRequest({ mergeSchema, replaceWhere, transaction }, mode, tableFormat);
  const own = openWritable(bytes, name, tableFormat, partitionBy === undefined ? {} : { partitionBy: typeof partitionBy === 'string' ? [partitionBy] : partitionBy });
  if (mode === 'error' && (await own.trySnapshot()) !== undefined) {
    throw new ArgumentError('path', `${where} is a table already; use mode: 'append' or 'overwrite'`);
  }
  const add = await own.stage(table.schema, table.batches, staging);
  try {
    for (let attempt = 0; attempt < 20; attempt++) {
      const readVersion = mode === 'error' ? -1 : ((await own.trySnapshot())?.versionNumber ?? -1);
      const request = { ...special, readVersion, kind: mode === 'append' ? 'append' : 'overwrite', schema: table.schema, add, info: {} } as const;
      const result = await own.commit(request);
      if (result.kind === 'committed') return { version: result.version };
      if (mode === 'error') throw new CommitConflictError(where, result.winner, 'another writer made this table meanwhile');
    }
    throw new CommitConflictError(where, -1, 'other writers were faster each time; write again when there are fewer');
  } catch (thrown) {
    // The cause is what the caller must hear of; files that cannot be removed now are vacuumed later.
    await own.discard(add).catch(() => undefined);
    throw thrown;
  }
}

/** What only Delta tables do. Throws for another table, and where it makes no sense. */
function deltaRequest(
  options: { readonly [Option in 'mergeSchema' | 'replaceWhere' | 'transaction']: WriteTableOptions[Option] | undefined }, mode: WriteTableOptions['mode'], format: TableFormat | undefined,
): Pick<DeltaCommitRequest, 'mayAddColumns' | 'replace' | 'transaction'> {
  const { mergeSchema, replaceWhere, transaction } = options;
  const given = Object.entries(options).find(([, value]) => value !== undefined)?.[0];
  if (given !== undefined && format !== 'delta') throw new ArgumentError(given, `only Delta tables have it; this table is ${format ?? 'not one'}`);
  if (mergeSchema && mode !== 'append') throw new ArgumentError('mergeSchema', `goes with mode: 'append', not '${mode}'`);
  if (replaceWhere !== undefined && mode !== 'overwrite') throw new ArgumentError('replaceWhere', `goes with mode: 'overwrite', not '${mode}'`);
  if (replaceWhere !== undefined && Object.keys(replaceWhere).length === 0) throw new ArgumentError('replaceWhere', 'names no column; leave it out to replace all rows');
  if (transaction !== undefined && !Number.isSafeInteger(transaction.version)) throw new ArgumentError('transaction', `its version is to be a whole number; found ${transaction.version}`);
  const textOf = (value: unknown): string | null => (value === null ? null : value instanceof Date ? value.toISOString().slice(0, 10) : String(value));
  return {
    ...(mergeSchema && { mayAddColumns: true }),
    ...(replaceWhere && { replace: [Object.fromEntries(Object.entries(replaceWhere).map(([column, value]) => [column, textOf(value)]))] }),
    ...(transaction && { transaction }),
  };
}

/** The kind of table that is there. Files that others have put there would neither be seen by our log nor be ours to remove. */
async function kindThere(bytes: Bytes, name: string): Promise<Awaited<ReturnType<typeof kindOfTable>>> {
  const where = bytes.locate(name);
  if ((await bytes.kind(name)) === 'file') throw new ArgumentError('path', `${where} is a file; give the path of a folder`);
  const kind = await kindOfTable(bytes, name);
  if (kind !== undefined) return kind;
  const names = ((await bytes.names(name)) ?? []).filter((entry) => entry !== '_staged');
  if (names.length > 0) {
    throw new ArgumentError('path', `${where} is no table of this library, and not empty (${names.slice(0, 3).join(', ')}); choose another folder`);
  }
  return undefined;
}
