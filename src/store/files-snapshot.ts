/** A version of a table that consists of data files, whatever names and numbers it: plan, scan, units, and parts of it. */
import { type DataFile, type DataFiles, planDataFiles, scanDataFiles } from './data-files.ts';
import { formatNamed } from './file-formats.ts';
import { identityOf } from './placed-file.ts';
import { planUnits } from './row-units.ts';
import type { ScanOptions, Snapshot, SnapshotFile, TimeSpan } from './table.ts';

/** `listed` are the files of `table`, in the same order. */
export function filesSnapshot(
  { format, version }: Pick<Snapshot, 'format' | 'version'>,
  table: DataFiles,
  listed: readonly Omit<SnapshotFile, 'id'>[],
): Snapshot {
  const { name, schema } = table;
  const ids = table.files.map(idOf);
  return {
    name,
    format,
    version,
    schema,
    passedOver: table.passedOver,
    files: listed.map(({ path, size, modifiedNs }, i) => ({ path, size, modifiedNs, id: ids[i]! })),
    only(wanted) {
      const isWanted = (_: unknown, i: number): boolean => wanted.has(ids[i]!);
      return filesSnapshot({ format, version }, { ...table, files: table.files.filter(isWanted) }, listed.filter(isWanted));
    },
    timeSpans: (column) => timeSpans(table, column),
    plan: (options?: ScanOptions) => planDataFiles(table, options),
    scan: (options?: ScanOptions) => scanDataFiles(table, options),
    units: (options?: ScanOptions) => planUnits(table, options),
  };
}

async function timeSpans({ files }: DataFiles, column: string): Promise<Map<string, TimeSpan>> {
  const spans = new Map<string, TimeSpan>();
  for (const file of files) {
    const span = await timeSpanOf(file, column);
    if (span !== undefined) spans.set(idOf(file), span);
  }
  return spans;
}

/** Rows that are deleted are among those that the span is of: it is too wide, never too narrow. */
async function timeSpanOf(file: DataFile, column: string): Promise<TimeSpan | undefined> {
  if (file.constants.some(({ field }) => field.name === column)) return undefined;
  const metadata = await file.metadata();
  const told = file.rename?.get(column) ?? column;
  const inFile = typeof told === 'number' ? metadata.fieldIds?.get(told) : told;
  if (inFile === undefined || !metadata.schema.fields.some(({ name }) => name === inFile)) return undefined;
  return formatNamed(file.format).timeSpan(metadata, inFile);
}

function idOf({ id, file }: DataFile): string {
  return id ?? identityOf(file);
}
