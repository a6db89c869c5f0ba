/** The tables that can be written, by the format that a project names: the one place that knows which kind of table keeps it. */
import { UnsupportedError } from '../base/errors.ts';
import type { Bytes } from './bytes.ts';
import type { FileFormatName } from './file-format.ts';
import { fileFormatNames } from './file-formats.ts';
import { openOwnTable, type OwnTableOptions } from './own-table.ts';
import type { OwnTable } from './table.ts';

export type TableFormat = FileFormatName | 'delta';

export type WritableOptions = Omit<OwnTableOptions, 'format'>;

/** Opens the table in a folder, which need not be there yet. Without a format: as the table has it, Parquet where there is none. */
export function openWritable(bytes: Bytes, folder: string, format: TableFormat | undefined, options: WritableOptions = {}): OwnTable {
  if (format === undefined) return openOwnTable(bytes, folder, options);
  checkTableFormat(format, bytes.locate(folder));
  return openOwnTable(bytes, folder, { ...options, format });
}

/** Throws UnsupportedError for a format that no table is written in. */
export function checkTableFormat(format: TableFormat, where: string): asserts format is FileFormatName {
  if (fileFormatNames.some((name) => name === format)) return;
  throw new UnsupportedError(where, format, `tables are not written as ${format} by this version; use ${fileFormatNames.join(' or ')}`);
}
