/**
 * Bytes in local files; the one place that knows the file system.
 *
 * Put-if-absent writes a hidden temporary file beside the target, makes it durable, and gives it its name by a hard link:
 * linking fails when the name is taken, where a rename would overwrite. What a crash leaves behind is a hidden
 * `.<name>.<id>.tmp`, which readers pass over and vacuum removes.
 *
 * Files are looked at and opened by calls that wait: these take microseconds, where a turn through the thread pool takes a hundred of
 * them, and reading an entity that is in memory is nothing but such looks. Folders of many files, reads and writes do not wait; threads
 * that have nothing else to do (`readInto`) read so, too.
 */
import { randomUUID } from 'node:crypto';
import { type BigIntStats, closeSync, fstatSync, lstatSync, openSync, read as readCallback, readSync, statSync } from 'node:fs';
import { link, mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { DamagedFileError, FeatureStoreError, reasonOf, StorageError } from '../base/errors.ts';
import {
  type Bytes, checkPath, checkRange, compareNames, type FileStat, joinPath, mapConcurrently, type OpenFile,
} from './bytes.ts';

/** More folders within folders than any table has; links that lead back into themselves end here. */
const depthMax = 32;

/** Files of a folder that are looked at without asking the thread pool; more would keep others waiting. */
const looksMax = 64;

/** The files under `root`, which need not exist yet. */
export function localBytes(root: string): Bytes {
  const base = resolve(root);
  const locate = (path: string): string => join(base, checkPath(path));

  const walk = async (folder: string, skip: (name: string) => boolean, depth: number, found: FileStat[]): Promise<void> => {
    const where = locate(folder);
    if (depth > depthMax) throw new StorageError(where, `folders lie more than ${depthMax} deep here; is there a link that leads back to a folder above it?`);
    const entries = (await absentAsValue(where, 'list the folder', () => readdir(where, { withFileTypes: true }))) ?? [];
    const kept = entries.filter((entry) => !skip(entry.name));
    const isLarge = kept.length > looksMax;
    await mapConcurrently(kept, 16, async (entry) => {
      const path = joinPath(folder, entry.name);
      if (entry.isDirectory()) return walk(path, skip, depth + 1, found);
      const status = isLarge ? await absentAsValue(locate(path), 'look at', () => stat(locate(path), { bigint: true })) : look(locate(path));
      // A link may lead to a folder, or nowhere: whoever put it there means a file that is missing. A file may be gone since the folder was listed.
      if (status === undefined && entry.isSymbolicLink() && lstatSync(locate(path), { throwIfNoEntry: false }) !== undefined) {
        throw new StorageError(locate(path), 'is a link to something that is not there; restore what it leads to, or remove the link');
      }
      if (status?.isDirectory()) return walk(path, skip, depth + 1, found);
      if (status?.isFile()) found.push({ path, size: Number(status.size), modifiedNs: status.mtimeNs });
      return undefined;
    });
  };

  return {
    root: base,
    locate,
    async kind(path) {
      const status = look(locate(path));
      return status?.isFile() ? 'file' : status?.isDirectory() ? 'folder' : undefined;
    },
    async stat(path) {
      const status = look(locate(path));
      return status?.isFile() ? { path, size: Number(status.size), modifiedNs: status.mtimeNs } : undefined;
    },
    async open(path) {
      const where = locate(path);
      const found = look(where);
      if (found === undefined) return undefined;
      // Before it is opened: to open a pipe waits for whoever writes to it.
      if (!found.isFile()) throw notAFile(where);
      const file = await absentAsValue(where, 'open', async () => openSync(where, 'r'));
      return file === undefined ? undefined : openFile(where, file);
    },
    async names(folder) {
      const where = locate(folder);
      return (await absentAsValue(where, 'list the folder', () => readdir(where)))?.sort(compareNames);
    },
    async list(folder, skip = () => false) {
      const found: FileStat[] = [];
      await walk(folder, skip, 0, found);
      return found.sort((a, b) => compareNames(a.path, b.path));
    },
    async writeNew(path, content) {
      const where = locate(path);
      await makeFolder(dirname(where));
      await translated(where, 'write a new file', async () => {
        await writeDurably(where, content);
        await syncFolder(dirname(where));
      });
    },
    async putIfAbsent(path, content) {
      const where = locate(path);
      const folder = dirname(where);
      const temporary = join(folder, `.${where.slice(folder.length + 1)}.${randomUUID()}.tmp`);
      await makeFolder(folder);
      return await translated(where, 'commit a file', async () => {
        await writeDurably(temporary, content);
        let isOurs = true;
        try {
          await link(temporary, where);
        } catch (thrown) {
          if (codeOf(thrown) !== 'EEXIST') throw thrown;
          isOurs = false;
        } finally {
          await unlink(temporary);
        }
        // The other's too: who finds a file there may build on it, or recognise it as one that was put before.
        await syncFolder(folder);
        return isOurs;
      });
    },
    async move(from, to) {
      const [source, target] = [locate(from), locate(to)];
      await makeFolder(dirname(target));
      const moved = await absentAsValue(source, `move to ${target}`, () => rename(source, target).then(() => true));
      return moved ?? false;
    },
    async delete(path) {
      return (await absentAsValue(locate(path), 'delete', () => unlink(locate(path)).then(() => true))) ?? false;
    },
  };
}

/** Undefined when there is nothing. */
function look(where: string): BigIntStats | undefined {
  try {
    return statSync(where, { bigint: true, throwIfNoEntry: false });
  } catch (thrown) {
    throw storageError(where, 'look at', thrown);
  }
}

function notAFile(where: string): StorageError {
  return new StorageError(where, 'cannot be read: it is not a file');
}

/** Takes over the descriptor: it is closed here if the file cannot be looked at. */
async function openFile(where: string, file: number): Promise<OpenFile> {
  const stat = async (): Promise<{ size: number; modifiedNs: bigint }> => {
    const status = await translated(where, 'look at', async () => fstatSync(file, { bigint: true }));
    if (!status.isFile()) throw notAFile(where);
    return { size: Number(status.size), modifiedNs: status.mtimeNs };
  };
  const underWay = new Set<Promise<unknown>>();
  let isOpen = true;
  // A number that was closed may be another file's by now: it is not closed twice, nor while it is read, nor read then.
  const close = async (): Promise<void> => {
    if (!isOpen) return;
    isOpen = false;
    await Promise.allSettled(underWay);
    closeSync(file);
  };
  const check = (start: number, end: number, size: number): void => {
    checkRange(where, size, start, end);
    if (!isOpen) throw new StorageError(where, 'cannot be read: it was closed');
  };
  try {
    const { size, modifiedNs } = await stat();
    return {
      name: where,
      size,
      modifiedNs,
      read: (start, end) => {
        check(start, end, size);
        const reading = translated(where, 'read', () => readRange(where, file, start, end)).finally(() => underWay.delete(reading));
        underWay.add(reading);
        return reading;
      },
      readInto: (target, start) => {
        check(start, start + target.length, size);
        try {
          for (let filled = 0; filled < target.length; ) {
            const bytes = readSync(file, target, filled, target.length - filled, start + filled);
            filled += someRead(where, bytes, start + filled, start + target.length);
          }
        } catch (thrown) {
          throw storageError(where, 'read', thrown);
        }
      },
      stat,
      close,
    };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

const readSome = promisify(readCallback);

async function readRange(where: string, file: number, start: number, end: number): Promise<Uint8Array> {
  // Not a Buffer of the pool, which others share; and not zeros first, since every byte is read or this fails.
  const content = new Uint8Array(Buffer.allocUnsafeSlow(end - start).buffer);
  for (let filled = 0; filled < content.length; ) {
    const { bytesRead } = await readSome(file, content, filled, content.length - filled, start + filled);
    filled += someRead(where, bytesRead, start + filled, end);
  }
  return content;
}

function someRead(where: string, bytes: number, at: number, end: number): number {
  if (bytes > 0) return bytes;
  throw new DamagedFileError(where, `ended at byte ${at}, before ${end}: it was cut short while it was read`);
}

/** Leaves nothing behind when it fails. */
async function writeDurably(where: string, content: Uint8Array): Promise<void> {
  const handle = await open(where, 'wx');
  try {
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (thrown) {
    await unlink(where).catch(() => undefined);
    throw thrown;
  }
}

async function makeFolder(folder: string): Promise<void> {
  await translated(folder, 'make the folder', async () => {
    await makeFolders(folder);
  });
}

/**
 * One folder after the other: Node's own `recursive` never returns where the system answers "not there" for a folder whose
 * parent is there, as /proc does. Each new folder is an entry of the one above it, which is synced.
 */
async function makeFolders(folder: string, parentMade = false): Promise<void> {
  try {
    await mkdir(folder);
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === 'EEXIST' && (await stat(folder)).isDirectory()) return;
    if (code !== 'ENOENT' || parentMade || dirname(folder) === folder) throw error;
    await makeFolders(dirname(folder));
    return makeFolders(folder, true);
  }
  await syncFolder(dirname(folder));
}

async function syncFolder(folder: string): Promise<void> {
  // Windows has no such call, and keeps its folders itself.
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Turns "there is no such file" into undefined, and every other refusal into a StorageError. */
async function absentAsValue<Result>(where: string, doing: string, work: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await work();
  } catch (thrown) {
    if (codeOf(thrown) === 'ENOENT') return undefined;
    throw storageError(where, doing, thrown);
  }
}

async function translated<Result>(where: string, doing: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (thrown) {
    throw storageError(where, doing, thrown);
  }
}

const remedies: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full; make room, or choose another storage path',
  EDQUOT: 'the disk quota is used up; make room, or choose another storage path',
  EFBIG: 'the file is larger than this process may write; raise the limit (ulimit -f)',
  EACCES: 'permission was refused; grant this user access to it',
  EPERM: 'the file system does not permit it; it needs hard links, and a user who may write',
  ENOTSUP: 'the file system cannot do it; it needs hard links',
  EROFS: 'the file system is read-only; choose another storage path',
  ENOENT: 'it is not there; check the path',
  ENOTDIR: 'a part of the path is a file where a folder should be; check the path',
  EISDIR: 'it is a folder where a file should be; check the path',
  EEXIST: 'something stands there already; check the path',
  EMFILE: 'this process has too many files open; raise the limit (ulimit -n)',
  ENFILE: 'the system has too many files open',
  ENAMETOOLONG: 'the path is too long; choose a shorter one',
  ELOOP: 'its links lead in a circle',
  EIO: 'the device failed; check the disk',
  EXDEV: 'a part of the table lies on another file system; keep a table on one',
};

function storageError(where: string, doing: string, thrown: unknown): FeatureStoreError {
  if (thrown instanceof FeatureStoreError) return thrown;
  const code = codeOf(thrown);
  const remedy = code === undefined ? undefined : remedies[code];
  return new StorageError(where, `cannot ${doing}: ${remedy === undefined ? reasonOf(thrown) : `${remedy} (${code})`}`, thrown);
}

function codeOf(thrown: unknown): string | undefined {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
  return typeof code === 'string' ? code : undefined;
}
