/** The least or the greatest of strings and binary, in byte order, and of decimals: a span of bytes of the group's own. */
import { type Data, Field } from '../../arrow/arrow.ts';
import type { Agg } from '../plan.ts';
import { type OtherStates, validityOf } from './groups.ts';
import { isSpans, spanColumn } from './spans.ts';
import type { Place, State, StateKind, StateSource, Stretch } from './state.ts';

export const leastSpanKind: StateKind = {
  isWanted: ({ min, layout }) => min && isSpans(layout),
  serves: ['min'],
  bytes: 8,
  fields: ({ name, type }) => [new Field(`${name}__min`, type, true)],
  create: (place) => new SpanExtreme(place, 0),
};

export const greatestSpanKind: StateKind = {
  isWanted: ({ max, layout }) => max && isSpans(layout),
  serves: ['max'],
  bytes: 8,
  fields: ({ name, type }) => [new Field(`${name}__max`, type, true)],
  create: (place) => new SpanExtreme(place, 1),
};

class SpanExtreme implements State {
  readonly fused = 0;

  constructor(
    private readonly place: Place,
    private readonly greatest: 0 | 1,
  ) {}

  template(words: BigInt64Array): void {
    words.fill(0n);
  }

  add({ words, ids, count }: Pick<Stretch, 'words' | 'ids' | 'count'>): void {
    const { groups, offset } = this.place;
    groups.instance.kernels.extremeSpans(this.greatest, words, ids, count, groups.pointer + offset, groups.stride);
  }

  merge(source: StateSource): void {
    this.add(source.values(0));
  }

  mergeMemory(other: OtherStates, ids: number, count: number): void {
    this.add({ words: this.place.groups.gather(other, 0, count), ids, count });
  }

  columns(groups: Uint32Array): Data[] {
    const { groups: all, offset, column } = this.place;
    const spans = all.halves(groups, offset);
    return [spanColumn(all.instance, column.name, column.type, spans, validityOf(groups.length, (i) => spans[i * 2] !== 0))];
  }

  output(_: Agg, groups: Uint32Array): Data {
    return this.columns(groups)[0]!;
  }
}
