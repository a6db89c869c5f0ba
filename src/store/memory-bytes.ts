/** Bytes in memory, for tests and for stores that need not outlive their process. Every call gives way once. */
import { StorageError } from '../base/errors.ts';
import { type Bytes, checkPath, checkRange, compareNames, type FileStat, type OpenFile } from './bytes.ts';

interface Entry {
  readonly content: Uint8Array;
  readonly modifiedNs: bigint;
}

/** `now` gives files their time of modification, in milliseconds; two files never have the same. */
export function memoryBytes(now: () => number = Date.now): Bytes {
  const files = new Map<string, Entry>();
  let lastNs = 0n;
  const stamp = (): bigint => {
    const clockNs = BigInt(now()) * 1_000_000n;
    lastNs = clockNs > lastNs ? clockNs : lastNs + 1n;
    return lastNs;
  };
  const locate = (path: string): string => `memory:/${path}`;
  const isFolder = (path: string): boolean => {
    if (path === '') return true;
    for (const file of files.keys()) if (file.startsWith(`${path}/`)) return true;
    return false;
  };
  const put = (path: string, content: Uint8Array): void => {
    const parts = checkPath(path).split('/');
    for (let length = 1; length < parts.length; length++) {
      const above = parts.slice(0, length).join('/');
      if (files.has(above)) throw new StorageError(locate(path), `cannot write: ${locate(above)} is a file, not a folder`);
    }
    files.set(path, { content: new Uint8Array(content), modifiedNs: stamp() });
  };
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  return {
    locate,
    async kind(path) {
      await turn();
      return files.has(checkPath(path)) ? 'file' : isFolder(path) ? 'folder' : undefined;
    },
    async stat(path) {
      await turn();
      const entry = files.get(checkPath(path));
      return entry && { path, size: entry.content.length, modifiedNs: entry.modifiedNs };
    },
    async open(path): Promise<OpenFile | undefined> {
      await turn();
      const entry = files.get(checkPath(path));
      if (entry === undefined) return undefined;
      const { content, modifiedNs } = entry;
      return {
        name: locate(path),
        size: content.length,
        modifiedNs,
        async read(start, end) {
          await turn();
          checkRange(locate(path), content.length, start, end);
          return content.slice(start, end);
        },
        stat: async () => ({ size: content.length, modifiedNs }),
        close: async () => {},
      };
    },
    async names(folder) {
      await turn();
      if (!isFolder(checkPath(folder))) return undefined;
      const prefix = folder === '' ? '' : `${folder}/`;
      const names = new Set<string>();
      for (const path of files.keys()) if (path.startsWith(prefix)) names.add(path.slice(prefix.length).split('/')[0]!);
      return [...names].sort(compareNames);
    },
    async list(folder, skip = () => false) {
      await turn();
      const prefix = checkPath(folder) === '' ? '' : `${folder}/`;
      const found: FileStat[] = [];
      for (const [path, { content, modifiedNs }] of files) {
        if (!path.startsWith(prefix) || path.slice(prefix.length).split('/').some(skip)) continue;
        found.push({ path, size: content.length, modifiedNs });
      }
      return found.sort((a, b) => compareNames(a.path, b.path));
    },
    async writeNew(path, content) {
      await turn();
      checkPath(path);
      if (files.has(path)) throw new StorageError(locate(path), 'cannot write a new file: it exists already');
      put(path, content);
    },
    async putIfAbsent(path, content) {
      await turn();
      checkPath(path);
      if (files.has(path)) return false;
      put(path, content);
      return true;
    },
    async move(from, to) {
      await turn();
      checkPath(to);
      const entry = files.get(checkPath(from));
      if (entry === undefined) return false;
      put(to, entry.content);
      files.set(to, entry);
      files.delete(from);
      return true;
    },
    async delete(path) {
      await turn();
      return files.delete(checkPath(path));
    },
  };
}
