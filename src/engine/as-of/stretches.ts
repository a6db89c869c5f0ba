/**
 * Stretches as groups: the number of a stretch is its group's id. There is one group more than there are stretches, which never has rows: it
 * stands for no stretch at all (`answers.ts`).
 */
import { type Data, makeData } from '../../arrow/arrow.ts';
import type { ColumnGrouper, Counted } from '../grouper.ts';
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
  /** A byte for each stretch that partial states came for, which may have counted no value; 0 where none came. */
  address = 0;
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
  countsAt({ rows, stride }: Counted): void {
    this.counted = { rows, stride };
  }

  expect(): void {
    // All groups are known.
  }

  group(): void {
    throw new TypeError('rows are located in stretches, not grouped by them');
  }

  merge(other: number, ids: number): void {
    this.begin();
    const numbers = this.instance.view32(ids, this.count);
    for (let stretch = 0; stretch < numbers.length; stretch++) numbers[stretch] = stretch;
    if (other === 0) return;
    const met = this.met();
    const theirs = this.instance.view8(other, met.length);
    for (let stretch = 0; stretch < met.length; stretch++) met[stretch]! |= theirs[stretch]!;
  }

  /** Partial states came for these stretches. */
  meet(ids: number, count: number): void {
    const met = this.met();
    for (const stretch of this.instance.view32(ids, count)) met[stretch] = 1;
  }

  private met(): Uint8Array {
    const bytes = this.stretches + 1;
    if (this.address === 0) this.address = this.instance.kernels.allocZeroed(bytes) >>> 0;
    return this.instance.view8(this.address, bytes);
  }

  /** The stretches that have rows, or had states. */
  full(): FullStretches {
    const { rows, stride } = this.counted!;
    const { stretches } = this;
    const before = this.numbers.ensure((stretches + 1) * 8);
    const pointer = before + (stretches + 1) * 4;
    const count = this.instance.kernels.fullStretches(rows, stride, stretches, before, pointer);
    return { before, pointer, count: this.address === 0 ? count : this.withMet(before, pointer, count) };
  }

  /** Enters the stretches that had states among those that have rows; returns how many there are. */
  private withMet(before: number, pointer: number, count: number): number {
    const met = this.met().slice();
    for (const stretch of this.instance.view32(pointer, count)) met[stretch] = 1;
    const [places, numbers] = [this.instance.view32(before, this.stretches + 1), this.instance.view32(pointer, this.stretches + 1)];
    let next = 0;
    for (let stretch = 0; stretch < this.stretches; stretch++) {
      places[stretch] = next;
      if (met[stretch] === 1) numbers[next++] = stretch;
    }
    places[this.stretches] = next;
    return next;
  }

  sort(positions: number): number {
    if (this.count === 0) return 0;
    const { pointer, count } = this.full();
    this.instance.put(this.instance.view32(pointer, count), positions);
    return count;
  }

  column(ids: Uint32Array): Data {
    const words = new BigInt64Array(ids.length);
    const low = new Uint32Array(words.buffer);
    for (let i = 0; i < ids.length; i++) low[i * 2] = ids[i]!;
    return makeData({ type: stretchKey.type, length: ids.length, nullCount: 0, data: words } as never);
  }
}
