/**
 * Which stored rows can answer a request, and exactly what they are an answer to. Pure.
 *
 * The features table answers the very question it was computed for. Tiles answer every range whose bounds lie on the
 * tile grid; a bound between two grid lines is moved down, and an end beyond the newest event needs no moving:
 *
 *   tiles    |·····|·····|·····|··x  |        x newest event
 *   asked       [──────────)                  start and end move down: the events right of the end share its tile
 *   answered |─────────|
 *   asked             [────────────────)      only the start moves
 */
import { floorDivide, formatDuration, formatInstant, formatRange, type TimeRange } from '../base/time.ts';
import { stretchesOf } from '../config/definition.ts';
import type { Part } from './compute.ts';
import type { ReadRequest } from './request.ts';
import { rangeOf, type StoredFacts } from './storage.ts';

export type StoredRoad =
  | {
      readonly kind: 'features' | 'tiles';
      readonly parts: readonly Part[];
      readonly range: TimeRange | undefined;
      readonly asOfUs: bigint;
      /** Whether this answers what was asked, rather than something near it. */
      readonly exact: boolean;
      readonly reasons: readonly string[];
    }
  | { readonly kind: 'none'; readonly reasons: readonly string[] };

export function planStoredRoad(request: ReadRequest, facts: StoredFacts): StoredRoad {
  const road = roadByTime(request, facts);
  if (road.kind === 'none') return road;
  const missing = whyNotArrived(road.parts[0]!.arrivedBeforeUs, facts);
  return missing === undefined ? road : { kind: 'none', reasons: [missing] };
}

/**
 * Why stored rows are not those that had arrived before an instant (undefined: all that there are): they were stored as of another
 * one, or of some it is not known that they had.
 */
export function whyNotArrived(beforeUs: bigint | undefined, { range, asOfUs, arrivals }: Pick<StoredFacts, 'range' | 'asOfUs' | 'arrivals'>): string | undefined {
  if (arrivals === undefined) return undefined;
  if (range !== undefined) return beforeUs === asOfUs ? undefined : `stored are the rows that had arrived before ${formatInstant(asOfUs)}`;
  if (beforeUs === undefined) return undefined;
  if (arrivals.someUnknown) return 'stored are rows too of which it is not known when they arrived';
  if (arrivals.newestUs === undefined || arrivals.newestUs < beforeUs) return undefined;
  return `stored are rows too that arrived at ${formatInstant(beforeUs)} or later, up to ${formatInstant(arrivals.newestUs)}`;
}

/** The road as far as event time tells. */
function roadByTime(request: ReadRequest, facts: StoredFacts): StoredRoad {
  const windowed = request.windows.length > 0;
  const sameRange = rangesEqual(request.range, facts.range);
  // Who had arrived by the instant may matter, too, where there is a range.
  const instantMatters = windowed || (request.definition.arrival !== undefined && request.range !== undefined);
  if (sameRange && (!instantMatters || request.asOfUs === facts.asOfUs)) {
    return features(request, facts, true, 'the features table answers exactly this');
  }
  if (!request.asOfGiven) {
    // Nothing was said about time, so the stored moment is as good an answer as there is; hybrid asks for more.
    const why = windowed ? `the stored windows end at ${formatInstant(facts.asOfUs)}` : `stored is ${rangeText(facts.range)}`;
    return features(request, facts, sameRange && !windowed, why);
  }
  if (facts.tilesVersion === undefined) return { kind: 'none', reasons: ['no tiles are stored'] };
  const ragged = stretchesOf(request.definition).find((window) => window.lengthUs % request.definition.tileUs !== 0n);
  if (ragged !== undefined && request.windows.length > 0) {
    return { kind: 'none', reasons: [`a window of ${formatDuration(ragged.lengthUs)} is not a whole number of tiles of ${formatDuration(request.definition.tileUs)}`] };
  }
  if (request.range === undefined) return { kind: 'none', reasons: [`windows at ${formatInstant(request.asOfUs)} over all rows are not stored`] };
  return tiles(request, facts, request.range);
}

function features(request: ReadRequest, facts: StoredFacts, exact: boolean, why: string): StoredRoad {
  return { kind: 'features', parts: partsOf(request, facts.range, facts.asOfUs), range: facts.range, asOfUs: facts.asOfUs, exact, reasons: [why] };
}

function tiles(request: ReadRequest, facts: StoredFacts, asked: TimeRange): StoredRoad {
  const { tileUs } = request.definition;
  const floor = (instantUs: bigint): bigint => floorDivide(instantUs, tileUs) * tileUs;
  const storedEndUs = facts.range?.endUs;
  const beyondNewest = (endUs: bigint): boolean => facts.newestEventUs === undefined || facts.newestEventUs < endUs;
  const reasons: string[] = [];

  const askedEndUs = asked.endUs;
  let endUs = askedEndUs;
  if (storedEndUs !== undefined && (endUs === undefined || endUs > storedEndUs)) {
    endUs = storedEndUs;
    reasons.push(`stored is what happened before ${formatInstant(storedEndUs)}`);
  }
  if (endUs !== undefined && !beyondNewest(endUs) && floor(endUs) !== endUs) {
    endUs = floor(endUs);
    reasons.push(`the end is moved down to the tile grid, ${formatInstant(endUs)}`);
  }
  const startUs = asked.startUs === undefined ? undefined : floor(asked.startUs);
  if (startUs !== asked.startUs) reasons.push(`the start is moved down to the tile grid, ${formatInstant(startUs!)}`);

  let asOfUs = request.asOfUs;
  if (request.windows.length > 0) {
    if (endUs !== undefined && endUs < asOfUs) asOfUs = endUs;
    if (floor(asOfUs) !== asOfUs) {
      asOfUs = floor(asOfUs);
      reasons.push(`the windows end on the tile grid, ${formatInstant(asOfUs)}`);
    }
  }
  // The end may now lie before the start; then nothing is in the range, and it is reported as it is.
  const range = rangeOf(startUs, endUs !== undefined && startUs !== undefined && endUs < startUs ? startUs : endUs);
  const exact = range.startUs === asked.startUs && range.endUs === askedEndUs && asOfUs === request.asOfUs;
  if (exact) reasons.push(`whole tiles cover ${formatRange(range)}`);
  return { kind: 'tiles', parts: partsOf(request, range, asOfUs), range, asOfUs, exact, reasons };
}

/**
 * The aggregations of a request over a range, with windows that end at an instant. Where there is a range the question is about
 * that instant, and only rows that had arrived before it count; every row is every row that there is.
 */
export function partsOf(request: Pick<ReadRequest, 'definition' | 'outputs' | 'windows'>, range: TimeRange | undefined, asOfUs: bigint): Part[] {
  const arrived = range === undefined || request.definition.arrival === undefined ? {} : { arrivedBeforeUs: asOfUs };
  return [
    { outputs: request.outputs, range, ...arrived },
    ...request.windows.map((window) => ({
      outputs: window.outputs,
      range: { startUs: asOfUs - window.lengthUs, endUs: asOfUs },
      ...arrived,
    })),
  ];
}

export function rangesEqual(a: TimeRange | undefined, b: TimeRange | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.startUs === b.startUs && a.endUs === b.endUs;
}

export function rangeText(range: TimeRange | undefined): string {
  return range === undefined ? 'every row' : formatRange(range);
}
