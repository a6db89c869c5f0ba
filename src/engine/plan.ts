/**
 * What a group-by is asked to do, as plain values. A plan can be printed, compared and tested without a row in sight;
 * `bindPlan` checks it against a schema once, before any work.
 */
import type { Expression } from '../arrow/expression.ts';
import type { TimeRange } from '../base/time.ts';
import type { CoarseScale } from './coarse.ts';

/**
 * Nulls are skipped by all. `std` and `var` are of a sample (n − 1). `first` and `last` go by event time; of several values
 * at that time they go by the tie breaker, where there is one, and then are the greatest. `any` and `all` are of booleans; `approx_distinct` is off by 1.6 % (one standard error).
 */
export const aggregationNames = [
  'sum', 'mean', 'count', 'min', 'max', 'std', 'var', 'first', 'last', 'any', 'all', 'count_distinct', 'approx_distinct',
] as const;
export type Agg = (typeof aggregationNames)[number];

/** Whether an aggregation picks a value by event time. */
export const isByTime = ({ aggregation }: { readonly aggregation: string }): boolean => aggregation === 'first' || aggregation === 'last';

/** What callers write: column → one aggregation or several. */
export type AggSpec = Readonly<Record<string, Agg | readonly Agg[]>>;

/** One column of the answer, `name` being `<column>_<aggregation>` unless a window or a caller says otherwise. */
export interface OutputColumn {
  readonly column: string;
  readonly aggregation: Agg;
  readonly name: string;
}

/** Column → aggregations, as the columns of the answer: `<column>_<aggregation>`, in the order written. */
export function outputsOf(spec: AggSpec): OutputColumn[] {
  return Object.entries(spec).flatMap(([column, wanted]) =>
    [wanted].flat().map((aggregation: Agg) => ({ column, aggregation, name: `${column}_${aggregation}` })),
  );
}

/** Moments of entities, and the stretches between them, as plain data that threads can be given. */
export interface Moments {
  readonly entities: EntityKeys;
  /** Where the moments of each entity begin, and the end of the last. */
  readonly starts: Uint32Array;
  /** How many there are, of all entities. */
  readonly count: number;
  /** The earliest and the latest of all; 0 where there are none. */
  readonly first: bigint;
  readonly last: bigint;
  readonly at: MomentArrays | PlacedMoments;
}

/** What there is of each moment. */
export interface MomentArrays {
  readonly kind: 'arrays';
  /** The moments of each entity in turn, ascending, in the unit of the event time (`momentType`). Stretch i is the time before moment i. */
  readonly points: BigInt64Array;
  /** The cell of time that each lies in, less 32,768 (as-of/cells.ts). */
  readonly cells: Int16Array;
  /** Which stretches are asked for, 1 or 0; undefined: all of them. */
  readonly wanted: Uint8Array | undefined;
}

/** The same in the memory of a run, whose threads find it there (as-of/placed.ts): addresses, all but `parts`. */
export interface PlacedMoments {
  readonly kind: 'placed';
  readonly starts: number;
  readonly points: number;
  readonly cells: number;
  /** Where ranges of cells begin, of entities with many moments. */
  readonly ranges: number;
  /** 0: all are. */
  readonly wanted: number;
  /** How times become parts: those of coarse times, where such are likely to come. */
  readonly parts: CoarseScale;
  /** For each entity, which of 32 parts of time its wanted stretches touch: where those are few, most events are passed over by it. 0: they are not. */
  readonly masks: number;
}

/**
 * Which entity has which number: their keys in that order, each once and without nulls, as an Arrow IPC stream; or, of integers that lie
 * close together, what is subtracted from a key, so that some numbers are nobody's.
 */
export type EntityKeys = { readonly kind: 'listed'; readonly stream: Uint8Array } | { readonly kind: 'close'; readonly first: bigint };

export interface GroupByPlan {
  /** At least one; the order is the order of the result's columns and of its sort. */
  readonly keys: readonly string[];
  readonly outputs: readonly OutputColumn[];
  /** Event time. Needed by `range` and `tile`, and by `first` and `last`. */
  readonly timestamp?: string;
  /**
   * A column that orders values of `first` and `last` at one event time: `first` has that with the least, `last` with the greatest,
   * and one without comes behind all others. Of those that it does not tell apart, the greatest value, as without it.
   */
  readonly tieBreaker?: string;
  /**
   * The column that says when a row arrived: only rows count that had arrived before `beforeUs`, or, with moments, before the moment
   * that asks. A row without is in no answer.
   */
  readonly arrival?: { readonly column: string; readonly beforeUs?: bigint };
  /** Only rows with an event time inside count; null event times are in no range. Absent: all rows count. */
  readonly range?: TimeRange;
  /** Only rows for which this is true count. */
  readonly filter?: Expression;
  /**
   * Groups also by the tile that the event time lies in: a last key column `name` of type Timestamp(µs, UTC) with the
   * tile's start, ⌊t / width⌋ · width from the epoch. Rows with a null event time stand in a tile of their own, null.
   */
  readonly tile?: { readonly widthUs: bigint; readonly name: string };
  /**
   * Groups by the stretches of time between moments of entities instead of by the keys, which say whose a row is: the answer
   * has the stretch's number, an Int64, in their place (`stretchKey`). Partial states are those of tiles that no moment cuts.
   * See as-of/moments.ts.
   */
  readonly moments?: Moments;
  /** With moments: what is wanted are the answers of labels (as-of/answers.ts), and no partial states, which would say how many rows each stretch has. */
  readonly isAnswered?: boolean;
}

/** The columns of time that plans ask ranges of. */
export const timesOfRanges = (plans: readonly GroupByPlan[]): string[] => [...new Set(plans.flatMap(({ range, timestamp }) => (range && timestamp !== undefined ? [timestamp] : [])))];
