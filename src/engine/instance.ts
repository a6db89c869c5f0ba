/**
 * WebAssembly instances of the kernels. An aggregation borrows one for itself and gives it back; an instance that trapped,
 * or that has grown large (WebAssembly memory never shrinks), is not lent again.
 */
import { InvariantError, MemoryLimitError } from '../base/errors.ts';
import { kernelBase64 } from './kernel-bytes.js';
import type { StateKernels } from './states/kernels.ts';

type Pointer = number;

/** What the kernels export; see src/engine/kernel. Pointers come back signed: use `Instance.alloc` and friends. */
export interface Kernels extends StateKernels {
  readonly memory: WebAssembly.Memory;
  readonly outOfMemory: WebAssembly.Global;
  alloc(bytes: number): Pointer;
  allocZeroed(bytes: number): Pointer;
  enlarge(block: Pointer, bytes: number, used: number, wanted: number): Pointer;
  free(block: Pointer, bytes: number): void;
  reset(): void;
  setLimit(bytes: number): void;
  selectRange64(times: Pointer, rows: Pointer, count: number, start: bigint, end: bigint, out: Pointer): number;
  selectRange32(times: Pointer, rows: Pointer, count: number, start: bigint, end: bigint, out: Pointer): number;
  selectValid(bitmap: Pointer, bitOffset: number, rows: Pointer, count: number, out: Pointer): number;
  gather64(values: Pointer, rows: Pointer, count: number, out: Pointer): void;
  gatherI8(values: Pointer, rows: Pointer, count: number, out: Pointer): void;
  gatherU8(values: Pointer, rows: Pointer, count: number, out: Pointer): void;
  gatherI16(values: Pointer, rows: Pointer, count: number, out: Pointer): void;
  gatherU16(values: Pointer, rows: Pointer, count: number, out: Pointer): void;
  gatherI32(values: Pointer, rows: Pointer, count: number, out: Pointer): void;
  gatherU32(values: Pointer, rows: Pointer, count: number, out: Pointer): void;
  gatherF32(values: Pointer, rows: Pointer, count: number, out: Pointer): void;
  gatherBits(bits: Pointer, bitOffset: number, rows: Pointer, count: number, out: Pointer): void;
  compact64(values: Pointer, bitmap: Pointer, bitOffset: number, rows: Pointer, count: number, ids: Pointer, outValues: Pointer, outIds: Pointer): number;
  pairIds(first: Pointer, second: Pointer, count: number, out: Pointer): void;
  tileOf(times: Pointer, bitmap: Pointer, bitOffset: number, rows: Pointer, count: number, numerator: bigint, denominator: bigint): void;
  newIntGrouper(): Pointer;
  expectKeys(grouper: Pointer, count: number): void;
  groupInts(grouper: Pointer, keys: Pointer, count: number, ids: Pointer): void;
  groupCount(grouper: Pointer): number;
  intKeys(grouper: Pointer): Pointer;
  forceHash(useDirect: number, allHashesEqual: number): void;
  newStringGrouper(): Pointer;
  groupStrings(grouper: Pointer, offsets: Pointer, bytes: Pointer, rows: Pointer, count: number, ids: Pointer): void;
  groupCodes(grouper: Pointer, codes: Pointer, rows: Pointer, count: number, memo: Pointer, offsets: Pointer, bytes: Pointer, ids: Pointer): void;
  stringPointers(grouper: Pointer): Pointer;
  stringLengths(grouper: Pointer): Pointer;
  growStates(states: Pointer, have: number, wanted: number, stride: number, template: Pointer): Pointer;
  accumulate(isDouble: number, what: number, values: Pointer, ids: Pointer, count: number, states: Pointer, stride: number, wides: Pointer, flip: bigint, signs: bigint): void;
  accumulatePair(what: number, whatSecond: number, doubles: Pointer, integers: Pointer, ids: Pointer, count: number, states: Pointer, stride: number, wides: Pointer, offset: number, flip: bigint): void;
  countNulls(bitmap: Pointer, bitOffset: number, rows: Pointer, count: number, ids: Pointer, nulls: Pointer): void;
  mergeNulls(rows: Pointer, counts: Pointer, ids: Pointer, count: number, nulls: Pointer): void;
  mergeHighLow(high: Pointer, low: Pointer, ids: Pointer, count: number, states: Pointer, stride: number, wides: Pointer): void;
  mergeInt128(low: Pointer, high: Pointer, ids: Pointer, count: number, states: Pointer, stride: number): void;
  mergeCounts(counts: Pointer, ids: Pointer, count: number, states: Pointer, stride: number): void;
  newWideTable(): Pointer;
  wideOf(table: Pointer, group: number): Pointer;
  wideAddLimb(wide: Pointer, limb: number, value: number): void;
  wideFlag(wide: Pointer, flag: number): void;
  argsort64(words: Pointer, count: number, positions: Pointer): void;
  argsortStrings(pointers: Pointer, lengths: Pointer, count: number, positions: Pointer): void;
  ranksOf(positions: Pointer, count: number, ranks: Pointer): void;
  flipSigns(words: Pointer, count: number): void;
}

const keptBytesMax = 256 * 2 ** 20;
const keptMax = 4;

/** Behind every block that is read by whole words stands this much room. */
export const slackBytes = 16;

let compiled: WebAssembly.Module | undefined;
const idle: Instance[] = [];

/** An instance for one aggregation. Give it back with `giveBack`. */
export function borrowInstance(memoryLimit: number | undefined): Instance {
  compiled ??= new WebAssembly.Module(Buffer.from(kernelBase64, 'base64'));
  const instance = idle.pop() ?? new Instance(new WebAssembly.Instance(compiled).exports as unknown as Kernels);
  instance.begin(memoryLimit);
  return instance;
}

export class Instance {
  private bytesView = new Uint8Array(0);
  private broken = false;
  private limit = 0;

  constructor(readonly kernels: Kernels) {}

  begin(memoryLimit: number | undefined): void {
    this.broken = false;
    this.limit = memoryLimit ?? 0xffff0000;
    this.kernels.reset();
    this.kernels.setLimit(this.limit);
    this.kernels.forceHash(1, 0);
  }

  /** The whole memory. Do not keep it across a call that may allocate: growing detaches it. */
  get bytes(): Uint8Array {
    if (this.bytesView.buffer !== this.kernels.memory.buffer) this.bytesView = new Uint8Array(this.kernels.memory.buffer);
    return this.bytesView;
  }

  /** A block of at least this many bytes, with slack behind it. */
  alloc(bytes: number): number {
    if (bytes + slackBytes > 0xffff0000) throw this.limitError();
    return this.kernels.alloc(bytes + slackBytes) >>> 0;
  }

  free(block: number, bytes: number): void {
    this.kernels.free(block, bytes + slackBytes);
  }

  /** Copies an array into memory. */
  put(array: ArrayBufferView, pointer: number): void {
    this.bytes.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), pointer);
  }

  view32(pointer: number, length: number): Uint32Array {
    return new Uint32Array(this.kernels.memory.buffer, pointer, length);
  }

  view64(pointer: number, length: number): BigInt64Array {
    return new BigInt64Array(this.kernels.memory.buffer, pointer, length);
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

  giveBack(): void {
    const small = this.kernels.memory.buffer.byteLength <= keptBytesMax;
    if (!this.broken && small && idle.length < keptMax) idle.push(this);
    this.broken = true;
  }

  private limitError(cause?: unknown): MemoryLimitError {
    const detail = `the groups do not fit ${this.limit} bytes; raise memoryLimit (at most 4 GiB), ask for fewer columns, or group by fewer keys`;
    const error = new MemoryLimitError('group by', this.limit, detail);
    if (cause !== undefined) error.cause = cause;
    return error;
  }
}
