/**
 * The road of one set's features: all from the source, or stored tiles and what they lack (tiles.ts). Both give the same bits, so
 * the cheaper one is taken. Looks at what is stored, and reads no rows.
 */
import { ArgumentError } from '../../base/errors.ts';
import { didYouMean } from '../../base/names.ts';
import type { TimeRange } from '../../base/time.ts';
import type { Mode } from '../../config/definition.ts';
import { unitNs } from '../../engine/types.ts';
import type { Snapshot } from '../../store/table.ts';
import { tileColumn } from '../compute.ts';
import { changeOf, meet, type SourceChange } from '../coverage.ts';
import { damageText, isDamage, isOfStored } from '../damage.ts';
import { costText } from '../decide.ts';
import { NotMaterializedError } from '../errors.ts';
import { definitionDigest, type FeatureTables, readStored, sameColumns, type StoredFacts, usedSchema } from '../storage.ts';
import { defaultThroughputs, expectedMs, type Throughputs, type Work } from '../throughput.ts';
import type { SetPlan } from './compute.ts';
import { planTiles, type TileRoad } from './tiles.ts';

export const trainingRoads = ['merged', 'source'] as const;
export type TrainingRoad = (typeof trainingRoads)[number];

/** Stored tiles, and what they lack of the source as it is now. */
export interface Merge extends TileRoad {
  readonly tables: FeatureTables;
  readonly snapshot: Snapshot;
  readonly facts: StoredFacts;
  readonly change: SourceChange;
}

/** In milliseconds. */
type Costs = Readonly<Record<TrainingRoad, number>>;

export interface RoadChoice {
  readonly road: TrainingRoad;
  /** What the road `merged` is, where it is open. */
  readonly merge: Merge | undefined;
  /** Where both were looked at. */
  readonly costMs: Partial<Costs>;
  /** Why this road; one line each, for a person. */
  readonly reasons: readonly string[];
}

export interface StoredContext {
  readonly mode: Mode;
  readonly tables: FeatureTables;
  readonly throughputs: Throughputs | undefined;
}

/** Throws NotMaterializedError where the road that was asked for is closed. */
export async function chooseRoad(plan: SetPlan, named: TrainingRoad | undefined, context: StoredContext): Promise<RoadChoice> {
  if (named !== undefined && !trainingRoads.includes(named)) {
    throw new ArgumentError('road', `'${String(named)}' is not a road of training sets; one of ${trainingRoads.join(', ')}${didYouMean(String(named), trainingRoads)}`);
  }
  if (named === 'source') return { road: 'source', merge: undefined, costMs: {}, reasons: ['road source was asked for'] };
  const merge = await tryMerge(plan, context);
  if ('reason' in merge) {
    if (named === 'merged') throw new NotMaterializedError(plan.set.definition.name, `road merged was asked for; ${merge.reason}`);
    return { road: 'source', merge: undefined, costMs: {}, reasons: [merge.reason] };
  }
  const { costMs } = merge;
  if (named === 'merged') return { road: named, merge, costMs, reasons: ['road merged was asked for'] };
  const road = costMs.merged <= costMs.source ? 'merged' : 'source';
  const other = road === 'merged' ? 'source' : 'merged';
  return { road, merge, costMs, reasons: [`${costText({ costMs: costMs[road] })}; ${other} ${costText({ costMs: costMs[other] })}`] };
}

/** What is stored and fits, and what either road costs; or why nothing does. */
async function tryMerge(plan: SetPlan, context: StoredContext): Promise<(Merge & { readonly costMs: Costs }) | { readonly reason: string }> {
  const { definition } = plan.set;
  if (context.mode === 'virtualized') return { reason: 'mode virtualized always computes from the source' };
  if (definition.arrival !== undefined) return { reason: 'tiles do not tell which of their rows had arrived by each moment' };
  if (plan.groupBy.moments!.count === 0) return { reason: 'no label asks for anything' };
  try {
    const merge = await mergeOf(plan, context.tables);
    return 'reason' in merge ? merge : { ...merge, costMs: await costsOf(plan, merge, context.throughputs ?? defaultThroughputs) };
  } catch (error) {
    if (isDamage(error) && isOfStored(error, context.tables)) return { reason: damageText(error) };
    throw error;
  }
}

async function mergeOf({ set: { definition }, source, groupBy: { range }, points, momentType }: SetPlan, tables: FeatureTables): Promise<Merge | { readonly reason: string }> {
  const stored = await readStored(tables);
  if (stored === undefined) return { reason: 'nothing is stored' };
  const { facts } = stored;
  if (facts.definition !== definitionDigest(definition)) return { reason: 'what is stored was computed by another definition' };
  if (facts.tilesVersion === undefined) return { reason: 'no tiles are stored' };
  const change = facts.coverage && changeOf(facts.coverage, source, definition.tileUs);
  if (change === undefined) return { reason: 'a source in memory is read as a whole' };
  if (!sameColumns(facts.sourceSchema, usedSchema(definition, source.schema))) return { reason: 'the types of its columns are others' };
  if (change.dirty === undefined) return { reason: 'files of the source are gone, and nobody knows which tiles their rows were in' };
  const road = planTiles({ points, momentUnitNs: unitNs(momentType), range: range!, tileUs: definition.tileUs, facts, dirty: change.dirty });
  if (road === undefined) return { reason: 'the moments of the labels cut every tile' };
  return { ...road, tables, snapshot: await tables.tiles.snapshot({ version: facts.tilesVersion }), facts, change };
}

async function costsOf(plan: SetPlan, merge: Merge, throughputs: Throughputs): Promise<Costs> {
  const work = async (kind: Work['kind'], snapshot: Snapshot, scan: SetPlan['scan']): Promise<Work> => {
    const { rows, bytes, files } = await snapshot.plan(scan);
    return { kind, rows, bytes, files };
  };
  const merged: Work[] = [];
  for (const range of merge.tiles) merged.push(await work('tiles', merge.snapshot, { timeRange: { column: tileColumn, range } }));
  for (const { snapshot, scan } of rowPasses(plan, merge)) merged.push(await work('source', snapshot, scan));
  const source = await work('source', plan.source, plan.scan);
  return { merged: expectedMs(merged, throughputs), source: expectedMs([source], throughputs) };
}

/** The rows that tiles lack: in some stretches those of covered files, and all those of files that came since. */
export function rowPasses({ source, scan, groupBy }: SetPlan, { rows, change }: Merge): { readonly snapshot: Snapshot; readonly range: TimeRange; readonly scan: SetPlan['scan'] }[] {
  const { range, timestamp } = groupBy;
  const kept = change.kept.size === 0 ? [] : rows.map((stretch) => meet(stretch, range!)).filter((stretch) => stretch !== undefined);
  const passes = kept.map((stretch) => ({ snapshot: source.only!(change.kept), range: stretch, scan: { ...scan, timeRange: { column: timestamp!, range: stretch } } }));
  return change.added.size === 0 ? passes : [...passes, { snapshot: source.only!(change.added), range: range!, scan }];
}
