/**
 * Spans of labels: the stretches that lie in each label's range.
 *
 * Where ranges have no start, labels in the order of their moments say the same: the span of each goes from the first stretch of its entity to the one that
 * its moment ends. Then nothing need be written by label before there is an answer (nearest.ts); who wants spans all the same has them made.
 */

/** The stretches of each label's range: [first, end); equal where there are none. */
export interface Spans {
  readonly first: Uint32Array;
  readonly end: Uint32Array;
  readonly ascending?: AscendingLabels;
}

/** Labels in the order of their moments. */
export interface AscendingLabels {
  /** As kernel/points.ts has it. */
  readonly order: Uint32Array;
  /** How many of them are anybody's. */
  readonly asked: number;
}

const sameMark = 0x80000000;

export class OpenSpans implements Spans {
  private made: { readonly first: Uint32Array; readonly end: Uint32Array } | undefined;

  constructor(
    readonly ascending: AscendingLabels,
    /** Where the stretches of each entity begin, and the end of the last. */
    private readonly starts: Uint32Array,
  ) {}

  get first(): Uint32Array {
    return this.spans.first;
  }

  get end(): Uint32Array {
    return this.spans.end;
  }

  private get spans() {
    return (this.made ??= spansOf(this.ascending, this.starts));
  }
}

function spansOf({ order, asked }: AscendingLabels, starts: Uint32Array): { readonly first: Uint32Array; readonly end: Uint32Array } {
  const [first, end] = [new Uint32Array(order.length), new Uint32Array(order.length)];
  let [entity, behind] = [0, 0];
  for (let i = 0; i < asked; i++) {
    const word = order[i]!;
    if (word < sameMark) behind++;
    while (starts[entity + 1]! < behind) entity++;
    const label = word & (sameMark - 1);
    first[label] = starts[entity]!;
    end[label] = behind;
  }
  return { first, end };
}
