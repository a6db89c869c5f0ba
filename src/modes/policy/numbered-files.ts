/**
 * A small value that several processes keep in a folder, where a file can be made but not written over: numbered files, of which
 * the highest counts.
 *
 *   <folder>/0000000041.json   no longer
 *   <folder>/0000000042.json   the value
 *
 * Law: numbers only grow. The highest is never deleted, so that of two who put the same number one fails, however late.
 */
import { type Bytes, joinPath, readWhole } from '../../store/bytes.ts';

export interface NumberedFile {
  /** 0: there is none. */
  readonly number: number;
  readonly content: Uint8Array | undefined;
}

const fileName = /^\d{10}\.json$/;
/** Nobody replaces a file that often while it is being opened. */
const attemptsMax = 5;

/** The value as it is now. */
export async function readNewest(bytes: Bytes, folder: string): Promise<NumberedFile> {
  for (let attempt = 0; ; attempt++) {
    const name = (await fileNames(bytes, folder)).at(-1);
    if (name === undefined) return { number: 0, content: undefined };
    const content = await readWhole(bytes, joinPath(folder, name));
    // Replaced by a newer one since the folder was listed.
    if (content === undefined && attempt < attemptsMax) continue;
    return { number: Number.parseInt(name, 10), content };
  }
}

/** Makes a value the one after `number`. False when another was faster. */
export async function tryPutAfter(bytes: Bytes, folder: string, number: number, content: Uint8Array): Promise<boolean> {
  const name = nameOf(number + 1);
  if (!(await bytes.putIfAbsent(joinPath(folder, name), content))) return false;
  const all = (await bytes.names(folder)) ?? [];
  const names = all.filter((each) => fileName.test(each));
  for (const older of names.slice(0, -1)) await bytes.delete(joinPath(folder, older));
  await forget(bytes, folder, name, all.filter((each) => each.endsWith('.tmp')));
  // Whoever looked long ago may have put a number that others have come to and gone from: a higher one is there.
  return names.at(-1) === name;
}

/** No file is so long in being put. */
const putNsMax = 60_000_000_000n;

/** Deletes what processes that died while they put a file have left, which are much older than one that was just put. */
async function forget(bytes: Bytes, folder: string, name: string, temporary: readonly string[]): Promise<void> {
  if (temporary.length === 0) return;
  const put = await bytes.stat(joinPath(folder, name));
  for (const each of temporary) {
    const left = await bytes.stat(joinPath(folder, each));
    if (put && left && put.modifiedNs - left.modifiedNs > putNsMax) await bytes.delete(joinPath(folder, each));
  }
}

async function fileNames(bytes: Bytes, folder: string): Promise<string[]> {
  return ((await bytes.names(folder)) ?? []).filter((name) => fileName.test(name));
}

function nameOf(number: number): string {
  return `${String(number).padStart(10, '0')}.json`;
}
