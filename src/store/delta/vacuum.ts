/**
 * Which files of a Delta table's folder may go, and their deletion, with that of the log's expired ones (log-cleanup.ts).
 *
 *   named by the newest version, or by one that is kept      stay; so does what has the name of a file that they have elsewhere
 *   removed within the retention                             stay, for readers of versions that are no older
 *   removed before                                           go
 *   not named at all                                         go when older than any writer works, and than the retention
 *
 * A log may name files of its own folder from the root on, by another way there, or by a URI that leads there only when it is simplified;
 * names of data files are never used twice, so the last part of the path tells enough.
 *
 * Names that begin with `_` or `.` are not the table's, but for folders of partitions (`_key=value`), by Delta's protocol.
 * Law: the caller has checked that the table uses no feature which we do not keep, since such a feature may name files
 * that we do not know of.
 */
import { ArgumentError } from '../../base/errors.ts';
import { type Bytes, deleteFiles, type FileStat, joinPath } from '../bytes.ts';
import { baseName } from '../placed-file.ts';
import { deletionVectorPath } from './deletion-vector.ts';
import type { AddFile, RemoveFile } from './write-actions.ts';
import { expiredLogFiles } from './log-cleanup.ts';
import { decodedUri, tryPathOfUri } from './write-entry.ts';
import { type DeltaLog, type DeltaVersion, logFolder } from './write-log.ts';
import { deletedFileRetentionMs } from './write-properties.ts';

export interface VacuumOptions {
  /** Absent: as the table's properties say. */
  readonly retentionMs?: number | undefined;
  readonly nowMs: number;
  /** A version whose files stay, and that the log goes on telling. */
  readonly kept?: DeltaVersion | undefined;
  readonly stagedAgeMs?: number | undefined;
}

const dayMs = 86_400_000;

/** Says how many files went, and how large they were. */
export async function vacuumDelta(
  { bytes, folder, log }: { readonly bytes: Bytes; readonly folder: string; readonly log: DeltaLog }, { retentionMs, nowMs, kept, stagedAgeMs = dayMs }: VacuumOptions,
): Promise<{ files: number; bytes: number }> {
  if (retentionMs !== undefined && !(retentionMs >= 0)) throw new ArgumentError('retentionMs', `${retentionMs} is not a length of time in milliseconds`);
  // Listed before the log is read: what the log does not name then was not committed when it was seen.
  const listed = await bytes.list(folder, isHidden);
  const temporary = (await bytes.list(joinPath(folder, logFolder))).filter(({ path }) => path.endsWith('.tmp'));
  const newest = await log.newest();
  // What stands in a folder without a log is not ours to judge.
  if (newest === undefined) return { files: 0, bytes: 0 };
  const retention = retentionMs ?? deletedFileRetentionMs(newest.metaData.configuration);
  const pathOf = ({ path }: FileStat): string => (folder === '' ? path : path.slice(folder.length + 1));
  const { named, elsewhere } = namedFiles(newest, kept, nowMs - retention);
  const isForgotten = ({ modifiedNs }: FileStat, ageMs: number): boolean => modifiedNs < BigInt(Math.floor(nowMs - ageMs)) * 1_000_000n;
  const gone = listed.filter((file) => {
    const status = elsewhere.has(baseName(file.path)) ? 'needed' : named.get(pathOf(file));
    return status === 'removed' || (status === undefined && isForgotten(file, Math.max(stagedAgeMs, retention)));
  });
  const { configuration } = newest.metaData;
  const expired = await expiredLogFiles({ bytes, folder, log }, { nowMs, configuration, keepVersion: kept?.version });
  return deleteFiles(bytes, [...expired, ...gone, ...temporary.filter((each) => isForgotten(each, stagedAgeMs))]);
}

function isHidden(name: string): boolean {
  return name.startsWith('.') || (name.startsWith('_') && !name.includes('='));
}

interface NamedFiles {
  /** By path within the folder: whether a version needs the file, or it was removed before. */
  readonly named: ReadonlyMap<string, 'needed' | 'removed'>;
  /** The last part of each path that is needed and does not lead into the folder in the usual way. */
  readonly elsewhere: ReadonlySet<string>;
}

/** What was removed before `sinceMs` is not needed. */
function namedFiles(newest: DeltaVersion, kept: DeltaVersion | undefined, sinceMs: number): NamedFiles {
  const named = new Map<string, 'needed' | 'removed'>();
  const elsewhere = new Set<string>();
  const name = (file: AddFile | RemoveFile, status: 'needed' | 'removed'): void => {
    const { path: uri, deletionVector: vector } = file;
    const uris = [uri, ...(vector?.storageType === 'p' ? [vector.pathOrInlineDv] : [])];
    if (status === 'needed') for (const other of uris) if (tryPathOfUri(other) === undefined) elsewhere.add(baseName(decodedUri(other)));
    for (const path of [tryPathOfUri(uri), vector && deletionVectorPath(vector)]) {
      if (path !== undefined && named.get(path) !== 'needed') named.set(path, status);
    }
  };
  for (const file of newest.tombstones.values()) name(file, (file.deletionTimestamp ?? 0) <= sinceMs ? 'removed' : 'needed');
  for (const file of [...newest.files.values(), ...(kept?.files.values() ?? [])]) name(file, 'needed');
  return { named, elsewhere };
}
