/**
 * What a kind of state is to the accumulators. Each kind has a file of its own beside this one.
 *
 * Laws, for every kind: the state is a function of the multiset of values (and their event times) alone; it lives in
 * WebAssembly memory, in the group's row or behind pointers; written to columns and merged back, or merged from the memory
 * of another aggregation, it is the same state, and its columns are the same bytes.
 */
import { type Data, Field, Float64, Int64, makeData } from '../../arrow/arrow.ts';
import type { Window } from '../grouper.ts';
import type { Agg } from '../plan.ts';
import type { ColumnStage } from '../staging.ts';
import type { ValueColumn } from '../types.ts';
import type { Groups, OtherStates, Reading, Validity } from './groups.ts';

/** A column's values without the nulls: 64-bit words, or spans for what is longer (see kernel/values.ts). */
export interface Stretch {
  readonly words: number;
  readonly ids: number;
  readonly count: number;
  /** Words that order as the values do, by signed comparison; of spans, the spans. */
  readonly keys: () => number;
}

/** Values that have an event time, as keys, and those times. */
export interface TimedStretch {
  readonly keys: number;
  readonly times: number;
  /** Tie breakers as words that order as they do, and of each whether it is there (see kernel/pick.ts). */
  readonly ties?: { readonly words: number; readonly there: number } | undefined;
  readonly ids: number;
  readonly count: number;
}

/** Values and event times of which none is null, 64 bits wide as they stand: those of the i-th row at `rows[i]` (`rows` 0: at i). */
export interface WholeStretch {
  readonly words: number;
  readonly times: number;
  readonly rows: number;
  readonly ids: number;
  readonly count: number;
}

/** The columns of partial states that are to be merged, in the order of the kind's fields. */
export interface StateSource {
  readonly data: readonly Data[];
  readonly stages: readonly ColumnStage[];
  readonly window: Window;
  readonly ids: number;
  /** Words of the i-th column, a 64-bit integer or a double without nulls. `slot`: which buffer, when several are held. */
  words(i: number, slot: number): number;
  /** Values of the i-th column, of this column's type or binary, without the nulls. */
  values(i: number, layout?: ValueColumn['layout']): Stretch;
  /** Values of the i-th column, of this column's type, with times of another, where neither is null; and tie breakers of a third. */
  timed(i: number, times: number, ties?: number): TimedStretch;
}

export interface State {
  /** Its bit in `accumulate`, which updates the states of a column in one visit; 0 when `add` does it. */
  readonly fused: number;
  /** Writes a state of no values to the words of a group's row. */
  template(words: BigInt64Array): void;
  add?(values: Stretch): void;
  addTimed?(values: TimedStretch): void;
  /** The same where it is the only state of all groups, for words of which none is null; the rows of groups are counted in the same visit. */
  addWhole?(values: WholeStretch): void;
  merge(source: StateSource): void;
  /** Pointers to what it keeps outside of the rows, wide accumulators aside. */
  readonly tables?: readonly number[];
  /** Merges the states of `count` groups; `ids` has the group of ours for each. What is fused is merged by `mergeStates`. */
  mergeMemory?(other: OtherStates, ids: number, count: number): void;
  /** The same, called once for all groups: for what does not stand by groups. */
  mergeAll?(other: OtherStates, ids: number, count: number): void;
  columns(groups: Uint32Array): Data[];
  /** The final values, where a kernel reads them out. */
  reading?(aggregation: Agg, groups: Uint32Array): Reading;
  /** And where none does. `keyText` describes a group, for messages. */
  output?(aggregation: Agg, groups: Uint32Array, keyText: (position: number) => string): Data;
}

/** Where a state stands. */
export interface Place {
  readonly groups: Groups;
  readonly column: ValueColumn;
  /** The number of the column among those with values. */
  readonly index: number;
  /** From the beginning of a group's row, in bytes. */
  readonly offset: number;
  /** The column's states that were made before this one. */
  readonly earlier: readonly State[];
  /** For tests, that want the rare to be common. */
  readonly allHashesEqual: boolean;
}

export interface StateKind {
  readonly isWanted: (column: ValueColumn) => boolean;
  readonly serves: readonly Agg[];
  /** Bytes in a group's row. */
  readonly bytes: number;
  readonly fields: (column: ValueColumn) => Field[];
  readonly create: (place: Place) => State;
}

/** A word of a state, as a signed integer: not every format has unsigned ones of 64 bits. */
export const wordField = (name: string): Field => new Field(name, new Int64(), false);

export function doubleColumn(values: Float64Array, validity: Validity): Data {
  clearNulls(values, validity.nullBitmap);
  return makeData({ type: new Float64(), length: values.length, data: values, ...validity });
}

export function clearNulls(values: { readonly length: number }, nullBitmap: Uint8Array | undefined, stride = 1): void {
  if (nullBitmap === undefined) return;
  const array = values as Float64Array;
  const zero = (values instanceof BigInt64Array || values instanceof BigUint64Array ? 0n : 0) as never;
  for (let byte = 0; byte < nullBitmap.length; byte++) {
    const bits = nullBitmap[byte]!;
    if (bits === 255) continue;
    for (let i = byte * 8; i < Math.min(byte * 8 + 8, array.length / stride); i++) if (((bits >> (i & 7)) & 1) === 0) array.fill(zero, i * stride, (i + 1) * stride);
  }
}

/** How integers become keys that order as they do, and how their sign is extended. */
export function signsOf(column: ValueColumn): { readonly flip: bigint; readonly signs: bigint } {
  const unsigned = column.layout.kind === 'int' && !column.layout.signed;
  return { flip: unsigned ? -(1n << 63n) : 0n, signs: unsigned ? 0n : -1n };
}
