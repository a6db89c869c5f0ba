/**
 * A scan in parts that several threads can read: planned where the snapshot is, read wherever there is time.
 *
 *   unit   a row group or stripe of a file, or neighbouring small ones; all that reading it takes is in its argument, as plain data
 *
 * Law: the rows of all units are those of the scan. A reading thread keeps the metadata of the last files; it keeps no
 * file open.
 */
import { type RecordBatch, Schema } from '../arrow/arrow.ts';
import type { ColumnMemory } from '../arrow/column-memory.ts';
import { schemaOfStream, streamOfSchema } from '../arrow/schema-stream.ts';
import { LastAsked } from '../base/last-asked.ts';
import type { Constant } from './conform.ts';
import { cutRead, type DataFiles, type FileRead, metadataOf, planFiles, requestedSchema, scanFile } from './data-files.ts';
import type { FileFormatName, FileMetadata } from './file-format.ts';
import { localBytes } from './local-bytes.ts';
import { identityOf, type PlacedFile } from './placed-file.ts';
import type { RowUnit, ScanOptions } from './table.ts';

/** Rows of a unit, at the least where a file can be cut so: enough that opening the file costs little beside reading it. */
const unitRows = { least: 1 << 16, most: 1 << 19 } as const;
/** The next unit has one in so many of the rows that are left: units become smaller, so that threads finish together. */
const unitShare = 8;

/** The most files whose metadata a thread keeps. */
const metadataMax = 8;

interface UnitArgument {
  readonly format: FileFormatName;
  /** The folder of the local disk below which the file stands. */
  readonly root: string;
  readonly file: PlacedFile;
  /** Of the table: an Arrow stream without rows. */
  readonly schema: Uint8Array;
  /** Those asked for. */
  readonly columns: readonly string[];
  readonly constants: readonly { readonly column: string; readonly value: Constant['value'] }[];
  readonly read: FileRead;
}

/** Undefined when not all files are on the local disk. Throws as `scanDataFiles` does for columns that are not there. */
export async function planUnits(table: DataFiles, options: ScanOptions = {}): Promise<RowUnit[] | undefined> {
  const requested = requestedSchema(table, options);
  if (table.files.some(({ bytes }) => bytes.root === undefined)) return undefined;
  const schema = streamOfSchema(table.schema);
  const columns = requested.fields.map(({ name }) => name);
  const reads = await planFiles(table, requested, options);
  let left = reads.reduce((sum, { read }) => sum + read.rows, 0);
  const units: RowUnit[] = [];
  for (const { file, read: whole } of reads) {
    const { format, bytes } = file;
    const constants = file.constants.map(({ field, value }) => ({ column: field.name, value }));
    const rowsMin = (done: number): number => Math.min(Math.max(unitRows.least, (left - done) / unitShare), unitRows.most);
    for (const read of await cutRead(file, whole, rowsMin)) {
      const argument: UnitArgument = { format, root: bytes.root!, file: file.file, schema, columns, constants, read };
      units.push({ module: import.meta.url, argument, rows: read.rows });
    }
    left -= whole.rows;
  }
  return units;
}

/** The rows of a unit, in `memory` where they can be read there. A batch is good until the next is asked for. Throws as a scan does. */
export async function* rowsOf(unit: unknown, signal?: AbortSignal, memory?: ColumnMemory): AsyncGenerator<RecordBatch, void, void> {
  const { format, root, file, schema: stream, columns, constants, read } = unit as UnitArgument;
  const bytes = localBytes(root);
  const all = schemaOfStream(stream).fields;
  const schema = new Schema(columns.map((column) => all.find(({ name }) => name === column)!));
  const told = constants.flatMap(({ column, value }): Constant[] => {
    const field = schema.fields.find(({ name }) => name === column);
    return field === undefined ? [] : [{ field, value }];
  });
  const metadata = (): Promise<FileMetadata> => knownMetadata(`${root}\0${identityOf(file)}`, () => metadataOf({ format, bytes, file }));
  yield* scanFile({ format, bytes, file, constants: told, metadata }, read, schema, { signal, lent: true, memory });
}

const known = new LastAsked<string, FileMetadata>(metadataMax);

async function knownMetadata(identity: string, read: () => Promise<FileMetadata>): Promise<FileMetadata> {
  const metadata = known.get(identity) ?? (await read());
  known.keep(identity, metadata);
  return metadata;
}
