/**
 * What of a training set can come from stored tiles. A tile that no moment of any label cuts lies in one stretch of each
 * entity, so its states are the stretch's; of the others the rows are read.
 *
 *   moments      |          |     |                 of all entities
 *   tiles   |·····|·····|·····|·····|·····|
 *   is      | rows|tiles| rows      |tiles|         and all rows of files that came since
 *
 * Law: every event that is asked for comes in once. Pure.
 */
import { ceilDivide, floorDivide, type TimeRange } from '../../base/time.ts';
import { meet, type SourceChange, type Stretch, unionOf } from '../coverage.ts';
import { rangeOf, type StoredFacts } from '../storage.ts';

/** What is read from where. */
export interface TileRoad {
  /** Where rows of covered files are read, on the tile grid, ascending and apart. */
  readonly rows: readonly Stretch[];
  /** Where whole tiles are; the stretches between those. */
  readonly tiles: readonly TimeRange[];
}

export interface TileQuestion {
  /** The moments of all entities, and their unit in nanoseconds. */
  readonly points: BigInt64Array;
  readonly momentUnitNs: bigint;
  /** All events that any label asks about. */
  readonly range: TimeRange;
  readonly tileUs: bigint;
  readonly facts: Pick<StoredFacts, 'range' | 'newestEventUs'>;
  /** Files of the source that are gone had rows in these tiles. */
  readonly dirty: NonNullable<SourceChange['dirty']>;
}

/** Stretches of rows that are read apart; nearer ones are read together, with the tiles between. */
const stretchesMost = 8;
/** So many tiles that are cut are told apart. */
const cutMost = 1 << 16;

/** Undefined where no whole tile is left. */
export function planTiles({ points, momentUnitNs, range, tileUs, facts, dirty }: TileQuestion): TileRoad | undefined {
  const floor = (instantUs: bigint): bigint => floorDivide(instantUs, tileUs) * tileUs;
  const ceil = (instantUs: bigint): bigint => ceilDivide(instantUs, tileUs) * tileUs;
  const cut = cutTiles(points, momentUnitNs, tileUs * 1_000n, facts.newestEventUs);
  if (cut === undefined) return undefined;
  // What happened since the instant that is stored is in no tile, and the tile that it lies in is not whole.
  const behind = facts.range?.endUs === undefined ? [] : [{ startUs: floor(facts.range.endUs) }];
  const whole = rangeOf(range.startUs === undefined ? undefined : floor(range.startUs), ceil(range.endUs!));
  const wanted = [...cut.map((tile) => ({ startUs: tile * tileUs, endUs: (tile + 1n) * tileUs })), ...dirty, ...behind];
  const rows = joinNearest(unionOf(wanted.map((stretch) => meet(stretch, whole)).filter((stretch) => stretch !== undefined)));
  const tiles = between(rows, whole);
  return tiles.length === 0 ? undefined : { rows, tiles };
}

/** The numbers of the tiles that a moment lies inside of, but for those behind the newest event; undefined where they are too many. */
function cutTiles(points: BigInt64Array, unitNs: bigint, tileNs: bigint, newestUs: bigint | undefined): bigint[] | undefined {
  const cut = new Set<bigint>();
  // Many entities have the same moments: those that were met lately are passed over without a bigint.
  const halves = new Uint32Array(points.buffer, points.byteOffset, points.length * 2);
  const met = new Uint32Array(2 << 12);
  const newestNs = newestUs === undefined ? undefined : newestUs * 1_000n;
  for (let i = 0; i < points.length; i++) {
    const [low, high] = [halves[i * 2]!, halves[i * 2 + 1]!];
    const place = (Math.imul(low ^ Math.imul(high, 0x9e3779b1), 0x85ebca6b) >>> 20) * 2;
    if (met[place] === low && met[place + 1] === high) continue;
    met[place] = low;
    met[place + 1] = high;
    const instantNs = points[i]! * unitNs;
    if (instantNs % tileNs === 0n || newestNs === undefined || newestNs < instantNs) continue;
    cut.add(floorDivide(instantNs, tileNs));
    if (cut.size > cutMost) return undefined;
  }
  return [...cut];
}

/** The widest gaps stay. */
function joinNearest(stretches: readonly Stretch[]): Stretch[] {
  const gapBefore = (i: number): bigint => stretches[i]!.startUs - stretches[i - 1]!.endUs!;
  const gaps = stretches.map((_, i) => i).slice(1).sort((a, b) => (gapBefore(a) > gapBefore(b) ? -1 : 1)).slice(0, stretchesMost - 1);
  const starts = stretches.length === 0 ? [] : [0, ...gaps].sort((a, b) => a - b);
  return starts.map((start, i) => ({ ...rangeOf(undefined, stretches[(starts[i + 1] ?? stretches.length) - 1]!.endUs), startUs: stretches[start]!.startUs }));
}

/** What lies in a range and in none of some stretches, ascending. */
function between(stretches: readonly Stretch[], { startUs, endUs }: TimeRange): TimeRange[] {
  const found: TimeRange[] = [];
  let from = startUs;
  for (const stretch of stretches) {
    if (from === undefined || from < stretch.startUs) found.push(rangeOf(from, stretch.startUs));
    if (stretch.endUs === undefined) return found;
    from = stretch.endUs;
  }
  if (from === undefined || from < endUs!) found.push(rangeOf(from, endUs));
  return found;
}
