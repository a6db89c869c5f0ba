/** What a question or a law of the benches found: plain values, as they go from process to process and into JSON. */
import type { Timing } from './measure.ts';

/** A question: the first timing is ours, the second native DuckDB's. */
export interface Race {
  readonly kind: 'race';
  readonly name: string;
  readonly text: string;
  readonly target: number;
  readonly timings: readonly Timing[];
  /** Who did not take part, and why. */
  readonly absent: Readonly<Record<string, string>>;
}

/** One thing that was measured, and what it may be at most. */
export interface Fact {
  readonly what: string;
  readonly unit: '×' | 'ms' | 'MiB' | 'modules';
  readonly measured: number;
  /** Absent: said for the picture only. */
  readonly most?: number;
}

export interface Limits {
  readonly kind: 'limits';
  readonly name: string;
  readonly text: string;
  readonly facts: readonly Fact[];
}

export type Result = Race | Limits;

export function ratioOf({ timings }: Race, rival: string): number | undefined {
  const theirs = timings.find(({ name }) => name === rival);
  return theirs && theirs.medianMs / timings[0]!.medianMs;
}

export function isMet(result: Result): boolean {
  if (result.kind === 'race') return (ratioOf(result, 'DuckDB') ?? 0) >= result.target;
  return result.facts.every(({ measured, most }) => most === undefined || measured <= most);
}
