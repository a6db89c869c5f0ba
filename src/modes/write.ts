/** Rows that something else computed, stored as a set's features. */
import { type RecordBatch, type Table, Table as ArrowTable, Schema } from '../arrow/arrow.ts';
import { canonicalTable } from '../arrow/canonical.ts';
import { lastOfEachKey } from '../arrow/rows.ts';
import { ArgumentError, CommitConflictError, SchemaMismatchError } from '../base/errors.ts';
import { didYouMean } from '../base/names.ts';
import type { FeatureSetDefinition } from '../config/definition.ts';
import type { OwnSnapshot } from '../store/table.ts';
import { definitionDigest, type FeatureTables, infoFromFacts } from './storage.ts';

export const writeModes = ['append', 'overwrite', 'merge'] as const;
export type WriteMode = (typeof writeModes)[number];

const attemptsMax = 5;

/** Commits the rows, or nothing. Returns the rows of the table afterwards. */
export async function writeRows(
  definition: FeatureSetDefinition,
  table: Table,
  mode: WriteMode,
  { features, format }: Pick<FeatureTables, 'features' | 'format'>,
): Promise<{ readonly rows: number; readonly version: number }> {
  if (!writeModes.includes(mode)) {
    throw new ArgumentError('mode', `'${mode}' is not a way to write; one of ${writeModes.join(', ')}${didYouMean(String(mode), writeModes)}`);
  }
  if (definition.kind === 'aggregated') {
    throw new ArgumentError('name', `the rows of ${definition.name} are computed from ${definition.source.table}; use materialize, or define a set without aggregations`);
  }
  const given = canonicalTable(table.schema, table.batches);
  checkKeys(definition, given.schema);
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    const current = await features.trySnapshot();
    if (mode !== 'overwrite' && current !== undefined) checkSame(definition, current.schema, given.schema);
    // What is stored in another format is written anew, in the one that the project asks for.
    const appends = mode === 'append' && current?.format === format;
    const rows = appends || mode === 'overwrite' ? given : await withStored(definition, given, mode, current);
    const staged = await features.stage(rows.schema, rows.batches);
    const result = await features.commit({
      readVersion: current?.versionNumber ?? -1,
      kind: appends ? 'append' : 'overwrite',
      schema: rows.schema,
      add: staged,
      info: factsOfWrite(definition, rows.schema),
    });
    if (result.kind === 'committed') {
      return { rows: (await features.snapshot({ version: result.version })).rows, version: result.version };
    }
    await features.discard(staged);
  }
  throw new CommitConflictError(features.name, -1, `other writers were faster ${attemptsMax} times; nothing was written, try again`);
}

function factsOfWrite(definition: FeatureSetDefinition, schema: Schema): Record<string, unknown> {
  return infoFromFacts({
    sourceVersion: 'written',
    definition: definitionDigest(definition),
    computedAtMs: undefined,
    asOfUs: 0n,
    range: undefined,
    tilesVersion: undefined,
    newestEventUs: undefined,
    arrivals: undefined,
    sourceRows: 0,
    rowsWithNullKey: 0,
    coverage: undefined,
    hasStates: false,
    sourceSchema: new Schema(schema.fields.filter((field) => definition.entityKeys.includes(field.name))),
  });
}

/** The stored rows, and after them those that are given; `merge` keeps the last of each entity. */
async function withStored(
  definition: FeatureSetDefinition, given: Table, mode: 'append' | 'merge', current: OwnSnapshot | undefined,
): Promise<Table> {
  const stored: RecordBatch[] = [];
  if (current !== undefined) for await (const batch of current.scan()) stored.push(batch);
  const all = new ArrowTable(given.schema, [canonicalTable(given.schema, stored), given].flatMap((part) => part.batches));
  return mode === 'append' ? all : lastOfEachKey(canonicalTable(given.schema, all.batches), definition.entityKeys);
}

function checkKeys(definition: FeatureSetDefinition, schema: Schema): void {
  const names = schema.fields.map((field) => field.name);
  for (const key of definition.entityKeys) {
    if (!names.includes(key)) {
      throw new SchemaMismatchError(`the table for feature set ${definition.name}`, key, `the entity key is missing; there is ${names.join(', ')}${didYouMean(key, names)}`);
    }
  }
}

function checkSame(definition: FeatureSetDefinition, stored: Schema, given: Schema): void {
  const where = `the table for feature set ${definition.name}`;
  for (const field of stored.fields) {
    const other = given.fields.find((candidate) => candidate.name === field.name);
    if (other === undefined) throw new SchemaMismatchError(where, field.name, 'it is stored, but missing here; use mode overwrite to change the columns');
    if (String(other.type) !== String(field.type)) {
      throw new SchemaMismatchError(where, field.name, `stored as ${field.type}, given as ${other.type}; use mode overwrite to change the columns`);
    }
  }
  const extra = given.fields.find((field) => !stored.fields.some((candidate) => candidate.name === field.name));
  if (extra !== undefined) throw new SchemaMismatchError(where, extra.name, 'it is not among the stored columns; use mode overwrite to change them');
}
