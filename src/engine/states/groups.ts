/**
 * The rows of all groups: the states of one group side by side, `stride` bytes a group (see kernel/state.ts), and beside
 * them how many nulls of each column a group has met.
 *
 *   pointer ─▶ | rows u64 | states of column 0 | states of column 1 | …      group 0
 *              | rows u64 | …                                                group 1
 */
import { type Data, Int64, makeData } from '../../arrow/arrow.ts';
import { complete, type Steps } from '../../base/steps.ts';
import type { Instance } from '../instance.ts';
import { Buffer64 } from '../staging.ts';

/** Where the states of a column stand that another aggregation holds in the same memory, from one of its groups on. */
export interface OtherStates {
  /** The state's first word, in the row of the first of these groups. */
  readonly pointer: number;
  readonly stride: number;
  /** The number of that group. */
  readonly first: number;
  /** What the state keeps outside of the rows. */
  readonly tables: readonly number[];
}

/** Writes 64 bits for each of `count` groups, whose numbers are at `groups`: those of all groups from the `start`-th on. */
export type WriteOfGroups = (groups: number, count: number, out: number, start: number) => void;

/** A column that is read out of groups by a kernel. */
export interface Reading {
  readonly write: WriteOfGroups;
  /** What all that was written is as a column. */
  column(elements: ArrayBuffer): Data;
}

/** Rows that take so much grow in smaller steps. */
const carefulBytes = 32 * 2 ** 20;

export class Groups {
  pointer = 0;
  capacity = 0;
  /** Per column: one i64 a group; 0 where no null was met. Where most values are null it counts the others for a time. */
  private readonly nulls: number[];
  private readonly countsValues: boolean[];
  /** What was last asked for, since several outputs ask in turn: the values of groups, which have enough of them, and how many do not. */
  private knownCounts: { readonly groups: Uint32Array; readonly column: number; readonly counts: Float64Array } | undefined;
  private knownValidity: { readonly groups: Uint32Array; readonly nulls: number; readonly atLeast: number; readonly validity: Validity } | undefined;
  private knownFewer: { readonly groups: Uint32Array; readonly nulls: number; readonly atLeast: number; readonly fewer: number } | undefined;
  private readonly gathered: Buffer64[] = [];
  /** The groups that were last asked for, where they are not in memory. */
  private readonly wanted: Buffer64;
  private wantedGroups: Uint32Array | undefined;

  constructor(
    readonly instance: Instance,
    readonly stride: number,
    private readonly template: number,
    columns: number,
  ) {
    this.nulls = Array<number>(columns).fill(0);
    this.countsValues = Array<boolean>(columns).fill(false);
    this.wanted = new Buffer64(instance);
  }

  /** Makes room for this many groups; true when they moved. */
  grow(groups: number): boolean {
    if (groups <= this.capacity) return false;
    const factor = this.capacity * this.stride < carefulBytes ? 2 : 1.5;
    const wanted = Math.max(groups, Math.ceil(this.capacity * factor), 1024);
    const { kernels } = this.instance;
    this.pointer = kernels.growStates(this.pointer, this.capacity, wanted, this.stride, this.template) >>> 0;
    const bytes = this.capacity * 8;
    this.nulls.forEach((nulls, i) => {
      if (nulls !== 0) this.nulls[i] = kernels.enlarge(nulls, bytes, bytes, wanted * 8) >>> 0;
    });
    this.capacity = wanted;
    return true;
  }

  /** Where the nulls of a column are counted, or its values. The rows of groups must be those that were counted here. */
  countedAt(column: number, what: 'nulls' | 'values'): number {
    const { kernels } = this.instance;
    const ofValues = what === 'values';
    if (this.nulls[column] === 0) this.nulls[column] = kernels.allocZeroed(this.capacity * 8) >>> 0;
    if (this.countsValues[column] !== ofValues) kernels.invertCounts(this.nulls[column]!, this.capacity, this.pointer, this.stride);
    this.countsValues[column] = ofValues;
    return this.nulls[column]!;
  }

  /** Whether the values of a column are counted at this time. */
  areValuesCounted(column: number): boolean {
    return this.countsValues[column]!;
  }

  /** Sees to it that nulls are counted of all columns: whatever is not `Accumulators.add` wants them so. */
  settle(): readonly number[] {
    for (const [column, ofValues] of this.countsValues.entries()) if (ofValues) this.countedAt(column, 'nulls');
    return this.nulls;
  }

  /** One word of `count` groups of another aggregation, side by side; `slot` says which buffer of ours it may use. */
  gather(other: OtherStates, word: number, count: number, slot = word): number {
    while (this.gathered.length <= slot) this.gathered.push(new Buffer64(this.instance));
    const out = this.gathered[slot]!.ensure(count * 8);
    this.instance.kernels.gatherStates(other.pointer + word * 8, other.stride, count, out);
    return out;
  }

  /** What kernels write of groups, a buffer for each. */
  *reading(groups: Uint32Array, writes: readonly WriteOfGroups[]): Steps<ArrayBuffer[]> {
    const wanted = this.placed(groups);
    return yield* this.instance.writing(groups.length, 8, writes.map((write) => (start, some, out) => write(wanted + start * 4, some, out, start)));
  }

  elements(groups: Uint32Array, write: WriteOfGroups): ArrayBuffer {
    return complete(this.reading(groups, [write]))[0]!;
  }

  /** Where these groups are in memory; those that are elsewhere stay until others are asked for. */
  private placed(groups: Uint32Array): number {
    const address = this.instance.addressOf(groups);
    if (address !== undefined) return address;
    const wanted = this.wanted.ensure(groups.length * 4);
    if (this.wantedGroups !== groups) this.instance.put(groups, wanted);
    this.wantedGroups = groups;
    return wanted;
  }

  column(groups: Uint32Array, { write, column }: Reading): Data {
    return column(this.elements(groups, write));
  }

  /** One 64-bit state of each group as two 32-bit halves, low first: no bigint is made on the way. */
  halves(groups: Uint32Array, offset: number): Uint32Array {
    const { kernels } = this.instance;
    return new Uint32Array(this.elements(groups, (wanted, count, out) => kernels.wordsOf(this.pointer + offset, this.stride, wanted, count, out)));
  }

  /** One 64-bit state of each group as a column. */
  words(groups: Uint32Array, offset: number): Data {
    return makeData({ type: new Int64(), length: groups.length, nullCount: 0, data: new BigInt64Array(this.halves(groups, offset).buffer) });
  }

  /** How many values of a column each group has. */
  countReading(column: number, groups: Uint32Array): Reading {
    const { instance: { kernels }, pointer, stride } = this;
    const nulls = this.settle()[column]!;
    let fewer = 0;
    return {
      write: (wanted, count, out, start) => {
        fewer += kernels.countsOf(pointer, stride, nulls, wanted, count, out);
        if (start + count === groups.length) this.knownFewer = { groups, nulls, atLeast: 1, fewer };
      },
      column: (elements) => makeData({ type: new Int64(), length: groups.length, nullCount: 0, data: new BigInt64Array(elements) }),
    };
  }

  /** The same as doubles. Below 2^53, which no memory holds more of. */
  counts(column: number, groups: Uint32Array): Float64Array {
    const known = this.knownCounts;
    if (known?.groups === groups && known.column === column) return known.counts;
    const halves = new Uint32Array(this.elements(groups, this.countReading(column, groups).write));
    const counts = Float64Array.from(groups, (_, i) => halves[i * 2]! + halves[i * 2 + 1]! * 2 ** 32);
    this.knownCounts = { groups, column, counts };
    return counts;
  }

  /** How many values of a column one group has. */
  countOf(column: number, group: number): bigint {
    const word = (at: number): bigint => this.instance.view64(at, 1)[0]!;
    const nulls = this.settle()[column]!;
    return word(this.pointer + group * this.stride) - (nulls === 0 ? 0n : word(nulls + group * 8));
  }

  /** Which of these groups have at least so many values of a column, as a bitmap; none when all have. */
  validity(column: number, groups: Uint32Array, atLeast = 1): Validity {
    const nulls = this.settle()[column]!;
    const known = this.knownValidity;
    if (known?.groups === groups && known.nulls === nulls && known.atLeast === atLeast) return known.validity;
    const validity = this.validityOf(column, groups, atLeast);
    this.knownValidity = { groups, nulls, atLeast, validity };
    return validity;
  }

  private validityOf(column: number, groups: Uint32Array, atLeast: number): Validity {
    const nullCount = this.fewerThan(atLeast, column, groups);
    if (nullCount === 0) return { nullCount };
    const { pointer, stride, instance } = this;
    const bytes = (groups.length + 7) >> 3;
    const bitmap = instance.alloc(bytes);
    instance.kernels.enoughValues(atLeast, pointer, stride, this.settle()[column]!, this.placed(groups), groups.length, bitmap);
    const nullBitmap = instance.view8(bitmap, bytes).slice();
    instance.free(bitmap, bytes);
    return { nullBitmap, nullCount };
  }

  /** How many of these groups have fewer values of a column. */
  private fewerThan(atLeast: number, column: number, groups: Uint32Array): number {
    const { pointer, stride, instance } = this;
    const nulls = this.settle()[column]!;
    const known = this.knownFewer;
    if (known?.groups === groups && known.nulls === nulls && known.atLeast === atLeast) return known.fewer;
    return instance.kernels.fewerThan(atLeast, pointer, stride, nulls, this.placed(groups), groups.length);
  }
}

export interface Validity {
  readonly nullBitmap?: Uint8Array;
  readonly nullCount: number;
}

export function validityOf(rows: number, isValid: (i: number) => boolean): Validity {
  const nullBitmap = new Uint8Array((rows + 7) >> 3);
  let nullCount = 0;
  for (let i = 0; i < rows; i++) {
    if (isValid(i)) nullBitmap[i >> 3]! |= 1 << (i & 7);
    else nullCount++;
  }
  return nullCount === 0 ? { nullCount } : { nullBitmap, nullCount };
}
