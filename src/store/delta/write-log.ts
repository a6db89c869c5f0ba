/**
 * The log of a Delta table as a writer needs it: what the newest version is, what commits since some version did, and the one
 * place where a version is made.
 *
 * Law: a version, once read, never changes. What was read before costs one look at the last known entry and one for the next.
 */
import { ArgumentError, DamagedFileError, invariant, NotFoundError, StorageError } from '../../base/errors.ts';
import { formatInstant } from '../../base/time.ts';
import { type Bytes, type FileState, isSameState, joinPath, mapConcurrently } from '../bytes.ts';
import type { CommitFacts } from './conflict.ts';
import { deletionVectorId } from './deletion-vector.ts';
import type { AddFile, Metadata, Protocol, RemoveFile, Transaction } from './write-actions.ts';
import { type Actions, decodeActions } from './write-decode.ts';
import { type Checkpoint, listedLog, type ListedLog, startOf } from './write-start.ts';
import { type Content, contentOf, type DeltaEntry, encodeDeltaEntry } from './write-entry.ts';

export const logFolder = '_delta_log';

/** A version as it follows from the log. Never changed once made. */
export interface DeltaVersion {
  readonly version: number;
  readonly protocol: Protocol;
  readonly metaData: Metadata;
  /** By path, as the log has it; in the order of the log. */
  readonly files: ReadonlyMap<string, AddFile>;
  /** Files that were removed, as far as the log still tells. */
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

interface Known {
  readonly state: DeltaVersion;
  /** Of the version's entry: when it differs, the table was deleted and made anew. Absent: only a checkpoint tells of the version. */
  readonly head: FileState | undefined;
}

export class DeltaLog {
  private last: Known | undefined;

  constructor(
    private readonly bytes: Bytes,
    private readonly folder: string,
    /** The table's, for messages. */
    private readonly name: string,
  ) {}

  /** The newest version; undefined when there is none. */
  async newest(): Promise<DeltaVersion | undefined> {
    let known = this.last;
    if (known !== undefined) {
      const head = await this.bytes.stat(this.entryPath(known.state.version));
      if (head === undefined || known.head === undefined || !isSameState(head, known.head)) known = undefined;
    }
    if (known === undefined) {
      const log = await this.listed();
      if (log.entries.size === 0) {
        this.last = undefined;
        return undefined;
      }
      known = await this.load([...log.entries].reduce((a, b) => Math.max(a, b)), log);
    }
    for (;;) {
      const next = await this.tryCommit(known.state.version + 1);
      if (next === undefined) break;
      known = { state: follow(known.state, [next], this.name), head: next.fileState };
    }
    // A slower call must not take back what a faster one has found, unless the table was made anew.
    const { last } = this;
    if (last?.state.metaData.id !== known.state.metaData.id || last.state.version <= known.state.version) this.last = known;
    return known.state;
  }

  async at(version: number): Promise<DeltaVersion> {
    return this.last?.state.version === version ? this.last.state : (await this.load(version, await this.listed())).state;
  }

  /** The version that was the newest at a time. Throws NotFoundError when the table is younger. */
  async versionAt(newest: DeltaVersion, timestampUs: bigint): Promise<number> {
    let { version } = newest;
    for (; ; version--) {
      const commit = version < 0 ? undefined : await this.tryCommit(version);
      if (commit === undefined) break;
      const { committedAtMs } = contentOf(version, commit.commitInfo);
      if (BigInt(committedAtMs) * 1_000n <= timestampUs) return version;
      if (version > 0) continue;
      throw new NotFoundError('version', `at ${formatInstant(timestampUs)}`, `${this.name} was first written at ${formatInstant(BigInt(committedAtMs) * 1_000n)}`);
    }
    throw new NotFoundError('version', `at ${formatInstant(timestampUs)}`, `the log of ${this.name} does not reach back so far`);
  }

  /** Undefined when there is no such entry. */
  async tryCommit(version: number): Promise<DeltaCommit | undefined> {
    const file = await this.bytes.open(this.entryPath(version));
    if (file === undefined) return undefined;
    try {
      return decodeCommit(file.name, version, await file.read(0, file.size), file);
    } finally {
      await file.close();
    }
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

  private async listed(): Promise<ListedLog> {
    const kind = await this.bytes.kind(this.folder);
    if (kind === 'file') throw new StorageError(this.name, 'a file stands where the folder of a table should be');
    const log = listedLog((kind && (await this.bytes.names(joinPath(this.folder, logFolder)))) ?? []);
    // Each of two tables in one folder would take the files of the other for forgotten ones.
    if (log.entries.size === 0 && kind === 'folder' && (await this.bytes.kind(joinPath(this.folder, '_log'))) !== undefined) {
      throw new ArgumentError('format', `${this.name} is a table of this library's own format, which is not written as delta; choose another folder, or remove it first`);
    }
    return log;
  }

  private async load(version: number, log: ListedLog): Promise<Known> {
    const start = await startOf(this.bytes, joinPath(this.folder, logFolder), log, version);
    const first = start?.version ?? 0;
    const commits = await mapConcurrently(Array.from({ length: version - first + 1 }, (_, i) => first + i), 8, (number) => this.tryCommit(number));
    // Of the checkpoint's own version the entry tells only what a checkpoint does not: what the commit says of itself.
    const [own, ...later] = start === undefined ? [undefined, ...commits] : commits;
    const missing = later.indexOf(undefined);
    if (missing >= 0) {
      const place = this.entryPath(version + 1 - later.length + missing);
      throw new DamagedFileError(this.bytes.locate(place), 'this entry of the log is missing, and later ones build on it; there is no checkpoint that could be read instead. Restore the file, or write the table again');
    }
    const state = follow(start && stateOf(start, own), later.map((commit) => commit!), this.name);
    return { state, head: commits.at(-1)?.fileState };
  }

  private entryPath(version: number): string {
    return joinPath(this.folder, logFolder, `${String(version).padStart(20, '0')}.json`);
  }
}

/** What others have to care about in a commit. */
export function factsOf({ protocol, metaData, transactions, add, remove }: DeltaCommit): CommitFacts {
  return { changesProtocol: protocol !== undefined, changesMetadata: metaData !== undefined, applications: transactions.map(({ appId }) => appId), add, remove };
}

function contentIdOf({ version, commitInfo }: DeltaCommit): string | undefined {
  const { txnId } = (commitInfo ?? {}) as { readonly txnId?: string };
  return txnId ?? contentOf(version, commitInfo).commitId;
}

/** `own` is the entry of the checkpoint's version, if it is still there. */
function stateOf({ version, actions }: Checkpoint, own: DeltaCommit | undefined): DeltaVersion {
  const { protocol, metaData, add, remove, transactions } = actions;
  invariant(protocol !== undefined && metaData !== undefined, 'a checkpoint has protocol and metaData');
  const byPath = <File extends { readonly path: string }>(files: readonly File[]): Map<string, File> => new Map(files.map((file) => [file.path, file]));
  const content = own === undefined ? { version, commitId: metaData.id, committedAtMs: 0, info: {} } : contentOf(version, own.commitInfo);
  return { version, protocol, metaData, files: byPath(add), tombstones: byPath(remove), transactions: new Map(transactions.map((txn) => [txn.appId, txn])), content };
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
      const live = files.get(file.path);
      if (live !== undefined && vectorId(live) === vectorId(file)) files.delete(file.path);
      tombstones.set(file.path, file);
    }
    for (const file of commit.add) {
      files.set(file.path, file);
      tombstones.delete(file.path);
    }
  }
  const version = commits.at(-1)?.version ?? state?.version;
  invariant(version !== undefined && content !== undefined, 'a version has a checkpoint or an entry');
  if (protocol === undefined || metaData === undefined) throw new DamagedFileError(name, `version ${version} has no ${protocol === undefined ? 'protocol' : 'metaData'}, and none before it has`);
  return { version, protocol, metaData, files, tombstones, transactions, content };
}

function vectorId({ deletionVector }: AddFile | RemoveFile): string {
  return deletionVector === undefined ? '' : deletionVectorId(deletionVector);
}

function decodeCommit(name: string, version: number, content: Uint8Array, { size, modifiedNs, etag }: FileState): DeltaCommit {
  return { version, ...decodeActions(name, content), fileState: { size, modifiedNs, ...(etag !== undefined && { etag }) } };
}
