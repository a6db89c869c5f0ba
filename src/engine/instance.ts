/**
 * WebAssembly instances of the kernels. An aggregation borrows one for itself and gives it back; an instance that trapped,
 * or that has grown large (WebAssembly memory never shrinks), is not lent again.
 */
import type { ColumnMemory } from '../arrow/column-memory.ts';
import { InvariantError, MemoryLimitError } from '../base/errors.ts';
import { complete, Pace, type Steps } from '../base/steps.ts';
import { answerBuffer } from './answer-memory.ts';
import { plainKernel, sharedKernel } from './kernel-bytes.js';
import type { AsOfKernels } from './as-of/kernels.ts';
import { Shelf } from './shelf.ts';
import type { StateKernels } from './states/kernels.ts';

type Pointer = number;

/** What the kernels export; see src/engine/kernel. Pointers come back signed: use `Instance.alloc` and friends. */
export interface Kernels extends StateKernels, AsOfKernels {
  readonly memory: WebAssembly.Memory;
  readonly outOfMemory: WebAssembly.Global;
  alloc(bytes: number): Pointer;
  allocZeroed(bytes: number): Pointer;
  enlarge(block: Pointer, bytes: number, used: number, wanted: number): Pointer;
  free(block: Pointer, bytes: number): void;
  reset(kept: number): void;
  attach(): void;
  usedBytes(): number;
  newRegion(block: Pointer, bytes: number): void;
  swapRegion(region: Pointer): void;
  setLimit(bytes: number): void;
  selectRange64(times: Pointer, rows: Pointer, count: number, start: bigint, end: bigint, out: Pointer): number;
  selectNear(
    times: Pointer, timeBytes: number, bytes: Pointer, low: number, high: number, lowCut: number, highCut: number, rows: Pointer, count: number, start: bigint, end: bigint,
    room: Pointer, out: Pointer,
  ): number;
  coarsen(times: Pointer, count: number, first: bigint, shift: bigint, out: Pointer): void;
  unitOf(words: Pointer, count: number, origin: bigint, unit: bigint): bigint;
  shorten(words: Pointer, count: number, bitmap: Pointer, bitOffset: number, first: bigint, unit: bigint, out: Pointer): void;
  lengthen(shorts: Pointer, rows: Pointer, count: number, first: bigint, unit: bigint, out: Pointer): void;
  wholeBounds(values: Pointer, count: number, by: number, bounds: Pointer): number;
  shortenDoubles(values: Pointer, count: number, by: number, first: number, bytes: number, out: Pointer): void;
  lengthenDoubles(shorts: Pointer, bytes: number, rows: Pointer, count: number, by: number, first: number, out: Pointer): void;
  allAlikeInRange64(times: Pointer, count: number, start: bigint, end: bigint): number;
  selectRange32(times: Pointer, rows: Pointer, count: number, start: bigint, end: bigint, out: Pointer): number;
  selectValid(bitmap: Pointer, bitOffset: number, rows: Pointer, count: number, out: Pointer): number;
  gather64(values: Pointer, rows: Pointer, count: number, out: Pointer): void;
  gather32(values: Pointer, rows: Pointer, count: number, out: Pointer): void;
  gatherI8(values: Pointer, rows: Pointer, count: number, out: Pointer): void;
  gatherU8(values: Pointer, rows: Pointer, count: number, out: Pointer): void;
  gatherI16(values: Pointer, rows: Pointer, count: number, out: Pointer): void;
  gatherU16(values: Pointer, rows: Pointer, count: number, out: Pointer): void;
  gatherI32(values: Pointer, rows: Pointer, count: number, out: Pointer): void;
  gatherU32(values: Pointer, rows: Pointer, count: number, out: Pointer): void;
  gatherF32(values: Pointer, rows: Pointer, count: number, out: Pointer): void;
  gatherBits(bits: Pointer, bitOffset: number, rows: Pointer, count: number, out: Pointer): void;
  compact64(values: Pointer, bitmap: Pointer, bitOffset: number, rows: Pointer, count: number, ids: Pointer, outValues: Pointer, outIds: Pointer): number;
  shiftOffsets(offsets: Pointer, count: number, first: bigint, wide: number): void;
  groupPairs(grouper: Pointer, firsts: Pointer, firstCount: number, seconds: Pointer, secondCount: number, count: number, words: Pointer, ids: Pointer): void;
  tileOf(times: Pointer, bitmap: Pointer, bitOffset: number, rows: Pointer, count: number, numerator: bigint, denominator: bigint): void;
  newIntGrouper(maySlots: number): Pointer;
  expectKeys(grouper: Pointer, count: number): void;
  reserveInts(grouper: Pointer, groups: number): void;
  groupInts(grouper: Pointer, keys: Pointer, count: number, ids: Pointer): void;
  groupInts32(grouper: Pointer, keys: Pointer, rows: Pointer, count: number, signed: number, ids: Pointer): number;
  groupCount(grouper: Pointer): number;
  keysOfInts(grouper: Pointer, ids: Pointer, count: number, bytes: number, out: Pointer): void;
  countsAt(grouper: Pointer, rows: Pointer, stride: number, count: number, narrow: Pointer, narrowCount: number): void;
  meet(grouper: Pointer, ids: Pointer, count: number): void;
  isOrdered(grouper: Pointer): number;
  aliveIds(grouper: Pointer, out: Pointer): number;
  intKeys(grouper: Pointer): Pointer;
  forceHash(useDirect: number, allHashesEqual: number): void;
  newStringGrouper(): Pointer;
  reserveStrings(grouper: Pointer, strings: number): void;
  groupStrings(grouper: Pointer, offsets: Pointer, bytes: Pointer, rows: Pointer, count: number, ids: Pointer): void;
  groupCodes(grouper: Pointer, codes: Pointer, rows: Pointer, count: number, memo: Pointer, offsets: Pointer, bytes: Pointer, ids: Pointer): void;
  stringSpans(grouper: Pointer, ids: Pointer, count: number, out: Pointer): void;
  mergeInts(grouper: Pointer, other: Pointer, ids: Pointer): void;
  mergeSlots(grouper: Pointer, other: Pointer, out: Pointer): number;
  mergeStrings(grouper: Pointer, other: Pointer, groups: Pointer, count: number, ids: Pointer): void;
  mergeSomeInts(grouper: Pointer, other: Pointer, groups: Pointer, count: number, ids: Pointer): void;
  sampleInts(grouper: Pointer, flip: bigint, step: number, out: Pointer): number;
  sampleStrings(grouper: Pointer, step: number, out: Pointer): number;
  newSearch(bounds: Pointer, parts: number, search: Pointer): void;
  searchBytes(parts: number): number;
  partInts(grouper: Pointer, flip: bigint, search: Pointer, parts: number, starts: Pointer, ids: Pointer): void;
  partStrings(grouper: Pointer, prefix: bigint, skipped: number, search: Pointer, parts: number, starts: Pointer, ids: Pointer): void;
  partsOfWords(words: Pointer, flip: bigint, count: number, search: Pointer, parts: number, out: Pointer): void;
  partsOfStrings(grouper: Pointer, offsets: Pointer, bytes: Pointer, rows: Pointer, count: number, prefix: bigint, skipped: number, search: Pointer, parts: number, out: Pointer): void;
  headsOf(grouper: Pointer, offsets: Pointer, bytes: Pointer, rows: Pointer, count: number, out: Pointer): void;
  placesOf(partOfRow: Pointer, count: number, parts: number, starts: Pointer, places: Pointer): void;
  scatterLane(shift: number, values: Pointer, rows: Pointer, count: number, places: Pointer, out: Pointer): void;
  scatterBits(bits: Pointer, bitOffset: number, rows: Pointer, count: number, places: Pointer, out: Pointer): void;
  scatterLengths(offsets: Pointer, rows: Pointer, count: number, partOfRow: Pointer, places: Pointer, parts: number, byteStarts: Pointer, out: Pointer): number;
  scatterBytes(offsets: Pointer, bytes: Pointer, rows: Pointer, count: number, partOfRow: Pointer, parts: number, byteStarts: Pointer, out: Pointer): void;
  copyLane(from: Pointer, bytes: number, to: Pointer): void;
  blocksOf(first: Pointer, part: number, rowsWanted: number, out: Pointer): void;
  gatherLane(block: Pointer, blocks: number, slot: number, shift: number, part: number, out: Pointer): void;
  bytesOfPart(block: Pointer, blocks: number, slot: number, part: number): number;
  gatherBytes(block: Pointer, blocks: number, slot: number, part: number, out: Pointer): void;
  offsetsOf(lengths: Pointer, count: number): void;
  packBits(flags: Pointer, count: number): void;
  gatherRows(states: Pointer, stride: number, groups: Pointer, count: number, out: Pointer): void;
  mergePairs(grouper: Pointer, other: Pointer, firsts: Pointer, firstCount: number, seconds: Pointer, secondCount: number, ids: Pointer): void;
  growStates(states: Pointer, have: number, wanted: number, stride: number, template: Pointer): Pointer;
  accumulate(isDouble: number, what: number, values: Pointer, ids: Pointer, count: number, states: Pointer, stride: number, groups: number, wides: Pointer, flip: bigint, signs: bigint): void;
  accumulatePair(what: number, whatSecond: number, doubles: Pointer, integers: Pointer, ids: Pointer, count: number, states: Pointer, stride: number, groups: number, wides: Pointer, offset: number, flip: bigint): void;
  fillNulls(words: Pointer, bitmap: Pointer, bitOffset: number, rows: Pointer, count: number, identity: bigint, out: Pointer): void;
  countNulls(bitmap: Pointer, bitOffset: number, rows: Pointer, count: number, ids: Pointer, ofValues: number, counts: Pointer): void;
  countBits(bitmap: Pointer, bitOffset: number, count: number): number;
  invertCounts(counts: Pointer, groups: number, states: Pointer, stride: number): void;
  mergeNulls(rows: Pointer, counts: Pointer, ids: Pointer, count: number, nulls: Pointer): void;
  mergeHighLow(high: Pointer, low: Pointer, ids: Pointer, count: number, states: Pointer, stride: number, wides: Pointer): void;
  mergeInt128(low: Pointer, high: Pointer, ids: Pointer, count: number, states: Pointer, stride: number): void;
  countRows(ids: Pointer, count: number, states: Pointer, stride: number, wides: Pointer): void;
  mergeCounts(counts: Pointer, ids: Pointer, count: number, states: Pointer, stride: number): void;
  mergeStates(isDouble: number, what: number, other: Pointer, otherWides: Pointer, groups: Pointer, first: number, ids: Pointer, own: number, count: number, states: Pointer, stride: number, wides: Pointer): void;
  mergeNullCounts(other: Pointer, first: number, ids: Pointer, own: number, count: number, nulls: Pointer): void;
  wordsOf(states: Pointer, stride: number, groups: Pointer, count: number, out: Pointer): void;
  extremesOf(states: Pointer, stride: number, groups: Pointer, count: number, isDouble: number, flip: bigint, out: Pointer): void;
  countsOf(rows: Pointer, stride: number, nulls: Pointer, groups: Pointer, count: number, out: Pointer): number;
  fewerThan(atLeast: number, rows: Pointer, stride: number, nulls: Pointer, groups: Pointer, count: number): number;
  enoughValues(atLeast: number, rows: Pointer, stride: number, nulls: Pointer, groups: Pointer, count: number, bitmap: Pointer): void;
  sumsOf(states: Pointer, stride: number, groups: Pointer, count: number, out: Pointer): void;
  meansOf(states: Pointer, rows: Pointer, stride: number, nulls: Pointer, groups: Pointer, count: number, out: Pointer, undecided: Pointer): number;
  keysOf(keys: Pointer, groups: Pointer, count: number, bytes: number, out: Pointer): void;
  lengthOfSpans(spans: Pointer, count: number): number;
  concatSpans(spans: Pointer, count: number, before: number, offsets: Pointer, out: Pointer): void;
  newWideTable(): Pointer;
  wideOf(table: Pointer, group: number): Pointer;
  wideAddLimb(wide: Pointer, limb: number, value: number): void;
  wideFlag(wide: Pointer, flag: number): void;
  argsort64(words: Pointer, count: number, positions: Pointer): void;
  argsortStrings(grouper: Pointer, positions: Pointer): void;
  ranksOf(positions: Pointer, count: number, ranks: Pointer): void;
  flipSigns(words: Pointer, count: number): void;
}

const keptMax = 4;
const pagesMax = 65_536;

/** All that a memory can hold. */
export const memoryMax = 0xffff0000;

/** Where a memory says how much of it is kept (kernel/memory.ts). */
const keptAt = 68;

/** Elements that kernels write before they are copied out. */
const writtenAtOnce = 4_096;
/** And elements after which others may have their turn, at first and at the most. */
const newPace = (): Pace => new Pace(2 ** 13, 2 ** 17);

/** Behind every block that is read by whole words stands this much room. */
export const slackBytes = 16;

/**
 * From here on `Buffer.fill` copies into shared memory, which is one memcpy; `TypedArray.set` goes word by word there
 * (9 against 13 ms for 80 MB).
 */
const copyByFillBytes = 4096;

let plain: WebAssembly.Module | undefined;
let shared: WebAssembly.Module | undefined;

/** The kernels for a memory that threads share, compiled once for all of them. */
export function sharedModule(): WebAssembly.Module {
  shared ??= new WebAssembly.Module(Buffer.from(sharedKernel, 'base64'));
  return shared;
}

/** A memory that threads share, of so many bytes at first. Throws RangeError where so much address space is not to be had. */
export function sharedMemory(bytes = 2 ** 20): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: Math.ceil(bytes / 65_536), maximum: pagesMax, shared: true });
}

/** An instance for one aggregation on one thread. Give it back with `giveBack`. */
export function borrowInstance(memoryLimit: number | undefined): Instance {
  plain ??= new WebAssembly.Module(Buffer.from(plainKernel, 'base64'));
  const instance = shelf.take() ?? new Instance(plain, new WebAssembly.Memory({ initial: 16, maximum: pagesMax }));
  instance.begin(memoryLimit);
  return instance;
}

/** The array type of a column's values, as views on memory are made. */
export interface ViewType {
  new (buffer: ArrayBufferLike, offset: number, length: number): ArrayBufferView;
  readonly BYTES_PER_ELEMENT: number;
}

/** Writes `some` elements, from the `start`-th on, at `out`. */
export type WriteOfElements = (start: number, some: number, out: number) => void;

export class Instance {
  readonly kernels: Kernels;
  private bytesView = new Uint8Array(0);
  private readonly buffers = new WeakSet<ArrayBufferLike>();
  private broken = false;
  private limit = 0;
  private pace = newPace();

  constructor(
    module: WebAssembly.Module,
    private readonly memory: WebAssembly.Memory,
  ) {
    this.kernels = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Kernels;
  }

  /** Starts afresh with a memory that is empty but for what lies below `kept`. */
  begin(memoryLimit: number | undefined, kept = 0): void {
    this.kernels.reset(kept);
    this.configure(memoryLimit);
  }

  /** Starts afresh in a memory that others are using too. */
  join(memoryLimit: number | undefined): void {
    this.kernels.attach();
    this.configure(memoryLimit);
  }

  private configure(memoryLimit: number | undefined): void {
    this.broken = false;
    this.pace = newPace();
    this.limit = memoryLimit ?? memoryMax;
    this.kernels.setLimit(this.limit);
    this.kernels.forceHash(1, 0);
  }

  /** The whole memory. Do not keep it across a call that may allocate: growing detaches it. */
  get bytes(): Uint8Array {
    const { buffer } = this.memory;
    if (this.bytesView.buffer !== buffer) {
      this.bytesView = new Uint8Array(buffer);
      this.buffers.add(buffer);
    }
    return this.bytesView;
  }

  /** The memory up to `end` at least: another thread may have made it larger. */
  private upTo(end: number): ArrayBuffer {
    if (end > this.memory.buffer.byteLength) this.memory.grow(0);
    return this.bytes.buffer as ArrayBuffer;
  }

  /** Where an array lies in this memory; undefined when it lies elsewhere. */
  addressOf(array: ArrayBufferView): number | undefined {
    const { buffer } = array;
    return buffer === this.bytesView.buffer || this.buffers.has(buffer) ? array.byteOffset : undefined;
  }

  /** A block of at least this many bytes, with slack behind it. */
  alloc(bytes: number): number {
    if (bytes + slackBytes > memoryMax) throw this.limitError();
    return this.kernels.alloc(bytes + slackBytes) >>> 0;
  }

  /** A copy of an array, in a block of its own. */
  placed(array: ArrayBufferView): number {
    const pointer = this.alloc(Math.max(array.byteLength, 16));
    this.put(array, pointer);
    return pointer;
  }

  /** Calls `work` with where an array is in this memory, which is a copy for the time of the call where it lies elsewhere. */
  withPlaced<Result>(array: ArrayBufferView, work: (pointer: number) => Result): Result {
    const address = this.addressOf(array);
    if (address !== undefined) return work(address);
    const pointer = this.placed(array);
    const result = work(pointer);
    this.free(pointer, Math.max(array.byteLength, 16));
    return result;
  }

  /**
   * What each of these writes, `width` bytes for each of `count` elements, as a buffer outside of this memory. They are called in turn for some
   * elements, from `start` on, so that what they read is in the cache, and what they have written when it is copied out.
   */
  written(count: number, width: number, writes: readonly WriteOfElements[]): ArrayBuffer[] {
    return complete(this.writing(count, width, writes));
  }

  *writing(count: number, width: number, writes: readonly WriteOfElements[]): Steps<ArrayBuffer[]> {
    const out = this.alloc(writtenAtOnce * width);
    const copies = writes.map(() => answerBuffer(count * width));
    for (let start = 0; start < count; start += writtenAtOnce) {
      if (start > 0 && this.pace.isDue(writtenAtOnce)) yield;
      const some = Math.min(writtenAtOnce, count - start);
      for (const [i, write] of writes.entries()) {
        write(start, some, out);
        this.get(out, some * width, copies[i]!, start * width);
      }
    }
    this.free(out, writtenAtOnce * width);
    return copies.map(({ buffer }) => buffer as ArrayBuffer);
  }

  /** What is at `pointer`, as a buffer outside of this memory. */
  copied(pointer: number, bytes: number): ArrayBuffer {
    const copy = answerBuffer(bytes);
    this.get(pointer, bytes, copy, 0);
    return copy.buffer as ArrayBuffer;
  }

  free(block: number, bytes: number): void {
    this.kernels.free(block, bytes + slackBytes);
  }

  /** Copies an array into memory. */
  put(array: ArrayBufferView, pointer: number): void {
    const { buffer, byteOffset, byteLength } = array;
    const { bytes } = this;
    if (byteLength < copyByFillBytes || bytes.buffer instanceof ArrayBuffer) bytes.set(new Uint8Array(buffer, byteOffset, byteLength), pointer);
    else Buffer.from(bytes.buffer).fill(Buffer.from(buffer, byteOffset, byteLength), pointer, pointer + byteLength);
  }

  /** Copies bytes out of memory, as `put` copies into it. */
  private get(pointer: number, bytes: number, to: Buffer, at: number): void {
    const { buffer } = this.view8(pointer, bytes);
    if (buffer instanceof ArrayBuffer) to.set(new Uint8Array(buffer, pointer, bytes), at);
    else to.fill(Buffer.from(buffer, pointer, bytes), at, at + bytes);
  }

  /** This memory for whoever makes columns in it. */
  lend(bytesMax: number): ColumnMemory {
    return {
      memory: this.memory,
      bytesMax,
      alloc: (bytes) => this.guard(() => this.alloc(Math.max(bytes, 64))),
      free: (at, bytes) => this.free(at, Math.max(bytes, 64)),
      view: (at, bytes) => this.view8(at, bytes),
    };
  }

  view8(pointer: number, length: number): Uint8Array {
    return new Uint8Array(this.upTo(pointer + length), pointer, length);
  }

  view32(pointer: number, length: number): Uint32Array {
    return new Uint32Array(this.upTo(pointer + length * 4), pointer, length);
  }

  /** An array that stays as it is when the memory grows: a view of memory that threads share, of other memory a copy. */
  lasting32(pointer: number, length: number): Uint32Array {
    const view = this.view32(pointer, length);
    return view.buffer instanceof ArrayBuffer ? view.slice() : view;
  }

  viewDoubles(pointer: number, length: number): Float64Array {
    return new Float64Array(this.upTo(pointer + length * 8), pointer, length);
  }

  /** An array of another type over `bytes` bytes. */
  viewAs(ArrayType: ViewType, pointer: number, bytes: number): ArrayBufferView {
    return new ArrayType(this.view8(pointer, bytes).buffer, pointer, bytes / ArrayType.BYTES_PER_ELEMENT);
  }

  view64(pointer: number, length: number): BigInt64Array {
    return new BigInt64Array(this.upTo(pointer + length * 8), pointer, length);
  }

  /** Runs kernel calls; a trap becomes an error of ours, and the instance is not used again. */
  guard<Result>(work: () => Result): Result {
    if (this.broken) throw new InvariantError('a kernel instance was used after it trapped');
    try {
      return work();
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      this.broken = true;
      if (this.kernels.outOfMemory.value === 1) throw this.limitError(error);
      throw new InvariantError(`a kernel trapped: ${error.message}`, error);
    }
  }

  /** Whether it may be used again: no kernel trapped. */
  get sound(): boolean {
    return !this.broken;
  }

  get memoryBytes(): number {
    return this.memory.buffer.byteLength;
  }

  get usedBytes(): number {
    return this.kernels.usedBytes() >>> 0;
  }

  /** What may still be used. */
  get leftBytes(): number {
    const kept = this.view32(keptAt, 1)[0]!;
    return Math.max(0, Math.min(this.limit + kept, memoryMax) - this.usedBytes);
  }

  giveBack(): void {
    if (this.sound) shelf.put(this);
    this.broken = true;
  }

  private limitError(cause?: unknown): MemoryLimitError {
    const detail = `the groups do not fit ${this.limit} bytes; raise memoryLimit (at most 4 GiB), ask for fewer columns, or group by fewer keys`;
    const error = new MemoryLimitError('group by', this.limit, detail);
    if (cause !== undefined) error.cause = cause;
    return error;
  }
}

const shelf = new Shelf<Instance>(keptMax);
