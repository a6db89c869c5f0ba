/**
 * Plans and scans a list of data files as one table: what folders, single files and tables with a log share, whatever the
 * format of their files.
 *
 *   whole files    left out by what is known without opening them (log statistics, folder names)
 *   parts          row groups and stripes left out by what the file says of itself
 *   rows           left out where the table has deleted them
 *   columns        found under the names that the file has for them, conformed to the table's schema
 *
 * Rows come in the order of the files. One batch is read ahead while the caller works on the last.
 */
import { DataType, type Field, makeData, RecordBatch, Schema, Struct } from '../arrow/arrow.ts';
import type { ColumnMemory } from '../arrow/column-memory.ts';
import { SchemaMismatchError, throwIfCancelled } from '../base/errors.ts';
import { didYouMean } from '../base/names.ts';
import { type Bytes, mapConcurrently } from './bytes.ts';
import { type Constant, conformBatch, isNested, keepsKeys, mightConform } from './conform.ts';
import { type DeletedRows, deletedWithin, withoutDeleted } from './deleted-rows.ts';
import type { FileFormatName, FileMetadata, FilePlan } from './file-format.ts';
import { formatNamed, readMetadata } from './file-formats.ts';
import { openPlaced, type PlacedFile, verifyPlaced } from './placed-file.ts';
import type { ScanOptions, ScanPlan } from './table.ts';

/** What it takes to read the rows of a file. */
export interface ReadableFile {
  readonly format: FileFormatName;
  readonly bytes: Bytes;
  readonly file: PlacedFile;
  /** Columns whose values are told without the file; they go before columns of the same name in it. */
  readonly constants: readonly Constant[];
  metadata(): Promise<FileMetadata>;
}

export interface DataFile extends ReadableFile {
  /** For messages. */
  readonly name: string;
  /** Without those that are deleted. */
  readonly rows: number;
  /** Row groups, or stripes. */
  readonly parts: number;
  /** What tells it from any other file, and from itself with other rows deleted; absent: its place and size do. */
  readonly id?: string;
  /** What the file calls the table's columns, by name or by field id. Columns that are not in it have one name in both. */
  readonly rename?: ReadonlyMap<string, string | number>;
  /** The rows of the file that the table does not have. */
  deletedRows?(): Promise<DeletedRows>;
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

/** What a scan reads of a file; plain data. */
export interface FileRead {
  readonly plan: FilePlan;
  /** The table's names of the plan's columns, where they have others in the file. */
  readonly names?: readonly string[];
  /** Those within the plan; absent: none. */
  readonly deleted?: DeletedRows;
  /** What is left of the plan's rows. */
  readonly rows: number;
}

/** What `file` has; the name under which messages and logs know the metadata is the caller's. */
export function metadataOf({ format, bytes, file }: Pick<ReadableFile, 'format' | 'bytes' | 'file'>): Promise<FileMetadata> {
  return readMetadata(formatNamed(format), () => openPlaced(bytes, file));
}

export async function planDataFiles(table: DataFiles, options: ScanOptions = {}): Promise<ScanPlan> {
  const requested = requestedSchema(table, options);
  let [files, units, rows, bytes] = [0, 0, 0, 0];
  for (const { file, read } of await planFiles(table, requested, options)) {
    files++;
    units += formatNamed(file.format).partsRead(read.plan);
    rows += read.rows;
    bytes += read.plan.bytes;
  }
  const total = (count: (file: DataFile) => number): number => table.files.reduce((sum, file) => sum + count(file), 0);
  return {
    columns: requested.fields.map(({ name }) => name), files, filesTotal: table.files.length, units, unitsTotal: total((file) => file.parts), rows,
    rowsTotal: total((file) => file.rows), bytes,
  };
}

/** What a scan reads of each file that it reads, in their order. The metadata of several files is fetched at a time. */
export async function planFiles(table: DataFiles, requested: Schema, options: ScanOptions): Promise<{ readonly file: DataFile; readonly read: FileRead }[]> {
  const planned = await mapConcurrently(table.files, 8, async (file) => {
    throwIfCancelled(options.signal, `planning a read of ${table.name}`);
    return { file, read: await planFile(table, file, requested, options) };
  });
  return planned.flatMap(({ file, read }) => (read === undefined ? [] : [{ file, read }]));
}

export function scanDataFiles(table: DataFiles, options: ScanOptions = {}): AsyncGenerator<RecordBatch, void, void> {
  return readAhead(scanInOrder(table, options));
}

async function* scanInOrder(table: DataFiles, options: ScanOptions): AsyncGenerator<RecordBatch, void, void> {
  const schema = requestedSchema(table, options);
  for (const file of table.files) {
    throwIfCancelled(options.signal, `reading ${table.name}`);
    const read = await planFile(table, file, schema, options);
    if (read !== undefined) yield* scanFile(file, read, schema, { signal: options.signal });
  }
}

/** The rows that are to be read of one file, with the columns of `schema`. Batches that are `lent` are good until the next is asked for. */
export async function* scanFile(
  file: ReadableFile, read: FileRead, schema: Schema,
  { signal, lent = false, memory }: { readonly signal?: AbortSignal | undefined; readonly lent?: boolean; readonly memory?: ColumnMemory | undefined },
): AsyncGenerator<RecordBatch, void, void> {
  const { plan, names, deleted } = read;
  if (plan.columns.length === 0) {
    // All columns are told without the file, or missing.
    yield conformBatch(emptyColumns(read.rows), schema, file.constants);
    return;
  }
  const format = formatNamed(file.format);
  const opened = await openPlaced(file.bytes, file.file);
  try {
    const metadata = await file.metadata();
    // Where rows are told by their positions, all rows of the plan's stretches must come.
    const stored = format.scan(opened, metadata, plan, { signal, lent, memory, pruned: deleted === undefined });
    const batches = deleted === undefined ? stored : withoutDeleted(stored, format.stretchesOf(metadata, plan), deleted);
    for await (const batch of batches) yield conformBatch(names === undefined ? batch : renamed(batch, names), schema, file.constants);
    await verifyPlaced(file.file, opened);
  } finally {
    await opened.close();
  }
}

/** What a scan of these columns reads of a file; undefined when that is nothing. */
async function planFile(table: DataFiles, file: DataFile, requested: Schema, { timeRange, anyOf }: ScanOptions): Promise<FileRead | undefined> {
  if (timeRange !== undefined && !file.mightContain(timeRange)) return undefined;
  const format = formatNamed(file.format);
  const metadata = await file.metadata();
  const isConstant = (column: string): boolean => file.constants.some(({ field }) => field.name === column);
  const columns = requested.fields.flatMap((field) => {
    const inFile = isConstant(field.name) ? undefined : nameInFile(file, metadata, field.name);
    if (inFile === undefined) return [];
    checkColumn(file, metadata, field, inFile);
    return [{ column: field.name, inFile }];
  });
  const time = timeRange === undefined || isConstant(timeRange.column) ? undefined : nameInFile(file, metadata, timeRange.column);
  // A file that lacks the event time has it null in every row, and null is in no range.
  if (timeRange !== undefined && time === undefined && !isConstant(timeRange.column)) return undefined;
  const key = anyOf === undefined || isConstant(anyOf.column) ? undefined : keyInFile(table, file, metadata, anyOf.column);
  const pruning = {
    ...(timeRange !== undefined && time !== undefined && { timeRange: { column: time, range: timeRange.range } }),
    ...(anyOf !== undefined && key !== undefined && { anyOf: { column: key, values: anyOf.values } }),
  };
  const plan = format.plan(metadata, { columns: columns.map(({ inFile }) => inFile), ...pruning });
  const isRenamed = columns.some(({ column, inFile }) => column !== inFile);
  const read = { plan, rows: plan.rows, ...(isRenamed && { names: columns.map(({ column }) => column) }) };
  const left = file.deletedRows === undefined || plan.rows === 0 ? read : withDeleted(file, metadata, read, await file.deletedRows());
  return left.rows === 0 ? undefined : left;
}

/** The read in parts that can be read on their own, `rowsMin` of the rows before each telling how many it has at least, as far as there are so many. */
export async function cutRead(file: DataFile, read: FileRead, rowsMin: (done: number) => number): Promise<FileRead[]> {
  const metadata = await file.metadata();
  const parts = formatNamed(file.format).cut(metadata, read.plan, rowsMin).map((plan): FileRead => ({ ...read, plan, rows: plan.rows }));
  const { deleted } = read;
  if (deleted === undefined) return parts;
  return parts.map((part) => withDeleted(file, metadata, part, deleted)).filter(({ rows }) => rows > 0);
}

function withDeleted(file: ReadableFile, metadata: FileMetadata, { deleted: _, ...read }: FileRead, all: DeletedRows): FileRead {
  const deleted = deletedWithin(all, formatNamed(file.format).stretchesOf(metadata, read.plan));
  return deleted.length === 0 ? read : { ...read, deleted, rows: read.plan.rows - deleted.length };
}

/** The name under which the file has a column, be it one that can be read or not; undefined when it lacks it. */
function nameInFile({ rename }: DataFile, { schema, passedOver, fieldIds }: FileMetadata, column: string): string | undefined {
  const told = rename?.get(column) ?? column;
  const name = typeof told === 'number' ? fieldIds?.get(told) : told;
  const isThere = schema.fields.some((field) => field.name === name) || passedOver.some((other) => other.column === name);
  return isThere ? name : undefined;
}

/** The name under which the file has a column of keys, if they are the same ones in the file and in the table. */
function keyInFile(table: DataFiles, file: DataFile, metadata: FileMetadata, column: string): string | undefined {
  const inFile = nameInFile(file, metadata, column);
  const [found, field] = [metadata.schema.fields.find(({ name }) => name === inFile), table.schema.fields.find(({ name }) => name === column)];
  return found !== undefined && field !== undefined && keepsKeys(found.type, field.type) ? inFile : undefined;
}

/** Throws when the file's column cannot be made the table's. Folders were checked when their schemas met; a log may lie. */
function checkColumn(file: DataFile, { schema, passedOver }: FileMetadata, field: Field, inFile: string): void {
  const found = schema.fields.find(({ name }) => name === inFile);
  if (found === undefined) {
    const why = passedOver.find(({ column }) => column === inFile)!.why;
    throw new SchemaMismatchError(file.name, field.name, `it is ${field.type} in the table, but cannot be read in this file: ${why}`);
  }
  if (mightConform(found.type, field.type)) return;
  throw new SchemaMismatchError(file.name, field.name, `it is ${field.type} in the table, but ${found.type} in this file; write the file again with the table's type`);
}

/** Aliases. */
function renamed(batch: RecordBatch, names: readonly string[]): RecordBatch {
  const schema = new Schema(batch.schema.fields.map((field, i) => field.clone({ name: names[i]! })));
  return new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length: batch.numRows, nullCount: 0, children: batch.data.children }));
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
