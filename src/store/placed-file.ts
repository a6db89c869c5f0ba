/**
 * Data files as plain data: where one stands, and how it is known to be the one that was meant. What opens them needs
 * nothing else, so any thread can.
 *
 *   listed      a file as it was when it was listed; it must be so when it is opened, and after its last byte was read
 *   committed   a file of a table of our own, in whichever of its places it is by now; every block is verified
 *   immutable   a file that a foreign log names, which is never written again; verified where the log knows a checksum
 */
import { DamagedFileError } from '../base/errors.ts';
import { type Bytes, type FileStat, type FileState, isSameState, joinPath, type OpenFile } from './bytes.ts';
import { verifiedFile } from './checksum.ts';
import { followedFile } from './followed-file.ts';

export interface ListedFile extends FileStat {
  readonly kind: 'listed';
}

export interface CommittedFile {
  readonly kind: 'committed';
  /** The table's folder. */
  readonly folder: string;
  readonly path: string;
  readonly size: number;
  readonly checksum: string;
  /** The version that needs it. */
  readonly version: number;
}

export interface ImmutableFile {
  readonly kind: 'immutable';
  readonly path: string;
  readonly size: number;
  /** As checksum.ts makes it. */
  readonly checksum?: string;
  /** The version that needs it. */
  readonly version: number;
}

export type PlacedFile = ListedFile | CommittedFile | ImmutableFile;

/** Throws DamagedFileError when the file is gone, or is another one. */
export async function openPlaced(bytes: Bytes, file: PlacedFile): Promise<OpenFile> {
  const opened = await (file.kind === 'committed' ? find(bytes, file) : bytes.open(file.path));
  if (opened === undefined) throw gone(bytes, file);
  try {
    if (file.kind === 'listed') checkUnchanged(file, opened.name, opened);
    else if (file.checksum === undefined) checkSize(opened, file.size);
    else return verifiedFile(file.kind === 'committed' ? followedFile(opened, () => find(bytes, file)) : opened, file.size, file.checksum);
    return opened;
  } catch (thrown) {
    await opened.close();
    throw thrown;
  }
}

/** Throws DamagedFileError if the file changed since it was opened. */
export async function verifyPlaced(file: PlacedFile, opened: OpenFile): Promise<void> {
  // Of a file with a checksum every byte was verified as it was read.
  if (file.kind === 'listed') checkUnchanged(file, opened.name, await opened.stat());
}

/** The same text for the same file. */
export function identityOf(file: PlacedFile): string {
  switch (file.kind) {
    case 'listed':
      return `${file.path}\0${file.size}\0${file.modifiedNs}${file.etag === undefined ? '' : `\0${file.etag}`}`;
    case 'committed':
      return `${file.folder}\0${file.path}\0${file.checksum}`;
    case 'immutable':
      return `${file.path}\0${file.size}\0${file.checksum ?? ''}`;
  }
}

/** Where a file of a table of our own stands before it lives in its place. */
export function stagedPath(folder: string, path: string): string {
  return joinPath(folder, '_staged', baseName(path));
}

/** Where it stands when the newest version has it no more. */
export function supersededPath(folder: string, path: string): string {
  return joinPath(folder, '_superseded', baseName(path));
}

/** The name of a file without its folders. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Opens a committed file wherever it stands; it may move while we look, at most twice in its life. */
async function find(bytes: Bytes, { folder, path }: CommittedFile): Promise<OpenFile | undefined> {
  for (let round = 0; round < 2; round++) {
    for (const place of [joinPath(folder, path), stagedPath(folder, path), supersededPath(folder, path)]) {
      const file = await bytes.open(place);
      if (file !== undefined) return file;
    }
  }
  return undefined;
}

function gone(bytes: Bytes, file: PlacedFile): DamagedFileError {
  if (file.kind === 'listed') {
    return new DamagedFileError(bytes.locate(file.path), 'changed while it was read: it was removed after the table was opened. Read again');
  }
  return new DamagedFileError(
    bytes.locate(file.kind === 'committed' ? joinPath(file.folder, file.path) : file.path),
    `is gone, but version ${file.version} of the table needs it. If the version is older than the retention, vacuum took it: take a new snapshot; else restore the file, or write the table again`,
  );
}

function checkSize({ name, size }: OpenFile, expected: number): void {
  if (size === expected) return;
  throw new DamagedFileError(name, `has ${size} bytes, but ${expected} were committed; it is truncated or was overwritten`);
}

function checkUnchanged(expected: FileStat, name: string, found: FileState): void {
  if (isSameState(expected, found)) return;
  throw new DamagedFileError(name, 'changed while it was read: its size or time of modification is not what it was when the table was opened. Read again');
}
