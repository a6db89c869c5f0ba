/**
 * What there is to do on each road of a read, after pruning; what fresh tiles would leave to do, and what it takes to make them.
 * Opens footers, reads no rows.
 *
 * A road that cannot be planned, since a file of it is damaged or gone, has no work: whoever walks it meets the error and says so.
 */
import type { ReadableTable, ScanOptions, ScanPlan, Snapshot } from '../../store/table.ts';
import { type AnswerPlan, sourceScan, spanOf, tileColumn } from '../compute.ts';
import type { Road } from '../decide.ts';
import { edgePasses, type MergeRoad, planMerge } from '../merge.ts';
import type { ReadRequest } from '../request.ts';
import type { FeatureTables, Stored } from '../storage.ts';
import { partsOf, type StoredRoad } from '../stored-road.ts';
import type { Work, WorkKind } from '../throughput.ts';

/** What a read found out about what is stored and the source. */
export interface RoadsSeen {
  readonly stored: Stored | undefined;
  readonly road: StoredRoad | undefined;
  readonly source: Snapshot | { readonly error: unknown };
  readonly merge: MergeRoad | { readonly reason: string } | undefined;
}

export interface RoadWork {
  readonly roads: Readonly<Partial<Record<Road, readonly Work[]>>>;
  /** With tiles of the source as it is now; undefined where they would not help, or nobody knows. */
  readonly fresh: readonly Work[] | undefined;
}

export async function planWork(request: ReadRequest, seen: RoadsSeen, tables: Pick<FeatureTables, 'tiles'>): Promise<RoadWork> {
  const tiles = await tilesOf(seen.stored, tables);
  const stored = await planned(() => storedWork(request, seen, tiles));
  const merged = await planned(async () => (isMerge(seen.merge) ? mergedWork(request, seen.merge, seen, tiles) : undefined));
  const source = await planned(async () => ('error' in seen.source ? undefined : [workOf('source', await seen.source.plan(scanOfSource(request, seen.source)))]));
  const fresh = stored ?? (await planned(() => freshWork(request, seen, tiles)));
  return { roads: { ...(stored && { stored }), ...(merged && { merged }), ...(source && { source }) }, fresh };
}

/** What it takes to materialize the set now, in rows: those that are read, and those of the features that are written anew. */
export function materializeWork({ stored, source, merge }: RoadsSeen, sourceRows: number, entities: number): Work {
  const files = 'error' in source ? [] : (source.files ?? []);
  const bytesOf = (counts: (id: string) => boolean): number => files.reduce((sum, { id, size }) => sum + (counts(id) ? size : 0), 0);
  const all = bytesOf(() => true);
  // As many of its rows are new as of its bytes.
  const share = isMerge(merge) && all > 0 ? bytesOf((id) => merge.change.added.has(id)) / all : 1;
  return materialized(sourceRows * share + (stored?.features.rows ?? entities));
}

/** Work of materializing that goes through so many rows. */
export function materialized(rows: number): Work {
  return { kind: 'materialize', rows: Math.round(rows), bytes: 0, files: 1 };
}

/** Reading rows that are stored as they are asked for. */
export function featuresWork(rows: number, bytes: number, files: number): Work {
  return { kind: 'features', rows, bytes, files };
}

/** Of a source as it was seen before, what share of its bytes is still there; 1 where it cannot be told. */
export function survivingShare(before: Snapshot | undefined, now: Snapshot): number {
  if (before?.files === undefined || before.version === now.version) return 1;
  const still = new Set(now.files?.map(({ id }) => id));
  const bytes = (files: NonNullable<Snapshot['files']>): number => files.reduce((sum, { size }) => sum + size, 0);
  const all = bytes(before.files);
  return all === 0 ? 1 : bytes(before.files.filter(({ id }) => still.has(id))) / all;
}

export function isMerge(merge: RoadsSeen['merge']): merge is MergeRoad {
  return merge !== undefined && !('reason' in merge);
}

function workOf(kind: WorkKind, { rows, bytes, files }: ScanPlan): Work {
  return { kind, rows, bytes, files };
}

async function planned<Planned>(plan: () => Promise<Planned | undefined>): Promise<Planned | undefined> {
  try {
    return await plan();
  } catch {
    return undefined;
  }
}

async function tilesOf(stored: Stored | undefined, { tiles }: { readonly tiles: ReadableTable }): Promise<Snapshot | undefined> {
  const version = stored?.facts.tilesVersion;
  return version === undefined ? undefined : planned(() => tiles.snapshot({ version }));
}

async function storedWork(request: ReadRequest, { stored, road }: RoadsSeen, tiles: Snapshot | undefined): Promise<readonly Work[] | undefined> {
  if (stored === undefined || road === undefined || road.kind === 'none' || !road.exact) return undefined;
  if (road.kind === 'features') return [workOf('features', await stored.features.plan(columnsOf(request, stored.features)))];
  return tiles && [workOf('tiles', await tiles.plan(tileScan(spanOf(road.parts.map(({ range }) => range)))))];
}

async function mergedWork(request: ReadRequest, merge: MergeRoad, { stored, source }: RoadsSeen, tiles: Snapshot | undefined): Promise<readonly Work[]> {
  const work: Work[] = [];
  if (merge.fromFeatures) work.push(workOf('tiles', await stored!.features.plan()));
  const ranges = merge.parts.flatMap((part) => (part.tiles === 'none' ? [] : [part.tiles === 'all' ? undefined : part.tiles]));
  if (ranges.length > 0 && tiles !== undefined) work.push(workOf('tiles', await tiles.plan(tileScan(spanOf(ranges)))));
  const { definition } = request;
  const wanted = plannedParts(request);
  const sourceWork = async (snapshot: Snapshot, parts: AnswerPlan['parts']): Promise<Work> =>
    workOf('source', await snapshot.plan(sourceScan(snapshot, { definition, parts }, definition.filter, undefined)));
  for (const { snapshot, parts } of edgePasses(merge.parts, merge.change, source as Snapshot)) {
    work.push(await sourceWork(snapshot, parts.map(({ part, range }) => ({ outputs: wanted[part]!.outputs, range }))));
  }
  const { added } = merge.change;
  if (added.size > 0) work.push(await sourceWork((source as Snapshot).only!(added), wanted));
  return work;
}

/** What a merging read would do if every file of the source had been stored. */
async function freshWork(request: ReadRequest, seen: RoadsSeen, tiles: Snapshot | undefined): Promise<readonly Work[] | undefined> {
  const { stored, source } = seen;
  if (stored === undefined || 'error' in source || source.files === undefined || request.definition.kind !== 'aggregated') return undefined;
  const kept = new Set(source.files.map(({ id }) => id));
  const merge = planMerge(request.definition, plannedParts(request), stored.facts, { added: new Set(), kept, dirty: [] });
  return isMerge(merge) ? mergedWork(request, merge, seen, tiles) : undefined;
}

function plannedParts(request: ReadRequest): AnswerPlan['parts'] {
  return partsOf(request, request.range, request.asOfUs);
}

function scanOfSource(request: ReadRequest, source: Snapshot): ScanOptions {
  const { definition } = request;
  return definition.kind === 'aggregated' ? sourceScan(source, { definition, parts: plannedParts(request) }, definition.filter, undefined) : {};
}

function columnsOf({ definition, columns }: ReadRequest, features: Snapshot): ScanOptions {
  if (columns === undefined) return {};
  const wanted = new Set([...definition.entityKeys, ...columns]);
  return { columns: features.schema.fields.map(({ name }) => name).filter((name) => wanted.has(name)) };
}

function tileScan(range: ReturnType<typeof spanOf>): ScanOptions {
  return range === undefined ? {} : { timeRange: { column: tileColumn, range } };
}
