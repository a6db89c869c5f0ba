/**
 * A toy world for the policy: feature sets whose sources grow and are rewritten, and a machine whose costs nobody has told the
 * policy. Time is a number, and work takes as long as the machine says.
 */
import { materialized } from '../../src/modes/policy/road-work.ts';
import { expectedMs, type Throughputs, type Work } from '../../src/modes/throughput.ts';

/** What happens to one set at one time. */
export type Event = { readonly atMs: number; readonly set: number } & (
  | { readonly kind: 'read'; /** What chance makes of its cost. */ readonly luck: number }
  | { readonly kind: 'append'; readonly rows: number }
  /** A share of the source is replaced by as many other rows. */
  | { readonly kind: 'rewrite'; readonly share: number }
);

/** How large a set is: rows of its source at the beginning, and entities. */
export interface SetSize {
  readonly rows: number;
  readonly entities: number;
}

/** A set's source: how many rows it has, and how many files were changed so far. */
export interface SourceState {
  readonly rows: number;
  readonly rewrites: number;
}

export function changed(source: SourceState, event: Event): SourceState {
  if (event.kind === 'append') return { ...source, rows: source.rows + event.rows };
  return event.kind === 'rewrite' ? { ...source, rewrites: source.rewrites + 1 } : source;
}

/** A slower machine than the defaults are of, and one of other proportions. */
export const machine: Throughputs = {
  features: { readNs: 400_000, fileNs: 300_000, rowNs: 25, byteNs: 0.8, observations: 0 },
  tiles: { readNs: 800_000, fileNs: 500_000, rowNs: 140, byteNs: 0.7, observations: 0 },
  source: { readNs: 2_000_000, fileNs: 200_000, rowNs: 130, byteNs: 0.4, observations: 0 },
  materialize: { readNs: 40_000_000, fileNs: 900_000, rowNs: 250, byteNs: 35, observations: 0 },
};

export const truthMs = (work: readonly Work[]): number => expectedMs(work, machine);

const bytesPerRow = 12;
const bytesPerEntity = 48;
const rowsPerFile = 1_000_000;

const work = (kind: Work['kind'], rows: number, width: number): Work => ({ kind, rows, bytes: rows * width, files: Math.max(1, Math.ceil(rows / rowsPerFile)) });

/** Reads rows, and writes a row for each entity and for each of its tiles. */
const tilesPerEntity = 30;
const materializing = (rows: number, entities: number): Work => materialized(rows, entities + Math.min(rows, entities * tilesPerEntity));

/** What there is to do on each road when `stored` is what was materialized of a source. */
export interface Works {
  readonly fresh: readonly Work[];
  readonly source: readonly Work[];
  readonly materialize: readonly Work[];
  /** Absent where nothing that is stored can be used. */
  readonly merged?: readonly Work[];
}

export function worksOf({ entities }: SetSize, now: SourceState, stored: SourceState | undefined): Works {
  const fresh = [work('features', entities, bytesPerEntity)];
  const source = [work('source', now.rows, bytesPerRow)];
  if (stored === undefined || stored.rewrites !== now.rewrites) {
    return { fresh, source, materialize: [materializing(now.rows, entities)] };
  }
  const news = now.rows - stored.rows;
  return {
    fresh,
    source,
    merged: [work('tiles', entities, bytesPerEntity), work('source', news, bytesPerRow)],
    materialize: [materializing(news, entities)],
  };
}

export function isCurrent(now: SourceState, stored: SourceState | undefined): boolean {
  return stored !== undefined && stored.rows === now.rows && stored.rewrites === now.rewrites;
}
