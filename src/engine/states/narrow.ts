/**
 * The common list in half of the room: rows, the sum of a column of doubles and the least or the newest of short times (short.ts) in 16 bytes
 * a group (kernel/narrow.ts), beside the groups' rows, which they come back to before anyone reads those. Where there are so many groups that their rows
 * outgrow the processor's cache, that is what decides. Rows that do not fit are left to whoever asked.
 */
import type { Scale } from '../beside.ts';
import type { MergedGroups } from '../grouper.ts';
import type { Instance } from '../instance.ts';
import type { Groups } from './groups.ts';

/** Where the states are that narrow ones come back to; sums stand behind the rows of their group. */
export interface WideStates {
  readonly groups: Groups;
  /** The wide accumulators of the sums. */
  readonly wides: number;
  /** The extreme in a group's row. */
  readonly extreme: { readonly at: number; readonly isLeast: boolean } | undefined;
}

/** Rows that are to be added: none has a null, or it was filled. */
export interface NarrowRows {
  readonly doubles: number;
  readonly shorts: { readonly pointer: number; readonly scale: Scale } | undefined;
  readonly ids: number;
  readonly count: number;
}

/** Narrow states by their addresses, as another thread is told of them. */
export interface NarrowMemory {
  readonly pointer: number;
  readonly capacity: number;
  readonly narrowing: number;
  readonly scale: Scale | undefined;
}

/** Rows that are looked at together (kernel/narrow.ts). */
const blockRows = 64;
const narrowBytes = 16;
/** From so many bytes of rows of groups on they do not fit the cache well. */
const manyBytes = 2 ** 18;
/** Rows that are to come for each group, at the least: to bring its state back takes as long as some rows. */
const rowsEach = 16;
/** What narrow states may take of the memory that is left. */
const share = 1 / 8;
/** How often it is decided anew how values are narrowed. */
const decisionsMost = 8;
/** Where more than one block in so many does not fit, it is not worth it. */
const misfitsMost = 8;

export class Narrow {
  pointer = 0;
  capacity = 0;
  private readonly narrowing: number;
  private decisions = 0;
  private isDecided = false;
  private scale: Scale | undefined;
  private readonly blocks = { tried: 0, left: 0 };
  private isEmpty = true;
  /** Whether what was brought to the rows of groups still stands here, too. */
  private isStale = false;
  private wasWidened = false;

  constructor(
    private readonly instance: Instance,
    private readonly wide: WideStates,
    /** Makes it worth it always, for tests. */
    private readonly isForced: boolean,
  ) {
    this.narrowing = instance.kernels.newNarrowing() >>> 0;
  }

  /** Makes room for as many groups as have rows, where that is worth it for so many rows to come; true when narrow states moved. */
  grow(rowsExpected: number): boolean {
    const { instance, wide: { groups } } = this;
    if (groups.capacity <= this.capacity || !(this.isForced || this.capacity > 0 || this.isWorth(rowsExpected))) return false;
    if (groups.capacity * narrowBytes > instance.leftBytes * share) return false;
    this.pointer = instance.kernels.enlarge(this.pointer, this.capacity * narrowBytes, this.capacity * narrowBytes, groups.capacity * narrowBytes) >>> 0;
    this.capacity = groups.capacity;
    return true;
  }

  private isWorth(rowsExpected: number): boolean {
    const { capacity, stride } = this.wide.groups;
    return capacity * stride >= manyBytes && rowsExpected >= capacity * rowsEach;
  }

  /** Adds rows; calls `addWide` for those that are not narrow. False where none was added. */
  add(rows: NarrowRows, addWide: (first: number, count: number) => void): boolean {
    const { instance: { kernels }, wide: { groups, wides, extreme } } = this;
    const { doubles, shorts, ids, count } = rows;
    if (this.capacity < groups.capacity || this.hasGivenUp || !this.takesScale(shorts?.scale)) return false;
    if (!this.isDecided && !this.decide(doubles, count)) return false;
    this.blocks.tried += Math.ceil(count / blockRows);
    const least = extreme?.isLeast ? 1 : 0;
    for (let done = 0; done < count; ) {
      this.open();
      done = kernels.addNarrow(this.pointer, this.narrowing, done, doubles, shorts?.pointer ?? 0, least, ids, count, groups.pointer, groups.stride, wides);
      if (done === count) break;
      const left = Math.min(blockRows, count - done);
      if (this.decide(doubles + done * 8, left)) continue;
      this.blocks.left++;
      addWide(done, left);
      done += left;
    }
    return true;
  }

  /** What is added from here on is narrow. */
  private open(): void {
    if (this.isStale) this.instance.bytes.fill(0, this.pointer, this.pointer + this.capacity * narrowBytes);
    [this.isStale, this.isEmpty] = [false, false];
  }

  private get hasGivenUp(): boolean {
    const { tried, left } = this.blocks;
    return left * misfitsMost > tried && this.decisions >= decisionsMost;
  }

  /** Codes of two columns of times do not mix. */
  private takesScale(scale: Scale | undefined): boolean {
    const { extreme } = this.wide;
    if (extreme === undefined) return true;
    if (scale === undefined) return false;
    if (this.scale === undefined || this.isEmpty) this.scale = scale;
    return this.scale[0] === scale[0] && this.scale[1] === scale[1];
  }

  /** Decides how values are narrowed, so that these are, too, where that is possible. */
  private decide(doubles: number, count: number): boolean {
    if (this.decisions >= decisionsMost) return false;
    this.decisions++;
    this.widen();
    const { groups, wides } = this.wide;
    const { kernels } = this.instance;
    const could = kernels.decideNarrow(this.narrowing, doubles, count, groups.pointer, groups.stride, groups.capacity, wides) === 1;
    this.isDecided ||= could;
    return could;
  }

  /** Where they are; undefined where nothing is narrow. */
  get memory(): NarrowMemory | undefined {
    const { pointer, capacity, narrowing, scale } = this;
    return this.isEmpty ? undefined : { pointer, capacity, narrowing, scale };
  }

  /** Whether any were brought to the rows of groups. */
  get isSpilt(): boolean {
    return this.wasWidened || this.instance.kernels.isSpilt(this.narrowing) === 1;
  }

  /** Brings what there is to the rows of groups. */
  widen(): void {
    const { memory, capacity } = this;
    if (memory === undefined) return;
    this.widenInto(memory, { first: 0, own: 0, count: capacity, ids: 0 }, 0);
    [this.isEmpty, this.isStale, this.wasWidened] = [true, true, true];
  }

  /** Adds another thread's narrow states to these, to be read then; false where they differ in how they are narrowed, or there are none here. */
  tryMerge(other: NarrowMemory, { first, own, count, ids }: MergedGroups): boolean {
    const { pointer, narrowing, scale, instance: { kernels }, wide: { groups, wides } } = this;
    const isAlike = scale?.[0] === other.scale?.[0] && scale?.[1] === other.scale?.[1] && kernels.areNarrowedAlike(narrowing, other.narrowing) === 1;
    if (this.isEmpty || !isAlike || this.capacity < groups.capacity) return false;
    const known = Math.max(0, Math.min(count, other.capacity - first));
    kernels.mergeNarrow(pointer, narrowing, other.pointer, first, ids, own, known, groups.pointer, groups.stride, wides);
    return true;
  }

  /** Adds what narrow states have, these or another thread's, to the rows of groups here. `groups`: which of theirs, one after the other; 0: as `merged` says. */
  widenInto({ pointer, capacity, narrowing, scale }: NarrowMemory, { first, own, count, ids }: MergedGroups, groups: number): void {
    const { wide: { groups: rows, wides, extreme }, instance: { kernels } } = this;
    const [value, unit] = scale ?? [0n, 0n];
    kernels.widenStates(
      pointer, narrowing, capacity, groups, first, ids, own, count, rows.pointer, rows.stride, rows.capacity, wides, extreme?.at ?? 0, extreme?.isLeast ? 1 : 0, value, unit,
    );
  }
}
