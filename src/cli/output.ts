/**
 * Where data goes: the standard output, or a file that is there as a whole or not at all.
 *
 *   --out x.csv     written as .x.csv.<random>.tmp beside it, flushed to the disk, then renamed
 *   --out /dev/…    what is there and is no regular file is written into as it is; renaming would replace it
 */
import { randomBytes } from 'node:crypto';
import { access, constants, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Writable } from 'node:stream';
import { reasonOf, StorageError, throwIfCancelled } from '../base/errors.ts';

export type Chunks = Iterable<string | Uint8Array>;

/** Writes all chunks to a stream, no faster than it drains. */
export async function writeToStream(stream: Writable, chunks: Chunks, signal?: AbortSignal): Promise<void> {
  for (const chunk of chunks) {
    throwIfCancelled(signal, 'writing the output');
    await new Promise<void>((resolve, reject) => stream.write(chunk, (error) => (error ? reject(error) : resolve())));
  }
}

/** Writes a file through a temporary name. `write` fills the temporary file; if it throws, nothing is left. */
export async function replaceFile(path: string, write: (temporary: string) => Promise<void>): Promise<void> {
  // A link stays a link: what it points to is replaced.
  const target = await realpath(path).catch(() => path);
  const temporary = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    await write(temporary);
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true, recursive: true });
    throw asStorageError(path, error);
  }
}

/** Writes chunks into `path`, which afterwards holds all of them, or what it held before. */
export async function writeToFile(path: string, chunks: Chunks, signal?: AbortSignal): Promise<void> {
  if (await isSpecialFile(path)) return fill(path, 'w', chunks, signal).catch((error) => Promise.reject(asStorageError(path, error)));
  await replaceFile(path, (temporary) => fill(temporary, 'wx', chunks, signal));
}

async function fill(path: string, flags: string, chunks: Chunks, signal: AbortSignal | undefined): Promise<void> {
  const file = await open(path, flags);
  try {
    for (const chunk of chunks) {
      throwIfCancelled(signal, `writing ${path}`);
      await file.writeFile(chunk);
    }
    if (flags === 'wx') await file.sync();
  } finally {
    await file.close();
  }
}

/** Whether something is there that is neither a regular file nor a folder: a device, a pipe, a socket. */
async function isSpecialFile(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && !found.isFile() && !found.isDirectory();
}

/** Throws what writing would only find out after the work: no such folder, no permission, a folder of that name. */
export async function checkWritable(path: string): Promise<void> {
  try {
    await access(dirname(path), constants.W_OK);
    const found = await stat(path).catch(() => undefined);
    if (found?.isDirectory()) throw Object.assign(new Error('a folder'), { code: 'EISDIR' });
  } catch (error) {
    throw asStorageError(path, error);
  }
}

function asStorageError(path: string, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code === undefined) return error;
  const words: Readonly<Record<string, string>> = {
    ENOENT: 'its folder does not exist',
    ENOTDIR: 'its folder is not a folder',
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    EROFS: 'the file system is read-only',
    ENOSPC: 'no space left',
    EISDIR: 'it is a folder',
  };
  return new StorageError(path, `cannot be written: ${words[code] ?? reasonOf(error)}`, error);
}
