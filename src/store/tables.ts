/** The tables that can be written, by the format that a project names: the one place that knows which kind of table keeps it. */
import { UnsupportedError } from '../base/errors.ts';
import type { Bytes } from './bytes.ts';
import { type DeltaTable, isDeltaTable, openDeltaTable } from './delta/write.ts';
import type { FileFormatName } from './file-format.ts';
import { fileFormatNames } from './file-formats.ts';
import { isOwnTable, openOwnTable, type OwnTableOptions } from './own-table.ts';
import type { OwnTable } from './table.ts';

export type TableFormat = FileFormatName | 'delta';

export type WritableOptions = Omit<OwnTableOptions, 'format'>;

const tableFormatNames: readonly TableFormat[] = [...fileFormatNames, 'delta'];

/** Opens the table in a folder, which need not be there yet. Without a format: a table of our own as it is, of Parquet files where there is none. */
export function openWritable(bytes: Bytes, folder: string, format: 'delta', options?: WritableOptions): DeltaTable;
export function openWritable(bytes: Bytes, folder: string, format: TableFormat | undefined, options?: WritableOptions): OwnTable;
export function openWritable(bytes: Bytes, folder: string, format: TableFormat | undefined, options: WritableOptions = {}): OwnTable {
  if (format === undefined) return openOwnTable(bytes, folder, options);
  checkTableFormat(format, bytes.locate(folder));
  return format === 'delta' ? openDeltaTable(bytes, folder, options) : openOwnTable(bytes, folder, { ...options, format });
}

/** Throws UnsupportedError for a format that no table is written in. */
export function checkTableFormat(format: TableFormat, where: string): void {
  if (tableFormatNames.some((name) => name === format)) return;
  throw new UnsupportedError(where, format, `tables are not written as ${format} by this version; use ${tableFormatNames.join(', ')}`);
}

/** Which kind of table stands in a folder; undefined when there is none of either. */
export async function kindOfTable(bytes: Bytes, folder: string): Promise<'own' | 'delta' | undefined> {
  if (await isOwnTable(bytes, folder)) return 'own';
  return (await isDeltaTable(bytes, folder)) ? 'delta' : undefined;
}
