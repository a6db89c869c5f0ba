/** The event times of a file from those of its parts. */
import type { TimeSpan } from './table.ts';

/** Undefined when nothing is known of one of them. */
export function joinSpans(parts: readonly (TimeSpan | undefined)[]): TimeSpan | undefined {
  let all: TimeSpan = { firstUs: undefined, lastUs: undefined, nulls: 0 };
  for (const part of parts) {
    if (part === undefined) return undefined;
    all = {
      firstUs: all.firstUs === undefined || (part.firstUs !== undefined && part.firstUs < all.firstUs) ? part.firstUs : all.firstUs,
      lastUs: all.lastUs === undefined || (part.lastUs !== undefined && part.lastUs > all.lastUs) ? part.lastUs : all.lastUs,
      nulls: all.nulls + part.nulls,
    };
  }
  return all;
}
