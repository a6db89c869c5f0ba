/**
 * Moments in the memory where events are located, and what is made of them for it: once for all threads of a run, which only read it.
 */
import type { CoarseScale } from '../coarse.ts';
import type { Instance } from '../instance.ts';
import type { Moments, PlacedMoments } from '../plan.ts';
import { int64Max, int64Min } from '../types.ts';

/** The share of marked parts up to which they are asked. */
const passingMost = 0.5;
/** Parts that an entity has bits for; those of coarse times are asked where moments touch so many of them. */
const masked = { parts: 32n, coarseLeast: 16n } as const;
/** What is read behind the cells of an entity. */
const cellsSlack = 32;

/** As they are where they have been placed before, in this memory. `coarse`: how the coarse times of the event time are made. */
export function placeMoments(instance: Instance, moments: Moments, coarse: CoarseScale | undefined): PlacedMoments {
  const { kernels } = instance;
  const { count, at } = moments;
  if (at.kind === 'placed') return at;
  const entities = moments.starts.length - 1;
  const starts = instance.alloc((entities + 2) * 4);
  instance.put(moments.starts, starts);
  // Entities that are not known are all the one behind the last, which has no points.
  instance.view32(starts, entities + 2)[entities + 1] = count;
  const points = instance.placed(at.points);
  const cells = instance.alloc(count * 2 + cellsSlack);
  instance.put(at.cells, cells);
  const ranges = instance.alloc((count / 2 + 2) * 4);
  kernels.rangesOf(starts, entities, cells, ranges);
  const wanted = at.wanted === undefined ? 0 : instance.placed(at.wanted);
  const parts = partsOf(moments, coarse);
  return { kind: 'placed', starts, points, cells, ranges, wanted, parts, masks: markParts(instance, moments, { starts, points, wanted, parts }) };
}

/** 0 where most events would pass. */
function markParts(instance: Instance, { first, last, starts: { length } }: Moments, { starts, points, wanted, parts }: Pick<PlacedMoments, 'starts' | 'points' | 'wanted' | 'parts'>): number {
  if (last - first > int64Max) return 0;
  const entities = length - 1;
  const bytes = length * 4;
  const masks = instance.alloc(bytes);
  const set = instance.kernels.markParts(starts, entities, points, wanted, parts.first, parts.shift, masks);
  if (set < entities * Number(masked.parts) * passingMost) return masks;
  instance.free(masks, bytes);
  return 0;
}

/** Parts of time, of which moments touch at most as many as there are bits: as coarse times have them, unless those would be few. */
function partsOf({ first, last }: Moments, coarse: CoarseScale | undefined): CoarseScale {
  const partsFrom = (origin: bigint, shift: bigint): bigint => ((last - origin) >> shift) - ((first - origin) >> shift) + 1n;
  const isCoarse = coarse !== undefined && first - coarse.first >= int64Min && last - coarse.first <= int64Max && partsFrom(coarse.first, coarse.shift) >= masked.coarseLeast;
  const origin = isCoarse ? coarse.first : first;
  let shift = isCoarse ? coarse.shift : 0n;
  while (partsFrom(origin, shift) > masked.parts) shift++;
  return { first: origin, shift };
}
