/**
 * A Delta table that is written: the contract of tables of our own, kept by Delta's protocol.
 *
 *   <folder>/_delta_log/…0.json              one entry per version, put if absent: the only place where commits happen
 *   <folder>/_delta_log/…10.checkpoint.parquet  every ten commits
 *   <folder>/part-….parquet, key=value/…     at their place from the start; nobody finds them but by the log
 *
 * A commit is its log entry and nothing else. Where Delta's types are fewer than Arrow's, others stand for them
 * (stored-types.ts) and the exact schema is kept beside (write-exact.ts). Facts of a commit travel in its commitInfo.
 *
 * Law: nothing is written to a table that uses a feature which we do not keep; no file is deleted that the newest version uses,
 * nor one that a version within the retention used.
 */
import { randomUUID } from 'node:crypto';
import type { RecordBatch, Schema } from '../../arrow/arrow.ts';
import { ArgumentError, NotFoundError, StorageError, throwIfCancelled } from '../../base/errors.ts';
import { type Bytes, joinPath, mapConcurrently } from '../bytes.ts';
import { commitOnTop, looksAtOnce } from '../commit-loop.ts';
import { type CompactedFile, planCompaction } from '../compaction.ts';
import { decodeBatches } from '../conform.ts';
import { scanDataFiles } from '../data-files.ts';
import { checkPartitionBy } from '../partition-values.ts';
import type { FileLimits, StageOptions } from '../staging.ts';
import { tryStats } from '../stats.ts';
import type { CommitResult, Compaction, OwnSnapshot, OwnTable, SnapshotOptions, StagedFile } from '../table.ts';
import { decideConflict } from './conflict.ts';
import { tableSchemaOf } from './read-schema.ts';
import type { AddFile } from './write-actions.ts';
import { type DeltaEntry, fileId, inRowOrder, tryPathOfUri, uriOfPath } from './write-entry.ts';
import { stageDeltaFiles } from './write-files.ts';
import { DeltaLog, type DeltaVersion, factsOf, logFolder } from './write-log.ts';
import { attemptOf, checkTable, type Circumstances, type CompactedRun, type DeltaCommitRequest, planCommit, planRewrite, schemaOf } from './write-plan.ts';
import { checkDeltaSchema } from './write-schema.ts';
import { writeCheckpointIfDue } from './checkpoint-write.ts';
import { compressionOf } from './write-properties.ts';
import { DeltaFiles } from './write-snapshot.ts';
import { vacuumDelta } from './vacuum.ts';

export interface DeltaTableOptions extends FileLimits {
  /** For messages; by default the folder's place. */
  readonly name?: string;
  /** Columns whose values become key=value folders. Absent: as the table has it; none where there is none yet. */
  readonly partitionBy?: readonly string[];
  /** The clock that dates commits, in milliseconds. */
  readonly now?: () => number;
  /** Vacuum takes a file that the log does not name for forgotten when it is older; longer than any writer works. */
  readonly stagedAgeMs?: number;
}

export interface DeltaTable extends OwnTable {
  commit(request: DeltaCommitRequest): Promise<CommitResult>;
}

/** Of Arrow data, in one file that is made of several. */
const compactedBytesMax = 512 * 1024 * 1024;

/** Opens the table in a folder, which need not be there yet. */
export function openDeltaTable(bytes: Bytes, folder: string, options: DeltaTableOptions = {}): DeltaTable {
  return new WrittenDeltaTable(bytes, folder, options);
}

/** Whether a folder holds a Delta table. */
export async function isDeltaTable(bytes: Bytes, folder: string): Promise<boolean> {
  return (await bytes.kind(joinPath(folder, logFolder))) === 'folder';
}

class WrittenDeltaTable implements DeltaTable {
  readonly name: string;
  private readonly log: DeltaLog;
  private readonly files: DeltaFiles;
  private readonly now: () => number;

  constructor(
    private readonly bytes: Bytes,
    private readonly folder: string,
    private readonly options: DeltaTableOptions,
  ) {
    this.name = options.name ?? bytes.locate(folder);
    this.log = new DeltaLog(bytes, folder, this.name);
    this.files = new DeltaFiles(bytes, folder, this.name);
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
    const wanted = timestampUs === undefined ? (version ?? newest.version) : await this.log.versionAt(newest, timestampUs);
    if (wanted === newest.version) return this.files.snapshotOf(newest);
    if (!Number.isInteger(wanted) || wanted < 0 || wanted > newest.version) {
      throw new NotFoundError('version', String(wanted), `${this.name} has versions 0 to ${newest.version}`);
    }
    return this.files.snapshotOf(await this.log.at(wanted));
  }

  async stage(
    schema: Schema, batches: AsyncIterable<RecordBatch> | Iterable<RecordBatch>, options: StageOptions = {},
  ): Promise<StagedFile[]> {
    const newest = await this.log.newest();
    checkDeltaSchema(this.name, schema);
    const partitionBy = this.options.partitionBy ?? newest?.metaData.partitionColumns ?? [];
    checkPartitionBy(this.name, schema, partitionBy);
    return this.stageAs(schema, partitionBy, newest, this.options, batches, options);
  }

  async commit(request: DeltaCommitRequest): Promise<CommitResult> {
    if (request.replace !== undefined && request.kind !== 'overwrite') throw new ArgumentError('replace', 'only an overwrite replaces partitions');
    const newest = await this.log.newest();
    const { transaction } = request;
    const before = transaction && newest?.transactions.get(transaction.application);
    // Another run has made this commit: it is there, whatever has come since.
    if (before !== undefined && transaction !== undefined && before.version >= transaction.version) {
      await this.discard(request.add);
      return { kind: 'committed', version: newest!.version };
    }
    return this.commitAs(request.add, request.readVersion, async (now, readVersion, commitId) =>
      (await this.isOvertaken(request, readVersion, now)) ? undefined : planCommit(request, now, this.circumstances(commitId), await this.keptOf(request)));
  }

  /** The files that an overwrite leaves; those that the newest version has no more come back. */
  private async keptOf({ keep }: DeltaCommitRequest): Promise<AddFile[]> {
    if (keep === undefined) return [];
    return [...(await this.log.at(keep.version)).files.values()].filter((file) => !keep.without.has(fileId(file)));
  }

  async compact(options: { readonly signal?: AbortSignal } = {}): Promise<Compaction | undefined> {
    const newest = await this.log.newest();
    if (newest === undefined) return undefined;
    checkTable(this.name, newest, 'rewrite');
    const planned = planCompaction(inRowOrder(newest.files.values()).flatMap(compactable), this.options);
    if (planned.length === 0) return undefined;
    // What fits one file by its size on disk does so in memory, too, but for data that hardly takes any room.
    const limits = { ...this.options, fileBytesMax: compactedBytesMax };
    const schema = schemaOf(this.name, newest);
    const columns = tableSchemaOf(this.name, newest.metaData);
    const runs: CompactedRun[] = [];
    try {
      for (const run of planned) {
        const before = run.map(({ add }) => add);
        const rows = decodeBatches(scanDataFiles(this.files.asData({ ...columns, schema }, before, newest), options), schema);
        const after = await this.stageAs(schema, newest.metaData.partitionColumns, newest, limits, rows, options);
        if (after.length < before.length) runs.push({ before, after });
        else await this.discard(after);
      }
      const staged = runs.flatMap(({ after }) => after);
      if (staged.length === 0) return undefined;
      const result = await this.commitAs(staged, newest.version, async (now, _, commitId) => planRewrite(runs, newest.metaData.id, now, this.circumstances(commitId)));
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
    for (const { path } of staged) if (newest === undefined || !isNamed(newest, path)) await this.bytes.delete(joinPath(this.folder, path));
  }

  async vacuum({ retentionMs, nowMs, keepVersion }: Parameters<OwnTable['vacuum']>[0]): Promise<{ files: number; bytes: number }> {
    const newest = await this.log.newest();
    if (newest === undefined) return { files: 0, bytes: 0 };
    checkTable(this.name, newest, 'rewrite');
    const kept = keepVersion === undefined ? undefined : await this.log.at(keepVersion);
    const { stagedAgeMs } = this.options;
    return vacuumDelta({ bytes: this.bytes, folder: this.folder, log: this.log }, { retentionMs, nowMs, kept, stagedAgeMs });
  }

  // ---- commits

  private stageAs(
    schema: Schema, partitionBy: readonly string[], newest: DeltaVersion | undefined, limits: FileLimits, batches: AsyncIterable<RecordBatch> | Iterable<RecordBatch>, options: StageOptions,
  ): Promise<StagedFile[]> {
    const compression = compressionOf(newest?.metaData.configuration ?? {});
    return stageDeltaFiles({ bytes: this.bytes, folder: this.folder, name: this.name, schema, partitionBy, limits, compression }, batches, options);
  }

  private circumstances(commitId: string): Circumstances {
    return { name: this.name, commitId, committedAtMs: this.now(), id: randomUUID(), partitionBy: this.options.partitionBy };
  }

  private commitAs(
    add: readonly StagedFile[], read: number,
    entryOn: (newest: DeltaVersion | undefined, readVersion: number, commitId: string) => Promise<DeltaEntry | undefined>,
  ): Promise<CommitResult> {
    return commitOnTop<DeltaVersion, DeltaEntry>(read, {
      newest: () => this.log.newest(),
      versionOf: ({ version }) => version,
      tryFindOwn: (newest, readVersion) => this.tryFindOwn(add, newest, readVersion),
      entryOn: async (newest, readVersion, commitId) => {
        await this.checkStaged(add);
        return entryOn(newest, readVersion, commitId);
      },
      tryAppend: (entry) => this.log.tryAppend(entry),
      // Readers do without a checkpoint; the next one comes ten commits later.
      committed: (version) => writeCheckpointIfDue(this.bytes, this.folder, this.log, { version, nowMs: this.now() }).catch(() => undefined),
    });
  }

  private async checkStaged(add: readonly StagedFile[]): Promise<void> {
    await mapConcurrently(add, looksAtOnce, async ({ path }) => {
      const place = joinPath(this.folder, path);
      if ((await this.bytes.stat(place)) !== undefined) return;
      throw new StorageError(this.bytes.locate(place), 'a staged file is gone: it was discarded, or vacuumed as forgotten. Write it again');
    });
  }

  /** The commit that already added the files: the caller has tried before, and was told of a failure that was none. */
  private async tryFindOwn(add: readonly StagedFile[], newest: DeltaVersion, readVersion: number): Promise<number | undefined> {
    const path = add[0]?.path;
    if (path === undefined || !isNamed(newest, path)) return undefined;
    const uri = uriOfPath(path);
    for (let { version } = newest; version > readVersion; version--) {
      if ((await this.log.tryCommit(version))?.add.some((file) => file.path === uri)) return version;
    }
    throw new ArgumentError('add', `${path} was committed to ${this.name} before`);
  }

  /** Whether what was committed since `readVersion` cannot stand below the request. Throws when it never could. */
  private async isOvertaken(request: DeltaCommitRequest, readVersion: number, newest: DeltaVersion | undefined): Promise<boolean> {
    const version = newest?.version ?? -1;
    if (readVersion > version) {
      throw new ArgumentError('readVersion', `${readVersion} of ${this.name} does not exist; the newest version is ${version}`);
    }
    if (readVersion === version) return false;
    const attempt = attemptOf(request, request.replace === undefined || request.readVersion < 0 ? undefined : await this.log.at(request.readVersion));
    for (let between = readVersion + 1; between <= version; between++) {
      const commit = await this.log.tryCommit(between);
      if (commit === undefined) return true;
      // Where rows are appended to no table yet, another may begin it, with the same columns.
      const facts = between === 0 && request.kind === 'append' ? { ...factsOf(commit), changesMetadata: false, changesProtocol: false } : factsOf(commit);
      if (decideConflict(attempt, facts).kind === 'conflict') return true;
    }
    return false;
  }
}

/** Whether the version has a file of ours, or one before had it. */
function isNamed({ files, tombstones }: DeltaVersion, path: string): boolean {
  const uri = uriOfPath(path);
  return files.has(uri) || tombstones.has(uri);
}

interface CompactableFile extends CompactedFile {
  readonly add: AddFile;
}

/** Files whose rows are known without opening them, that have all of them still, and that stand in the table's folder. */
function compactable(add: AddFile): CompactableFile[] {
  const path = tryPathOfUri(add.path);
  const rows = add.stats === undefined ? undefined : tryStats(add.stats)?.rows;
  return path === undefined || rows === undefined || add.deletionVector !== undefined ? [] : [{ path, rows, size: add.size, add }];
}
