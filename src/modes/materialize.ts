/**
 * Materializing: one pass over one version of the source makes tiles and windows; the features are the merged tiles.
 *
 *   source ──▶ one run ──▶ tiles table ──▶ merge ──▶ base features ─┐
 *                     └──▶ states of each window ──▶ window columns ┴──▶ features table
 *
 * Both tables are staged, then tiles are committed, then features. Only the features commit counts (see storage.ts): a
 * process that dies before it has changed nothing that a reader sees.
 */
import type { Schema, Table } from '../arrow/arrow.ts';
import { oneBatch } from '../arrow/canonical.ts';
import { pickColumns, sortedBy } from '../arrow/rows.ts';
import { CommitConflictError, SchemaMismatchError } from '../base/errors.ts';
import type { TimeRange } from '../base/time.ts';
import { type FeatureSetDefinition, type StorageFormat, windowedOutputs } from '../config/definition.ts';
import { type StateOptions, statesSchema } from '../engine/aggregation.ts';
import { createAggregation } from '../engine/run.ts';
import type { OwnTable, Snapshot, StagedFile } from '../store/table.ts';
import {
  aggregateRows, answerFromSource, type Answered, defined, groupByPlan, joinParts, type Part, type Progress, type RunOptions, sourceScan,
  tileColumn,
} from './compute.ts';
import { newestOf, newestOutput } from './newest-event.ts';
import { opaqueRows } from './opaque.ts';
import { definitionDigest, type FeatureTables, infoFromFacts, readStored, type Stored, type StoredFacts, usedSchema } from './storage.ts';
import { rangesEqual } from './stored-road.ts';

export interface MaterializeOptions {
  /** Computes even when nothing has changed. */
  readonly full?: boolean | undefined;
  /** Only events before it; undefined: all rows. Windows end at it, or at `nowUs`. */
  readonly asOfUs: bigint | undefined;
  readonly nowUs: bigint;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

export interface MaterializeOutcome {
  readonly changed: boolean;
  readonly version: number;
  /** Rows of the features table, and of the tiles table. */
  readonly rows: number;
  readonly tiles: number;
  readonly sourceRows: number;
  readonly rowsWithNullKey: number;
  readonly sourceVersion: string;
  readonly reasons: readonly string[];
}

const attemptsMax = 5;

/** Brings the stored tables up to the source. Does nothing, and says so, when they are. */
export async function materialize(
  definition: FeatureSetDefinition,
  source: Snapshot,
  tables: FeatureTables,
  run: RunOptions,
  options: MaterializeOptions,
): Promise<MaterializeOutcome> {
  for (let attempt = 1; ; attempt++) {
    const stored = await readStored(tables, run.signal);
    const reason = reasonToCompute(definition, source.version, tables.format, stored, options);
    if (reason === undefined) return unchanged(stored!);
    const outcome = await computeAndCommit(definition, source, tables, run, options, stored, reason);
    if (outcome !== undefined) return outcome;
    if (attempt === attemptsMax) {
      throw new CommitConflictError(tables.features.name, stored?.features.versionNumber ?? -1, `other writers were faster ${attemptsMax} times; nothing of this one is left, try again`);
    }
  }
}

/** Why the stored tables do not do, or undefined when they do. */
function reasonToCompute(
  definition: FeatureSetDefinition,
  sourceVersion: string,
  format: StorageFormat,
  stored: Stored | undefined,
  options: MaterializeOptions,
): string | undefined {
  if (stored === undefined) return 'nothing was stored';
  if (options.full) return 'a full computation was asked for';
  if (stored.features.format !== format) return `it is stored as ${stored.features.format}, and ${format} is asked for`;
  if (stored.facts.definition !== definitionDigest(definition)) return 'the definition has changed';
  if (stored.facts.sourceVersion !== sourceVersion) return 'the source has changed';
  if (!rangesEqual(stored.facts.range, rangeBefore(options.asOfUs))) return 'another range was asked for';
  if (definition.windows.length > 0 && stored.facts.asOfUs !== (options.asOfUs ?? options.nowUs)) return 'the windows end at another instant';
  return undefined;
}

function unchanged(stored: Stored): MaterializeOutcome {
  const { facts, features } = stored;
  return {
    changed: false,
    version: features.versionNumber,
    rows: features.rows,
    tiles: 0,
    sourceRows: facts.sourceRows,
    rowsWithNullKey: facts.rowsWithNullKey,
    sourceVersion: facts.sourceVersion,
    reasons: ['the source has not changed since it was materialized'],
  };
}

function rangeBefore(asOfUs: bigint | undefined): TimeRange | undefined {
  return asOfUs === undefined ? undefined : { endUs: asOfUs };
}

interface Computed extends Answered {
  readonly tiles: Table | undefined;
  readonly newestEventUs: bigint | undefined;
}

/** Undefined when another writer was faster. */
async function computeAndCommit(
  definition: FeatureSetDefinition,
  source: Snapshot,
  tables: FeatureTables,
  run: RunOptions,
  options: MaterializeOptions,
  stored: Stored | undefined,
  reason: string,
): Promise<MaterializeOutcome | undefined> {
  const computed = await compute(definition, source, run, options);
  const staged: { table: OwnTable; files: StagedFile[] }[] = [];
  try {
    const stage = async (table: OwnTable, rows: Table, phase: Progress['phase']): Promise<StagedFile[]> => {
      const onProgress = (written: number): void => options.onProgress?.({ phase, rows: written, rowsTotal: rows.numRows });
      const signal = run.signal;
      const files = await table.stage(rows.schema, rows.batches, { onProgress, ...(signal !== undefined && { signal }) });
      staged.push({ table, files });
      return files;
    };
    const tileFiles = computed.tiles && (await stage(tables.tiles, computed.tiles, 'writing tiles'));
    const featureFiles = await stage(tables.features, computed.table, 'writing features');
    const tilesVersion = tileFiles && (await commitTiles(tables.tiles, computed.tiles!.schema, tileFiles));
    const facts: StoredFacts = {
      sourceVersion: source.version,
      definition: definitionDigest(definition),
      asOfUs: options.asOfUs ?? options.nowUs,
      range: rangeBefore(options.asOfUs),
      tilesVersion,
      newestEventUs: computed.newestEventUs,
      sourceRows: computed.sourceRows,
      rowsWithNullKey: computed.rowsWithNullKey,
      sourceSchema: usedSchema(definition, source.schema),
    };
    const result = await tables.features.commit({
      readVersion: stored?.features.versionNumber ?? -1,
      kind: 'overwrite',
      schema: computed.table.schema,
      add: featureFiles,
      info: infoFromFacts(facts),
    });
    if (result.kind === 'conflict') {
      await tables.features.discard(featureFiles);
      return undefined;
    }
    return {
      changed: true,
      version: result.version,
      rows: computed.table.numRows,
      tiles: computed.tiles?.numRows ?? 0,
      sourceRows: computed.sourceRows,
      rowsWithNullKey: computed.rowsWithNullKey,
      sourceVersion: source.version,
      reasons: [reason],
    };
  } catch (error) {
    for (const { table, files } of staged) await table.discard(files).catch(() => undefined);
    throw error;
  }
}

/** Tiles are found by the version that the features commit names, so whose turn it is does not matter. */
async function commitTiles(table: OwnTable, schema: Schema, add: readonly StagedFile[]): Promise<number> {
  for (let attempt = 1; attempt <= attemptsMax * 4; attempt++) {
    const readVersion = (await table.trySnapshot())?.versionNumber ?? -1;
    const result = await table.commit({ readVersion, kind: 'overwrite', schema, add, info: {} });
    if (result.kind === 'committed') return result.version;
  }
  throw new CommitConflictError(table.name, -1, 'other writers were always faster; try again');
}

async function compute(
  definition: FeatureSetDefinition,
  source: Snapshot,
  run: RunOptions,
  options: MaterializeOptions,
): Promise<Computed> {
  if (definition.kind !== 'aggregated') {
    const { table, sourceRows } = await opaqueRows(definition, source, run, options.onProgress);
    return { table, tiles: undefined, newestEventUs: undefined, sourceRows, rowsWithNullKey: 0 };
  }
  checkTileNames(definition);
  const range = rangeBefore(options.asOfUs);
  if (definition.timestamp === undefined) return computeUntimed(definition, source, run, options);
  return computeTimed(definition, source, run, options, range);
}

async function computeUntimed(
  definition: FeatureSetDefinition,
  source: Snapshot,
  run: RunOptions,
  options: MaterializeOptions,
): Promise<Computed> {
  const plan = { definition, parts: [{ outputs: definition.outputs, range: undefined }], columns: definition.outputs.map((output) => output.name), entities: undefined };
  return { ...(await answerFromSource(source, plan, run, options.onProgress)), tiles: undefined, newestEventUs: undefined };
}

async function computeTimed(
  definition: FeatureSetDefinition,
  source: Snapshot,
  run: RunOptions,
  options: MaterializeOptions,
  range: TimeRange | undefined,
): Promise<Computed> {
  const base: Part = { outputs: definition.outputs, range };
  const endUs = options.asOfUs ?? options.nowUs;
  const windows = definition.windows.map((window): Part => ({
    outputs: windowedOutputs(definition, window),
    range: { startUs: endUs - window.lengthUs, endUs },
  }));
  // The newest event is asked for along with the rest, and is no column of either table.
  const dated: Part = { ...base, outputs: [...base.outputs, newestOutput(definition.timestamp!)] };
  const tile = { widthUs: definition.tileUs, name: tileColumn };
  const planOf = (part: Part) => groupByPlan(definition, part, definition.filter);
  const scan = sourceScan(source, { definition, parts: [base, ...windows] }, definition.filter, run.signal);
  const pass = { snapshot: source, scan, phase: 'reading the source', onProgress: options.onProgress } as const;
  const plans = [{ ...planOf(dated), tile }, ...windows.map(planOf)];
  const { states, ...counts } = await aggregateRows(pass, plans, run, async (aggregations, sourceRows) => ({
    states: (await aggregations.states()).map(oneBatch),
    sourceRows,
    rowsWithNullKey: aggregations.counters[0]!.rowsDroppedNullKey,
  }));
  const merged: Table[] = [];
  for (const [i, part] of [dated, ...windows].entries()) {
    merged.push(await mergeStates(definition, part, source.schema, states[i]!, run, i === 0 ? { tileColumn } : undefined));
  }
  const columns = [base, ...windows].flatMap((part) => part.outputs.map((output) => output.name));
  const stored = statesSchema({ ...planOf(base), tile }, source.schema).fields.map((field) => field.name);
  const tiles = sortedBy(pickColumns(states[0]!, stored), tileColumn);
  return { table: joinParts(merged, { definition, columns }), tiles, newestEventUs: newestOf(merged[0]!), ...counts };
}

/** The answer of one part from its partial states. */
async function mergeStates(
  definition: FeatureSetDefinition,
  part: Part,
  sourceSchema: Schema,
  states: Table,
  run: RunOptions,
  stateOptions: StateOptions | undefined,
): Promise<Table> {
  const plan = groupByPlan(definition, { ...part, range: undefined }, undefined);
  const merge = createAggregation(plan, sourceSchema, { ...defined(run), rowsExpected: states.numRows });
  try {
    for (const batch of states.batches) await merge.addStates(batch, stateOptions);
    return oneBatch(await merge.finish());
  } finally {
    await merge.close();
  }
}

/** The tiles table has a column of its own beside the keys. */
function checkTileNames(definition: FeatureSetDefinition): void {
  if (definition.entityKeys.includes(tileColumn)) {
    throw new SchemaMismatchError(`feature set ${definition.name}`, tileColumn, 'this name is taken by the tiles; rename the key in the source');
  }
}

