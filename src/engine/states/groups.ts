/**
 * The rows of all groups: the states of one group side by side, `stride` bytes a group (see kernel/state.ts), and beside
 * them how many nulls of each column a group has met.
 *
 *   pointer ─▶ | rows u64 | states of column 0 | states of column 1 | …      group 0
 *              | rows u64 | …                                                group 1
 */
import { type Data, type DataType, Int64, makeData, Type } from '../../arrow/arrow.ts';
import type { Instance } from '../instance.ts';
import { Buffer64 } from '../staging.ts';

/** Where the states of a column stand that another aggregation holds in the same memory, from one of its groups on. */
export interface OtherStates {
  /** The state's first word, in the row of the first of these groups. */
  readonly pointer: number;
  readonly stride: number;
  /** The number of that group. */
  readonly first: number;
  /** What the state keeps outside of the rows, as its `describe` said. */
  readonly tables: readonly number[];
}

export class Groups {
  pointer = 0;
  capacity = 0;
  /** Per column: one i64 a group; 0 where no null was met. */
  readonly nulls: number[];
  /** The rows of the groups that were last asked for: several outputs ask in turn. */
  private rowCounts: { readonly groups: Uint32Array; readonly counts: Float64Array } | undefined;
  private readonly gathered: Buffer64[] = [];

  constructor(
    readonly instance: Instance,
    readonly stride: number,
    private readonly template: number,
    columns: number,
  ) {
    this.nulls = Array<number>(columns).fill(0);
  }

  /** Makes room for this many groups. */
  grow(groups: number): void {
    if (groups <= this.capacity) return;
    const wanted = Math.max(groups, this.capacity * 2, 1024);
    const { kernels } = this.instance;
    this.pointer = kernels.growStates(this.pointer, this.capacity, wanted, this.stride, this.template) >>> 0;
    const bytes = this.capacity * 8;
    this.nulls.forEach((nulls, i) => {
      if (nulls !== 0) this.nulls[i] = kernels.enlarge(nulls, bytes, bytes, wanted * 8) >>> 0;
    });
    this.capacity = wanted;
  }

  /** Where the nulls of a column are counted. */
  nullsOf(column: number): number {
    if (this.nulls[column] === 0) this.nulls[column] = this.instance.kernels.allocZeroed(this.capacity * 8) >>> 0;
    return this.nulls[column]!;
  }

  /** One word of `count` groups of another aggregation, side by side; `slot` says which buffer of ours it may use. */
  gather(other: OtherStates, word: number, count: number, slot = word): number {
    while (this.gathered.length <= slot) this.gathered.push(new Buffer64(this.instance));
    const out = this.gathered[slot]!.ensure(count * 8);
    this.instance.kernels.gatherStates(other.pointer + word * 8, other.stride, count, out);
    return out;
  }

  /** One 64-bit state of each group as two 32-bit halves, low first: no bigint is made on the way. */
  halves(groups: Uint32Array, offset: number): Uint32Array {
    const all = this.instance.view32(this.pointer, (this.capacity * this.stride) / 4);
    const [step, at] = [this.stride / 4, offset / 4];
    const halves = new Uint32Array(groups.length * 2);
    for (let i = 0; i < groups.length; i++) {
      const place = groups[i]! * step + at;
      halves[i * 2] = all[place]!;
      halves[i * 2 + 1] = all[place + 1]!;
    }
    return halves;
  }

  /** One 64-bit state of each group as a column. */
  words(groups: Uint32Array, offset: number, type: DataType): Data {
    const { buffer } = this.halves(groups, offset);
    const unsigned = type.typeId === Type.Int && !(type as Int64).isSigned;
    const data = unsigned ? new BigUint64Array(buffer) : new BigInt64Array(buffer);
    return makeData({ type, length: groups.length, nullCount: 0, data } as never);
  }

  /** How many values of a column each group has. Below 2^53, which no memory holds more of. */
  counts(column: number, groups: Uint32Array): Float64Array {
    const known = this.nulls[column] === 0 ? this.rowCounts : undefined;
    if (known?.groups === groups) return known.counts;
    const rows = this.halves(groups, 0);
    const counts = new Float64Array(groups.length);
    for (let i = 0; i < groups.length; i++) counts[i] = rows[i * 2]! + rows[i * 2 + 1]! * 2 ** 32;
    if (this.nulls[column] === 0) {
      this.rowCounts = { groups, counts };
      return counts;
    }
    const nulls = new Int32Array(this.instance.kernels.memory.buffer, this.nulls[column]!, this.capacity * 2);
    for (let i = 0; i < groups.length; i++) {
      const at = groups[i]! * 2;
      counts[i]! -= (nulls[at]! >>> 0) + nulls[at + 1]! * 2 ** 32;
    }
    return counts;
  }

  countColumn(column: number, groups: Uint32Array): Data {
    const counts = this.counts(column, groups);
    const halves = new Uint32Array(groups.length * 2);
    for (let i = 0; i < groups.length; i++) {
      halves[i * 2] = counts[i]!;
      halves[i * 2 + 1] = counts[i]! / 2 ** 32;
    }
    return makeData({ type: new Int64(), length: groups.length, nullCount: 0, data: new BigInt64Array(halves.buffer) });
  }

  /** Which of these groups have at least so many values of a column, as a bitmap; none when all have. */
  validity(column: number, groups: Uint32Array, atLeast = 1): Validity {
    const counts = this.counts(column, groups);
    return validityOf(groups.length, (i) => counts[i]! >= atLeast);
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
