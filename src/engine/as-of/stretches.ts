/**
 * Stretches as groups: the number of a stretch is its group's id. There is one group more than there are stretches, which never has rows: it
 * stands for no stretch at all (`answers.ts`).
 */
import { type Data, makeData } from '../../arrow/arrow.ts';
import type { ColumnGrouper } from '../grouper.ts';
import type { Instance } from '../instance.ts';
import { Buffer64 } from '../staging.ts';
import { stretchKey } from '../types.ts';

/** Where the numbers of stretches that have rows are, ascending, and how many of those are before each stretch; good until asked again. */
export interface FullStretches {
  readonly before: number;
  readonly pointer: number;
  readonly count: number;
}

export class StretchGrouper implements ColumnGrouper {
  readonly name = stretchKey.name;
  /** There is nothing to know of it beside the count. */
  readonly address = 0;
  /** Nothing has been added before there are groups. */
  count = 0;
  private counted: { readonly rows: number; readonly stride: number } | undefined;
  private readonly numbers: Buffer64;

  constructor(
    private readonly instance: Instance,
    private readonly stretches: number,
  ) {
    this.numbers = new Buffer64(instance);
  }

  /** Rows will be added, or were elsewhere. */
  begin(): void {
    this.count = this.stretches + 1;
  }

  /** Says where the rows of stretches are counted. */
  countsAt(rows: number, stride: number): void {
    this.counted = { rows, stride };
  }

  expect(): void {
    // All groups are known.
  }

  group(): void {
    throw new TypeError('rows are located in stretches, not grouped by them');
  }

  merge(_other: number, ids: number): void {
    this.begin();
    const numbers = this.instance.view32(ids, this.count);
    for (let stretch = 0; stretch < numbers.length; stretch++) numbers[stretch] = stretch;
  }

  /** The stretches that have rows. */
  full(): FullStretches {
    const { rows, stride } = this.counted!;
    const { stretches } = this;
    const before = this.numbers.ensure((stretches + 1) * 8);
    const pointer = before + (stretches + 1) * 4;
    return { before, pointer, count: this.instance.kernels.fullStretches(rows, stride, stretches, before, pointer) };
  }

  get alive(): number {
    return this.count === 0 ? 0 : this.full().count;
  }

  sort(positions: number): void {
    if (this.count === 0) return;
    const { pointer, count } = this.full();
    this.instance.put(this.instance.view32(pointer, count), positions);
  }

  column(ids: Uint32Array): Data {
    const words = new BigInt64Array(ids.length);
    const low = new Uint32Array(words.buffer);
    for (let i = 0; i < ids.length; i++) low[i * 2] = ids[i]!;
    return makeData({ type: stretchKey.type, length: ids.length, nullCount: 0, data: words } as never);
  }
}
