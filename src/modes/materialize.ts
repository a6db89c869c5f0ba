/**
 * Materializing: brings the two stored tables up to one version of the source, by computing them, or by adding what is new.
 *
 *   computed   source ──▶ tiles ──▶ merged ──▶ states of every row ──▶ base features ─┐
 *                   └──▶ states of each window ──────────────────────▶ window columns ┴──▶ features table
 *   added to   new files, and what is left of dirty tiles ──▶ new tiles; stored states and these, merged ──▶ features table
 *
 * Both tables are staged, then tiles are committed, then features. Only the features commit counts (see storage.ts): a
 * process that dies before it has changed nothing that a reader sees.
 */
import type { RecordBatch, Schema, Table } from '../arrow/arrow.ts';
import { CommitConflictError } from '../base/errors.ts';
import type { TimeRange } from '../base/time.ts';
import { type FeatureSetDefinition, type StorageFormat, stretchesOf } from '../config/definition.ts';
import type { Compaction, OwnTable, Snapshot, StagedFile } from '../store/table.ts';
import type { Part, Progress, RunOptions } from './compute.ts';
import { changeOf, coverageOf, type SourceChange } from './coverage.ts';
import { type Addition, addUp, computeAll } from './increment.ts';
import { opaqueRows } from './opaque.ts';
import { type Arrivals, definitionDigest, evictedVersion, type FeatureTables, infoFromFacts, readStored, sameColumns, type Stored, type StoredFacts, usedSchema } from './storage.ts';
import { partsOf as partsOfRead, rangesEqual } from './stored-road.ts';

export interface MaterializeOptions {
  /** Computes everything, even when nothing has changed. */
  readonly full?: boolean | undefined;
  /** Only events before it; undefined: all rows. Windows end at it, or at `nowUs`. */
  readonly asOfUs: bigint | undefined;
  readonly nowUs: bigint;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

export interface MaterializeOutcome {
  readonly changed: boolean;
  readonly version: number;
  /** Rows of the features table, and of the tiles that were written. */
  readonly rows: number;
  readonly tiles: number;
  /** Rows of the source that were read. */
  readonly sourceRows: number;
  /** Undefined where it is not known: rows of files that are gone were counted before. */
  readonly rowsWithNullKey: number | undefined;
  readonly sourceVersion: string;
  readonly reasons: readonly string[];
}

/** What a computation has made: the features as they are stored, and tiles. */
export interface Computed {
  /** Columns of the answer, then those of the states of every row. */
  readonly features: Table;
  readonly hasStates: boolean;
  readonly tiles: Tiles | undefined;
  readonly newestEventUs: bigint | undefined;
  readonly arrivals: Arrivals | undefined;
  /** Rows that were read. */
  readonly sourceRows: number;
  readonly rowsWithNullKey: number | undefined;
}

/** The tiles of a version: those written, beside those that stay of another version. */
export interface Tiles {
  readonly schema: Schema;
  readonly written: readonly { readonly rows: number; readonly batches: AsyncIterable<RecordBatch> | Iterable<RecordBatch> }[];
  readonly keep: { readonly version: number; readonly without: ReadonlySet<string> } | undefined;
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
    const work = workToDo(definition, source, tables.format, stored, options);
    if (work === undefined) return unchanged(stored!);
    const outcome = await computeAndCommit(definition, source, tables, run, options, stored, work);
    if (outcome !== undefined) return outcome;
    if (attempt === attemptsMax) {
      throw new CommitConflictError(tables.features.name, stored?.features.versionNumber ?? -1, `other writers were faster ${attemptsMax} times; nothing of this one is left, try again`);
    }
  }
}

/** Why the stored tables do not do, and what of them can be added to. */
interface Work {
  readonly reason: string;
  readonly addition?: Addition;
}

/** Undefined when the stored tables do. */
function workToDo(
  definition: FeatureSetDefinition,
  source: Snapshot,
  format: StorageFormat,
  stored: Stored | undefined,
  options: MaterializeOptions,
): Work | undefined {
  if (stored === undefined) return { reason: 'nothing was stored' };
  if (options.full) return { reason: 'a full computation was asked for' };
  const { facts, features } = stored;
  if (features.format !== format) return { reason: `it is stored as ${features.format}, and ${format} is asked for` };
  if (facts.definition !== definitionDigest(definition)) return { reason: 'the definition has changed' };
  if (!rangesEqual(facts.range, rangeBefore(options.asOfUs))) return { reason: 'another range was asked for' };
  const isMoved = stretchesOf(definition).length > 0 && facts.asOfUs !== (options.asOfUs ?? options.nowUs);
  if (facts.sourceVersion === source.version && !isMoved) return undefined;
  const reason = facts.sourceVersion === source.version ? 'the windows end at another instant' : 'the source has changed';
  const change = additionTo(definition, stored, source);
  if ('why' in change) return { reason: `${reason}; ${change.why}` };
  const { added, dirty } = change;
  const text = [added.size > 0 && `${added.size} new ${added.size === 1 ? 'file is' : 'files are'} added`, dirty!.length > 0 && 'tiles of files that are gone are made again'];
  return { reason: [reason, ...text.filter((part) => part !== false)].join('; '), addition: { stored, change } };
}

/** What has changed, where stored tables can be added to; else why all is computed. */
function additionTo(definition: FeatureSetDefinition, { facts }: Stored, source: Snapshot): SourceChange | { readonly why: string } {
  const { coverage } = facts;
  if (definition.kind !== 'aggregated') return { why: 'its function makes all rows' };
  const change = coverage && changeOf(coverage, source, definition.tileUs);
  if (change === undefined) return { why: 'a source in memory is read as a whole' };
  if (!sameColumns(facts.sourceSchema, usedSchema(definition, source.schema))) return { why: 'the types of its columns are others, so everything is computed' };
  if (change.dirty === undefined) return { why: 'files are gone, and nobody knows which tiles their rows were in, so everything is computed' };
  if (change.kept.size === 0) return { why: 'every file is another one, so everything is computed' };
  if (definition.timestamp === undefined && change.kept.size < coverage!.size) return { why: 'files are gone, and without event time everything is computed' };
  return facts.hasStates ? change : { why: 'no partial states are stored, so everything is computed' };
}

function unchanged(stored: Stored): MaterializeOutcome {
  const { facts, features } = stored;
  return {
    changed: false,
    version: features.versionNumber,
    rows: features.rows,
    tiles: 0,
    sourceRows: 0,
    rowsWithNullKey: facts.rowsWithNullKey,
    sourceVersion: facts.sourceVersion,
    reasons: ['the source has not changed since it was materialized'],
  };
}

function rangeBefore(asOfUs: bigint | undefined): TimeRange | undefined {
  return asOfUs === undefined ? undefined : { endUs: asOfUs };
}

/** Undefined when another writer was faster. */
async function computeAndCommit(
  definition: FeatureSetDefinition,
  source: Snapshot,
  tables: FeatureTables,
  run: RunOptions,
  options: MaterializeOptions,
  stored: Stored | undefined,
  { reason, addition }: Work,
): Promise<MaterializeOutcome | undefined> {
  const computed = addition === undefined
    ? await compute(definition, source, run, options)
    : await addUp(definition, source, tables, run, partsOf(definition, options), addition, options.onProgress);
  const staged: { table: OwnTable; files: StagedFile[] }[] = [];
  try {
    const stage = async (table: OwnTable, schema: Schema, batches: AsyncIterable<RecordBatch> | Iterable<RecordBatch>, rowsTotal: number, phase: Progress['phase']): Promise<StagedFile[]> => {
      const onProgress = (written: number): void => options.onProgress?.({ phase, rows: written, rowsTotal });
      const files = await table.stage(schema, batches, { onProgress, ...(run.signal !== undefined && { signal: run.signal }) });
      staged.push({ table, files });
      return files;
    };
    const { tiles, features } = computed;
    const tileFiles: StagedFile[] = [];
    for (const { rows, batches } of tiles?.written ?? []) tileFiles.push(...(await stage(tables.tiles, tiles!.schema, batches, rows, 'writing tiles')));
    const featureFiles = await stage(tables.features, features.schema, features.batches, features.numRows, 'writing features');
    const isSame = tiles !== undefined && tileFiles.length === 0 && tiles.keep?.without.size === 0;
    const tilesVersion = isSame ? tiles.keep!.version : tiles && (await commitTiles(tables.tiles, tiles, tileFiles));
    const coverage = definition.kind === 'aggregated' ? await coverageOf(source, definition.timestamp, stored?.facts.coverage) : undefined;
    const facts: StoredFacts = {
      sourceVersion: source.version,
      definition: definitionDigest(definition),
      computedAtMs: undefined,
      asOfUs: options.asOfUs ?? options.nowUs,
      range: rangeBefore(options.asOfUs),
      tilesVersion,
      newestEventUs: computed.newestEventUs,
      arrivals: computed.arrivals,
      sourceRows: (await source.plan({ columns: [] })).rowsTotal,
      rowsWithNullKey: computed.rowsWithNullKey,
      coverage,
      hasStates: computed.hasStates,
      sourceSchema: usedSchema(definition, source.schema),
    };
    const result = await tables.features.commit({
      readVersion: stored?.features.versionNumber ?? (await evictedVersion(tables)),
      kind: 'overwrite',
      schema: features.schema,
      add: featureFiles,
      info: infoFromFacts(facts),
    });
    if (result.kind === 'conflict') {
      await tables.features.discard(featureFiles);
      if (tilesVersion !== undefined && !isSame) await takeBackTiles(tables, tiles!.schema, tilesVersion);
      return undefined;
    }
    return {
      changed: true,
      version: result.version,
      rows: features.numRows,
      tiles: tileFiles.reduce((sum, { rows }) => sum + rows, 0),
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
async function commitTiles(table: OwnTable, { schema, keep }: Tiles, add: readonly StagedFile[]): Promise<number> {
  for (let attempt = 1; attempt <= attemptsMax * 4; attempt++) {
    const readVersion = (await table.trySnapshot())?.versionNumber ?? -1;
    const result = await table.commit({ readVersion, kind: 'overwrite', schema, add, info: {}, ...(keep !== undefined && { keep }) });
    if (result.kind === 'committed') return result.version;
  }
  throw new CommitConflictError(table.name, -1, 'other writers were always faster; try again');
}

/**
 * Puts small files of both tables together. Readers of tiles are told by a features commit of the same rows; if somebody else
 * commits features meanwhile, the tiles of theirs stand.
 */
export async function compactStored(tables: FeatureTables, options: { readonly signal?: AbortSignal }): Promise<Compaction | undefined> {
  const ofFeatures = await tables.features.compact(options);
  const stored = await readStored(tables, options.signal);
  const { tilesVersion } = stored?.facts ?? {};
  if (stored === undefined || tilesVersion === undefined) return ofFeatures;
  const newest = await tables.tiles.snapshot(options);
  if (newest.versionNumber !== tilesVersion) await takeBackTiles(tables, newest.schema, newest.versionNumber);
  const ofTiles = await tables.tiles.compact(options);
  if (ofTiles === undefined) return ofFeatures;
  const { features, facts } = stored;
  const result = await tables.features.commit({
    readVersion: features.versionNumber,
    kind: 'overwrite',
    keep: { version: features.versionNumber, without: new Set() },
    schema: features.schema,
    add: [],
    info: infoFromFacts({ ...facts, computedAtMs: stored.computedAtMs, tilesVersion: ofTiles.version }),
  });
  if (result.kind === 'conflict') await takeBackTiles(tables, newest.schema, ofTiles.version);
  const sum = (count: (compaction: Compaction) => number): number => count(ofTiles) + (ofFeatures === undefined ? 0 : count(ofFeatures));
  return { version: result.kind === 'committed' ? result.version : features.versionNumber, filesBefore: sum(({ filesBefore }) => filesBefore), filesAfter: sum(({ filesAfter }) => filesAfter) };
}

/** Makes the tiles of whoever was faster the newest again, so that vacuum finds those that nobody will name. */
async function takeBackTiles(tables: FeatureTables, schema: Schema, version: number): Promise<void> {
  const wanted = (await readStored(tables))?.facts.tilesVersion;
  if (wanted === undefined) return;
  await tables.tiles.commit({ readVersion: version, kind: 'overwrite', schema, add: [], info: {}, keep: { version: wanted, without: new Set() } });
}

/** The aggregations of a materialization: over every row, or those before an instant, and one for each window. */
function partsOf(definition: FeatureSetDefinition, { asOfUs, nowUs }: MaterializeOptions): Part[] {
  return partsOfRead({ definition, outputs: definition.outputs, windows: stretchesOf(definition) }, rangeBefore(asOfUs), asOfUs ?? nowUs);
}

async function compute(definition: FeatureSetDefinition, source: Snapshot, run: RunOptions, options: MaterializeOptions): Promise<Computed> {
  if (definition.kind === 'aggregated') return computeAll(definition, source, run, partsOf(definition, options), options.onProgress);
  const { table, sourceRows } = await opaqueRows(definition, source, run, options.onProgress);
  return { features: table, hasStates: false, tiles: undefined, newestEventUs: undefined, arrivals: undefined, sourceRows, rowsWithNullKey: 0 };
}
