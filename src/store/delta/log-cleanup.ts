/**
 * Which files of a Delta log may go: those of versions that nobody can ask for any more.
 *
 *   cut-off checkpoint   the newest one that is whole and no newer than the retention, nor than a version that is kept
 *   it, its commit, and all behind                                  stay
 *   commits, checkpoints, checksums before; compacted commits that begin before or at it    go
 *   sidecars that no checkpoint names, a day old                    go
 *
 * By Delta's PROTOCOL.md, "Metadata Cleanup". Law: every version from the cut-off checkpoint on is read as before. Where there is no
 * such checkpoint, nothing goes.
 */
import { DamagedFileError, UnsupportedError } from '../../base/errors.ts';
import { type Bytes, type FileStat, joinPath, readWhole } from '../bytes.ts';
import { checksumOf } from '../checksum.ts';
import { baseName } from '../placed-file.ts';
import { tryPointer } from './checkpoint-pointer.ts';
import { type CheckpointFile, decodeCheckpoint } from './read-checkpoint.ts';
import { type Checkpoint, segmentsOf } from './read-segments.ts';
import { committedAt, type DeltaLog, logFolder } from './write-log.ts';
import { logRetentionMs } from './write-properties.ts';

export interface LogCleanup {
  readonly nowMs: number;
  readonly configuration: Readonly<Record<string, string>>;
  /** A version that has to be read still. */
  readonly keepVersion: number | undefined;
}

const dayMs = 86_400_000;
const sidecarFolder = '_sidecars';

/** The files that may go, the oldest versions first. */
export async function expiredLogFiles(
  { bytes, folder, log }: { readonly bytes: Bytes; readonly folder: string; readonly log: DeltaLog }, { nowMs, configuration, keepVersion = Number.POSITIVE_INFINITY }: LogCleanup,
): Promise<FileStat[]> {
  const retentionMs = logRetentionMs(configuration);
  if (retentionMs === undefined) return [];
  const place = joinPath(folder, logFolder);
  const files = (await bytes.list(place)).map((file) => ({ file, name: file.path.slice(place.length + 1) }));
  const { checkpoints } = segmentsOf(files.map(({ name }) => name));
  const cutOffMs = midnightBefore(nowMs - retentionMs);
  const cutOff = await firstOf(checkpoints, async (checkpoint) => {
    const commit = checkpoint.version > keepVersion ? undefined : await log.tryCommit(checkpoint.version);
    return commit !== undefined && committedAt(commit) <= cutOffMs && (await tryRead(bytes, place, checkpoint)) !== undefined;
  });
  if (cutOff === undefined) return [];
  const expired = files.filter(({ name }) => isBefore(name, cutOff.version));
  const left = checkpoints.filter(({ version }) => version >= cutOff.version);
  const forgotten = files.filter(({ name, file }) => name.startsWith(`${sidecarFolder}/`) && file.modifiedNs < BigInt(midnightBefore(nowMs) - dayMs) * 1_000_000n);
  const named = forgotten.length === 0 ? undefined : await tryNamedSidecars(bytes, place, left);
  return [...expired, ...forgotten.filter(({ name }) => named !== undefined && !named.has(baseName(name)))].map(({ file }) => file);
}

function midnightBefore(timeMs: number): number {
  return Math.floor(timeMs / dayMs) * dayMs;
}

async function firstOf<Item>(items: readonly Item[], holds: (item: Item) => Promise<boolean>): Promise<Item | undefined> {
  for (const item of items) if (await holds(item)) return item;
  return undefined;
}

/** Whether a file tells of versions before this one only. */
function isBefore(name: string, version: number): boolean {
  const compacted = /^(\d{20})\.\d{20}\.compacted\.json$/.exec(name);
  if (compacted !== null) return Number(compacted[1]) <= version;
  const staged = /^_staged_commits\/(\d{20})\.[^/]+$/.exec(name);
  if (staged !== null) return Number(staged[1]) <= version;
  const [, digits] = /^(\d{20})\.(?:json|crc|checkpoint\.[^/]+)$/.exec(name) ?? [];
  return digits !== undefined && Number(digits) < version;
}

/** The files of a checkpoint, sidecars too; undefined when it is not whole. */
async function tryRead(bytes: Bytes, place: string, { version, names }: Checkpoint): Promise<CheckpointFile[] | undefined> {
  const pointer = await tryPointer(bytes, place);
  try {
    const files = await Promise.all(names.map((name) => readFile(bytes, joinPath(place, name), pointer?.version === version && names.length === 1 ? pointer.checksum : undefined)));
    const sidecars = await Promise.all(files.flatMap((file) => file.sidecars).map((uri) => readFile(bytes, joinPath(place, sidecarFolder, baseName(uri)), undefined)));
    const has = (kind: 'protocol' | 'metaData'): boolean => files.some(({ actions }) => actions[kind] !== undefined);
    return has('protocol') && has('metaData') ? [...files, ...sidecars] : undefined;
  } catch (thrown) {
    if (thrown instanceof DamagedFileError || thrown instanceof UnsupportedError) return undefined;
    throw thrown;
  }
}

async function readFile(bytes: Bytes, path: string, checksum: string | undefined): Promise<CheckpointFile> {
  const content = await readWhole(bytes, path);
  if (content === undefined || (checksum !== undefined && checksumOf(content) !== checksum)) throw new DamagedFileError(bytes.locate(path), 'is not the checkpoint that was written');
  return decodeCheckpoint(bytes.locate(path), content);
}

/** The names of all sidecars of these checkpoints; undefined when one of them does not say. */
async function tryNamedSidecars(bytes: Bytes, place: string, checkpoints: readonly Checkpoint[]): Promise<ReadonlySet<string> | undefined> {
  const names = new Set<string>();
  for (const checkpoint of checkpoints) {
    const files = await tryRead(bytes, place, checkpoint);
    if (files === undefined) return undefined;
    for (const uri of files.flatMap(({ sidecars }) => sidecars)) names.add(baseName(uri));
  }
  return names;
}
