/**
 * A scan in parts that several threads can read: planned where the snapshot is, read wherever there is time.
 *
 *   unit   one row group of a file, or neighbouring small ones; all that reading it takes is in its argument, as plain data
 *
 * Law: the rows of all units are those of the scan. A reading thread keeps the footers of the last files; it keeps no file
 * open.
 */
import { type RecordBatch, Table, tableFromIPC, tableToIPC } from '../arrow/arrow.ts';
import { throwIfCancelled } from '../base/errors.ts';
import type { Constant } from './conform.ts';
import { type DataFile, type DataFiles, planFile, readFooter, requestedSchema, scanFile } from './data-files.ts';
import { localBytes } from './local-bytes.ts';
import { cutPlan, type ParquetFile, type ParquetPlan } from './parquet/file.ts';
import { type FilePlace, identityOf, openPlaced, verifyPlaced } from './placed-file.ts';
import type { RowUnit, ScanOptions } from './table.ts';

/** Rows of a unit: few enough that threads finish together, enough that opening the file costs little beside reading it. */
const unitRows = { least: 1 << 16, most: 1 << 18 } as const;
const unitsWanted = 64;

/** The most files whose footers a thread keeps. */
const footersMax = 8;

interface UnitArgument extends FilePlace {
  /** Of the columns asked for: an Arrow stream without rows. */
  readonly schema: Uint8Array;
  readonly constants: readonly { readonly column: string; readonly value: Constant['value'] }[];
  readonly plan: ParquetPlan;
}

/** Undefined when not all files are on the local disk. Throws as `scanDataFiles` does for columns that are not there. */
export async function planUnits(table: DataFiles, options: ScanOptions = {}): Promise<RowUnit[] | undefined> {
  const requested = requestedSchema(table, options);
  const columns = requested.fields.map(({ name }) => name);
  const schema = tableToIPC(new Table(requested));
  const read: { readonly file: DataFile; readonly place: FilePlace; readonly plan: ParquetPlan }[] = [];
  for (const file of table.files) {
    throwIfCancelled(options.signal, `planning a read of ${table.name}`);
    const { place } = file;
    if (place === undefined) return undefined;
    const plan = await planFile(file, columns, options);
    if (plan !== undefined) read.push({ file, place, plan });
  }
  const rows = read.reduce((sum, { plan }) => sum + plan.rows, 0);
  const rowsMin = Math.min(Math.max(unitRows.least, rows / unitsWanted), unitRows.most);
  const units: RowUnit[] = [];
  for (const { file, place, plan: whole } of read) {
    const constants = file.constants.map(({ field, value }) => ({ column: field.name, value }));
    for (const plan of cutPlan(await file.footer(), whole, rowsMin)) {
      const argument: UnitArgument = { ...place, schema, constants, plan };
      units.push({ module: import.meta.url, argument, rows: plan.rows });
    }
  }
  return units;
}

/** The rows of a unit. A batch is good until the next is asked for. Throws as a scan does. */
export async function* rowsOf(unit: unknown, signal?: AbortSignal): AsyncGenerator<RecordBatch, void, void> {
  const { root, file, schema: stream, constants, plan } = unit as UnitArgument;
  const bytes = localBytes(root);
  const { schema } = tableFromIPC(stream);
  const told = constants.flatMap(({ column, value }): Constant[] => {
    const field = schema.fields.find(({ name }) => name === column);
    return field === undefined ? [] : [{ field, value }];
  });
  const open = () => openPlaced(bytes, file);
  const footer = () => footerOf(`${root}\0${identityOf(file)}`, () => readFooter(open));
  yield* scanFile({ constants: told, open, footer, verifyUnchanged: (opened) => verifyPlaced(file, opened) }, plan, schema, signal, true);
}

/** In the order in which they were last asked for. */
const footers = new Map<string, ParquetFile>();

async function footerOf(identity: string, read: () => Promise<ParquetFile>): Promise<ParquetFile> {
  const footer = footers.get(identity) ?? (await read());
  footers.delete(identity);
  footers.set(identity, footer);
  if (footers.size > footersMax) footers.delete(footers.keys().next().value!);
  return footer;
}
