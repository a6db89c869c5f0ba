/**
 * What there is to do on each road of a read, after pruning; what fresh tiles would leave to do, and what it takes to make them.
 * Opens footers, reads no rows.
 *
 * A road that cannot be planned, since a file of it is damaged or gone, has no work: whoever walks it meets the error and says so.
 */
import type { ReadableTable, ScanOptions, ScanPlan, Snapshot, SnapshotFile } from '../../store/table.ts';
import { type AnswerPlan, sourceScan, spanOf, tileColumn } from '../compute.ts';
import type { Road } from '../decide.ts';
import type { FeatureCache } from '../feature-cache.ts';
import { edgePasses, keepsEdges, type MergeRoad, planMerge, tileOfEdge } from '../merge.ts';
import type { ReadRequest } from '../request.ts';
import type { FeatureTables, Stored } from '../storage.ts';
import { partsOf, type StoredRoad } from '../stored-road.ts';
import { defaultThroughputs, expectedMs, type Throughputs, type Work, type WorkKind } from '../throughput.ts';

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

/** A road that costs no more is taken without a look at those behind it: planning them costs as much as they could save. */
const enoughMs = 5;

/** Roads behind one that is cheap enough are not planned, unless `all` are wanted. */
export async function planWork(
  request: ReadRequest, seen: RoadsSeen, tables: Pick<FeatureTables, 'tiles' | 'cache'>, throughputs: Throughputs = defaultThroughputs, wanted: 'all' | 'enough' = 'all',
): Promise<RoadWork> {
  const isEnough = (work: readonly Work[] | undefined): work is readonly Work[] => wanted === 'enough' && work !== undefined && expectedMs(work, throughputs) <= enoughMs;
  const tiles = await tilesOf(seen.stored, tables);
  const stored = await planned(() => storedWork(request, seen, tiles));
  const isFresh = !('error' in seen.source) && seen.source.version === seen.stored?.facts.sourceVersion;
  if (isFresh && isEnough(stored)) return { roads: { stored }, fresh: stored };
  const merged = await planned(async () => (isMerge(seen.merge) ? mergedWork(request, seen.merge, seen, tiles, tables.cache) : undefined));
  if (stored === undefined && isEnough(merged)) return { roads: { merged }, fresh: merged };
  const source = await planned(async () => ('error' in seen.source ? undefined : [workOf('source', await seen.source.plan(scanOfSource(request, seen.source)))]));
  const fresh = stored ?? (await planned(() => freshWork(request, seen, tiles, tables.cache)));
  return { roads: { ...(stored && { stored }), ...(merged && { merged }), ...(source && { source }) }, fresh };
}

/** What it takes to materialize the set now: the rows that are read, and those of features and tiles that are written. */
export async function materializeWork({ definition }: ReadRequest, { stored, source, merge }: RoadsSeen, entities: number): Promise<Work> {
  if ('error' in source) return materialized(0, 0);
  const rowsTotal = stored?.facts.sourceRows ?? (await source.plan({ columns: [] })).rowsTotal;
  const files = source.files ?? [];
  const news = isMerge(merge) ? files.filter(({ id }) => merge.change.added.has(id)) : files;
  const all = bytesOf(files);
  // As many of its rows are new as of its bytes.
  const rows = all === 0 ? rowsTotal : rowsTotal * (bytesOf(news) / all);
  const written = stored?.features.rows ?? entities;
  const tiles = definition.kind === 'aggregated' && definition.timestamp !== undefined ? await tileCount(definition, source, news) : 0;
  return materialized(rows, written + expectedDistinct(rows, written * tiles));
}

/** Work of materializing that reads and writes so many rows. */
export function materialized(rowsRead: number, rowsWritten: number): Work {
  return { kind: 'materialize', rows: Math.round(rowsRead), bytes: Math.round(rowsWritten) * bytesWritten, files: 1 };
}

/** Of a row of features or tiles, about. */
const bytesWritten = 32;

/** How many of so many places are taken, once each row has taken one by chance. */
function expectedDistinct(rows: number, places: number): number {
  return places === 0 ? 0 : places * -Math.expm1(-rows / places);
}

/** How many tiles lie between the first event of some files and the last. */
async function tileCount({ timestamp, tileUs }: ReadRequest['definition'], source: Snapshot, files: readonly SnapshotFile[]): Promise<number> {
  const spans = await source.only?.(new Set(files.map(({ id }) => id))).timeSpans?.(timestamp!);
  const bounds = [...(spans?.values() ?? [])].flatMap(({ firstUs, lastUs }) => (firstUs === undefined || lastUs === undefined ? [] : [firstUs, lastUs]));
  if (bounds.length === 0) return 1;
  const [first, last] = bounds.reduce(([low, high], bound) => [bound < low! ? bound : low!, bound > high! ? bound : high!], [bounds[0]!, bounds[0]!]);
  return Number((last! - first!) / tileUs) + 1;
}

/** Reading rows that are stored as they are asked for. */
export function featuresWork(rows: number, bytes: number, files: number): Work {
  return { kind: 'features', rows, bytes, files };
}

/** Of a source as it was seen before, what share of its bytes is still there; 1 where it cannot be told. */
export function survivingShare(before: Snapshot | undefined, now: Snapshot): number {
  if (before?.files === undefined || before.version === now.version) return 1;
  const still = new Set(now.files?.map(({ id }) => id));
  const all = bytesOf(before.files);
  return all === 0 ? 1 : bytesOf(before.files.filter(({ id }) => still.has(id))) / all;
}

export function bytesOf(files: readonly SnapshotFile[]): number {
  return files.reduce((sum, { size }) => sum + size, 0);
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

async function mergedWork(request: ReadRequest, merge: MergeRoad, { stored, source }: RoadsSeen, tiles: Snapshot | undefined, cache: FeatureCache): Promise<readonly Work[]> {
  const work: Work[] = [];
  if (merge.fromFeatures) work.push(workOf('tiles', await stored!.features.plan()));
  const ranges = merge.parts.flatMap((part) => (part.tiles === 'none' ? [] : [part.tiles === 'all' ? undefined : part.tiles]));
  if (ranges.length > 0 && tiles !== undefined) work.push(workOf('tiles', await tiles.plan(tileScan(spanOf(ranges)))));
  const { definition } = request;
  const wanted = plannedParts(request);
  const sourceWork = async (snapshot: Snapshot, parts: AnswerPlan['parts']): Promise<Work> =>
    workOf('source', await snapshot.plan(sourceScan(snapshot, { definition, parts }, definition.filter, undefined)));
  for (const pass of edgePasses(merge.parts, merge.change, source as Snapshot)) {
    const tile = keepsEdges(merge) ? tileOfEdge(pass, definition.tileUs) : undefined;
    const edge = tile === undefined ? { missed: 0 } : cache.edgeState(stored!.features, tile);
    if ('rows' in edge) {
      work.push({ kind: 'tiles', rows: edge.rows, bytes: 0, files: 0 });
      continue;
    }
    // Rows that are kept once they were read are worth more the more often they were missed.
    const { rows, bytes, files } = await sourceWork(pass.snapshot, pass.parts.map(({ part, range }) => ({ ...wanted[part]!, range })));
    const share = 1 / (1 + edge.missed);
    work.push({ kind: 'source', rows: rows * share, bytes: bytes * share, files: files * share });
  }
  const { added } = merge.change;
  if (added.size > 0) work.push(await sourceWork((source as Snapshot).only!(added), wanted));
  return work;
}

/** What a merging read would do if every file of the source had been stored. */
async function freshWork(request: ReadRequest, seen: RoadsSeen, tiles: Snapshot | undefined, cache: FeatureCache): Promise<readonly Work[] | undefined> {
  const { stored, source } = seen;
  if (stored === undefined || 'error' in source || source.files === undefined || request.definition.kind !== 'aggregated') return undefined;
  const kept = new Set(source.files.map(({ id }) => id));
  const merge = planMerge(request.definition, plannedParts(request), stored.facts, { added: new Set(), kept, dirty: [] });
  return isMerge(merge) ? mergedWork(request, merge, seen, tiles, cache) : undefined;
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
