/**
 * What a commit puts on top of a version: the entry, or that it cannot. Pure; the log is asked by write.ts.
 *
 *   append       files are added; columns too, where the caller lets the schema grow
 *   overwrite    all files go, or those of the partitions named; the schema becomes the new one
 *   compact      files take the places of those whose rows they hold
 */
import { DataType, Schema } from '../../arrow/arrow.ts';
import { plainType } from '../../arrow/canonical.ts';
import { ArgumentError, SchemaMismatchError } from '../../base/errors.ts';
import { sameType } from '../conform.ts';
import { parseStats } from '../stats.ts';
import { storedType } from '../stored-types.ts';
import type { CommitRequest, StagedFile } from '../table.ts';
import type { Attempt, PartitionValues } from './conflict.ts';
import type { AddFile, Metadata } from './write-actions.ts';
import { addOf, type DeltaEntry, removeOf, tagOf } from './write-entry.ts';
import { exactSchema } from './write-exact.ts';
import type { DeltaVersion } from './write-log.ts';
import { checkWritable, type WriteKind } from './write-protocol.ts';
import { arrowSchemaOf, metadataFor, metadataWith, protocolFor, schemaFields } from './write-schema.ts';

export interface DeltaCommitRequest extends CommitRequest {
  /** Of an overwrite: only files of these partitions go, each named by some columns or all. The staged rows must be theirs. */
  readonly replace?: readonly PartitionValues[];
  /** The schema may grow by columns of the request that can be null; columns that the request lacks are null. */
  readonly mayAddColumns?: boolean;
  /** A version of an application's own: a commit of one that the table has already is none. */
  readonly transaction?: { readonly application: string; readonly version: number };
}

export interface Circumstances {
  /** The table's, for messages. */
  readonly name: string;
  readonly commitId: string;
  readonly committedAtMs: number;
  /** For a table that begins. */
  readonly id: string;
  /** Of the table from now on; absent: as it is. */
  readonly partitionBy: readonly string[] | undefined;
}

/** The schema of a version as its writer declared it. */
export function schemaOf(name: string, { metaData }: DeltaVersion): Schema {
  return exactSchema(arrowSchemaOf(name, metaData), metaData.configuration);
}

/** The entry on top of `newest`; files that are kept stay, or come back. Throws where the request can never stand there. */
export function planCommit(
  request: DeltaCommitRequest, newest: DeltaVersion | undefined, circumstances: Circumstances, kept: readonly AddFile[] = [],
): DeltaEntry {
  const { name, commitId, committedAtMs } = circumstances;
  const { kind, readVersion, info, transaction } = request;
  const version = (newest?.version ?? -1) + 1;
  if (newest !== undefined) checkWritable(writtenTable(name, newest), kind === 'append' ? 'append' : 'remove');
  const metaData = metadataAfter(request, newest, circumstances);
  const current = metaData ?? newest!.metaData;
  checkFiles(name, request, current);
  const schema = exactSchema(arrowSchemaOf(name, current), current.configuration);
  const protocol = protocolFor(schema, newest?.protocol);
  const keptPaths = new Set(kept.map(({ path }) => path));
  const removed = kind === 'append' ? [] : filesIn(newest, request.replace).filter(({ path }) => !keptPaths.has(path));
  return {
    version, commitId, kind, readVersion, committedAtMs, info, metaData, partitionBy: current.partitionColumns,
    protocol: protocol === newest?.protocol ? undefined : protocol,
    transaction: transaction && { appId: transaction.application, version: transaction.version, lastUpdated: committedAtMs },
    remove: removed.map((file) => removeOf(file, { deletionTimestamp: committedAtMs, dataChange: true })),
    add: [
      ...kept.filter(({ path }) => newest?.files.has(path) !== true).map((file) => ({ ...file, dataChange: true })),
      ...request.add.map((file, index) => addOf(file, { modificationTime: committedAtMs, dataChange: true, position: `${version}.${index}` })),
    ],
  };
}

/** What a request is to those that were faster; `read` is the version that it was made on. */
export function attemptOf({ kind, replace, transaction }: DeltaCommitRequest, read: DeltaVersion | undefined): Attempt {
  const application = transaction === undefined ? {} : { application: transaction.application };
  if (kind === 'append' || replace === undefined) return { ...application, kind };
  return { ...application, kind: 'replacePartitions', partitions: replace, remove: filesIn(read, replace).map(({ path }) => path) };
}

export interface CompactedRun {
  readonly before: readonly AddFile[];
  readonly after: readonly StagedFile[];
}

/** Undefined when a file was removed meanwhile, or the table was made anew. */
export function planRewrite(runs: readonly CompactedRun[], tableId: string, newest: DeltaVersion | undefined, { name, commitId, committedAtMs }: Circumstances): DeltaEntry | undefined {
  const before = runs.flatMap((run) => run.before);
  if (newest === undefined || newest.metaData.id !== tableId || before.some(({ path }) => !newest.files.has(path))) return undefined;
  checkWritable(writtenTable(name, newest), 'rewrite');
  const add = runs.flatMap((run) => run.after.map((file, i) => addOf(file, { modificationTime: committedAtMs, dataChange: false, position: run.before[i]?.tags?.[tagOf.position] ?? undefined })));
  return {
    version: newest.version + 1, commitId, kind: 'compact', readVersion: newest.version, committedAtMs, info: {}, content: newest.content,
    partitionBy: newest.metaData.partitionColumns, remove: before.map((file) => removeOf(file, { deletionTimestamp: committedAtMs, dataChange: false })), add,
  };
}

/** Throws unless the table may be written in this way. */
export function checkTable(name: string, version: DeltaVersion, kind: WriteKind): void {
  checkWritable(writtenTable(name, version), kind);
}

function writtenTable(name: string, { protocol, metaData }: DeltaVersion): Parameters<typeof checkWritable>[0] {
  const { minReaderVersion, minWriterVersion, readerFeatures, writerFeatures } = protocol;
  return {
    name, minReaderVersion, minWriterVersion, ...(readerFeatures && { readerFeatures }), ...(writerFeatures && { writerFeatures }),
    configuration: metaData.configuration, fieldMetadata: fieldMetadataOf(schemaFields(name, metaData.schemaString)),
  };
}

/** The keys of the metadata of all fields, nested ones too. */
function fieldMetadataOf(type: unknown): string[] {
  if (typeof type !== 'object' || type === null) return [];
  return Object.entries(type).flatMap(([key, value]) => (key === 'metadata' && typeof value === 'object' && value !== null ? Object.keys(value) : fieldMetadataOf(value)));
}

/** Undefined where it stays as it is. */
function metadataAfter(request: DeltaCommitRequest, newest: DeltaVersion | undefined, { name, id, partitionBy, committedAtMs }: Circumstances): Metadata | undefined {
  const { schema, kind, replace, mayAddColumns = false } = request;
  const before = newest?.metaData;
  const columns = partitionBy ?? before?.partitionColumns ?? [];
  if (newest === undefined || before === undefined) return metadataFor(name, schema, { id, partitionBy: columns, createdTime: committedAtMs });
  const current = schemaOf(name, newest);
  if (kind === 'overwrite' && replace === undefined) {
    if (sameSchema(current, schema) && String(columns) === String(before.partitionColumns)) return undefined;
    return metadataFor(name, schema, { id: before.id, partitionBy: columns, createdTime: committedAtMs, before });
  }
  if (!mayAddColumns) {
    checkSameColumns(name, current, schema);
    return undefined;
  }
  const added = addedColumns(name, current, schema);
  return added.length === 0 ? undefined : metadataWith(name, before, new Schema([...current.fields, ...added], current.metadata), added);
}

function sameSchema(a: Schema, b: Schema): boolean {
  const textOf = ({ fields, metadata }: Schema): string =>
    JSON.stringify([[...metadata], fields.map((field) => [field.name, String(field.type), field.nullable, [...field.metadata]])]);
  return textOf(a) === textOf(b);
}

/** Throws SchemaMismatchError unless rows of the second schema are rows of the first. */
export function checkSameColumns(table: string, expected: Schema, found: Schema): void {
  expected.fields.forEach((field, column) => {
    const other = found.fields[column];
    if (other?.name === field.name && isStoredIn(other.type, field.type)) return;
    throw new SchemaMismatchError(table, field.name, `column ${column} is expected to be ${field.type}; found ${other === undefined ? 'none' : `${other.name}: ${other.type}`}`);
  });
  const extra = found.fields[expected.fields.length];
  if (extra !== undefined) throw new SchemaMismatchError(table, extra.name, 'the table has no such column; let its schema grow, or write the table anew (overwrite) to change its columns');
}

/** The columns of the second schema that the first lacks. Throws where those that both have differ. */
function addedColumns(table: string, expected: Schema, found: Schema): Schema['fields'] {
  for (const field of expected.fields) {
    const other = found.fields.find(({ name }) => name === field.name);
    if (other === undefined ? field.nullable : isStoredIn(other.type, field.type)) continue;
    throw new SchemaMismatchError(table, field.name, other === undefined ? 'it has no nulls by its schema, and the rows lack it' : `it is ${field.type}; found ${other.type}`);
  }
  const added = found.fields.filter(({ name }) => !expected.fields.some((field) => field.name === name));
  const required = added.find(({ nullable }) => !nullable);
  if (required !== undefined) throw new SchemaMismatchError(table, required.name, 'it can only be added as a column that can be null, since the rows that are there have none');
  return added;
}

/** Whether a column of the first type is stored where the table has the second: the same, or one that becomes it. */
function isStoredIn(found: DataType, table: DataType): boolean {
  return sameType(found, table) || sameType(storedType(found), table) || sameType(plainType(found), plainType(table));
}

/** What is added lies in the table's partitions, in those that are replaced, and has no null where the table says there is none. */
function checkFiles(name: string, { add, replace }: DeltaCommitRequest, metaData: Metadata): void {
  const { partitionColumns } = metaData;
  const stray = replace?.flatMap((partition) => Object.keys(partition)).find((column) => !partitionColumns.includes(column));
  if (stray !== undefined) throw new ArgumentError('replace', `${name} is partitioned by ${partitionColumns.join(', ') || 'nothing'}, so what has a certain ${stray} cannot be replaced`);
  const schema = arrowSchemaOf(name, metaData);
  for (const { partitionValues = {}, stats } of add) {
    const columns = Object.keys(partitionValues);
    if (String(columns) !== String(partitionColumns)) {
      throw new ArgumentError('partitionBy', `${name} is partitioned by ${partitionColumns.join(', ') || 'nothing'}, not by ${columns.join(', ') || 'nothing'}; overwrite the table to change that`);
    }
    if (replace !== undefined && !replace.some((partition) => isIn(partition, partitionValues))) {
      throw new ArgumentError('replace', `rows with ${JSON.stringify(partitionValues)} lie in none of the partitions that are replaced`);
    }
    const { nullCount } = parseStats(stats);
    for (const { name: column, nullable, type } of schema.fields) {
      const nulls = partitionValues[column] === null ? 'rows' : nullCount[column];
      if (nullable || !nulls || DataType.isNull(type)) continue;
      throw new SchemaMismatchError(name, column, `has no nulls by its schema, but ${nulls} are to be appended`);
    }
  }
}

function filesIn(version: DeltaVersion | undefined, partitions: readonly PartitionValues[] | undefined): AddFile[] {
  const files = [...(version?.files.values() ?? [])];
  return partitions === undefined ? files : files.filter(({ partitionValues }) => partitions.some((partition) => isIn(partition, partitionValues)));
}

/** Delta writes no value as null or as the empty string. */
function isIn(partition: PartitionValues, values: PartitionValues): boolean {
  return Object.entries(partition).every(([column, value]) => (values[column] ?? '') === (value ?? ''));
}
