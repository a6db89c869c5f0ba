/**
 * A table of our own: Parquet or ORC files, and a commit log that says which of them are the table.
 *
 *   <folder>/part-….parquet            live, once settled: who reads <folder>/*.parquet sees the table
 *   <folder>/_log/…0.json, …1.json     one entry per version, put if absent: the only place where commits happen
 *   <folder>/_staged/part-….parquet    written, not yet (or only just) committed
 *   <folder>/_superseded/part-….parquet  of older versions, until vacuum
 *
 * A commit is its log entry and nothing else. Then files are settled: superseded ones out first, then new ones in. A
 * crash in between changes no answer: readers look for a file in its three places, and the next writer settles again. A
 * file moves at most twice, and always downwards in the list root → superseded or staged → root, so two rounds of
 * looking find it.
 *
 * Law: no file is deleted that the newest version uses, nor one that a version within the retention used.
 */
import { randomUUID } from 'node:crypto';
import type { RecordBatch, Schema } from '../arrow/arrow.ts';
import { ArgumentError, NotFoundError, SchemaMismatchError, StorageError, throwIfCancelled } from '../base/errors.ts';
import { type Bytes, joinPath, mapConcurrently } from './bytes.ts';
import { commitOnTop, looksAtOnce } from './commit-loop.ts';
import { planCompaction } from './compaction.ts';
import { decodeBatches } from './conform.ts';
import { scanDataFiles } from './data-files.ts';
import type { FileFormatName } from './file-format.ts';
import { formatOfPath } from './file-formats.ts';
import { filesSnapshot } from './files-snapshot.ts';
import type { LogEntry, LoggedFile, TableFacts } from './log.ts';
import { OwnFiles } from './own-files.ts';
import { TableLog, type TableState } from './own-log.ts';
import { type Places, settle, vacuum } from './own-places.ts';
import { checkPartitionBy } from './partition-values.ts';
import { identityOf, stagedPath } from './placed-file.ts';
import { checkColumns, type FileLimits, type StageOptions } from './staging.ts';
import { parseStats } from './stats.ts';
import type { CommitRequest, CommitResult, Compaction, OwnSnapshot, OwnTable, SnapshotOptions, StagedFile } from './table.ts';

export interface OwnTableOptions extends FileLimits {
  /** For messages; by default the folder's place. */
  readonly name?: string;
  /** Of the files that are written. Absent: as the table has it; Parquet where there is none yet. */
  readonly format?: FileFormatName;
  /** Columns whose values become key=value folders. Absent: as the table has it; none where there is none yet. */
  readonly partitionBy?: readonly string[];
  /** The clock that dates commits, in milliseconds. */
  readonly now?: () => number;
  /** Vacuum takes a staged file for forgotten when it is older; longer than any writer works. */
  readonly stagedAgeMs?: number;
}

/** Of Arrow data, in one file that is made of several. */
const compactedBytesMax = 512 * 1024 * 1024;

const dayMs = 86_400_000;
const defaultRetentionMs = 7 * dayMs;

/** Opens the table in a folder, which need not be there yet. */
export function openOwnTable(bytes: Bytes, folder: string, options: OwnTableOptions = {}): OwnTable {
  return new LoggedTable(bytes, folder, options);
}

/** Whether a folder holds a table of our own. */
export async function isOwnTable(bytes: Bytes, folder: string): Promise<boolean> {
  return (await bytes.kind(joinPath(folder, '_log'))) === 'folder';
}

class LoggedTable implements OwnTable {
  readonly name: string;
  private readonly log: TableLog;
  private readonly places: Places;
  private readonly files: OwnFiles;
  private readonly now: () => number;
  /** Whether files of older versions that a crash may have left in live places were looked for. */
  private isSettled = false;

  constructor(
    private readonly bytes: Bytes,
    private readonly folder: string,
    private readonly options: OwnTableOptions,
  ) {
    this.name = options.name ?? bytes.locate(folder);
    this.log = new TableLog(bytes, folder, this.name);
    this.files = new OwnFiles(bytes, folder, this.name);
    this.places = { bytes, folder, log: this.log };
    this.now = options.now ?? Date.now;
  }

  async snapshot(options: SnapshotOptions = {}): Promise<OwnSnapshot> {
    const snapshot = await this.trySnapshot(options);
    if (snapshot !== undefined) return snapshot;
    throw new NotFoundError('table', this.name, 'nothing was ever committed there; write it first');
  }

  async trySnapshot({ version, timestampUs, signal }: SnapshotOptions = {}): Promise<OwnSnapshot | undefined> {
    throwIfCancelled(signal, `opening ${this.name}`);
    const newest = await this.log.newest();
    if (newest === undefined) return undefined;
    this.files.forgetOthers(newest.live);
    const wanted = timestampUs === undefined ? (version ?? newest.head.version) : await this.log.versionAt(newest, timestampUs);
    if (wanted === newest.head.version) return this.snapshotOf(newest);
    if (!Number.isInteger(wanted) || wanted < 0 || wanted > newest.head.version) {
      throw new NotFoundError('version', String(wanted), `${this.name} has versions 0 to ${newest.head.version}`);
    }
    return this.snapshotOf(await this.log.at(wanted));
  }

  async stage(
    schema: Schema, batches: AsyncIterable<RecordBatch> | Iterable<RecordBatch>, options: StageOptions = {},
  ): Promise<StagedFile[]> {
    const table = this.factsFor(schema, await this.log.newest());
    checkPartitionBy(this.name, schema, table.partitionBy);
    return this.files.stage(table, this.options, batches, options);
  }

  async commit(request: CommitRequest): Promise<CommitResult> {
    return this.commitAs(request.add, request.readVersion, async (newest, readVersion, commitId) =>
      (await this.isOvertaken(request, readVersion, newest)) ? undefined : await this.entryFor(request, newest, commitId));
  }

  async compact(options: { readonly signal?: AbortSignal } = {}): Promise<Compaction | undefined> {
    const newest = await this.log.newest();
    const planned = newest === undefined ? [] : planCompaction([...newest.live.values()], this.options);
    if (newest === undefined || planned.length === 0) return undefined;
    // What fits one file by its size on disk does so in memory, too, but for data that hardly takes any room.
    const limits = { ...this.options, fileBytesMax: compactedBytesMax };
    const { table, head } = newest;
    const runs: CompactedRun[] = [];
    try {
      for (const before of planned) {
        const rows = decodeBatches(scanDataFiles(this.files.asData(table.schema, before, head.version), options), table.schema);
        const after = await this.files.stage(table, limits, rows, options);
        if (after.length < before.length) runs.push({ before, after });
        else await this.discard(after);
      }
      const staged = runs.flatMap(({ after }) => after);
      if (staged.length === 0) return undefined;
      const result = await this.commitAs(staged, head.version, async (now, _, commitId) => this.compactionEntry(runs, table.id, now, commitId));
      if (result.kind === 'committed') return { version: result.version, filesBefore: runs.flatMap(({ before }) => before).length, filesAfter: staged.length };
      await this.discard(staged);
      return undefined;
    } catch (thrown) {
      await this.discard(runs.flatMap(({ after }) => after)).catch(() => undefined);
      throw thrown;
    }
  }

  async discard(staged: readonly StagedFile[]): Promise<void> {
    const newest = await this.log.newest();
    for (const { path } of staged) {
      if (newest?.live.has(path) || newest?.removed.has(path)) continue;
      await this.bytes.delete(stagedPath(this.folder, path));
    }
  }

  async vacuum({ retentionMs = defaultRetentionMs, nowMs, keepVersion }: Parameters<OwnTable['vacuum']>[0]): Promise<{ files: number; bytes: number }> {
    const { stagedAgeMs = dayMs } = this.options;
    if (!(retentionMs >= 0)) throw new ArgumentError('retentionMs', `${retentionMs} is not a length of time in milliseconds`);
    return vacuum(this.places, { sinceMs: nowMs - retentionMs, forgottenMs: nowMs - stagedAgeMs, keepVersion });
  }

  // ---- commits

  /** `entryOn` says undefined when what was committed since `readVersion` cannot stand below it. */
  private commitAs(
    add: readonly StagedFile[], read: number,
    entryOn: (newest: TableState | undefined, readVersion: number, commitId: string) => Promise<LogEntry | undefined>,
  ): Promise<CommitResult> {
    // Where nothing was removed, nothing stands in a live place that should not.
    let isOnlyAdding = false;
    return commitOnTop<TableState, LogEntry>(read, {
      newest: () => this.log.newest(),
      versionOf: ({ head }) => head.version,
      tryFindOwn: async (newest, readVersion) => (add.length > 0 ? (await this.findCommitOf(add[0]!.path, newest, readVersion))?.version : undefined),
      entryOn: async (newest, readVersion, commitId) => {
        await this.checkStaged(add);
        const entry = await entryOn(newest, readVersion, commitId);
        isOnlyAdding = entry?.remove.length === 0 && (newest?.removed.size ?? 0) === 0;
        return entry;
      },
      tryAppend: (entry) => this.log.tryAppend(entry),
      // A failure to move files is left to the next writer.
      committed: () => this.settle(isOnlyAdding).catch(() => undefined),
    });
  }

  private async settle(isOnlyAdding: boolean): Promise<void> {
    await settle(this.places, { isOnlyAdding: isOnlyAdding && this.isSettled });
    this.isSettled = true;
  }

  private async checkStaged(add: readonly StagedFile[]): Promise<void> {
    await mapConcurrently(add, looksAtOnce, async ({ path }) => {
      const place = stagedPath(this.folder, path);
      if ((await this.bytes.stat(place)) !== undefined) return;
      throw new StorageError(this.bytes.locate(place), 'a staged file is gone: it was discarded, or vacuumed as forgotten. Write it again');
    });
  }

  /** Whether what was committed since `readVersion` cannot stand below the request. Throws when it never could. */
  private async isOvertaken(request: CommitRequest, readVersion: number, newest: TableState | undefined): Promise<boolean> {
    const version = newest?.head.version ?? -1;
    if (readVersion > version) {
      throw new ArgumentError('readVersion', `${readVersion} of ${this.name} does not exist; the newest version is ${version}`);
    }
    for (let between = (request.kind === 'overwrite' ? request.readVersion : readVersion) + 1; between <= version; between++) {
      const entry = between === version ? newest!.head : await this.log.tryEntry(between);
      if (entry?.kind !== 'compact' && !(entry?.kind === 'append' && request.kind === 'append')) return true;
    }
    if (newest !== undefined && request.kind === 'append') checkAppend(this.name, newest.table, request);
    return false;
  }

  private async entryFor(request: CommitRequest, newest: TableState | undefined, commitId: string): Promise<LogEntry> {
    const startsAnew = newest === undefined || request.kind === 'overwrite';
    const committedAtMs = this.now();
    const kept = await this.keptOf(request);
    const keeps = new Set(kept.map(({ path }) => path));
    return {
      version: (newest?.head.version ?? -1) + 1,
      commitId,
      kind: request.kind,
      readVersion: request.readVersion,
      committedAtMs,
      info: request.info,
      table: startsAnew ? this.factsFor(request.schema, newest) : undefined,
      remove: request.kind === 'overwrite' ? [...(newest?.live.keys() ?? [])].filter((path) => !keeps.has(path)) : [],
      add: [...kept, ...request.add.map((file) => loggedFile(file, committedAtMs))],
    };
  }

  /** The files that an overwrite leaves; those that the newest version has no more come back. */
  private async keptOf({ keep }: CommitRequest): Promise<LoggedFile[]> {
    if (keep === undefined) return [];
    const { live, head } = await this.log.at(keep.version);
    return [...live.values()].filter((file) => !keep.without.has(identityOf(this.files.placed(file, head.version))));
  }

  /** Undefined when a file was removed meanwhile. */
  private compactionEntry(
    runs: readonly CompactedRun[], tableId: string, newest: TableState | undefined, commitId: string,
  ): LogEntry | undefined {
    const remove = runs.flatMap(({ before }) => before.map(({ path }) => path));
    if (newest === undefined || newest.table.id !== tableId || remove.some((path) => !newest.live.has(path))) return undefined;
    const committedAtMs = this.now();
    const add = runs.flatMap(({ before, after }) => after.map((file) => loggedFile(file, committedAtMs, before[0]!.path)));
    const { version } = newest.head;
    return { version: version + 1, commitId, kind: 'compact', readVersion: version, committedAtMs, info: {}, table: undefined, remove, add };
  }

  /** What an overwrite would make of the table. */
  private factsFor(schema: Schema, newest: TableState | undefined): TableFacts {
    const { format, partitionBy } = this.options;
    return {
      id: newest?.table.id ?? randomUUID(),
      schema,
      format: format ?? newest?.table.format ?? 'parquet',
      partitionBy: partitionBy ?? newest?.table.partitionBy ?? [],
    };
  }

  /** The commit that already added a file: the caller has tried before, and was told of a failure that was none. */
  private async findCommitOf(path: string, newest: TableState, readVersion: number): Promise<LogEntry | undefined> {
    if (!newest.live.has(path) && !newest.removed.has(path)) return undefined;
    for (let version = newest.head.version; version > readVersion; version--) {
      const entry = version === newest.head.version ? newest.head : await this.log.tryEntry(version);
      if (entry?.add.some((file) => file.path === path)) return entry;
    }
    throw new ArgumentError('add', `${path} was committed to ${this.name} before`);
  }

  private snapshotOf({ head, content, table, live }: TableState): OwnSnapshot {
    const logged = [...live.values()];
    const files = this.files.asData(table.schema, logged, head.version);
    const listed = logged.map(({ path, size, modificationTime }) => ({ path, size, modifiedNs: BigInt(modificationTime) * 1_000_000n }));
    return {
      ...filesSnapshot({ format: table.format, version: `${content.version}-${content.commitId.slice(0, 8)}` }, files, listed),
      versionNumber: head.version,
      info: content.info,
      rows: logged.reduce((sum, file) => sum + file.rows, 0),
      bytes: logged.reduce((sum, file) => sum + file.size, 0),
      committedAtMs: content.committedAtMs,
    };
  }
}

interface CompactedRun {
  readonly before: readonly LoggedFile[];
  readonly after: readonly StagedFile[];
}

function loggedFile({ path, partitionValues = {}, bytes, rows, parts = 1, checksum, stats }: StagedFile, modificationTime: number, replaces?: string): LoggedFile {
  return { path, partitionValues, size: bytes, rows, parts, checksum, stats, modificationTime, replaces };
}

/** What is appended has the columns of the table, its format and its folders, and no null where the table says there is none. */
function checkAppend(name: string, { schema, format, partitionBy }: TableFacts, request: CommitRequest): void {
  checkColumns(name, schema, request.schema);
  for (const { path, stats, partitionValues = {} } of request.add) {
    const other = formatOfPath(path)?.name;
    if (other !== format) {
      throw new ArgumentError('format', `${name} is kept as ${format}, and ${other} files cannot be appended to it; append as ${format}, or overwrite the table to change its format`);
    }
    const columns = Object.keys(partitionValues);
    if (String(columns) !== String(partitionBy)) {
      throw new ArgumentError('partitionBy', `${name} is partitioned by ${partitionBy.join(', ') || 'nothing'}, not by ${columns.join(', ') || 'nothing'}; overwrite the table to change that`);
    }
    const { nullCount } = parseStats(stats);
    for (const { name: column, nullable } of schema.fields) {
      const nulls = partitionValues[column] === null ? 'rows' : nullCount[column];
      if (nullable || !nulls) continue;
      throw new SchemaMismatchError(name, column, `has no nulls by its schema, but ${nulls} are to be appended`);
    }
  }
}
