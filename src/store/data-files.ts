/**
 * Plans and scans a list of Parquet data files as one table: what folders, single files and tables of our own share.
 *
 *   whole files    left out by what is known without opening them (log statistics, folder names)
 *   row groups     left out by the footer
 *   columns        conformed to the table's schema
 *
 * Rows come in the order of the files. One batch is read ahead while the caller works on the last.
 */
import { DataType, makeData, RecordBatch, Schema, Struct } from '../arrow/arrow.ts';
import { DamagedFileError, FeatureStoreError, reasonOf, SchemaMismatchError, throwIfCancelled } from '../base/errors.ts';
import { didYouMean } from '../base/names.ts';
import type { OpenFile } from './bytes.ts';
import { type Constant, conformBatch, isNested } from './conform.ts';
import { openParquet, type ParquetFile, planParquet, type ParquetPlan, scanParquet } from './parquet/file.ts';
import type { FilePlace } from './placed-file.ts';
import type { ScanOptions, ScanPlan } from './table.ts';

/** What it takes to read the rows of a file. */
export interface OpenableFile {
  /** Columns whose values the file's path tells; they go before columns of the same name in the file. */
  readonly constants: readonly Constant[];
  open(): Promise<OpenFile>;
  footer(): Promise<ParquetFile>;
  /** Throws if the file is no longer what the snapshot saw. Called after its last byte was read. */
  verifyUnchanged(file: OpenFile): Promise<void>;
}

export interface DataFile extends OpenableFile {
  /** For messages. */
  readonly name: string;
  readonly rows: number;
  readonly rowGroups: number;
  /** For other threads to find it; undefined when it is no file of the local disk. */
  readonly place: FilePlace | undefined;
  /** False only when no row of the file has its event time in the range. */
  mightContain(timeRange: NonNullable<ScanOptions['timeRange']>): boolean;
}

export interface DataFiles {
  /** The table's name, for messages. */
  readonly name: string;
  readonly schema: Schema;
  readonly files: readonly DataFile[];
  /** Columns that are in the files but cannot be read, and why. */
  readonly passedOver: readonly { readonly column: string; readonly why: string }[];
}

export async function planDataFiles(table: DataFiles, options: ScanOptions = {}): Promise<ScanPlan> {
  const columns = requestedSchema(table, options).fields.map((field) => field.name);
  let [files, units, rows, bytes] = [0, 0, 0, 0];
  for (const file of table.files) {
    throwIfCancelled(options.signal, `planning a read of ${table.name}`);
    const plan = await planFile(file, columns, options);
    if (plan === undefined) continue;
    files++;
    units += plan.rowGroups.length;
    rows += plan.rows;
    bytes += plan.bytes;
  }
  const total = (count: (file: DataFile) => number): number => table.files.reduce((sum, file) => sum + count(file), 0);
  return {
    columns, files, filesTotal: table.files.length, units, unitsTotal: total((file) => file.rowGroups), rows, rowsTotal: total((file) => file.rows), bytes,
  };
}

export function scanDataFiles(table: DataFiles, options: ScanOptions = {}): AsyncGenerator<RecordBatch, void, void> {
  return readAhead(scanInOrder(table, options));
}

async function* scanInOrder(table: DataFiles, options: ScanOptions): AsyncGenerator<RecordBatch, void, void> {
  const schema = requestedSchema(table, options);
  const columns = schema.fields.map((field) => field.name);
  for (const file of table.files) {
    throwIfCancelled(options.signal, `reading ${table.name}`);
    const plan = await planFile(file, columns, options);
    if (plan !== undefined) yield* scanFile(file, plan, schema, options.signal);
  }
}

/** The rows of a plan of one file, with the columns of `schema`. Batches that are `lent` are good until the next is asked for. */
export async function* scanFile(
  file: OpenableFile, plan: ParquetPlan, schema: Schema, signal: AbortSignal | undefined, lent = false,
): AsyncGenerator<RecordBatch, void, void> {
  if (plan.columns.length === 0) {
    // All columns are told by the file's path, or missing.
    yield conformBatch(emptyColumns(plan.rows), schema, file.constants);
    return;
  }
  const opened = await file.open();
  try {
    for await (const batch of scanParquet(opened, await file.footer(), plan, { pruned: true, lent, ...(signal && { signal }) })) {
      yield conformBatch(batch, schema, file.constants);
    }
    await file.verifyUnchanged(opened);
  } finally {
    await opened.close();
  }
}

/** What a scan reads of a file, `columns` being those that are in it; undefined when that is nothing. */
export async function planFile(file: DataFile, columns: readonly string[], { timeRange }: ScanOptions): Promise<ParquetPlan | undefined> {
  if (timeRange !== undefined && !file.mightContain(timeRange)) return undefined;
  const footer = await file.footer();
  const isConstant = (column: string): boolean => file.constants.some(({ field }) => field.name === column);
  const inFile = (column: string): boolean => !isConstant(column) && footer.schema.fields.some((field) => field.name === column);
  // A file that lacks the event time has it null in every row, and null is in no range.
  if (timeRange !== undefined && !isConstant(timeRange.column) && !inFile(timeRange.column)) return undefined;
  const pruned = timeRange !== undefined && inFile(timeRange.column);
  const plan = planParquet(footer, { columns: columns.filter(inFile), ...(pruned && { timeRange }) });
  return plan.rowGroups.length === 0 ? undefined : plan;
}

/** The schema of the columns asked for. Throws when one of them, or the event time, is not there. */
export function requestedSchema(table: Pick<DataFiles, 'name' | 'schema' | 'passedOver'>, options: ScanOptions): Schema {
  const fieldOf = (column: string) => {
    const field = table.schema.fields.find(({ name }) => name === column);
    if (field !== undefined) return field;
    const passedOver = table.passedOver.find((candidate) => candidate.column === column);
    if (passedOver !== undefined) throw new SchemaMismatchError(table.name, column, `it cannot be read: ${passedOver.why}`);
    const names = table.schema.fields.map(({ name }) => name);
    throw new SchemaMismatchError(table.name, column, `there is no such column; there are ${names.join(', ')}${didYouMean(column, names)}`);
  };
  if (options.timeRange !== undefined) {
    const { name, type } = fieldOf(options.timeRange.column);
    const type_ = DataType.isDictionary(type) ? type.dictionary : type;
    if (!DataType.isTimestamp(type_) && !DataType.isDate(type_)) {
      throw new SchemaMismatchError(table.name, name, `it is ${type}, but event time is a timestamp or a date`);
    }
  }
  if (options.columns === undefined) return new Schema(table.schema.fields.filter(({ type }) => !isNested(type)));
  return new Schema(options.columns.map(fieldOf));
}

/** Opens a footer; the file is closed again. */
export async function readFooter(open: () => Promise<OpenFile>): Promise<ParquetFile> {
  const file = await open();
  try {
    return await openParquet(file);
  } catch (thrown) {
    if (thrown instanceof FeatureStoreError) throw thrown;
    throw new DamagedFileError(file.name, `cannot be read as Parquet: ${reasonOf(thrown)}`, thrown);
  } finally {
    await file.close();
  }
}

function emptyColumns(rows: number): RecordBatch {
  return new RecordBatch(new Schema([]), makeData({ type: new Struct([]), length: rows, nullCount: 0, children: [] }));
}

/** Asks for the next batch before the last is handed out, so that its bytes arrive while the caller works. */
async function* readAhead<Item>(source: AsyncGenerator<Item, void, void>): AsyncGenerator<Item, void, void> {
  let pending = source.next();
  try {
    for (;;) {
      const { done, value } = await pending;
      if (done) return;
      pending = source.next();
      // If it fails while the caller works, the failure is met at the next step, or not at all when the caller stops.
      pending.catch(() => undefined);
      yield value as Item;
    }
  } finally {
    await pending.catch(() => undefined);
    await source.return();
  }
}
