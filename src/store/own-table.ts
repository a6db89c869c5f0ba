/**
 * A table of our own: Parquet files, and a commit log that says which of them are the table.
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
import { type Data, DataType, type RecordBatch, type Schema } from '../arrow/arrow.ts';
import {
  ArgumentError, DamagedFileError, invariant, NotFoundError, SchemaMismatchError, StorageError, throwIfCancelled, UnsupportedError,
} from '../base/errors.ts';
import { type Bytes, type FileStat, joinPath, type OpenFile } from './bytes.ts';
import { checksumOf } from './checksum.ts';
import { sameType } from './conform.ts';
import { type DataFile, type DataFiles, metadataOf, planDataFiles, scanDataFiles } from './data-files.ts';
import type { FileMetadata } from './file-format.ts';
import { formatNamed, formatOfPath, readMetadata } from './file-formats.ts';
import { localBytes } from './local-bytes.ts';
import { decodeEntry, encodeEntry, entryName, type LogEntry, type LoggedFile, versionOf } from './log.ts';
import { type CommittedFile, stagedPath, supersededPath } from './placed-file.ts';
import { planUnits } from './row-units.ts';
import { mightContainTime, parseStats, StatsBuilder } from './stats.ts';
import type { CommitRequest, CommitResult, OwnSnapshot, OwnTable, ScanOptions, StagedFile } from './table.ts';

export interface OwnTableOptions {
  /** For messages; by default the folder's place. */
  readonly name?: string;
  /** The clock that dates commits, in milliseconds. */
  readonly now?: () => number;
  /** A staged file holds no more rows, and not many more bytes of Arrow data. */
  readonly fileRowsMax?: number;
  readonly fileBytesMax?: number;
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

/** A version as it follows from the log. Never changed once made. */
interface State {
  readonly head: LogEntry;
  readonly tableId: string;
  readonly schema: Schema;
  readonly live: ReadonlyMap<string, LoggedFile>;
  /** Files that entries since the last overwrite, or that overwrite itself, have removed. */
  readonly removed: ReadonlySet<string>;
  /** Of the head's entry: when it differs, the folder was deleted and made anew. */
  readonly modifiedNs: bigint;
}

class LoggedTable implements OwnTable {
  readonly name: string;
  private newest: State | undefined;
  private readonly metadata = new Map<string, Promise<FileMetadata>>();
  private readonly now: () => number;

  constructor(
    private readonly bytes: Bytes,
    private readonly folder: string,
    private readonly options: OwnTableOptions,
  ) {
    this.name = options.name ?? bytes.locate(folder);
    this.now = options.now ?? Date.now;
  }

  async snapshot(options: { readonly version?: number; readonly signal?: AbortSignal } = {}): Promise<OwnSnapshot> {
    const snapshot = await this.trySnapshot(options);
    if (snapshot !== undefined) return snapshot;
    throw new NotFoundError('table', this.name, 'nothing was ever committed there; write it first');
  }

  async trySnapshot(options: { readonly version?: number; readonly signal?: AbortSignal } = {}): Promise<OwnSnapshot | undefined> {
    throwIfCancelled(options.signal, `opening ${this.name}`);
    const newest = await this.readNewest();
    if (newest === undefined) return undefined;
    const { version = newest.head.version } = options;
    if (version === newest.head.version) return this.snapshotOf(newest);
    if (!Number.isInteger(version) || version < 0 || version > newest.head.version) {
      throw new NotFoundError('version', String(version), `${this.name} has versions 0 to ${newest.head.version}`);
    }
    return this.snapshotOf(await this.readState(version));
  }

  async stage(
    schema: Schema,
    batches: AsyncIterable<RecordBatch> | Iterable<RecordBatch>,
    options: { readonly signal?: AbortSignal; readonly onProgress?: (rows: number) => void } = {},
  ): Promise<StagedFile[]> {
    const { fileRowsMax = 4_000_000, fileBytesMax = 128 * 1024 * 1024 } = this.options;
    const staged: StagedFile[] = [];
    let [pending, pendingRows, pendingBytes, rowsDone]: [RecordBatch[], number, number, number] = [[], 0, 0, 0];
    const flush = async (): Promise<void> => {
      if (pendingRows === 0) return;
      throwIfCancelled(options.signal, `writing ${this.name}`);
      staged.push(await this.stageFile(schema, pending, staged.length));
      rowsDone += pendingRows;
      [pending, pendingRows, pendingBytes] = [[], 0, 0];
      options.onProgress?.(rowsDone);
    };
    try {
      for await (const batch of batches) {
        throwIfCancelled(options.signal, `writing ${this.name}`);
        checkColumns(this.name, schema, batch.schema);
        for (const piece of piecesOf(batch, fileRowsMax, fileBytesMax)) {
          const size = sizeOf(piece.data);
          if (pendingRows + piece.numRows > fileRowsMax || pendingBytes + size > fileBytesMax) await flush();
          pending.push(piece);
          pendingRows += piece.numRows;
          pendingBytes += size;
        }
      }
      await flush();
      return staged;
    } catch (thrown) {
      // Nobody knows of these files, so they may go at once. If even that fails, vacuum finds them.
      for (const { path } of staged) await this.bytes.delete(this.stagedPath(path)).catch(() => undefined);
      throw thrown;
    }
  }

  async commit(request: CommitRequest): Promise<CommitResult> {
    const commitId = randomUUID();
    let { readVersion } = request;
    for (let attempt = 0; ; attempt++) {
      const newest = await this.readNewest();
      const own = newest && request.add.length > 0 && (await this.findCommitOf(request.add[0]!.path, newest, readVersion));
      if (own) return this.committed(own);
      await this.checkStaged(request.add);
      const overtaken = await this.isOvertaken(request, readVersion, newest);
      if (overtaken || attempt === attemptsMax) return { kind: 'conflict', winner: newest!.head.version };
      const entry = this.entryFor(request, newest, commitId);
      if (await this.put(entry)) return this.committed(entry);
      readVersion = entry.version - 1;
      await sleep(Math.min(2 ** Math.min(attempt, 10), backoffMaxMs));
    }
  }

  async discard(staged: readonly StagedFile[]): Promise<void> {
    const newest = await this.readNewest();
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
    const newest = await this.readNewest();
    const retained = newest === undefined ? new Set<string>() : await this.filesSince(newest, nowMs - retentionMs);
    if (options.keepVersion !== undefined) for (const path of (await this.readState(options.keepVersion)).live.keys()) retained.add(path);
    let [files, size] = [0, 0];
    for (const file of [...superseded, ...forgotten, ...temporary]) {
      if (retained.has(baseName(file.path)) || !(await this.bytes.delete(file.path))) continue;
      files++;
      size += file.size;
    }
    return { files, bytes: size };
  }

  // ---- the log

  /** The newest version. What was read before is not read again: one look at the last known entry, one for the next. */
  private async readNewest(): Promise<State | undefined> {
    let state = this.newest;
    if (state !== undefined) {
      const head = await this.bytes.stat(this.entryPath(state.head.version));
      if (head?.modifiedNs !== state.modifiedNs) state = undefined;
    }
    if (state === undefined) {
      const last = await this.lastListed();
      this.metadata.clear();
      if (last === undefined) {
        this.newest = undefined;
        return undefined;
      }
      state = await this.readState(last);
    }
    for (;;) {
      const next = await this.tryEntry(state.head.version + 1);
      if (next === undefined) break;
      state = follow(state, next.entry, next.modifiedNs);
    }
    // A slower call must not take back what a faster one has found, unless the table was made anew.
    if (this.newest?.tableId !== state.tableId || this.newest.head.version <= state.head.version) this.newest = state;
    for (const path of this.metadata.keys()) if (!state.live.has(path)) this.metadata.delete(path);
    return state;
  }

  private async lastListed(): Promise<number | undefined> {
    const kind = await this.bytes.kind(this.folder);
    if (kind === 'file') throw new StorageError(this.name, 'a file stands where the folder of a table should be');
    const names = kind === undefined ? undefined : await this.bytes.names(joinPath(this.folder, '_log'));
    // Names of entries sort by version.
    const last = names?.findLast((name) => versionOf(name) !== undefined);
    return last === undefined ? undefined : versionOf(last);
  }

  /** A version from its entries: back to the last one that needs none before it, then forward. */
  private async readState(version: number): Promise<State> {
    const entries: { entry: LogEntry; modifiedNs: bigint }[] = [];
    for (let number = version; ; number--) {
      const read = number < 0 ? undefined : await this.tryEntry(number);
      if (read === undefined) {
        throw new DamagedFileError(this.bytes.locate(this.entryPath(Math.max(number, 0))), 'this entry of the commit log is missing, and later ones build on it. Restore the file, or write the table again');
      }
      entries.push(read);
      if (read.entry.table !== undefined) break;
    }
    let state: State | undefined;
    for (const { entry, modifiedNs } of entries.reverse()) state = follow(state, entry, modifiedNs);
    return state!;
  }

  private async tryEntry(version: number): Promise<{ entry: LogEntry; modifiedNs: bigint } | undefined> {
    const path = this.entryPath(version);
    const file = await this.bytes.open(path);
    if (file === undefined) return undefined;
    try {
      return { entry: decodeEntry(file.name, version, await file.read(0, file.size)), modifiedNs: file.modifiedNs };
    } finally {
      await file.close();
    }
  }

  private entryPath(version: number): string {
    return joinPath(this.folder, '_log', entryName(version));
  }

  // ---- commits

  private async checkStaged(add: readonly StagedFile[]): Promise<void> {
    for (const { path } of add) {
      if ((await this.bytes.stat(this.stagedPath(path))) !== undefined) continue;
      throw new StorageError(this.bytes.locate(this.stagedPath(path)), 'a staged file is gone: it was discarded, or vacuumed as forgotten. Write it again');
    }
  }

  /** Whether what was committed since `readVersion` cannot stand below the request. Throws when it never could. */
  private async isOvertaken(request: CommitRequest, readVersion: number, newest: State | undefined): Promise<boolean> {
    const version = newest?.head.version ?? -1;
    if (readVersion > version) {
      throw new ArgumentError('readVersion', `${readVersion} of ${this.name} does not exist; the newest version is ${version}`);
    }
    if (request.kind === 'overwrite') return request.readVersion < version;
    for (let between = readVersion + 1; between <= version; between++) {
      const entry = between === version ? newest!.head : (await this.tryEntry(between))?.entry;
      if (entry?.kind !== 'append') return true;
    }
    if (newest !== undefined) checkAppend(this.name, newest.schema, request);
    return false;
  }

  private entryFor(request: CommitRequest, newest: State | undefined, commitId: string): LogEntry {
    const startsAnew = newest === undefined || request.kind === 'overwrite';
    const committedAtMs = this.now();
    return {
      version: (newest?.head.version ?? -1) + 1,
      commitId,
      kind: request.kind,
      readVersion: request.readVersion,
      committedAtMs,
      info: request.info,
      table: startsAnew ? { id: newest?.tableId ?? randomUUID(), schema: request.schema } : undefined,
      remove: request.kind === 'overwrite' ? [...(newest?.live.keys() ?? [])] : [],
      add: request.add.map(({ path, bytes, rows, parts, checksum, stats }) => ({
        path, size: bytes, rows, parts: parts ?? 1, checksum, stats, modificationTime: committedAtMs,
      })),
    };
  }

  /** False when another writer has this version. A put that fails may have happened, so it is tried once more. */
  private async put(entry: LogEntry): Promise<boolean> {
    const path = this.entryPath(entry.version);
    const content = encodeEntry(entry);
    const put = async (): Promise<boolean> => {
      if (await this.bytes.putIfAbsent(path, content)) return true;
      return (await this.tryEntry(entry.version))?.entry.commitId === entry.commitId;
    };
    try {
      return await put();
    } catch (thrown) {
      return put().catch(() => {
        throw thrown;
      });
    }
  }

  /** The commit that already added a file: the caller has tried before, and was told of a failure that was none. */
  private async findCommitOf(path: string, newest: State, readVersion: number): Promise<LogEntry | undefined> {
    if (!newest.live.has(path) && !newest.removed.has(path)) return undefined;
    for (let version = newest.head.version; version > readVersion; version--) {
      const entry = version === newest.head.version ? newest.head : (await this.tryEntry(version))?.entry;
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
    const newest = await this.readNewest();
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
  private async filesSince(newest: State, sinceMs: number): Promise<Set<string>> {
    const files = new Set(newest.live.keys());
    let head: LogEntry = newest.head;
    while (head.committedAtMs > sinceMs && head.version > 0) {
      const before = await this.tryEntry(head.version - 1);
      if (before === undefined) return files;
      for (const path of head.remove) files.add(path);
      head = before.entry;
    }
    return files;
  }

  // ---- data files

  private async stageFile(schema: Schema, batches: readonly RecordBatch[], index: number): Promise<StagedFile> {
    const stats = new StatsBuilder(schema);
    for (const batch of batches) stats.add(batch);
    const format = formatNamed('parquet');
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

  private snapshotOf({ head, schema, live }: State): OwnSnapshot {
    const logged = [...live.values()];
    const files: DataFiles = { name: this.name, schema, passedOver: [], files: logged.map((file) => this.dataFile(file, head.version)) };
    return {
      name: this.name,
      format: 'parquet',
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

const dataFileName = /^part-\d{5,}-[0-9a-f-]{36}\.parquet$/;

/** The state after one more entry. */
function follow(state: State | undefined, entry: LogEntry, modifiedNs: bigint): State {
  const { table = state && { id: state.tableId, schema: state.schema } } = entry;
  invariant(table !== undefined, `entry ${entry.version} builds on nothing`);
  const startsAnew = entry.table !== undefined;
  const live = new Map(startsAnew ? [] : state?.live);
  const removed = new Set(startsAnew ? [] : state?.removed);
  for (const path of entry.remove) {
    live.delete(path);
    removed.add(path);
  }
  for (const file of entry.add) live.set(file.path, file);
  return { head: entry, tableId: table.id, schema: table.schema, live, removed, modifiedNs };
}

function checkColumns(table: string, expected: Schema, found: Schema): void {
  if (expected === found) return;
  expected.fields.forEach((field, column) => {
    const other = found.fields[column];
    if (other?.name === field.name && sameType(other.type, field.type)) return;
    throw new SchemaMismatchError(table, field.name, `column ${column} is expected to be ${field.type}; found ${other === undefined ? 'none' : `${other.name}: ${other.type}`}`);
  });
  const extra = found.fields[expected.fields.length];
  if (extra !== undefined) throw new SchemaMismatchError(table, extra.name, 'the table has no such column; write the table anew (overwrite) to change its columns');
}

/** What is appended has the columns of the table, and no null where the table says there is none. */
function checkAppend(table: string, schema: Schema, request: CommitRequest): void {
  checkColumns(table, schema, request.schema);
  for (const { stats } of request.add) {
    const { nullCount } = parseStats(stats);
    for (const { name, nullable } of schema.fields) {
      if (nullable || !nullCount[name]) continue;
      throw new SchemaMismatchError(table, name, `has no nulls by its schema, but ${nullCount[name]} are to be appended`);
    }
  }
}

/** Cuts a batch so that no piece is larger than a file may be. The pieces alias it. */
function piecesOf(batch: RecordBatch, rowsMax: number, bytesMax: number): RecordBatch[] {
  const rowsByBytes = Math.ceil(batch.numRows / Math.max(1, Math.ceil(sizeOf(batch.data) / bytesMax)));
  const rows = Math.max(1, Math.min(rowsMax, rowsByBytes));
  if (batch.numRows <= rows) return [batch];
  const pieces: RecordBatch[] = [];
  for (let start = 0; start < batch.numRows; start += rows) pieces.push(batch.slice(start, Math.min(start + rows, batch.numRows)));
  return pieces;
}

/** The bytes that the rows of a slice take; `byteLength` would count all of the buffers that it shares with others. */
function sizeOf(data: Data): number {
  if (data.valueOffsets) {
    const offsets = data.valueOffsets as unknown as ArrayLike<number | bigint>;
    return data.length * 4 + Number(offsets[data.length] ?? 0) - Number(offsets[0] ?? 0);
  }
  const ownBytes = (data.values as { BYTES_PER_ELEMENT?: number } | undefined)?.BYTES_PER_ELEMENT ?? 0;
  const stride = DataType.isDecimal(data.type) ? data.type.bitWidth / 32 : 1;
  return data.children.reduce((sum, child) => sum + sizeOf(child), data.length * ownBytes * stride);
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
