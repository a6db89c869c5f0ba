/** The hybrid decision: facts in, a road and its reasons out. Pure, so that it can be printed, compared and tested. */
import { formatDuration } from '../base/time.ts';
import type { StoredRoad } from './stored-road.ts';

export interface DecisionFacts {
  /** What stored rows could answer, or why there are none that could. */
  readonly stored: StoredRoad | undefined;
  /** Whether the stored rows were computed by the definition as it is now. */
  readonly sameDefinition: boolean;
  /** The source's version now, or why it cannot be reached. */
  readonly source: { readonly version: string } | { readonly unreachable: string };
  readonly storedSourceVersion: string | undefined;
  readonly storedAgeUs: bigint | undefined;
  readonly maxStalenessUs: bigint | undefined;
  /** Stored rows merged with what they lack: what that would be, or why it cannot be done. Undefined: nothing is stored. */
  readonly merged: { readonly reasons: readonly string[] } | { readonly reason: string } | undefined;
}

export type Decision =
  | { readonly road: 'stored'; readonly stale: boolean; readonly reasons: readonly string[] }
  | { readonly road: 'merged' | 'source'; readonly stale: false; readonly reasons: readonly string[] }
  /** No road leads to an answer that the caller allows. */
  | { readonly road: 'none'; readonly stale: false; readonly reasons: readonly string[] };

/** Stored when it is the same answer, or fresh enough for the caller; else merged with what is new; else from the source. */
export function decide(facts: DecisionFacts): Decision {
  const fit = fitOf(facts);
  if ('unreachable' in facts.source) {
    const gone = `the source cannot be reached: ${facts.source.unreachable}`;
    if (!fit.fits) return { road: 'none', stale: false, reasons: [gone, fit.reason] };
    if (oldEnough(facts)) return { road: 'stored', stale: true, reasons: [gone, ageText(facts), fit.reason] };
    return { road: 'none', stale: false, reasons: [gone, `${ageText(facts)}, more than max_staleness allows`] };
  }
  if (!fit.fits) return freshRoad(facts, fit.reason);
  if (facts.source.version === facts.storedSourceVersion) {
    return { road: 'stored', stale: false, reasons: ['the source is unchanged since it was materialized', fit.reason] };
  }
  if (oldEnough(facts)) {
    return { road: 'stored', stale: true, reasons: ['the source has changed', ageText(facts), fit.reason] };
  }
  return freshRoad(facts, 'the source has changed since it was materialized');
}

function freshRoad({ merged }: DecisionFacts, why: string): Decision {
  if (merged === undefined) return { road: 'source', stale: false, reasons: [why] };
  if ('reason' in merged) return { road: 'source', stale: false, reasons: [why, merged.reason] };
  return { road: 'merged', stale: false, reasons: [why, ...merged.reasons] };
}

function fitOf(facts: DecisionFacts): { readonly fits: boolean; readonly reason: string } {
  if (facts.stored === undefined) return { fits: false, reason: 'nothing is stored' };
  if (!facts.sameDefinition) return { fits: false, reason: 'what is stored was computed by another definition' };
  const reason = facts.stored.reasons.join('; ');
  if (facts.stored.kind === 'none') return { fits: false, reason };
  return { fits: facts.stored.exact, reason: facts.stored.exact ? reason : `stored rows do not fit: ${reason}` };
}

function oldEnough(facts: DecisionFacts): boolean {
  return facts.maxStalenessUs !== undefined && facts.storedAgeUs !== undefined && facts.storedAgeUs <= facts.maxStalenessUs;
}

function ageText(facts: DecisionFacts): string {
  const seconds = (facts.storedAgeUs ?? 0n) / 1_000_000n;
  return `what is stored is ${seconds === 0n ? 'less than a second' : formatDuration(seconds * 1_000_000n)} old`;
}
