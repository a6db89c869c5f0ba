/**
 * The one contract for all input and output: local files, memory, object stores.
 *
 *   paths     relative to a root, parts joined by '/', the root itself is ''; no '..', so no call leaves its root
 *   durable   what `writeNew` and `putIfAbsent` have returned for survives a crash of the machine
 *   atomic    `putIfAbsent` and `move` happen whole or not at all, whoever looks
 *
 * Failures of the world are StorageErrors; that a file is not there is a value. See local-bytes.ts, memory-bytes.ts.
 */
import { ArgumentError, DamagedFileError } from '../base/errors.ts';

/** What identifies the content of a file without reading it. */
export interface FileState {
  readonly size: number;
  readonly modifiedNs: bigint;
  /** What an object store tells its contents apart by; its time of modification counts whole seconds. */
  readonly etag?: string | undefined;
}

export interface FileStat extends FileState {
  readonly path: string;
}

/** The bytes of one file, by range. */
export interface FileBytes {
  /** For messages. */
  readonly name: string;
  readonly size: number;
  /** The bytes [start, end), all of them; the caller owns the array. */
  read(start: number, end: number): Promise<Uint8Array>;
  /** The bytes from `start` on into all of `target`, which threads may share; the thread waits. Absent where that would take long. */
  readInto?(target: Uint8Array, start: number): void;
}

/**
 * A file held open: goes on reading the same bytes when the file is moved or deleted meanwhile, or says DamagedFileError
 * where that cannot be, as in an object store. It never reads others.
 */
export interface OpenFile extends FileBytes, FileState {
  /** Size and time of modification as they are now. */
  stat(): Promise<FileState>;
  close(): Promise<void>;
}

export interface Bytes {
  /** The folder, where these are files of the local disk: another thread finds the same files there. Absent: they are not. */
  readonly root?: string;
  /** Where a path stands, for messages. */
  locate(path: string): string;
  kind(path: string): Promise<'file' | 'folder' | undefined>;
  stat(path: string): Promise<FileStat | undefined>;
  /** Undefined when there is no such file. `whole`: all of it will be read, so its beginning may come along. */
  open(path: string, options?: { readonly whole?: boolean }): Promise<OpenFile | undefined>;
  /** The names in a folder, sorted by code point; undefined when there is no such folder. */
  names(folder: string): Promise<string[] | undefined>;
  /** All files under a folder, sorted by path; none when it is not there. Names for which `skip` is true are left out. */
  list(folder: string, skip?: (name: string) => boolean): Promise<FileStat[]>;
  /** Writes a file that must not exist yet, and the folders above it. */
  writeNew(path: string, content: Uint8Array): Promise<void>;
  /** Writes a file if there is none: the file appears whole, for one caller only. True if it is ours. */
  putIfAbsent(path: string, content: Uint8Array): Promise<boolean>;
  /** Moves a file within the root, making the folders above `to`. False when `from` is not there. */
  move(from: string, to: string): Promise<boolean>;
  /** False when it was not there. */
  delete(path: string): Promise<boolean>;
  /** Where a request can delete many: the paths at which nothing stands any more. Throws when one cannot be deleted. */
  deleteAll?(paths: readonly string[]): Promise<readonly string[]>;
}

/** Deletes files that were listed. Says how many went, and how large they were. */
export async function deleteFiles(bytes: Bytes, files: readonly FileStat[]): Promise<{ files: number; bytes: number }> {
  const gone = new Set(await bytes.deleteAll?.(files.map(({ path }) => path)));
  if (bytes.deleteAll === undefined) for (const { path } of files) if (await bytes.delete(path)) gone.add(path);
  return { files: gone.size, bytes: files.reduce((sum, { path, size }) => sum + (gone.has(path) ? size : 0), 0) };
}

export interface WholeFile {
  /** For messages. */
  readonly name: string;
  readonly content: Uint8Array;
  readonly fileState: FileState;
}

/** A file with all of its content, or undefined when it is not there. */
export async function readFile(bytes: Bytes, path: string): Promise<WholeFile | undefined> {
  const file = await bytes.open(path, { whole: true });
  if (file === undefined) return undefined;
  try {
    const { name, size, modifiedNs, etag } = file;
    return { name, content: await file.read(0, size), fileState: { size, modifiedNs, ...(etag !== undefined && { etag }) } };
  } finally {
    await file.close();
  }
}

export async function readWhole(bytes: Bytes, path: string): Promise<Uint8Array | undefined> {
  return (await readFile(bytes, path))?.content;
}

/** Whether two looks found the same content. */
export function isSameState(a: FileState, b: FileState): boolean {
  return a.size === b.size && a.modifiedNs === b.modifiedNs && a.etag === b.etag;
}

/** Joins parts of a path; empty ones vanish. */
export function joinPath(...parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join('/');
}

/** Returns the path if it stays within its root. */
export function checkPath(path: string): string {
  if (path === '') return path;
  const wrong = path.includes('\0') || path.split('/').some((part) => part === '' || part === '.' || part === '..');
  if (wrong) throw new ArgumentError('path', `${JSON.stringify(path)} does not stay within its folder`);
  return path;
}

/** Asserts that a range lies within a file. A footer that points elsewhere is damage, not a mistake of ours. */
export function checkRange(name: string, size: number, start: number, end: number): void {
  const sound = Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start <= end && end <= size;
  if (!sound) {
    throw new DamagedFileError(name, `bytes ${start} to ${end} are asked for, but it has ${size}; the file is truncated or damaged`);
  }
}

/** The order of paths and names: by code unit, the same on every machine. */
export function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Runs `work` on every item, at most `width` at a time; results in the order of the items. */
export async function mapConcurrently<Item, Result>(
  items: readonly Item[],
  width: number,
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = new Array(items.length);
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      results[index] = await work(items[index]!);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
  return results;
}
