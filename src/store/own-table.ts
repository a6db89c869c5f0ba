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
import { setTimeout as sleep } from 'node:timers/promises';
import type { RecordBatch, Schema } from '../arrow/arrow.ts';
import {
  ArgumentError, invariant, NotFoundError, SchemaMismatchError, StorageError, throwIfCancelled, UnsupportedError,
} from '../base/errors.ts';
import { type Bytes, type FileStat, joinPath, type OpenFile } from './bytes.ts';
import { checksumOf } from './checksum.ts';
import { type DataFile, type DataFiles, metadataOf, planDataFiles, scanDataFiles } from './data-files.ts';
import type { FileFormat, FileFormatName, FileMetadata } from './file-format.ts';
import { formatNamed, formatOfPath, readMetadata } from './file-formats.ts';
import { localBytes } from './local-bytes.ts';
import type { LogEntry, LoggedFile } from './log.ts';
import { TableLog, type TableState } from './own-log.ts';
import { type CommittedFile, stagedPath, supersededPath } from './placed-file.ts';
import { planUnits } from './row-units.ts';
import { checkColumns, type FileLimits, stageFiles, type StageOptions } from './staging.ts';
import { mightContainTime, parseStats, StatsBuilder } from './stats.ts';
import type { CommitRequest, CommitResult, OwnSnapshot, OwnTable, ScanOptions, StagedFile } from './table.ts';

export interface OwnTableOptions extends FileLimits {
  /** For messages; by default the folder's place. */
  readonly name?: string;
  /** Of the files that are written. Absent: as the table has it; Parquet where there is none yet. */
  readonly format?: FileFormatName;
  /** The clock that dates commits, in milliseconds. */
  readonly now?: () => number;
  /** Vacuum takes a staged file for forgotten when it is older; longer than any writer works. */
  readonly stagedAgeMs?: number;
}

/** Small enough that a stretch of time or a few entities are a small part of a file, large enough to decode fast. */
const partRows = 1 << 17;

const dayMs = 86_400_000;
const defaultRetentionMs = 7 * dayMs;

/** How often an append starts over because others were faster, each time a little later. */
const attemptsMax = 200;
const backoffMaxMs = 32;

/** Opens the table in a folder, which need not be there yet. */
export function openOwnTable(bytes: Bytes, folder: string, options: OwnTableOptions = {}): OwnTable {
  return new LoggedTable(bytes, folder, options);
}

/** Opens the table in a folder of the local file system. */
export function openOwnTableAt(path: string, options: OwnTableOptions = {}): OwnTable {
  return openOwnTable(localBytes(path), '', options);
}

/** Whether a folder holds a table of our own. */
export async function isOwnTable(bytes: Bytes, folder: string): Promise<boolean> {
  return (await bytes.kind(joinPath(folder, '_log'))) === 'folder';
}

class LoggedTable implements OwnTable {
  readonly name: string;
  private readonly log: TableLog;
  private readonly metadata = new Map<string, Promise<FileMetadata>>();
  private readonly now: () => number;

  constructor(
    private readonly bytes: Bytes,
    private readonly folder: string,
    private readonly options: OwnTableOptions,
  ) {
    this.name = options.name ?? bytes.locate(folder);
    this.log = new TableLog(bytes, folder, this.name);
    this.now = options.now ?? Date.now;
  }

  async snapshot(options: { readonly version?: number; readonly signal?: AbortSignal } = {}): Promise<OwnSnapshot> {
    const snapshot = await this.trySnapshot(options);
    if (snapshot !== undefined) return snapshot;
    throw new NotFoundError('table', this.name, 'nothing was ever committed there; write it first');
  }

  async trySnapshot(options: { readonly version?: number; readonly signal?: AbortSignal } = {}): Promise<OwnSnapshot | undefined> {
    throwIfCancelled(options.signal, `opening ${this.name}`);
    const newest = await this.log.newest();
    if (newest === undefined) return undefined;
    for (const path of this.metadata.keys()) if (!newest.live.has(path)) this.metadata.delete(path);
    const { version = newest.head.version } = options;
    if (version === newest.head.version) return this.snapshotOf(newest);
    if (!Number.isInteger(version) || version < 0 || version > newest.head.version) {
      throw new NotFoundError('version', String(version), `${this.name} has versions 0 to ${newest.head.version}`);
    }
    return this.snapshotOf(await this.log.at(version));
  }

  async stage(
    schema: Schema, batches: AsyncIterable<RecordBatch> | Iterable<RecordBatch>, options: StageOptions = {},
  ): Promise<StagedFile[]> {
    const format = formatNamed(this.formatFor(await this.log.newest()));
    const write = (pending: readonly RecordBatch[], index: number): Promise<StagedFile> => this.stageFile(format, schema, pending, index);
    const discard = ({ path }: StagedFile): Promise<boolean> => this.bytes.delete(this.stagedPath(path));
    return stageFiles({ table: this.name, limits: this.options, write, discard }, schema, batches, options);
  }

  async commit(request: CommitRequest): Promise<CommitResult> {
    const commitId = randomUUID();
    let { readVersion } = request;
    for (let attempt = 0; ; attempt++) {
      const newest = await this.log.newest();
      const own = newest && request.add.length > 0 && (await this.findCommitOf(request.add[0]!.path, newest, readVersion));
      if (own) return this.committed(own);
      await this.checkStaged(request.add);
      const overtaken = await this.isOvertaken(request, readVersion, newest);
      if (overtaken || attempt === attemptsMax) return { kind: 'conflict', winner: newest!.head.version };
      const entry = this.entryFor(request, newest, commitId);
      if (await this.log.tryAppend(entry)) return this.committed(entry);
      readVersion = entry.version - 1;
      await sleep(Math.min(2 ** Math.min(attempt, 10), backoffMaxMs));
    }
  }

  async discard(staged: readonly StagedFile[]): Promise<void> {
    const newest = await this.log.newest();
    for (const { path } of staged) {
      if (newest?.live.has(path) || newest?.removed.has(path)) continue;
      await this.bytes.delete(this.stagedPath(path));
    }
  }

  async vacuum(options: { readonly retentionMs?: number; readonly nowMs: number; readonly keepVersion?: number }): Promise<{ files: number; bytes: number }> {
    const { retentionMs = defaultRetentionMs, nowMs } = options;
    const { stagedAgeMs = dayMs } = this.options;
    if (!(retentionMs >= 0)) throw new ArgumentError('retentionMs', `${retentionMs} is not a length of time in milliseconds`);
    await this.settle();
    // Listed before the log is read: what the log does not know then was not committed when it was seen.
    const isForgotten = (file: FileStat): boolean => isOlder(file.modifiedNs, nowMs - stagedAgeMs);
    const superseded = await this.bytes.list(joinPath(this.folder, '_superseded'));
    const forgotten = (await this.bytes.list(joinPath(this.folder, '_staged'))).filter(isForgotten);
    const temporary = (await this.bytes.list(joinPath(this.folder, '_log'))).filter((file) => file.path.endsWith('.tmp') && isForgotten(file));
    const newest = await this.log.newest();
    const retained = newest === undefined ? new Set<string>() : await this.filesSince(newest, nowMs - retentionMs);
    if (options.keepVersion !== undefined) for (const path of (await this.log.at(options.keepVersion)).live.keys()) retained.add(path);
    let [files, size] = [0, 0];
    for (const file of [...superseded, ...forgotten, ...temporary]) {
      if (retained.has(baseName(file.path)) || !(await this.bytes.delete(file.path))) continue;
      files++;
      size += file.size;
    }
    return { files, bytes: size };
  }

  // ---- commits

  private async checkStaged(add: readonly StagedFile[]): Promise<void> {
    for (const { path } of add) {
      if ((await this.bytes.stat(this.stagedPath(path))) !== undefined) continue;
      throw new StorageError(this.bytes.locate(this.stagedPath(path)), 'a staged file is gone: it was discarded, or vacuumed as forgotten. Write it again');
    }
  }

  /** Whether what was committed since `readVersion` cannot stand below the request. Throws when it never could. */
  private async isOvertaken(request: CommitRequest, readVersion: number, newest: TableState | undefined): Promise<boolean> {
    const version = newest?.head.version ?? -1;
    if (readVersion > version) {
      throw new ArgumentError('readVersion', `${readVersion} of ${this.name} does not exist; the newest version is ${version}`);
    }
    if (request.kind === 'overwrite') return request.readVersion < version;
    for (let between = readVersion + 1; between <= version; between++) {
      const entry = between === version ? newest!.head : await this.log.tryEntry(between);
      if (entry?.kind !== 'append') return true;
    }
    if (newest !== undefined) checkAppend(this.name, newest, request);
    return false;
  }

  private entryFor(request: CommitRequest, newest: TableState | undefined, commitId: string): LogEntry {
    const startsAnew = newest === undefined || request.kind === 'overwrite';
    const committedAtMs = this.now();
    return {
      version: (newest?.head.version ?? -1) + 1,
      commitId,
      kind: request.kind,
      readVersion: request.readVersion,
      committedAtMs,
      info: request.info,
      table: startsAnew ? { id: newest?.tableId ?? randomUUID(), schema: request.schema, format: this.formatFor(newest) } : undefined,
      remove: request.kind === 'overwrite' ? [...(newest?.live.keys() ?? [])] : [],
      add: request.add.map(({ path, bytes, rows, parts, checksum, stats }) => ({
        path, size: bytes, rows, parts: parts ?? 1, checksum, stats, modificationTime: committedAtMs,
      })),
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

  /** The commit stands whatever happens now: a failure to move files is left to the next writer. */
  private async committed(entry: LogEntry): Promise<CommitResult> {
    await this.settle().catch(() => undefined);
    return { kind: 'committed', version: entry.version };
  }

  /**
   * Moves every file to where its life has come to: superseded ones out first, so that a foreign reader never sees a row
   * twice, then new ones in. Staged files are listed before the root, since files move that way; and both before the
   * log is read, so that a file at the root which the log does not have was superseded, not just committed.
   */
  private async settle(): Promise<void> {
    const staged = (await this.bytes.names(joinPath(this.folder, '_staged'))) ?? [];
    const atRoot = ((await this.bytes.names(this.folder)) ?? []).filter((name) => dataFileName.test(name));
    const newest = await this.log.newest();
    if (newest === undefined) return;
    for (const name of atRoot) {
      if (!newest.live.has(name)) await this.bytes.move(joinPath(this.folder, name), this.supersededPath(name));
    }
    for (const name of staged) {
      if (!newest.removed.has(name)) continue;
      if (await this.bytes.move(this.stagedPath(name), this.supersededPath(name))) continue;
      await this.bytes.move(joinPath(this.folder, name), this.supersededPath(name));
    }
    for (const name of staged) {
      if (newest.live.has(name)) await this.bytes.move(this.stagedPath(name), joinPath(this.folder, name));
    }
  }

  /** The names of all files that a version used which was the newest at `sinceMs` or later. */
  private async filesSince(newest: TableState, sinceMs: number): Promise<Set<string>> {
    const files = new Set(newest.live.keys());
    let head: LogEntry = newest.head;
    while (head.committedAtMs > sinceMs && head.version > 0) {
      const before = await this.log.tryEntry(head.version - 1);
      if (before === undefined) return files;
      for (const path of head.remove) files.add(path);
      head = before;
    }
    return files;
  }

  // ---- data files

  private formatFor(newest: TableState | undefined): FileFormatName {
    return this.options.format ?? newest?.format ?? 'parquet';
  }

  private async stageFile(format: FileFormat, schema: Schema, batches: readonly RecordBatch[], index: number): Promise<StagedFile> {
    const stats = new StatsBuilder(schema);
    for (const batch of batches) stats.add(batch);
    const content = format.encode(schema, batches, { partRows });
    const path = `part-${String(index).padStart(5, '0')}-${randomUUID()}${format.ending}`;
    const rows = batches.reduce((sum, batch) => sum + batch.numRows, 0);
    const metadata = await readMetadata(format, async () => contentFile(path, content));
    invariant(metadata.rows === rows, `${rows} rows were encoded as ${metadata.rows}`);
    try {
      await this.bytes.writeNew(this.stagedPath(path), content);
    } catch (thrown) {
      // It may be there nevertheless, if only the answer was lost.
      await this.bytes.delete(this.stagedPath(path)).catch(() => undefined);
      throw thrown;
    }
    return { path, rows, parts: format.partsOf(metadata), bytes: content.length, checksum: checksumOf(content), stats: stats.finish() };
  }

  private stagedPath(name: string): string {
    return stagedPath(this.folder, name);
  }

  private supersededPath(name: string): string {
    return supersededPath(this.folder, name);
  }

  private dataFile(logged: LoggedFile, version: number): DataFile {
    const { bytes, folder } = this;
    const { path, size, checksum, rows, parts } = logged;
    const file: CommittedFile = { kind: 'committed', folder, path, size, checksum, version };
    const name = bytes.locate(joinPath(folder, path));
    const format = formatOfPath(path)?.name;
    if (format === undefined) throw new UnsupportedError(name, 'its ending', 'the commit log names it as a data file, but its ending is that of no format known here; update this library');
    return {
      name,
      format,
      bytes,
      file,
      rows,
      parts,
      constants: [],
      mightContain: ({ column, range }) => mightContainTime(parseStats(logged.stats), column, range),
      metadata: () => {
        let metadata = this.metadata.get(path);
        if (metadata === undefined) {
          metadata = metadataOf({ format, bytes, file });
          this.metadata.set(path, metadata);
          metadata.catch(() => this.metadata.delete(path));
        }
        return metadata;
      },
    };
  }

  private snapshotOf({ head, schema, format, live }: TableState): OwnSnapshot {
    const logged = [...live.values()];
    const files: DataFiles = { name: this.name, schema, passedOver: [], files: logged.map((file) => this.dataFile(file, head.version)) };
    return {
      name: this.name,
      format,
      version: `${head.version}-${head.commitId.slice(0, 8)}`,
      versionNumber: head.version,
      schema,
      info: head.info,
      rows: logged.reduce((sum, file) => sum + file.rows, 0),
      bytes: logged.reduce((sum, file) => sum + file.size, 0),
      committedAtMs: head.committedAtMs,
      files: logged.map(({ path, size, modificationTime }) => ({ path, size, modifiedNs: BigInt(modificationTime) * 1_000_000n })),
      plan: (options?: ScanOptions) => planDataFiles(files, options),
      scan: (options?: ScanOptions) => scanDataFiles(files, options),
      units: (options?: ScanOptions) => planUnits(files, options),
    };
  }
}

const dataFileName = /^part-\d{5,}-[0-9a-f-]{36}\.(parquet|orc)$/;

/** What is appended has the columns of the table, and no null where the table says there is none. */
function checkAppend(table: string, { schema, format }: TableState, request: CommitRequest): void {
  checkColumns(table, schema, request.schema);
  for (const { path, stats } of request.add) {
    const other = formatOfPath(path);
    if (other?.name !== format) {
      throw new ArgumentError('format', `${table} is kept as ${format}, and ${other?.name} files cannot be appended to it; append as ${format}, or overwrite the table to change its format`);
    }
    const { nullCount } = parseStats(stats);
    for (const { name, nullable } of schema.fields) {
      if (nullable || !nullCount[name]) continue;
      throw new SchemaMismatchError(table, name, `has no nulls by its schema, but ${nullCount[name]} are to be appended`);
    }
  }
}

/** A file that is still in memory. */
function contentFile(name: string, content: Uint8Array): OpenFile {
  return {
    name,
    size: content.length,
    modifiedNs: 0n,
    read: async (start, end) => content.slice(start, end),
    stat: async () => ({ size: content.length, modifiedNs: 0n }),
    close: async () => undefined,
  };
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function isOlder(modifiedNs: bigint, limitMs: number): boolean {
  return modifiedNs < BigInt(Math.floor(limitMs)) * 1_000_000n;
}
