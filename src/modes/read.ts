/**
 * The three modes. Each finds its road in a pure function (stored-road.ts, decide.ts) and walks it here; all roads end
 * in the same two functions of compute.ts.
 */
import { type Schema, Table } from '../arrow/arrow.ts';
import { canonicalTable } from '../arrow/canonical.ts';
import { pickColumns, pickRows } from '../arrow/rows.ts';
import { ArgumentError, NotFoundError, reasonOf } from '../base/errors.ts';
import { formatInstant, type TimeRange } from '../base/time.ts';
import { didYouMean } from '../base/names.ts';
import type { Mode } from '../config/definition.ts';
import { filterBatch } from '../engine/filter.ts';
import { filterTimeRange } from '../engine/group-by.ts';
import type { ReadableTable, Snapshot } from '../store/table.ts';
import { type AnswerPlan, answerFromSource, type RunOptions } from './compute.ts';
import { type Decision, type DecisionFacts, decide, dependsOnCosts, isYoungEnough } from './decide.ts';
import { type EntityFilter, entityRows } from './entities.ts';
import { changeOf } from './coverage.ts';
import { damageText, isDamage, isOfStored } from './damage.ts';
import { NotMaterializedError, StaleError } from './errors.ts';
import { answerFromTiles, answerMerged, edgePasses, keepsEdges, type MergeRoad, mergeText, planMerge, tileOfEdge } from './merge.ts';
import type { FeatureCache } from './feature-cache.ts';
import { newestEventOf, newestOf } from './newest-event.ts';
import { opaqueRows } from './opaque.ts';
import { isMerge, planWork, type RoadWork } from './policy/road-work.ts';
import { type ReadRequest, requestedEntities } from './request.ts';
import { definitionDigest, type FeatureTables, readStored, sameColumns, type Stored, type StoredFacts, usedSchema } from './storage.ts';
import { partsOf, planStoredRoad, rangeText, type StoredRoad } from './stored-road.ts';
import type { Throughputs } from './throughput.ts';

/** An Arrow table, and what it is an answer to. */
export interface FeatureAnswer {
  readonly table: Table;
  readonly mode: Mode;
  /** The instant, in microseconds since 1970 UTC, that windows end at and that a length of time ends at. */
  readonly asOf: bigint;
  /** Undefined: every row counted. */
  readonly range: TimeRange | undefined;
  /** The version of the source that this is an answer to. */
  readonly sourceVersion: string;
  readonly computedAt: Date;
  /** Whether the source is known to have changed since, or could not be asked. */
  readonly stale: boolean;
  /** One line each, for a person. */
  readonly reasons: readonly string[];
  /** Rows left out because an entity key was null; undefined where it is not known (an answer from tiles). */
  readonly rowsWithNullKey: number | undefined;
}

export interface ReadContext {
  readonly source: ReadableTable | undefined;
  readonly tables: FeatureTables;
  readonly run: RunOptions;
  readonly now: () => Date;
  /** What work costs here; absent: as on any machine. */
  readonly throughputs?: Throughputs | undefined;
  /** Hears of a hybrid read when it is over: what was found out, as it was in the end, and the answer. */
  readonly observed?: ((facts: ReadFacts, answer: FeatureAnswer) => void) | undefined;
}

/** What a read found out before doing anything: for `explain`, and for the read itself. */
export interface ReadFacts {
  readonly stored: Stored | undefined;
  readonly road: StoredRoad | undefined;
  readonly source: Snapshot | { readonly error: unknown };
  /** How stored rows and what they lack would be put together, or why they cannot be. Undefined: nothing is stored. */
  readonly merge: MergeRoad | { readonly reason: string } | undefined;
  /** Why what is stored cannot be opened. */
  readonly damage: unknown;
  /** Undefined where the decision does not depend on it. */
  readonly work: RoadWork | undefined;
  readonly decided: DecisionFacts;
  readonly decision: Decision;
}

/** Answers a request in its mode. */
export async function read(request: ReadRequest, context: ReadContext): Promise<FeatureAnswer> {
  if (request.definition.kind === 'written') return readWritten(request, context);
  if (request.mode === 'virtualized') {
    const source = await sourceOf(context).snapshot(signalOf(request));
    return fromSource(request, context, source, []);
  }
  const facts = await gatherFacts(request, context);
  return request.mode === 'materialized' ? readMaterialized(request, context, facts) : readHybrid(request, context, facts);
}

/** Looks at what is stored and at the source's version, reads no rows, and decides. Costs are looked at where they matter, or always. */
export async function gatherFacts(request: ReadRequest, context: ReadContext, costs: 'where they matter' | 'always' = 'where they matter'): Promise<ReadFacts> {
  const found = await tryReadStored(request, context);
  const stored = 'damage' in found ? undefined : found.stored;
  const road = stored && roadOf(request, stored);
  let source: ReadFacts['source'];
  try {
    source = await sourceOf(context).snapshot(signalOf(request));
  } catch (error) {
    source = { error };
  }
  const sameDefinition = stored !== undefined && stored.facts.definition === definitionDigest(request.definition);
  const merge = sameDefinition && !('error' in source) ? mergeRoadOf(request, stored.facts, source) : undefined;
  const seen = { stored, road, source, merge };
  const nowUs = BigInt(context.now().getTime()) * 1_000n;
  const facts: DecisionFacts = {
    stored: road,
    sameDefinition,
    source: 'error' in source ? { unreachable: reasonOf(source.error) } : { version: source.version },
    storedSourceVersion: stored?.facts.sourceVersion,
    storedAgeUs: stored && nowUs - BigInt(stored.computedAtMs) * 1_000n,
    maxStalenessUs: request.maxStalenessUs,
    merged: merge && ('reason' in merge ? merge : { reasons: [mergeText(merge)] }),
    named: request.road,
    ...('damage' in found && { damage: damageText(found.damage) }),
  };
  const work = costs === 'always' || (request.mode === 'hybrid' && dependsOnCosts(facts)) ? await planWork(request, seen, context.tables, context.throughputs, costs === 'always' ? 'all' : 'enough') : undefined;
  const decided = { ...facts, work: work?.roads, throughputs: context.throughputs };
  return { ...seen, damage: 'damage' in found ? found.damage : undefined, work, decided, decision: decide(decided) };
}

/** What is stored may be damaged, and the source still answer. */
async function tryReadStored(request: ReadRequest, context: ReadContext): Promise<{ readonly stored: Stored | undefined } | { readonly damage: unknown }> {
  try {
    return { stored: await readStored(context.tables, request.signal) };
  } catch (error) {
    if (isDamage(error)) return { damage: error };
    throw error;
  }
}

function mergeRoadOf(request: ReadRequest, facts: StoredFacts, source: Snapshot): MergeRoad | { readonly reason: string } {
  const { definition } = request;
  if (definition.kind !== 'aggregated') return { reason: 'its function makes all rows' };
  const change = facts.coverage && changeOf(facts.coverage, source, definition.tileUs);
  if (change === undefined) return { reason: 'a source in memory is read as a whole' };
  if (!sameColumns(facts.sourceSchema, usedSchema(definition, source.schema))) return { reason: 'the types of its columns are others' };
  return planMerge(definition, partsOf(request, request.range, request.asOfUs), facts, change);
}

function roadOf(request: ReadRequest, stored: Stored): StoredRoad {
  if (request.definition.kind === 'aggregated') return planStoredRoad(request, stored.facts);
  const reasons = ['the rows that its function made are stored'];
  return { kind: 'features', parts: [], range: request.range, asOfUs: request.asOfUs, exact: true, reasons };
}

async function readMaterialized(request: ReadRequest, context: ReadContext, facts: ReadFacts): Promise<FeatureAnswer> {
  const { name } = request.definition;
  const { stored, road } = facts;
  if (facts.damage !== undefined) throw facts.damage;
  if (stored === undefined || road === undefined) {
    throw new NotMaterializedError(name, `nothing is stored; run 'tauro-features materialize ${name}', or read it in mode hybrid`);
  }
  if (stored.facts.definition !== definitionDigest(request.definition)) {
    throw new NotMaterializedError(name, `what is stored was computed by another definition; run 'tauro-features materialize ${name}'`);
  }
  if (road.kind === 'none') throw new NotMaterializedError(name, `${road.reasons.join('; ')}; read it in mode hybrid`);
  const changed = 'error' in facts.source || facts.source.version !== stored.facts.sourceVersion;
  if (changed && request.maxStalenessUs !== undefined && !isYoungEnough(facts.decided)) {
    throw new StaleError(name, `what is stored was computed at ${formatInstant(BigInt(stored.computedAtMs) * 1_000n)}, longer ago than maxStaleness allows, or still to come by this clock; materialize it, or read it in mode hybrid`);
  }
  const news = 'error' in facts.source
    ? `the source could not be asked: ${reasonOf(facts.source.error)}`
    : changed ? 'the source has changed since' : undefined;
  return fromStored(request, context, facts, road, changed, news === undefined ? road.reasons : [...road.reasons, news]);
}

async function readHybrid(request: ReadRequest, context: ReadContext, facts: ReadFacts): Promise<FeatureAnswer> {
  try {
    const answer = await walk(request, context, facts);
    context.observed?.(facts, answer);
    return answer;
  } catch (error) {
    if (request.road !== undefined || !isDamage(error) || !isOfStored(error, context.tables)) throw error;
    const decided = { ...facts.decided, damage: damageText(error) };
    return readHybrid(request, context, { ...facts, decided, decision: decide(decided) });
  }
}

/** Takes the road that was decided on. */
async function walk(request: ReadRequest, context: ReadContext, facts: ReadFacts): Promise<FeatureAnswer> {
  const { decision, road, source } = facts;
  if (decision.road === 'stored') {
    return fromStored(request, context, facts, road!, decision.stale, decision.reasons);
  }
  if (decision.road === 'merged') return fromMerge(request, context, facts);
  if (decision.road === 'source' && !('error' in source)) {
    missEdges(request, context, facts, source);
    return fromSource(request, context, source, decision.reasons);
  }
  const { name } = request.definition;
  if (!('error' in source)) throw new NotMaterializedError(name, decision.reasons.join('; '));
  if (facts.stored === undefined && facts.damage === undefined) throw source.error;
  throw new StaleError(name, decision.reasons.join('; '), source.error);
}

/** Had the rows been in memory where the range cuts tiles, merging might have been the cheaper road. */
function missEdges({ definition }: ReadRequest, { tables }: ReadContext, { stored, merge }: ReadFacts, source: Snapshot): void {
  if (stored === undefined || !isMerge(merge) || !keepsEdges(merge)) return;
  for (const pass of edgePasses(merge.parts, merge.change, source)) {
    const tile = tileOfEdge(pass, definition.tileUs);
    if (tile !== undefined) tables.cache.missEdge(stored.features, tile);
  }
}

async function fromStored(
  request: ReadRequest,
  context: ReadContext,
  facts: ReadFacts,
  road: StoredRoad,
  stale: boolean,
  reasons: readonly string[],
): Promise<FeatureAnswer> {
  const stored = facts.stored!;
  if (road.kind === 'none') throw new NotMaterializedError(request.definition.name, road.reasons.join('; '));
  const table = road.kind === 'features'
    ? await readFeatureRows(request, stored.features, context.tables.cache)
    : await readTiles(request, context, stored, road);
  const empty = table.numRows === 0 ? emptyReason(road.range, stored.facts.newestEventUs) : undefined;
  return {
    table,
    mode: request.mode,
    asOf: road.asOfUs,
    range: road.range,
    sourceVersion: stored.facts.sourceVersion,
    computedAt: new Date(stored.computedAtMs),
    stale,
    reasons: empty === undefined ? reasons : [...reasons, empty],
    rowsWithNullKey: road.kind === 'features' ? stored.facts.rowsWithNullKey : undefined,
  };
}

/** Rows of the features table, as they are. */
async function readFeatureRows(request: ReadRequest, features: Snapshot, cache: FeatureCache): Promise<Table> {
  const wanted = wantedColumns(request, features.schema);
  const entities = requestedEntities(request, features.schema);
  const timed = request.definition.kind !== 'aggregated' && request.range !== undefined;
  const extra = timed ? [timestampOf(request, features.schema)] : [];
  const columns = features.schema.fields.map((field) => field.name).filter((name) => wanted.includes(name) || extra.includes(name));
  // Rows that something else made stand in the order in which they were written.
  const isSorted = request.definition.kind === 'aggregated';
  let table = entities !== undefined && isSorted
    ? await cache.rowsOf(features, columns, request.definition.entityKeys, entities, signalOf(request))
    : canonicalOf(filtered(await cache.columns(features, columns, signalOf(request)), entities));
  if (timed) table = canonicalOf(await filterTimeRange(table, extra[0]!, request.range!));
  return keepEntities(request, pickColumns(table, wanted));
}

function filtered(table: Table, entities: EntityFilter | undefined): Table {
  return entities === undefined ? table : new Table(table.schema, table.batches.map((batch) => filterBatch(batch, entities.expression)));
}

async function readTiles(
  request: ReadRequest,
  context: ReadContext,
  stored: Stored,
  road: Exclude<StoredRoad, { kind: 'none' }>,
): Promise<Table> {
  const tiles = await context.tables.tiles.snapshot({ version: stored.facts.tilesVersion!, ...signalOf(request) });
  const { features, facts: { sourceSchema } } = stored;
  const plan = answerPlan(request, sourceSchema, road.range, road.asOfUs);
  const tables = { features, tiles, sourceSchema, cache: context.tables.cache, entities: requestedEntities(request, sourceSchema) };
  const table = await answerFromTiles(plan, tables, { ...context.run, signal: request.signal });
  return keepEntities(request, table);
}

async function fromSource(
  request: ReadRequest,
  context: ReadContext,
  source: Snapshot,
  reasons: readonly string[],
): Promise<FeatureAnswer> {
  const run = { ...context.run, signal: request.signal };
  const computed = request.definition.kind === 'opaque'
    ? await opaqueAnswer(request, source, run)
    : {
        ...(await answerFromSource(source, answerPlan(request, source.schema, request.range, request.asOfUs), run)),
        newestEventUs: () => newestEventOf(source, request.definition, run),
      };
  const table = keepEntities(request, computed.table);
  const why = [...reasons, `computed from ${source.name}, version ${source.version}`];
  if (computed.table.numRows === 0 && request.range !== undefined && request.definition.timestamp !== undefined) {
    const empty = emptyReason(request.range, await computed.newestEventUs());
    if (empty !== undefined) why.push(empty);
  }
  return {
    table,
    mode: request.mode,
    asOf: request.asOfUs,
    range: request.range,
    sourceVersion: source.version,
    computedAt: context.now(),
    stale: false,
    reasons: why,
    rowsWithNullKey: computed.rowsWithNullKey,
  };
}

/** Stored rows, and what they lack of the source as it is now. */
async function fromMerge(request: ReadRequest, context: ReadContext, facts: ReadFacts): Promise<FeatureAnswer> {
  const { features, facts: { tilesVersion, sourceSchema } } = facts.stored!;
  const [road, source] = [facts.merge as MergeRoad, facts.source as Snapshot];
  const run = { ...context.run, signal: request.signal };
  const tiles = tilesVersion === undefined || road.parts.every((part) => part.tiles === 'none') ? undefined : await context.tables.tiles.snapshot({ version: tilesVersion, ...signalOf(request) });
  const plan = answerPlan(request, sourceSchema, request.range, request.asOfUs);
  const { table } = await answerMerged(road, plan, { features, tiles, source, sourceSchema, cache: context.tables.cache, entities: requestedEntities(request, sourceSchema) }, run);
  const why = [...facts.decision.reasons, `merged with ${source.name}, version ${source.version}`];
  if (table.numRows === 0 && request.range !== undefined) {
    const empty = emptyReason(request.range, await newestEventOf(source, request.definition, run));
    if (empty !== undefined) why.push(empty);
  }
  return {
    table: keepEntities(request, table),
    mode: request.mode,
    asOf: request.asOfUs,
    range: request.range,
    sourceVersion: source.version,
    computedAt: context.now(),
    stale: false,
    reasons: why,
    rowsWithNullKey: undefined,
  };
}

async function opaqueAnswer(request: ReadRequest, source: Snapshot, run: RunOptions) {
  const { table } = await opaqueRows(request.definition, source, run);
  const entities = requestedEntities(request, table.schema);
  const kept = entities === undefined ? table : canonicalTable(table.schema, table.batches.map((batch) => filterBatch(batch, entities.expression)));
  const timed = request.range === undefined ? kept : canonicalOf(await filterTimeRange(kept, timestampOf(request, kept.schema), request.range));
  return {
    table: pickColumns(timed, wantedColumns(request, timed.schema)),
    rowsWithNullKey: 0,
    newestEventUs: async () => newestOf(kept, timestampOf(request, kept.schema)),
  };
}

/** Rows that `store.write` was given: the same in every mode. */
async function readWritten(request: ReadRequest, context: ReadContext): Promise<FeatureAnswer> {
  const { name } = request.definition;
  const features = await context.tables.features.trySnapshot(signalOf(request));
  if (features === undefined) throw new NotMaterializedError(name, `nothing was written yet; use store.write('${name}', table)`);
  return {
    table: await readFeatureRows(request, features, context.tables.cache),
    mode: request.mode,
    asOf: request.asOfUs,
    range: request.range,
    sourceVersion: `${features.versionNumber}`,
    computedAt: new Date(features.committedAtMs),
    stale: false,
    reasons: ['these rows were written, not computed'],
    rowsWithNullKey: undefined,
  };
}

function answerPlan(request: ReadRequest, schema: Schema, range: TimeRange | undefined, asOfUs: bigint): AnswerPlan {
  return {
    definition: request.definition,
    parts: partsOf(request, range, asOfUs),
    columns: request.columns!,
    entities: requestedEntities(request, schema)?.expression,
  };
}

function keepEntities(request: ReadRequest, table: Table): Table {
  const filter = requestedEntities(request, table.schema);
  const keep = filter && entityRows(filter, table);
  if (keep === undefined || table.numRows === 0) return table;
  const batch = table.batches[0]!;
  const positions: number[] = [];
  for (let row = 0; row < table.numRows; row++) if (keep(batch, row)) positions.push(row);
  return pickRows(table, Int32Array.from(positions));
}

function wantedColumns(request: ReadRequest, schema: Schema): string[] {
  const names = schema.fields.map((field) => field.name);
  if (request.columns === undefined) return names;
  for (const name of request.columns) {
    if (names.includes(name)) continue;
    throw new NotFoundError(`feature set ${request.definition.name}: feature`, name, `there is ${names.join(', ')}${didYouMean(name, names)}`);
  }
  return [...new Set([...request.definition.entityKeys, ...request.columns])];
}

function timestampOf(request: ReadRequest, schema: Schema): string {
  const { timestamp, name } = request.definition;
  if (timestamp !== undefined && schema.fields.some((field) => field.name === timestamp)) return timestamp;
  throw new ArgumentError('timeRange', `feature set ${name} has no event time column${timestamp === undefined ? '' : ` '${timestamp}' in its rows`}, so no range of time can be asked of it`);
}

function emptyReason(range: TimeRange | undefined, newestUs: bigint | undefined): string | undefined {
  if (range === undefined || newestUs === undefined) return undefined;
  return `no event lies in ${rangeText(range)}; the newest is at ${formatInstant(newestUs)}`;
}

function canonicalOf(table: Table): Table {
  return canonicalTable(table.schema, table.batches);
}

function sourceOf(context: ReadContext): ReadableTable {
  if (context.source === undefined) throw new NotFoundError('source', '', 'this feature set has none');
  return context.source;
}

function signalOf(request: ReadRequest): { signal?: AbortSignal } {
  return request.signal === undefined ? {} : { signal: request.signal };
}

