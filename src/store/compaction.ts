/**
 * Which files of a table are worth putting together: neighbouring small ones, so that the order of rows stays. Pure.
 *
 *   files   | s | s | s |  large  | s |  large  | s | s |
 *   runs    [-----------]                       [-------]
 */
import { defaultLimits, type FileLimits } from './staging.ts';

/** The rows of a file by its size on disk are about four times as large in memory, where a file's limit counts. */
const expansion = 4;

export interface CompactedFile {
  readonly path: string;
  readonly rows: number;
  readonly size: number;
}

/**
 * Runs of two files or more, each of which makes one file within the limits. Files at least half as large as that stay.
 * Files of one partition are neighbours, whatever lies between them.
 */
export function planCompaction<File extends CompactedFile>(files: readonly File[], limits: FileLimits): File[][] {
  const { fileRowsMax, fileBytesMax } = { ...defaultLimits, ...limits };
  const folders = new Map<string, File[]>();
  for (const file of files) {
    const folder = file.path.slice(0, file.path.lastIndexOf('/') + 1);
    const there = folders.get(folder);
    if (there === undefined) folders.set(folder, [file]);
    else there.push(file);
  }
  return Array.from(folders.values()).flatMap((inFolder) => runsOf(inFolder, fileRowsMax, fileBytesMax / expansion));
}

function runsOf<File extends CompactedFile>(files: readonly File[], rowsMax: number, sizeMax: number): File[][] {
  const runs: File[][] = [];
  let [run, rows, size]: [File[], number, number] = [[], 0, 0];
  const close = (): void => {
    if (run.length > 1) runs.push(run);
    [run, rows, size] = [[], 0, 0];
  };
  for (const file of files) {
    const isLarge = file.rows * 2 > rowsMax || file.size * 2 > sizeMax;
    if (isLarge || rows + file.rows > rowsMax || size + file.size > sizeMax) close();
    if (isLarge) continue;
    run.push(file);
    rows += file.rows;
    size += file.size;
  }
  close();
  return runs;
}
