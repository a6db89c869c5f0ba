/**
 * The value at the earliest or the latest event time. Of several at that time it goes by the tie breaker, where there is one, and
 * then it is the greatest, for `first` and `last` alike, so that the answer does not depend on the order of rows. Values without
 * an event time do not count.
 *
 *   | there u64 | time i64, in the unit of the event time | key that orders as the value does, or span |
 *   | there u64 | time i64 | tie breaker i64, a word that orders as it does | key or span |             with a tie breaker
 */
import { type Data, Field, Int64, makeData } from '../../arrow/arrow.ts';
import type { Agg } from '../plan.ts';
import { readingOfKeys } from './extreme.ts';
import { type OtherStates, type Validity, validityOf } from './groups.ts';
import { isSpans, spanColumn } from './spans.ts';
import { clearNulls, type Place, signsOf, type State, type StateKind, type StateSource, type TimedStretch, type WholeStretch } from './state.ts';

function kindOf(aggregation: 'first' | 'last', isTied: boolean): StateKind {
  const latest = aggregation === 'last' ? 1 : 0;
  return {
    isWanted: (column) => column[aggregation] && (column.tie !== undefined) === isTied,
    serves: [aggregation],
    bytes: isTied ? 32 : 24,
    fields: ({ name, type }) => [
      new Field(`${name}__${aggregation}`, type, true),
      new Field(`${name}__${aggregation}_time`, new Int64(), true),
      ...(isTied ? [new Field(`${name}__${aggregation}_tie`, new Int64(), true)] : []),
    ],
    create: (place) => (isTied ? new TiedPick(place, latest) : new Pick(place, latest)),
  };
}

export const firstKind = kindOf('first', false);
export const lastKind = kindOf('last', false);
export const firstTiedKind = kindOf('first', true);
export const lastTiedKind = kindOf('last', true);

abstract class Picked implements State {
  readonly fused = 0;
  private readonly isSpan: 0 | 1;
  /** Where the value is, from the state's beginning. */
  private readonly valueAt: 16 | 24;

  constructor(
    protected readonly place: Place,
    protected readonly latest: 0 | 1,
    private readonly isTied: boolean,
  ) {
    this.isSpan = isSpans(place.column.layout) ? 1 : 0;
    this.valueAt = isTied ? 24 : 16;
  }

  template(words: BigInt64Array): void {
    words.fill(0n);
  }

  addTimed({ keys, times, ties, ids, count }: TimedStretch): void {
    this.choose(ties?.there ?? 0, keys, times, ties?.words ?? 0, 8, ids, count);
  }

  merge(source: StateSource): void {
    this.addTimed(source.timed(0, 1, this.isTied ? 2 : undefined));
  }

  mergeMemory(other: OtherStates, ids: number, count: number): void {
    const { pointer, stride } = other;
    this.choose(pointer, pointer + this.valueAt, pointer + 8, pointer + 16, stride, ids, count);
  }

  /** Words of values, times and tie breakers are `step` bytes apart. */
  private choose(there: number, values: number, times: number, ties: number, step: number, ids: number, count: number): void {
    const { groups: { instance: { kernels }, pointer, stride }, offset } = this.place;
    if (this.isTied) kernels.pickByTie(this.isSpan, this.latest, there, values, times, ties, step, ids, count, pointer + offset, stride);
    else kernels.pickByTime(this.isSpan, this.latest, there, values, times, step, ids, count, pointer + offset, stride);
  }

  columns(groups: Uint32Array): Data[] {
    const validity = this.validity(groups);
    const columns = [this.values(groups, validity), this.words(groups, 8, validity)];
    if (!this.isTied) return columns;
    const there = this.place.groups.halves(groups, this.place.offset);
    return [...columns, this.words(groups, 16, validityOf(groups.length, (i) => there[i * 2] === 3))];
  }

  output(_: Agg, groups: Uint32Array): Data {
    return this.values(groups, this.validity(groups));
  }

  private validity(groups: Uint32Array): Validity {
    const there = this.place.groups.halves(groups, this.place.offset);
    return validityOf(groups.length, (i) => there[i * 2] !== 0);
  }

  /** A word of the states as a column, 0 where it is null. */
  private words(groups: Uint32Array, at: number, validity: Validity): Data {
    const words = new BigInt64Array(this.place.groups.halves(groups, this.place.offset + at).buffer);
    clearNulls(words, validity.nullBitmap);
    return makeData({ type: new Int64(), length: groups.length, data: words, ...validity });
  }

  private values(groups: Uint32Array, validity: Validity): Data {
    const { groups: all, offset, column } = this.place;
    if (!this.isSpan) return all.column(groups, readingOfKeys(all, column, offset + this.valueAt, () => validity));
    return spanColumn(all.instance, column.name, column.type, all.halves(groups, offset + this.valueAt), validity);
  }
}

class Pick extends Picked {
  constructor(place: Place, latest: 0 | 1) {
    super(place, latest, false);
  }

  addWhole({ words, times, rows, ids, count }: WholeStretch): void {
    const { groups: { pointer, instance }, column } = this.place;
    const isDouble = column.layout.kind === 'float' ? 1 : 0;
    instance.kernels.pickAll(isDouble, this.latest, words, times, rows, ids, count, pointer, signsOf(column).flip);
  }
}

/** With a tie breaker, which every row has to be asked for. */
class TiedPick extends Picked {
  constructor(place: Place, latest: 0 | 1) {
    super(place, latest, true);
  }
}
