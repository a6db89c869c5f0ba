/**
 * The merging read: partial states that are stored, and the rows that they lack.
 *
 *   features ─ states of every row, if nothing is gone ─┐
 *   tiles ──── whole tiles inside of a range ───────────┼─▶ one run ─▶ the answer, or its states
 *   source ─── ragged edges, tiles that are dirty ──────┤
 *   source ─── all rows of files that came since ───────┘
 *
 * Law: the answer is, bit for bit, that of all rows of the source. It is the engine's law of partial states, and that every row
 * comes in exactly once.
 */
import { type RecordBatch, type Schema, Table } from '../arrow/arrow.ts';
import { canonicalTable, oneBatch } from '../arrow/canonical.ts';
import type { Expression } from '../arrow/expression.ts';
import { floorDivide, type TimeRange } from '../base/time.ts';
import { bothOf } from '../config/frame.ts';
import type { FeatureSetDefinition } from '../config/definition.ts';
import { type StateOptions, statesSchema } from '../engine/aggregation.ts';
import { filterBatch } from '../engine/filter.ts';
import { filterTimeRange } from '../engine/group-by.ts';
import { type AggregationsRun, createAggregations } from '../engine/run.ts';
import { memoryTable } from '../store/memory-table.ts';
import type { ScanOptions, Snapshot } from '../store/table.ts';
import {
  aggregateRows, type AnswerPlan, type Answered, defined, groupByPlan, joinParts, type Part, type Progress, type RunOptions, sourceScan, spanOf,
  tileColumn,
} from './compute.ts';
import { type PartRoad, type SourceChange, splitRange, type Stretch, unionOf } from './coverage.ts';
import type { EntityFilter } from './entities.ts';
import type { FeatureCache } from './feature-cache.ts';
import type { StoredFacts } from './storage.ts';
import { whyNotArrived } from './stored-road.ts';

/** What of an answer comes from where. */
export interface MergeRoad {
  /** In the order of the parts. */
  readonly parts: readonly PartRoad[];
  /** The first part comes from the states beside the features. */
  readonly fromFeatures: boolean;
  readonly change: SourceChange;
  readonly dirty: readonly Stretch[];
}

/** Plans a merging read of these parts, or says why there is none. Pure. */
export function planMerge(definition: FeatureSetDefinition, parts: readonly Part[], facts: StoredFacts, change: SourceChange): MergeRoad | { readonly reason: string } {
  const { dirty } = change;
  if (parts.length === 0) return { parts: [], fromFeatures: false, change, dirty: dirty ?? [] };
  const missing = whyNotArrived(parts[0]!.arrivedBeforeUs, facts);
  if (missing !== undefined) return { reason: missing };
  if (dirty === undefined) return { reason: 'files of the source are gone, and nobody knows which tiles their rows were in' };
  const all = parts[0]!.range === undefined && facts.range === undefined && dirty.length === 0;
  const fromFeatures = all && facts.hasStates;
  const stored = { tileUs: definition.tileUs, dirty, endUs: facts.range?.endUs, newestUs: facts.newestEventUs };
  const roads: PartRoad[] = [];
  for (const [i, part] of parts.entries()) {
    if (i === 0 && fromFeatures) {
      roads.push({ tiles: 'none', rows: [] });
      continue;
    }
    if (facts.tilesVersion === undefined) return { reason: 'no tiles are stored' };
    const road = splitRange(part.range, stored);
    if (road === undefined) return { reason: 'rows without event time are not stored' };
    roads.push(road);
  }
  return { parts: roads, fromFeatures, change, dirty };
}

/** For a person. */
export function mergeText({ fromFeatures, parts, change, dirty }: MergeRoad): string {
  const stored = fromFeatures && parts.every(({ tiles }) => tiles === 'none') ? 'stored states' : fromFeatures ? 'stored states and tiles' : 'tiles';
  const edges = parts.some(({ rows }) => rows.length > 0);
  const others = [
    change.added.size > 0 && `the rows of ${change.added.size} new ${change.added.size === 1 ? 'file' : 'files'}`,
    edges && (dirty.length > 0 ? 'rows where tiles do not fit, or files are gone' : 'rows where tiles do not fit'),
  ].filter((part) => part !== false);
  return [stored, ...others].join(', merged with ');
}

/** What a merging read reads: the tables as they are stored, and the source as it is now. */
export interface MergeTables extends StoredTables {
  readonly source: Snapshot;
}

export interface StoredTables {
  readonly features: Snapshot;
  readonly tiles: Snapshot | undefined;
  /** The columns of the source that the definition uses. */
  readonly sourceSchema: Schema;
  readonly cache: FeatureCache;
  /** The entities that are asked for; undefined: all. */
  readonly entities: EntityFilter | undefined;
}

/** Partial states, and for which parts of an answer they are. */
export interface StateSource {
  readonly rows: number;
  readonly batches: AsyncIterable<RecordBatch> | Iterable<RecordBatch>;
  readonly options: readonly (StateOptions | undefined)[];
}

/** For a part that the states are not for. */
const notThese: StateOptions = { tileColumn, tileRange: { startUs: 0n, endUs: 0n } };

/** Options of states that are for the parts of these numbers only. */
export function onlyFor(parts: readonly unknown[], wanted: (part: number) => boolean): (StateOptions | undefined)[] {
  return parts.map((_, i) => (wanted(i) ? undefined : notThese));
}

/** The answer of a plan by a merging read. */
export async function answerMerged(
  road: MergeRoad,
  plan: AnswerPlan,
  tables: MergeTables,
  run: RunOptions,
  onProgress?: (progress: Progress) => void,
): Promise<Answered> {
  const { change } = road;
  const stored = await storedStates(road, plan, tables, run);
  const edges = await rowStates(await keptEdges(edgePasses(road.parts, change, tables.source), road, plan, tables, run), plan, run, onProgress);
  const states = [...stored, ...edges.states];
  if (change.added.size === 0) {
    const parts = await mergeStates(plan, tables.sourceSchema, states, run, 'finish');
    return { table: joinParts(parts, plan), rowsWithNullKey: 0, sourceRows: edges.rows };
  }
  const added = tables.source.only!(change.added);
  if (plan.definition.filter !== undefined) {
    // A condition on rows would be asked of states, too; so these rows become states first.
    const rows = await rowStates([{ snapshot: added, parts: plan.parts.map(({ range }, part) => ({ part, range })) }], plan, run, onProgress);
    const parts = await mergeStates(plan, tables.sourceSchema, [...states, ...rows.states], run, 'finish');
    return { table: joinParts(parts, plan), rowsWithNullKey: rows.rowsWithNullKey, sourceRows: edges.rows + rows.rows };
  }
  const plans = plan.parts.map((part) => groupByPlan(plan.definition, part, plan.entities));
  const scan = sourceScan(added, plan, plan.entities, run.signal);
  return aggregateRows({ snapshot: added, scan, phase: 'reading the source', onProgress }, plans, run, async (aggregations, rows) => {
    await addAll(aggregations, states);
    const parts = (await aggregations.finish()).map(oneBatch);
    return { table: joinParts(parts, plan), rowsWithNullKey: aggregations.counters[0]!.rowsDroppedNullKey, sourceRows: edges.rows + rows };
  });
}

/** The answer of a plan from tiles alone. Every bound of every part lies on the tile grid, or beyond the newest event. */
export async function answerFromTiles(plan: AnswerPlan, tables: StoredTables, run: RunOptions): Promise<Table> {
  const parts = plan.parts.map(({ range }): PartRoad => ({ tiles: range ?? 'all', rows: [] }));
  const states = await storedStates({ parts, fromFeatures: false, dirty: [] }, plan, tables, run);
  return joinParts(await mergeStates(plan, tables.sourceSchema, states, run, 'finish'), plan);
}

/** A pass over rows of the source, and the parts that it is for. */
export interface RowPass {
  readonly snapshot: Snapshot;
  readonly parts: readonly { readonly part: number; readonly range: TimeRange | undefined }[];
}

/** Passes over files whose rows are stored, where whole tiles do not do. Neighbouring stretches share a pass. */
export function edgePasses(parts: readonly PartRoad[], { kept }: SourceChange, source: Snapshot): RowPass[] {
  if (kept.size === 0) return [];
  const stretches = parts.flatMap(({ rows }, part) => rows.map((range) => ({ part, range })));
  return unionOf(stretches.map(({ range }) => range)).map((stretch) => ({
    snapshot: source.only!(kept),
    parts: stretches.filter(({ range }) => range.startUs >= stretch.startUs && (stretch.endUs === undefined || range.startUs < stretch.endUs)),
  }));
}

/** Whether rows where a range cuts a tile belong to a version of the features: as long as none of their files is gone. */
export function keepsEdges({ dirty }: Pick<MergeRoad, 'dirty'>): boolean {
  return dirty.length === 0;
}

/** The start of the tile that a pass is within; undefined when it is within none. */
export function tileOfEdge({ parts }: RowPass, tileUs: bigint): bigint | undefined {
  const { startUs, endUs } = spanOf(parts.map(({ range }) => range))!;
  const tile = floorDivide(startUs!, tileUs) * tileUs;
  return endUs === undefined || endUs > tile + tileUs ? undefined : tile;
}

/** Passes whose rows are in memory, where a range cuts one tile; the others as they are. */
async function keptEdges(passes: readonly RowPass[], road: MergeRoad, { definition }: AnswerPlan, tables: MergeTables, run: RunOptions): Promise<RowPass[]> {
  const { tileUs, timestamp, filter } = definition;
  if (timestamp === undefined || !keepsEdges(road)) return [...passes];
  return Promise.all(passes.map(async (pass): Promise<RowPass> => {
    const tile = tileOfEdge(pass, tileUs);
    if (tile === undefined) return pass;
    const whole = { startUs: tile, endUs: tile + tileUs };
    const rows = await tables.cache.edge(tables.features, tile, async () => {
      const { snapshot } = pass;
      const scan = sourceScan(snapshot, { definition, parts: [{ outputs: definition.outputs, range: whole, arrivedBeforeUs: whole.endUs }] }, filter, run.signal);
      const batches: RecordBatch[] = [];
      for await (const batch of snapshot.scan(scan)) batches.push(...(await filterTimeRange(new Table([batch]), timestamp, whole)).batches);
      return canonicalTable(snapshot.schema.select(scan.columns as never) as Schema, batches);
    });
    return { ...pass, snapshot: await memoryTable(pass.snapshot.name, rows).snapshot() };
  }));
}

/** The states of the rows of some passes. */
export async function rowStates(
  passes: readonly RowPass[],
  plan: AnswerPlan,
  run: RunOptions,
  onProgress?: (progress: Progress) => void,
): Promise<{ readonly states: StateSource[]; readonly rows: number; readonly rowsWithNullKey: number }> {
  const filter = bothOf(plan.definition.filter, plan.entities);
  const states: StateSource[] = [];
  let [rows, rowsWithNullKey] = [0, 0];
  for (const { snapshot, parts: wanted } of passes) {
    const parts = wanted.map(({ part, range }): Part => ({ ...plan.parts[part]!, range }));
    const plans = parts.map((part) => groupByPlan(plan.definition, part, filter));
    const scan = sourceScan(snapshot, { definition: plan.definition, parts }, filter, run.signal);
    await aggregateRows({ snapshot, scan, phase: 'reading the source', onProgress }, plans, run, async (aggregations, read) => {
      const tables = (await aggregations.states()).map(oneBatch);
      states.push(...tables.map((table, i) => statesFor(table, plan.parts, wanted[i]!.part)));
      rows += read;
      if (wanted[0]!.part === 0) rowsWithNullKey += aggregations.counters[0]!.rowsDroppedNullKey;
    });
  }
  return { states, rows, rowsWithNullKey };
}

/** States that are for one part. */
export function statesFor(table: Table, parts: readonly unknown[], part: number): StateSource {
  return { rows: table.numRows, batches: table.batches, options: onlyFor(parts, (i) => i === part) };
}

/** The states that are stored: those beside the features, and tiles. */
export async function storedStates(road: Pick<MergeRoad, 'parts' | 'fromFeatures' | 'dirty'>, plan: AnswerPlan, tables: StoredTables, run: RunOptions): Promise<StateSource[]> {
  const signal = run.signal === undefined ? {} : { signal: run.signal };
  const sources: StateSource[] = [];
  if (road.fromFeatures) {
    const columns = stateColumns(plan, [plan.parts[0]!], tables.sourceSchema);
    const { features, cache } = tables;
    const states = tables.entities === undefined
      ? await cache.columns(features, columns, signal)
      : await cache.rowsOf(features, columns, plan.definition.entityKeys, tables.entities, signal);
    sources.push({ rows: states.numRows, batches: states.batches, options: onlyFor(plan.parts, (i) => i === 0) });
  }
  const fromTiles = road.parts.flatMap(({ tiles }, i) => (tiles === 'none' ? [] : [{ tiles, part: plan.parts[i]! }]));
  if (fromTiles.length > 0) {
    const range = spanOf(fromTiles.map(({ tiles }) => (tiles === 'all' ? undefined : tiles)));
    const columns = [...stateColumns(plan, fromTiles.map(({ part }) => part), tables.sourceSchema), tileColumn];
    const scan: ScanOptions = { columns, ...(range !== undefined && { timeRange: { column: tileColumn, range } }), ...signal };
    const { rows, batches } = await tables.cache.batches(tables.tiles!, { ...scan, columns });
    sources.push({
      rows,
      batches: cleanTiles(batches, road.dirty),
      options: road.parts.map((part) => (part.tiles === 'none' ? notThese : part.tiles === 'all' ? undefined : { tileColumn, tileRange: part.tiles })),
    });
  }
  return sources;
}

/** The columns of stored states that parts need: the keys, and what their outputs are made of. */
function stateColumns({ definition }: AnswerPlan, parts: readonly Part[], sourceSchema: Schema): string[] {
  const names = parts.flatMap((part) => statesSchema(groupByPlan(definition, { outputs: part.outputs, range: undefined }, undefined), sourceSchema).fields.map(({ name }) => name));
  return [...new Set(names)];
}

/** Tiles but for those that start in a dirty stretch. */
export async function* cleanTiles(batches: AsyncIterable<RecordBatch> | Iterable<RecordBatch>, dirty: readonly Stretch[]): AsyncGenerator<RecordBatch, void, void> {
  const isClean = cleanCondition(dirty);
  for await (const batch of batches) yield isClean === undefined ? batch : filterBatch(batch, isClean);
}

function cleanCondition(dirty: readonly Stretch[]): Expression | undefined {
  if (dirty.length === 0) return undefined;
  const at = (instantUs: bigint): Date => new Date(Number(instantUs / 1_000n));
  const inside = dirty.map(({ startUs, endUs }): Expression => ({
    kind: 'and',
    operands: [
      { kind: 'compare', column: tileColumn, operator: '>=', value: at(startUs) },
      { kind: 'compare', column: tileColumn, operator: '<', value: at(endUs!) },
    ],
  }));
  return { kind: 'or', operands: [{ kind: 'isNull', column: tileColumn }, { kind: 'not', operand: { kind: 'or', operands: inside } }] };
}

/** Merges states, each for its parts: into the answers of the parts, or into states again. */
export async function mergeStates(
  plan: Pick<AnswerPlan, 'definition' | 'parts' | 'entities'>,
  sourceSchema: Schema,
  sources: readonly StateSource[],
  run: RunOptions,
  what: 'finish' | 'states',
): Promise<Table[]> {
  const plans = plan.parts.map(({ outputs }) => groupByPlan(plan.definition, { outputs, range: undefined }, plan.entities));
  const rowsExpected = sources.reduce((sum, { rows }) => sum + rows, 0);
  const merge = createAggregations(plans, sourceSchema, { ...defined(run), rowsExpected });
  try {
    await addAll(merge, sources);
    return (await merge[what]()).map(oneBatch);
  } finally {
    await merge.close();
  }
}

async function addAll(run: AggregationsRun, sources: readonly StateSource[]): Promise<void> {
  for (const { batches, options } of sources) {
    for await (const batch of batches) await run.addStates(batch, options);
  }
}
