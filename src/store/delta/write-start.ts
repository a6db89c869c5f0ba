/**
 * Where to begin when a version of a Delta table is put together anew: at a classic checkpoint, or at the first entry.
 *
 *   a checkpoint whose checksum `_last_checkpoint` tells         first choice
 *   entries, if they are all there and not many                  each of ours has a checksum
 *   any other checkpoint, the newest first                       nothing vouches for its bytes
 *
 * Law: a checkpoint that cannot be read is as good as absent.
 */
import { crc32 } from 'node:zlib';
import { tableFromIPC } from '../../arrow/arrow.ts';
import { toRows } from '../../arrow/values.ts';
import { DamagedFileError } from '../../base/errors.ts';
import { type Bytes, joinPath, readWhole } from '../bytes.ts';
import { CodecError, decodeToStream } from '../parquet/codec.ts';
import { type Actions, checkActions } from './write-decode.ts';

export const pointerName = '_last_checkpoint';

/** In the pointer's tags: the CRC-32 of the checkpoint's file. */
export const checksumTag = 'tauro.crc32';

export function checkpointName(version: number): string {
  return `${String(version).padStart(20, '0')}.checkpoint.parquet`;
}

/** What the log holds, by version. */
export interface ListedLog {
  readonly entries: ReadonlySet<number>;
  readonly checkpoints: readonly number[];
}

export function listedLog(names: readonly string[]): ListedLog {
  const versionsOf = (pattern: RegExp): number[] => names.filter((name) => pattern.test(name)).map((name) => Number(name.slice(0, 20)));
  return { entries: new Set(versionsOf(/^\d{20}\.json$/)), checkpoints: versionsOf(/^\d{20}\.checkpoint\.parquet$/) };
}

export interface Checkpoint {
  readonly version: number;
  readonly actions: Actions;
}

/** More entries than this are not read where a checkpoint saves it. */
const entriesMax = 200;

/** The checkpoint to begin with, or undefined for the first entry. `log` is the log's folder. */
export async function startOf(bytes: Bytes, log: string, { entries, checkpoints }: ListedLog, version: number): Promise<Checkpoint | undefined> {
  const pointer = await tryPointer(bytes, joinPath(log, pointerName));
  const candidates = checkpoints.filter((each) => each <= version).sort((a, b) => b - a);
  if (pointer !== undefined && candidates.includes(pointer.version)) {
    const found = await tryCheckpoint(bytes, log, pointer.version, pointer.checksum);
    if (found !== undefined) return found;
  }
  if (version < entriesMax && Array.from({ length: version + 1 }, (_, i) => i).every((each) => entries.has(each))) return undefined;
  for (const candidate of candidates) {
    // What contradicts its checksum is no candidate; that of others is not known.
    const found = candidate === pointer?.version ? undefined : await tryCheckpoint(bytes, log, candidate, undefined);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The pointer where it vouches for its checkpoint. */
async function tryPointer(bytes: Bytes, path: string): Promise<{ version: number; checksum: number } | undefined> {
  const content = await readWhole(bytes, path);
  if (content === undefined) return undefined;
  try {
    const { version, tags } = JSON.parse(Buffer.from(content).toString('utf8'));
    const checksum = Number(tags?.[checksumTag] ?? Number.NaN);
    return Number.isSafeInteger(version) && Number.isSafeInteger(checksum) ? { version, checksum } : undefined;
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError || thrown instanceof TypeError)) throw thrown;
    return undefined;
  }
}

async function tryCheckpoint(bytes: Bytes, log: string, version: number, checksum: number | undefined): Promise<Checkpoint | undefined> {
  const path = joinPath(log, checkpointName(version));
  const content = await readWhole(bytes, path);
  if (content === undefined || (checksum !== undefined && crc32(content) !== checksum)) return undefined;
  try {
    const actions = checkActions(bytes.locate(path), toRows(tableFromIPC(decodeToStream(content))).map(withObjects));
    return actions.protocol === undefined || actions.metaData === undefined ? undefined : { version, actions };
  } catch (thrown) {
    if (!(thrown instanceof CodecError || thrown instanceof DamagedFileError)) throw thrown;
    return undefined;
  }
}

const mapFields: readonly string[] = ['partitionValues', 'tags', 'configuration', 'options'];

/** Maps are lists of keys and values in Arrow, and objects in the log. */
function withObjects(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, field]) => [key, mapFields.includes(key) && Array.isArray(field) ? Object.fromEntries(field.map((entry) => [entry.key, entry.value])) : withObjects(field)]),
  );
}
