/**
 * Where the files of a table of our own stand, and how they get there.
 *
 *   _staged/part-…  →  part-…, or key=value/part-…   →  _superseded/part-…  →  gone
 *         written         live                             until vacuum
 *
 * Law: moving files changes no answer, since readers look in all three places; only vacuum deletes, and never what a version
 * within the retention uses. What a crash left undone the next call does.
 */
import { type Bytes, deleteFiles, type FileStat, joinPath, mapConcurrently } from './bytes.ts';
import type { LogEntry } from './log.ts';
import type { TableLog, TableState } from './own-log.ts';
import { baseName, stagedPath, supersededPath } from './placed-file.ts';

export interface Places {
  readonly bytes: Bytes;
  readonly folder: string;
  readonly log: TableLog;
}

/**
 * Moves every file to where its life has come to: superseded ones out first, so that a foreign reader never sees a row
 * twice, then new ones in. Staged files are listed before the live places, since files move that way; and both before the
 * log is read, so that a file in a live place which the log does not have was superseded, not just committed. `isOnlyAdding`: there
 * are none of those, and the live places, which may be many, need not be listed.
 */
export async function settle({ bytes, folder, log }: Places, { isOnlyAdding = false }: { readonly isOnlyAdding?: boolean } = {}): Promise<void> {
  const staged = (await bytes.names(joinPath(folder, '_staged'))) ?? [];
  const settled = isOnlyAdding ? [] : await filesInPlace(bytes, folder);
  const newest = await log.newest();
  if (newest === undefined) return;
  await mapConcurrently(settled.filter((path) => !newest.live.has(path)), movesAtOnce, (path) => bytes.move(joinPath(folder, path), supersededPath(folder, path)));
  // A staged file's name is that of its place without the folders.
  const places = (paths: Iterable<string>): Map<string, string> => new Map(Array.from(paths, (path) => [baseName(path), path]));
  const [removed, live] = [places(newest.removed), places(newest.live.keys())];
  await mapConcurrently(staged, movesAtOnce, async (name) => {
    const path = removed.get(name);
    if (path === undefined || (await bytes.move(stagedPath(folder, name), supersededPath(folder, name)))) return;
    await bytes.move(joinPath(folder, path), supersededPath(folder, name));
  });
  await mapConcurrently(staged, movesAtOnce, async (name) => {
    const path = live.get(name);
    if (path !== undefined) await bytes.move(stagedPath(folder, name), joinPath(folder, path));
  });
}

const movesAtOnce = 8;

export interface VacuumLimits {
  /** Versions that were the newest at this time or later keep their files. */
  readonly sinceMs: number;
  /** Staged files that are older belong to no writer any more. */
  readonly forgottenMs: number;
  readonly keepVersion: number | undefined;
}

/** Deletes files that no version within the limits uses. Says how many, and how large they were. */
export async function vacuum(places: Places, { sinceMs, forgottenMs, keepVersion }: VacuumLimits): Promise<{ files: number; bytes: number }> {
  const { bytes, folder, log } = places;
  await settle(places);
  // Listed before the log is read: what the log does not know then was not committed when it was seen.
  const isForgotten = (file: FileStat): boolean => file.modifiedNs < BigInt(Math.floor(forgottenMs)) * 1_000_000n;
  const superseded = await bytes.list(joinPath(folder, '_superseded'));
  const forgotten = (await bytes.list(joinPath(folder, '_staged'))).filter(isForgotten);
  const temporary = (await bytes.list(joinPath(folder, '_log'))).filter((file) => file.path.endsWith('.tmp') && isForgotten(file));
  const newest = await log.newest();
  const retained = newest === undefined ? new Set<string>() : await filesSince(log, newest, sinceMs);
  if (keepVersion !== undefined) for (const path of (await log.at(keepVersion)).live.keys()) retained.add(baseName(path));
  return deleteFiles(bytes, [...superseded, ...forgotten, ...temporary].filter(({ path }) => !retained.has(baseName(path))));
}

const dataFileName = /^part-\d{5,}-[0-9a-f-]{36}\.(parquet|orc)$/;

/** Our data files in the table's folder and its key=value folders; the table's other folders are left out. */
async function filesInPlace(bytes: Bytes, folder: string): Promise<string[]> {
  const names = (await bytes.names(folder)) ?? [];
  const files = names.filter((name) => dataFileName.test(name));
  for (const partition of names.filter((name) => name.includes('='))) {
    for (const { path } of await bytes.list(joinPath(folder, partition))) {
      if (dataFileName.test(baseName(path))) files.push(folder === '' ? path : path.slice(folder.length + 1));
    }
  }
  return files;
}

/** The names of all files that a version used which was the newest at `sinceMs` or later. */
async function filesSince(log: TableLog, newest: TableState, sinceMs: number): Promise<Set<string>> {
  const files = new Set(Array.from(newest.live.keys(), baseName));
  let head: LogEntry = newest.head;
  while (head.committedAtMs > sinceMs && head.version > 0) {
    const before = await log.tryEntry(head.version - 1);
    if (before === undefined) return files;
    for (const path of head.remove) files.add(baseName(path));
    head = before;
  }
  return files;
}
