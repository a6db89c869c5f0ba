/**
 * The value at the earliest or the latest event time. Of several at that time it is the greatest, for `first` and `last`
 * alike, so that the answer does not depend on the order of rows. Values without an event time do not count.
 *
 *   | there u64: 0 or 1 | time i64, in the unit of the event time | key that orders as the value does, or span |
 */
import { type Data, Field, Int64, makeData } from '../../arrow/arrow.ts';
import type { Agg } from '../plan.ts';
import { columnOfKeys } from './extreme.ts';
import { type OtherStates, type Validity, validityOf } from './groups.ts';
import { isSpans, spanColumn } from './spans.ts';
import { clearNulls, type Place, signsOf, type State, type StateKind, type StateSource, type TimedStretch, type WholeStretch } from './state.ts';

function kindOf(aggregation: 'first' | 'last'): StateKind {
  return {
    isWanted: (column) => column[aggregation],
    serves: [aggregation],
    bytes: 24,
    fields: ({ name, type }) => [new Field(`${name}__${aggregation}`, type, true), new Field(`${name}__${aggregation}_time`, new Int64(), true)],
    create: (place) => new Pick(place, aggregation === 'last' ? 1 : 0),
  };
}

export const firstKind = kindOf('first');
export const lastKind = kindOf('last');

class Pick implements State {
  readonly fused = 0;
  private readonly isSpan: 0 | 1;

  constructor(
    private readonly place: Place,
    private readonly latest: 0 | 1,
  ) {
    this.isSpan = isSpans(place.column.layout) ? 1 : 0;
  }

  template(words: BigInt64Array): void {
    words.fill(0n);
  }

  addTimed({ keys, times, ids, count }: TimedStretch): void {
    const { groups, offset } = this.place;
    groups.instance.kernels.pickByTime(this.isSpan, this.latest, 0, keys, times, 8, ids, count, groups.pointer + offset, groups.stride);
  }

  addWhole({ words, times, rows, ids, count, withRows }: WholeStretch): void {
    const { groups, offset, column } = this.place;
    const isDouble = column.layout.kind === 'float' ? 1 : 0;
    const { pointer, stride, instance } = groups;
    instance.kernels.pickAll(isDouble, this.latest, words, times, rows, ids, count, withRows ? pointer : 0, pointer + offset, stride, signsOf(column).flip);
  }

  merge(source: StateSource): void {
    this.addTimed(source.timed(0, 1));
  }

  mergeMemory(other: OtherStates, ids: number, count: number): void {
    const { groups, offset } = this.place;
    const { pointer, stride } = other;
    groups.instance.kernels.pickByTime(this.isSpan, this.latest, pointer, pointer + 16, pointer + 8, stride, ids, count, groups.pointer + offset, groups.stride);
  }

  columns(groups: Uint32Array): Data[] {
    const { groups: all, offset } = this.place;
    const validity = this.validity(groups);
    const times = new BigInt64Array(all.halves(groups, offset + 8).buffer);
    clearNulls(times, validity.nullBitmap);
    return [this.values(groups, validity), makeData({ type: new Int64(), length: groups.length, data: times, ...validity })];
  }

  output(_: Agg, groups: Uint32Array): Data {
    return this.values(groups, this.validity(groups));
  }

  private validity(groups: Uint32Array): Validity {
    const there = this.place.groups.halves(groups, this.place.offset);
    return validityOf(groups.length, (i) => there[i * 2] !== 0);
  }

  private values(groups: Uint32Array, validity: Validity): Data {
    const { groups: all, offset, column } = this.place;
    if (!this.isSpan) return columnOfKeys(all, column, groups, offset + 16, validity);
    return spanColumn(all.instance, column.name, column.type, all.halves(groups, offset + 16), validity);
  }
}
