/**
 * The log of a Delta table as a writer needs it: what the newest version is, what commits since some version did, and the one
 * place where a version is made.
 *
 * Law: a version, once read, never changes. What was read before costs one look at the last known entry and one for the next.
 */
import { ArgumentError, DamagedFileError, invariant, NotFoundError, StorageError, UnsupportedError } from '../../base/errors.ts';
import { formatInstant } from '../../base/time.ts';
import { type Bytes, type FileState, isSameState, joinPath, mapConcurrently, readFile, type WholeFile } from '../bytes.ts';
import { checksumOf } from '../checksum.ts';
import { type CheckpointPointer, tryPointer } from './checkpoint-pointer.ts';
import type { CommitFacts } from './conflict.ts';
import { baseName } from '../placed-file.ts';
import { RecentEntries } from '../recent-entries.ts';
import { deletionVectorId } from './deletion-vector.ts';
import { type CheckpointFile, decodeCheckpoint } from './read-checkpoint.ts';
import { type Checkpoint, type CompactedCommits, type Segments, segmentsOf } from './read-segments.ts';
import type { AddFile, Metadata, Protocol, RemoveFile, Transaction } from './write-actions.ts';
import { type Actions, decodeActions } from './write-decode.ts';
import { type Content, contentOf, type DeltaEntry, encodeDeltaEntry, fileId, tryAbsolutePath, tryPathOfUri } from './write-entry.ts';

export const logFolder = '_delta_log';

/** A version as it follows from the log. Never changed once made. */
export interface DeltaVersion {
  readonly version: number;
  readonly protocol: Protocol;
  readonly metaData: Metadata;
  /** By path, as the log has it; in the order of the log. */
  readonly files: ReadonlyMap<string, AddFile>;
  /** Files that were removed, as far as the log still tells; by path, and deletion vector where there is one. */
  readonly tombstones: ReadonlyMap<string, RemoveFile>;
  readonly transactions: ReadonlyMap<string, Transaction>;
  readonly content: Content;
}

/** What one entry of the log holds. */
export interface DeltaCommit extends Actions {
  readonly version: number;
  /** When it differs, the table was deleted and made anew. */
  readonly fileState: FileState;
}

/** A version, and a file of the log that tells whether it is still the same table. */
interface Known {
  readonly state: DeltaVersion;
  readonly head: FileState;
  readonly place: string;
}

export class DeltaLog {
  private last: Known | undefined;
  private recent = new RecentEntries<DeltaCommit>();

  constructor(
    private readonly bytes: Bytes,
    private readonly folder: string,
    /** The table's, for messages. */
    private readonly name: string,
  ) {}

  /** The newest version; undefined when there is none. */
  async newest(): Promise<DeltaVersion | undefined> {
    let known = this.last;
    let next: DeltaCommit | undefined;
    if (known !== undefined) {
      const [head, found] = await Promise.all([this.bytes.stat(known.place), this.tryCommit(known.state.version + 1)]);
      next = found;
      if (head === undefined || !isSameState(head, known.head)) known = undefined;
    }
    if (known === undefined) {
      this.recent = new RecentEntries();
      const last = await this.lastListed();
      if (last === undefined) {
        this.last = undefined;
        return undefined;
      }
      known = await this.load(last);
      next = await this.tryCommit(last + 1);
    }
    for (; next !== undefined; next = await this.tryCommit(known.state.version + 1)) {
      known = { state: follow(known.state, [next], this.name), head: next.fileState, place: this.entryPath(next.version) };
    }
    // A slower call must not take back what a faster one has found, unless the table was made anew.
    const { last } = this;
    if (last?.state.metaData.id !== known.state.metaData.id || last.state.version <= known.state.version) this.last = known;
    return known.state;
  }

  async at(version: number): Promise<DeltaVersion> {
    return this.last?.state.version === version ? this.last.state : (await this.load(version)).state;
  }

  /** The version that was the newest at a time. Throws NotFoundError when the table is younger. */
  async versionAt(newest: DeltaVersion, timestampUs: bigint): Promise<number> {
    let { version } = newest;
    for (; ; version--) {
      const commit = version < 0 ? undefined : await this.tryCommit(version);
      if (commit === undefined) break;
      const committedAtMs = committedAt(commit);
      if (BigInt(committedAtMs) * 1_000n <= timestampUs) return version;
      if (version > 0) continue;
      throw new NotFoundError('version', `at ${formatInstant(timestampUs)}`, `${this.name} was first written at ${formatInstant(BigInt(committedAtMs) * 1_000n)}`);
    }
    throw new NotFoundError('version', `at ${formatInstant(timestampUs)}`, `the log of ${this.name} does not reach back so far`);
  }

  /** Undefined when there is no such entry. */
  async tryCommit(version: number): Promise<DeltaCommit | undefined> {
    const { recent } = this;
    const known = recent.get(version);
    if (known !== undefined) return known;
    const file = await readFile(this.bytes, this.entryPath(version));
    if (file === undefined) return undefined;
    const commit = decodeCommit(file.name, version, file.content, file.fileState);
    recent.add(version, commit);
    return commit;
  }

  /** False when another writer has this version. A put that fails may have happened, so it is tried once more. */
  async tryAppend(entry: DeltaEntry): Promise<boolean> {
    const path = this.entryPath(entry.version);
    const content = encodeDeltaEntry(entry);
    const put = async (): Promise<boolean> => {
      if (await this.bytes.putIfAbsent(path, content)) return true;
      const there = await this.tryCommit(entry.version);
      return there !== undefined && contentIdOf(there) === entry.commitId;
    };
    try {
      return await put();
    } catch (thrown) {
      return put().catch(() => {
        throw thrown;
      });
    }
  }

  private async lastListed(): Promise<number | undefined> {
    const kind = await this.bytes.kind(this.folder);
    if (kind === 'file') throw new StorageError(this.name, 'a file stands where the folder of a table should be');
    const names = kind === undefined ? undefined : await this.bytes.names(joinPath(this.folder, logFolder));
    const { lastCommit, checkpoints } = segmentsOf(names ?? []);
    if (lastCommit !== undefined || checkpoints.length > 0) return Math.max(lastCommit ?? 0, checkpoints[0]?.version ?? 0);
    // Each of two tables in one folder would take the files of the other for forgotten ones.
    if (kind === 'folder' && (await this.bytes.kind(joinPath(this.folder, '_log'))) !== undefined) {
      throw new ArgumentError('format', `${this.name} is a table of this library's own format, which is not written as delta; choose another folder, or remove it first`);
    }
    return undefined;
  }

  /** From a checkpoint and the commits behind it, or from the first commit. */
  private async load(version: number): Promise<Known> {
    const log = joinPath(this.folder, logFolder);
    const segments = segmentsOf((await this.bytes.names(log)) ?? []);
    let failure: unknown;
    for (const start of startsOf(segments, version, await tryPointer(this.bytes, log))) {
      try {
        return await this.follow(start && (await this.readCheckpoint(start.checkpoint, start.checksum)), version, segments);
      } catch (thrown) {
        // What another start can do without is no harm; what none can do without is told as the first has met it.
        if (!(thrown instanceof DamagedFileError)) throw thrown;
        failure ??= thrown;
      }
    }
    throw failure;
  }

  /** The commits behind a version up to another. */
  private async follow(from: Known | undefined, version: number, { compacted }: Segments): Promise<Known> {
    const first = (from?.state.version ?? -1) + 1;
    const commits = await mapConcurrently(Array.from({ length: Math.max(0, version - first + 1) }, (_, i) => first + i), 8, (number) => this.tryCommit(number));
    let known = from;
    let pending: DeltaCommit[] = [];
    const flush = (): void => {
      const last = pending.at(-1);
      if (last !== undefined) known = { state: follow(known?.state, pending, this.name), head: last.fileState, place: this.entryPath(last.version) };
      pending = [];
    };
    for (let number = first; number <= version; number++) {
      const commit = commits[number - first];
      const whole = commit === undefined ? compacted.find((each) => each.first === number && each.last <= version) : undefined;
      if (commit !== undefined) pending.push(commit);
      else if (whole !== undefined) {
        flush();
        known = await this.followCompacted(known, whole);
        number = whole.last;
      } else {
        throw new DamagedFileError(this.bytes.locate(this.entryPath(number)), 'this entry of the log is missing, and later ones build on it. Restore it; or, if the log was cleaned up, its checkpoint');
      }
    }
    flush();
    if (known === undefined) throw new DamagedFileError(this.name, `its log has no version ${version}`);
    return known;
  }

  private async followCompacted(known: Known | undefined, { last, name }: CompactedCommits): Promise<Known> {
    const place = joinPath(this.folder, logFolder, name);
    const { content, fileState, name: where } = await this.readWhole(place);
    return { state: follow(known?.state, [{ version: last, ...decodeActions(where, content), fileState }], this.name), head: fileState, place };
  }

  private async readCheckpoint({ version, names }: Checkpoint, checksum: string | undefined): Promise<Known> {
    const parts: CheckpointFile[] = [];
    let head: FileState | undefined;
    const read = async (path: string): Promise<void> => {
      const { content, fileState, name: where } = await this.readWhole(path);
      if (head === undefined && checksum !== undefined && checksumOf(content) !== checksum) {
        throw new DamagedFileError(where, 'is not the checkpoint that was written: its checksum differs. Remove it, if the commits before it are there; else restore it');
      }
      head ??= fileState;
      parts.push(await decodeCheckpoint(where, content));
    };
    const place = joinPath(this.folder, logFolder, names[0]!);
    for (const name of names) await read(joinPath(this.folder, logFolder, name));
    for (const uri of parts.flatMap(({ sidecars }) => sidecars)) {
      const path = tryPathOfUri(uri);
      if (path === undefined) throw new UnsupportedError(this.bytes.locate(place), 'sidecar', `names the sidecar ${uri}, which is not in the table's folder`);
      await read(joinPath(this.folder, logFolder, '_sidecars', baseName(path)));
    }
    const all = <Key extends 'transactions' | 'remove' | 'add'>(key: Key) => parts.flatMap(({ actions }) => actions[key] as readonly Actions[Key][number][]);
    const one = <Key extends 'protocol' | 'metaData'>(key: Key) => parts.map(({ actions }) => actions[key]).find((each) => each !== undefined);
    // What the commit says of itself is in no checkpoint.
    const commit = await this.tryCommit(version);
    const actions = {
      version, commitInfo: commit?.commitInfo, protocol: one('protocol'), metaData: one('metaData'), transactions: all('transactions'), remove: all('remove'), add: all('add'),
      fileState: commit?.fileState ?? head!,
    };
    return { state: follow(undefined, [actions], this.bytes.locate(place)), head: actions.fileState, place: commit === undefined ? place : this.entryPath(version) };
  }

  private async readWhole(path: string): Promise<WholeFile> {
    const file = await readFile(this.bytes, path);
    if (file === undefined) throw new DamagedFileError(this.bytes.locate(path), 'is missing, and the log of the table names it. Restore the file');
    return file;
  }

  private entryPath(version: number): string {
    return joinPath(this.folder, logFolder, `${String(version).padStart(20, '0')}.json`);
  }
}

/**
 * When a commit was made, in milliseconds: as it says itself, if the table keeps such times or the commit is one of ours; else
 * as its file does, by Delta's protocol.
 */
export function committedAt({ version, commitInfo, fileState }: DeltaCommit): number {
  const { inCommitTimestamp, tauro } = (commitInfo ?? {}) as { readonly inCommitTimestamp?: unknown; readonly tauro?: unknown };
  if (typeof inCommitTimestamp === 'number') return inCommitTimestamp;
  return tauro === undefined ? Number(fileState.modifiedNs / 1_000_000n) : contentOf(version, commitInfo).committedAtMs;
}

/** What others have to care about in a commit. */
export function factsOf({ protocol, metaData, transactions, add, remove }: DeltaCommit): CommitFacts {
  return { changesProtocol: protocol !== undefined, changesMetadata: metaData !== undefined, applications: transactions.map(({ appId }) => appId), add, remove };
}

function contentIdOf({ version, commitInfo }: DeltaCommit): string | undefined {
  const { txnId } = (commitInfo ?? {}) as { readonly txnId?: string };
  return txnId ?? contentOf(version, commitInfo).commitId;
}

/** More commits than this are not read where a checkpoint saves it. */
const commitsMax = 200;

interface Start {
  readonly checkpoint: Checkpoint;
  readonly checksum: string | undefined;
}

/**
 * Where to begin for a version, the best first: a checkpoint with a checksum; the first commit, undefined, if all are there and not
 * many, since each of ours has a checksum; other checkpoints, for whose bytes nothing vouches; and the first commit at last.
 */
function startsOf({ checkpoints, commits }: Segments, version: number, pointer: CheckpointPointer | undefined): (Start | undefined)[] {
  const starts = checkpoints.filter((each) => each.version <= version).map((checkpoint): Start => {
    const isVouchedFor = pointer?.version === checkpoint.version && checkpoint.names.length === 1 && !checkpoint.names[0]!.endsWith('.json');
    return { checkpoint, checksum: isVouchedFor ? pointer.checksum : undefined };
  });
  const isShort = version < commitsMax && Array.from({ length: version + 1 }, (_, i) => i).every((each) => commits.has(each));
  const [sure, others] = [starts.filter(({ checksum }) => checksum !== undefined), starts.filter(({ checksum }) => checksum === undefined)];
  return isShort ? [...sure, undefined, ...others] : [...sure, ...others, undefined];
}

/** The state after more commits, in their order. */
function follow(state: DeltaVersion | undefined, commits: readonly DeltaCommit[], name: string): DeltaVersion {
  let { protocol, metaData, content } = state ?? {};
  const [files, tombstones, transactions] = [new Map(state?.files), new Map(state?.tombstones), new Map(state?.transactions)];
  for (const commit of commits) {
    protocol = commit.protocol ?? protocol;
    metaData = commit.metaData ?? metaData;
    content = contentOf(commit.version, commit.commitInfo);
    for (const txn of commit.transactions) transactions.set(txn.appId, txn);
    for (const file of commit.remove) {
      const path = nameOf(file.path, files);
      const live = files.get(path);
      if (live !== undefined && vectorId(live) === vectorId(file)) files.delete(path);
      tombstones.set(fileId(file), file);
    }
    for (const file of commit.add) {
      files.set(file.path, file);
      tombstones.delete(fileId(file));
    }
  }
  const version = commits.at(-1)?.version ?? state?.version;
  invariant(version !== undefined && content !== undefined, 'a version has a checkpoint or an entry');
  if (protocol === undefined || metaData === undefined) throw new DamagedFileError(name, `version ${version} has no ${protocol === undefined ? 'protocol' : 'metaData'}, and none before it has`);
  return { version, protocol, metaData, files, tombstones, transactions, content };
}

/** The name under which a file was added: an absolute one may be written in several ways. */
function nameOf(uri: string, files: ReadonlyMap<string, AddFile>): string {
  const absolute = files.has(uri) ? undefined : tryAbsolutePath(uri);
  return absolute === undefined ? uri : ([...files.keys()].find((other) => tryAbsolutePath(other) === absolute) ?? uri);
}

function vectorId({ deletionVector }: AddFile | RemoveFile): string {
  return deletionVector === undefined ? '' : deletionVectorId(deletionVector);
}

function decodeCommit(name: string, version: number, content: Uint8Array, fileState: FileState): DeltaCommit {
  return { version, ...decodeActions(name, content), fileState };
}
