/** A file that moves while it is open, where an open file cannot go on by itself: it is opened again where it stands by then. */
import { DamagedFileError } from '../base/errors.ts';
import type { OpenFile } from './bytes.ts';

/** A file of a table moves at most twice in its life, so a third failure is none of moving. */
const movesMax = 2;

/** `find` opens the same file wherever it stands. Takes over `opened`. */
export function followedFile(opened: OpenFile, find: () => Promise<OpenFile | undefined>): OpenFile {
  let current = opened;
  const read = async (start: number, end: number): Promise<Uint8Array> => {
    for (let moves = 0; ; moves++) {
      const tried = current;
      try {
        return await tried.read(start, end);
      } catch (thrown) {
        if (!(thrown instanceof DamagedFileError) || moves === movesMax) throw thrown;
        await follow(tried, thrown);
      }
    }
  };
  const follow = async (tried: OpenFile, thrown: DamagedFileError): Promise<void> => {
    const found = await find();
    if (found === undefined) throw thrown;
    // Of several reads that failed at once, the first to find it leads the way.
    if (current !== tried) return found.close();
    current = found;
    return tried.close();
  };
  // Where files are read without a promise, an open one goes on by itself.
  const readInto = opened.readInto && ((target: Uint8Array, start: number): void => current.readInto!(target, start));
  return { ...opened, read, ...(readInto && { readInto }), stat: () => current.stat(), close: () => current.close() };
}
