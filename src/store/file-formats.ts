/** The formats that data files can have. */
import { DamagedFileError, FeatureStoreError, reasonOf, UnsupportedError } from '../base/errors.ts';
import type { OpenFile } from './bytes.ts';
import type { FileFormat, FileFormatName, FileMetadata } from './file-format.ts';
import { orcFormat } from './orc/format.ts';
import { parquetFormat } from './parquet/format.ts';

const formats: readonly FileFormat[] = [parquetFormat, orcFormat];

/** The names of those that can be read and written. */
export const fileFormatNames: readonly FileFormatName[] = formats.map(({ name }) => name);

export function formatNamed(name: FileFormatName): FileFormat {
  const found = formats.find((format) => format.name === name);
  if (found === undefined) throw new UnsupportedError('a table', name, `its files are ${name}, which this version does not read or write; use ${fileFormatNames.join(' or ')}`);
  return found;
}

/** The format that a file's name tells; undefined when it is no data file. */
export function formatOfPath(path: string): FileFormat | undefined {
  const name = path.toLowerCase();
  return formats.find(({ ending }) => name.endsWith(ending));
}

/** The format that a file's first bytes tell; undefined when they tell of none. */
export async function formatOfContent(file: OpenFile): Promise<FileFormat | undefined> {
  const most = Math.max(...formats.map(({ beginning }) => beginning.length));
  const head = Buffer.from(await file.read(0, Math.min(file.size, most))).toString('latin1');
  return formats.find(({ beginning }) => head.startsWith(beginning));
}

/** Reads what a file says of itself; the file is closed again. */
export async function readMetadata(format: FileFormat, open: () => Promise<OpenFile>): Promise<FileMetadata> {
  const file = await open();
  try {
    return await format.open(file);
  } catch (thrown) {
    if (thrown instanceof FeatureStoreError) throw thrown;
    throw new DamagedFileError(file.name, `cannot be read as ${format.title}: ${reasonOf(thrown)}`, thrown);
  } finally {
    await file.close();
  }
}
