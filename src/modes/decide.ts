/**
 * The hybrid decision: facts in; a road, its reasons and what the others would have cost out. Pure, so that it can be printed,
 * compared and tested.
 *
 *   stored   what was computed before, as it is
 *   merged   what was computed before, and what is new in the source since
 *   source   everything from the source
 *
 * Law: of the roads that lead to what was asked, as fresh as was asked, the cheapest is taken. What they cost is an estimate and
 * changes the choice, never the answer. A road that is named for one call overrules costs and age, but not what was asked.
 */
import { formatDuration } from '../base/time.ts';
import type { StoredRoad } from './stored-road.ts';
import { defaultThroughputs, expectedMs, type Throughputs, type Work } from './throughput.ts';

/** In the order of preference where costs do not tell. */
export const roads = ['stored', 'merged', 'source'] as const;
export type Road = (typeof roads)[number];

export interface DecisionFacts {
  /** What stored rows could answer, or why there are none that could. */
  readonly stored: StoredRoad | undefined;
  /** Stored rows merged with what they lack: what that would be, or why it cannot be done. Undefined: nothing is stored. */
  readonly merged: { readonly reasons: readonly string[] } | { readonly reason: string } | undefined;
  /** Whether the stored rows were computed by the definition as it is now. */
  readonly sameDefinition: boolean;
  /** The source's version now, or why it cannot be reached. */
  readonly source: { readonly version: string } | { readonly unreachable: string };
  readonly storedSourceVersion: string | undefined;
  /** By the clock, which may have been set back since: then it is below zero. */
  readonly storedAgeUs: bigint | undefined;
  readonly maxStalenessUs: bigint | undefined;
  /** Why what is stored cannot be read, where that was found out. */
  readonly damage?: string | undefined;
  /** The road that the caller named for this call. */
  readonly named?: Road | undefined;
  /** What there is to do on each road, as far as it was looked at. */
  readonly work?: Readonly<Partial<Record<Road, readonly Work[]>>> | undefined;
  readonly throughputs?: Throughputs | undefined;
}

/** A road as the decision saw it. */
export interface WeighedRoad {
  readonly road: Road;
  /** Whether it leads to what was asked, as fresh as was asked. */
  readonly open: boolean;
  readonly stale: boolean;
  /** What it would cost, in milliseconds; undefined where nobody looked. */
  readonly costMs: number | undefined;
  /** Why it is open, or why not. */
  readonly reasons: readonly string[];
}

export interface Decision {
  /** `none`: no road leads to an answer that the caller allows. */
  readonly road: Road | 'none';
  readonly stale: boolean;
  readonly reasons: readonly string[];
  /** All of them, in the order of `roads`. */
  readonly roads: readonly WeighedRoad[];
}

export function decide(facts: DecisionFacts): Decision {
  const weighed = weigh(facts);
  const open = weighed.filter((road) => road.open);
  const chosen = facts.named === undefined ? cheapest(open) : open.find(({ road }) => road === facts.named);
  if (chosen === undefined) return { road: 'none', stale: false, reasons: reasonsForNone(facts, weighed), roads: weighed };
  const reasons = [...(facts.damage === undefined ? [] : [facts.damage]), ...reasonsFor(chosen, weighed, facts)];
  return { road: chosen.road, stale: chosen.stale, reasons, roads: weighed };
}

/** Whether the choice depends on what roads cost: nobody needs to look at the work otherwise. */
export function dependsOnCosts(facts: DecisionFacts): boolean {
  if (facts.named !== undefined) return false;
  const open = weigh(facts).filter((road) => road.open);
  // Finished rows that are up to date: to read them is the least that any road does.
  const finished = facts.stored?.kind === 'features' && open[0]?.road === 'stored' && !open[0].stale;
  return open.length > 1 && !finished;
}

function weigh(facts: DecisionFacts): WeighedRoad[] {
  const open = { stored: storedRoad(facts), merged: mergedRoad(facts), source: sourceRoad(facts) };
  return roads.map((road) => {
    const work = facts.work?.[road];
    return { road, ...open[road], costMs: work && expectedMs(work, facts.throughputs ?? defaultThroughputs) };
  });
}

type Passable = Pick<WeighedRoad, 'open' | 'stale' | 'reasons'>;

const closed = (...reasons: readonly string[]): Passable => ({ open: false, stale: false, reasons });

function storedRoad(facts: DecisionFacts): Passable {
  const unfit = whyUnfit(facts);
  if (unfit !== undefined) return closed(unfit);
  const { stored, source } = facts;
  const fits = stored!.reasons.join('; ');
  if (stored!.kind === 'none') return closed(fits);
  if (!stored!.exact) return closed(`stored rows do not fit: ${fits}`);
  if ('version' in source && source.version === facts.storedSourceVersion) {
    return { open: true, stale: false, reasons: ['the source is unchanged since it was materialized', fits] };
  }
  const news = 'unreachable' in source ? goneText(source) : 'the source has changed';
  if (facts.named === 'stored' || isYoungEnough(facts)) return { open: true, stale: true, reasons: [news, ageText(facts), fits] };
  if (facts.maxStalenessUs === undefined && 'version' in source) return closed(`${news} since it was materialized`);
  return closed(news, `${ageText(facts)}, more than max_staleness allows`);
}

function mergedRoad(facts: DecisionFacts): Passable {
  const unfit = whyUnfit(facts);
  if (unfit !== undefined) return closed(unfit);
  const { merged, source } = facts;
  if ('unreachable' in source) return closed(goneText(source));
  if (merged === undefined) return closed('nothing is stored that could be merged');
  return 'reason' in merged ? closed(merged.reason) : { open: true, stale: false, reasons: merged.reasons };
}

function sourceRoad({ source }: DecisionFacts): Passable {
  return 'unreachable' in source ? closed(goneText(source)) : { open: true, stale: false, reasons: ['the source is there'] };
}

/** Why no stored row can be used at all. */
function whyUnfit({ damage, stored, sameDefinition }: DecisionFacts): string | undefined {
  if (damage !== undefined) return damage;
  if (stored === undefined) return 'nothing is stored';
  return sameDefinition ? undefined : 'what is stored was computed by another definition';
}

/** Undefined when none is open. Where the cost of one is not known, the order of the roads tells. */
function cheapest(open: readonly WeighedRoad[]): WeighedRoad | undefined {
  if (open.some(({ costMs }) => costMs === undefined)) return open[0];
  return open.reduce<WeighedRoad | undefined>((best, road) => (best === undefined || isBetter(road, best) ? road : best), undefined);
}

/** A fresh answer that costs no more goes before a stale one. */
function isBetter(road: WeighedRoad, best: WeighedRoad): boolean {
  return road.costMs! < best.costMs! || (road.costMs === best.costMs && best.stale && !road.stale);
}

function reasonsFor(chosen: WeighedRoad, weighed: readonly WeighedRoad[], facts: DecisionFacts): readonly string[] {
  if (facts.named !== undefined) return [`road ${facts.named} was asked for`, ...(chosen.stale ? chosen.reasons : [])];
  // What speaks for a road is what speaks against those before it, or that they cost more.
  const before = weighed.slice(0, roads.indexOf(chosen.road)).filter((road) => !road.open && facts.damage === undefined);
  // That nothing can be merged goes without saying where nothing is stored.
  const against = before.slice(0, facts.merged === undefined ? 1 : 2).flatMap((road) => road.reasons);
  const reasons = unique([...against, ...(chosen.road === 'source' ? [] : chosen.reasons)]);
  const others = weighed.filter((road) => road.open && road !== chosen && road.costMs !== undefined);
  if (chosen.costMs === undefined || others.length === 0) return reasons;
  return [...reasons, `${costText(chosen)}; ${others.map((road) => `${road.road} ${costText(road)}`).join(', ')}`];
}

function reasonsForNone(facts: DecisionFacts, weighed: readonly WeighedRoad[]): readonly string[] {
  if (facts.named === undefined) return unique([...weighed].reverse().flatMap((road) => road.reasons));
  return unique([`road ${facts.named} was asked for`, ...weighed.find(({ road }) => road === facts.named)!.reasons]);
}

function unique(reasons: readonly string[]): readonly string[] {
  return [...new Set(reasons)];
}

const clockSkewUs = 5_000_000n;

/** Whether what is stored is young enough for the caller. Two machines' clocks differ a little; a clock that was set back says nothing about age. */
export function isYoungEnough({ maxStalenessUs, storedAgeUs }: Pick<DecisionFacts, 'maxStalenessUs' | 'storedAgeUs'>): boolean {
  if (maxStalenessUs === undefined || storedAgeUs === undefined) return false;
  return storedAgeUs <= maxStalenessUs && storedAgeUs >= -clockSkewUs;
}

function goneText(source: { readonly unreachable: string }): string {
  return `the source cannot be reached: ${source.unreachable}`;
}

function ageText({ storedAgeUs = 0n }: DecisionFacts): string {
  if (storedAgeUs < -clockSkewUs) return 'what is stored was computed at a time that is still to come by this clock, so that its age is unknown';
  const seconds = storedAgeUs / 1_000_000n;
  return `what is stored is ${seconds <= 0n ? 'less than a second' : formatDuration(seconds * 1_000_000n)} old`;
}

/** `1.2 ms` */
export function costText({ costMs }: Pick<WeighedRoad, 'costMs'>): string {
  return costMs === undefined ? 'of unknown cost' : `some ${costMs < 10 ? costMs.toFixed(1) : Math.round(costMs)} ms`;
}
