/**
 * What a commit of ours puts into a Delta log: one JSON action per line.
 *
 *   {"commitInfo":{"timestamp":…,"operation":"WRITE","isBlindAppend":true,"txnId":…,"tauro":{"kind":"append","info":{…}}}}
 *   {"protocol":{…}}  {"metaData":{…}}      when the table begins, or its schema changes
 *   {"txn":{…}}  {"remove":{…}}  {"add":{"path":…,"stats":…,"tags":{"tauro.checksum":…}}}
 *
 * A compaction has the rows of the version before it, so it carries what that version says of itself. Pure.
 */
import { crc32 } from 'node:zlib';
import { ArgumentError, DamagedFileError } from '../../base/errors.ts';
import { checkPath } from '../bytes.ts';
import type { StagedFile } from '../table.ts';
import { deletionVectorId } from './deletion-vector.ts';
import type { AddFile, Metadata, Protocol, RemoveFile, Strings, Transaction } from './write-actions.ts';

/** What a version says of the commit that gave it its rows. */
export interface Content {
  readonly version: number;
  readonly commitId: string;
  readonly committedAtMs: number;
  readonly info: Readonly<Record<string, unknown>>;
}

export interface DeltaEntry {
  readonly version: number;
  /** Unique to the commit, so that a writer who got no answer can recognise its own entry. */
  readonly commitId: string;
  readonly kind: 'append' | 'overwrite' | 'compact';
  readonly readVersion: number;
  readonly committedAtMs: number;
  readonly info: Readonly<Record<string, unknown>>;
  /** Of a compaction: whose rows it has. */
  readonly content?: Content | undefined;
  readonly partitionBy: readonly string[];
  readonly protocol?: Protocol | undefined;
  readonly metaData?: Metadata | undefined;
  readonly transaction?: Transaction | undefined;
  readonly remove: readonly RemoveFile[];
  readonly add: readonly AddFile[];
}

export const engineName = 'tauro-feature-store';

export function encodeDeltaEntry(entry: DeltaEntry): Uint8Array {
  const { protocol, metaData, transaction, remove, add } = entry;
  const actions = [
    { commitInfo: commitInfoOf(entry) },
    ...(protocol === undefined ? [] : [{ protocol }]),
    ...(metaData === undefined ? [] : [{ metaData }]),
    ...(transaction === undefined ? [] : [{ txn: transaction }]),
    ...remove.map((file) => ({ remove: { ...file, extendedFileMetadata: file.partitionValues !== undefined && file.size !== undefined } })),
    ...add.map((file) => ({ add: file })),
  ];
  const text = actions.map((action) => `${JSON.stringify(action)}\n`).join('');
  return Buffer.from(text.replace(noChecksum, checksumText(crc32(text))));
}

/** The first line of an entry of ours holds the CRC-32 of the entry, made while zeros stood in its place. */
const noChecksum = '"crc32":"00000000"';

function checksumText(checksum: number): string {
  return `"crc32":"${checksum.toString(16).padStart(8, '0')}"`;
}

/** Throws DamagedFileError when the entry is not what we have written. Entries of other engines have no checksum. */
export function verifyDeltaEntry(name: string, text: string): void {
  const found = /^\{"commitInfo":.*?"tauro":\{"crc32":"([0-9a-f]{8})"/.exec(text);
  if (found === null) return;
  const stored = `"crc32":"${found[1]}"`;
  if (checksumText(crc32(text.replace(stored, noChecksum))) !== stored) {
    throw new DamagedFileError(name, 'the entry of the log is damaged: its checksum differs. Restore the file, or write the table again');
  }
}

function commitInfoOf({ kind, commitId, committedAtMs, info, content, readVersion, partitionBy, remove }: DeltaEntry): object {
  const parameters = { append: { mode: 'Append' }, overwrite: { mode: 'Overwrite' }, compact: { predicate: '[]' } }[kind];
  return {
    timestamp: committedAtMs,
    operation: kind === 'compact' ? 'OPTIMIZE' : 'WRITE',
    operationParameters: { ...parameters, ...(kind !== 'compact' && { partitionBy: JSON.stringify(partitionBy) }) },
    ...(readVersion >= 0 && { readVersion }),
    isBlindAppend: kind === 'append' && remove.length === 0,
    engineInfo: engineName,
    txnId: commitId,
    tauro: { crc32: '00000000', kind, info, ...(content !== undefined && { content }) },
  };
}

/** What a commit says of the rows of its version. Of another engine's commit: its number, its time and its id. */
export function contentOf(version: number, commitInfo: unknown): Content {
  const { txnId, timestamp, tauro } = recordOf(commitInfo);
  const { info, content, kind } = recordOf(tauro);
  const inherited = recordOf(content);
  if (kind === 'compact' && typeof inherited.version === 'number') {
    return { version: inherited.version, commitId: String(inherited.commitId), committedAtMs: Number(inherited.committedAtMs), info: recordOf(inherited.info) };
  }
  const committedAtMs = typeof timestamp === 'number' ? timestamp : 0;
  return { version, commitId: typeof txnId === 'string' ? txnId : `${committedAtMs}`, committedAtMs, info: recordOf(info) };
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

// ---- files

export const tagOf = { checksum: 'tauro.checksum', parts: 'tauro.parts', position: 'tauro.position' } as const;

export function addOf(file: StagedFile, options: { readonly modificationTime: number; readonly dataChange: boolean; readonly position: string | undefined }): AddFile {
  const { path, partitionValues = {}, bytes, parts = 1, checksum, stats } = file;
  const { modificationTime, dataChange, position } = options;
  const tags: Strings = { [tagOf.checksum]: checksum, [tagOf.parts]: String(parts), ...(position !== undefined && { [tagOf.position]: position }) };
  return { path: uriOfPath(path), partitionValues, size: bytes, modificationTime, dataChange, stats, tags };
}

export function removeOf({ path, partitionValues, size, deletionVector }: AddFile, options: { readonly deletionTimestamp: number; readonly dataChange: boolean }): RemoveFile {
  return { path, ...options, partitionValues, size, ...(deletionVector !== undefined && { deletionVector }) };
}

/** What tells a logical file of a table from others, and from itself with other rows deleted. A path is never used again. */
export function fileId({ path, deletionVector }: Pick<AddFile, 'path' | 'deletionVector'>): string {
  return deletionVector === undefined ? path : `${path}\0${deletionVectorId(deletionVector)}`;
}

/** Our paths have nothing but URL encoding that a URI has to escape. */
export function uriOfPath(path: string): string {
  return encodeURI(path).replace(/[?#]/g, encodeURIComponent);
}

/** The path within the table's folder that a log's URI stands for; undefined for a file elsewhere. What is no URI stands for itself. */
export function tryPathOfUri(uri: string): string | undefined {
  if (/^([a-z][a-z0-9+.-]*:|\/)/i.test(uri)) return undefined;
  try {
    return checkPath(decodedUri(uri));
  } catch (thrown) {
    if (!(thrown instanceof ArgumentError)) throw thrown;
    return undefined;
  }
}

/** Itself, where it is no URI. */
export function decodedUri(uri: string): string {
  try {
    return decodeURIComponent(uri);
  } catch {
    return uri;
  }
}

/** The path on this machine that a URI stands for. */
export function tryAbsolutePath(uri: string): string | undefined {
  const path = uri.startsWith('/') ? uri : /^file:(?:\/\/)?(\/[^/].*)$/.exec(uri)?.[1];
  return path === undefined ? undefined : decodedUri(path);
}

/**
 * Files in the order of their rows. Those of ours say where they stand, as `version.index`, and what a compaction made of some
 * stands where the first of these stood; files of others stay behind those that they came after.
 */
export function inRowOrder<File extends { readonly tags?: Strings | undefined }>(files: Iterable<File>): File[] {
  let last: readonly number[] = [];
  const placed = Array.from(files, (file) => {
    const own = positionOf(file);
    if (own !== undefined && comparePositions(own, last) > 0) last = own;
    return { file, position: own ?? last };
  });
  return placed.sort((a, b) => comparePositions(a.position, b.position)).map(({ file }) => file);
}

function positionOf({ tags }: { readonly tags?: Strings | undefined }): readonly number[] | undefined {
  const text = tags?.[tagOf.position];
  return typeof text === 'string' && /^\d{1,15}\.\d{1,15}$/.test(text) ? text.split('.').map(Number) : undefined;
}

function comparePositions(a: readonly number[], b: readonly number[]): number {
  const different = a.findIndex((part, i) => part !== b[i]);
  if (different < 0) return a.length - b.length;
  return a[different]! - (b[different] ?? -1);
}
