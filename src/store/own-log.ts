/**
 * The commit log of a table of our own, as files: what its versions are, and the one place where a version is made.
 *
 * Law: a version, once read, is never read again, and never changes. What was read before costs one look at the last known
 * entry and one for the next. log.ts knows what an entry looks like.
 */
import { ArgumentError, DamagedFileError, invariant, NotFoundError, StorageError } from '../base/errors.ts';
import { formatInstant } from '../base/time.ts';
import { type Bytes, type FileState, isSameState, joinPath, readFile } from './bytes.ts';
import { decodeEntry, encodeEntry, entryName, type LogEntry, type LoggedFile, type TableFacts, versionOf } from './log.ts';
import { RecentEntries } from './recent-entries.ts';

/** A version as it follows from the log. Never changed once made. */
export interface TableState {
  readonly head: LogEntry;
  /** The last entry that changed rows: compactions before the head are the same version to who reads. */
  readonly content: LogEntry;
  readonly table: TableFacts;
  /** In the order of their rows. */
  readonly live: ReadonlyMap<string, LoggedFile>;
  /** Files that entries since the last overwrite, or that overwrite itself, have removed. */
  readonly removed: ReadonlySet<string>;
  /** Of the head's entry: when it differs, the folder was deleted and made anew. */
  readonly headState: FileState;
}

/** Of entries, when a log is read from where it begins. */
const readsAtOnce = 32;

interface ReadEntry {
  readonly entry: LogEntry;
  readonly fileState: FileState;
}

export class TableLog {
  private last: TableState | undefined;
  private recent = new RecentEntries<ReadEntry>();

  constructor(
    private readonly bytes: Bytes,
    private readonly folder: string,
    /** The table's, for messages. */
    private readonly name: string,
  ) {}

  /** The newest version; undefined when there is none. */
  async newest(): Promise<TableState | undefined> {
    let state = this.last;
    let next: ReadEntry | undefined;
    if (state !== undefined) {
      const { version } = state.head;
      const [head, found] = await Promise.all([this.bytes.stat(this.entryPath(version)), this.tryRead(version + 1)]);
      next = found;
      if (head === undefined || !isSameState(head, state.headState)) state = undefined;
    }
    if (state === undefined) {
      this.recent = new RecentEntries();
      const last = await this.lastListed();
      if (last === undefined) {
        this.last = undefined;
        return undefined;
      }
      state = await this.at(last);
      next = await this.tryRead(last + 1);
    }
    for (; next !== undefined; next = await this.tryRead(state.head.version + 1)) state = follow(state, next);
    // A slower call must not take back what a faster one has found, unless the table was made anew.
    if (this.last?.table.id !== state.table.id || this.last.head.version <= state.head.version) this.last = state;
    return state;
  }

  /** A version from its entries: back to the last one that needs none before it, then forward. */
  async at(version: number): Promise<TableState> {
    const entries: ReadEntry[] = [];
    for (let [end, width] = [version + 1, 1]; ; end -= width, width = Math.min(2 * width, readsAtOnce)) {
      // Some too many are read; what is wrong with those is no matter.
      const numbers = Array.from({ length: Math.min(width, end) }, (_, i) => end - 1 - i);
      const reads = numbers.map((number) => this.tryRead(number));
      for (const read of reads) read.catch(() => undefined);
      for (const [i, number] of numbers.entries()) {
        const read = await reads[i]!;
        if (read === undefined) throw this.missing(number);
        entries.push(read);
        if (read.entry.table === undefined) continue;
        let state: TableState | undefined;
        for (const entry of entries.reverse()) state = follow(state, entry);
        return state!;
      }
      if (end <= width) throw this.missing(0);
    }
  }

  private missing(version: number): DamagedFileError {
    return new DamagedFileError(this.bytes.locate(this.entryPath(version)), 'this entry of the commit log is missing, and later ones build on it. Restore the file, or write the table again');
  }

  /** The version that was the newest at a time. Throws NotFoundError when the table is younger. */
  async versionAt(newest: TableState, timestampUs: bigint): Promise<number> {
    let head: LogEntry | undefined = newest.head;
    while (head !== undefined && BigInt(head.committedAtMs) * 1_000n > timestampUs) {
      if (head.version === 0) {
        throw new NotFoundError('version', `at ${formatInstant(timestampUs)}`, `${this.name} was first written at ${formatInstant(BigInt(head.committedAtMs) * 1_000n)}`);
      }
      head = await this.tryEntry(head.version - 1);
    }
    if (head !== undefined) return head.version;
    throw new NotFoundError('version', `at ${formatInstant(timestampUs)}`, `the commit log of ${this.name} does not reach back so far`);
  }

  /** Undefined when there is no such version. */
  async tryEntry(version: number): Promise<LogEntry | undefined> {
    return (await this.tryRead(version))?.entry;
  }

  /** False when another writer has this version. A put that fails may have happened, so it is tried once more. */
  async tryAppend(entry: LogEntry): Promise<boolean> {
    const path = this.entryPath(entry.version);
    const content = encodeEntry(entry);
    const put = async (): Promise<boolean> => {
      if (await this.bytes.putIfAbsent(path, content)) return true;
      return (await this.tryEntry(entry.version))?.commitId === entry.commitId;
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
    const names = kind === undefined ? undefined : await this.bytes.names(joinPath(this.folder, '_log'));
    // Names of entries sort by version.
    const last = names?.findLast((name) => versionOf(name) !== undefined);
    if (last !== undefined) return versionOf(last);
    if (kind === 'folder' && (await this.bytes.kind(joinPath(this.folder, '_delta_log'))) !== undefined) {
      throw new ArgumentError('format', `${this.name} is a Delta table; write it as delta, or choose another folder`);
    }
    return undefined;
  }

  private async tryRead(version: number): Promise<ReadEntry | undefined> {
    const { recent } = this;
    const known = recent.get(version);
    if (known !== undefined) return known;
    const file = await readFile(this.bytes, this.entryPath(version));
    if (file === undefined) return undefined;
    const read = { entry: decodeEntry(file.name, version, file.content), fileState: file.fileState };
    recent.add(version, read);
    return read;
  }

  private entryPath(version: number): string {
    return joinPath(this.folder, '_log', entryName(version));
  }
}

/** The state after one more entry. */
function follow(state: TableState | undefined, { entry, fileState }: ReadEntry): TableState {
  const table = entry.table ?? state?.table;
  invariant(table !== undefined, `entry ${entry.version} builds on nothing`);
  const base = entry.table === undefined ? state : undefined;
  const removed = new Set([...(base?.removed ?? []), ...entry.remove]);
  const content = entry.kind === 'compact' && state !== undefined ? state.content : entry;
  return { head: entry, content, table, live: liveAfter(base?.live ?? new Map(), entry), removed, headState: fileState };
}

function liveAfter(before: ReadonlyMap<string, LoggedFile>, { add, remove }: LogEntry): Map<string, LoggedFile> {
  const live = new Map<string, LoggedFile>(remove.length === 0 ? before : []);
  const gone = new Set(remove);
  for (const [path, file] of remove.length === 0 ? [] : before) {
    if (!gone.has(path)) live.set(path, file);
    else for (const replacement of add.filter(({ replaces }) => replaces === path)) live.set(replacement.path, replacement);
  }
  for (const file of add) live.set(file.path, file);
  return live;
}
