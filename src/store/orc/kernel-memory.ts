/**
 * The WebAssembly instance with the kernels of ORC, and the room in its memory.
 *
 * A column of a stripe is copied in, encoded row group by row group, and its streams are copied out; a stream is copied in and
 * its values are copied out; nothing stays. An instance whose memory has grown large is replaced, for WebAssembly memory never
 * shrinks.
 */
import { MemoryLimitError } from '../../base/errors.ts';
import { orcKernel } from './kernel-bytes.js';

export type Pointer = number;

/** What the kernels export; see src/store/orc/kernel. */
export interface OrcKernels {
  readonly memory: WebAssembly.Memory;
  heapStart(): Pointer;
  encodeIntegers(values: Pointer, count: number, isSigned: boolean, to: Pointer): Pointer;
  summarize(values: Pointer, count: number, to: Pointer): void;
  splitTimestamps(values: Pointer, count: number, perSecond: bigint, seconds: Pointer, nanos: Pointer): number;
  writeDecimals(values: Pointer, count: number, to: Pointer): Pointer;
  snap(from: Pointer, size: number, to: Pointer): Pointer;
  decodeIntegers(from: Pointer, size: number, count: number, version: 1 | 2, isSigned: boolean, mark: Pointer, out: Pointer): number;
  decodeBytes(from: Pointer, size: number, count: number, mark: Pointer, out: Pointer): number;
  joinTimestamps(seconds: Pointer, nanos: Pointer, count: number, base: bigint, areRounded: boolean, perSecond: bigint, sinceMost: bigint, out: Pointer): number;
  readDecimals(from: Pointer, size: number, count: number, out: Pointer): number;
}

const pageBytes = 65_536;
const addressMax = 0xffff_0000;
const keptBytesMax = 64 * 1024 * 1024;
/** Behind the last block, which the kernels may write to. */
const slackBytes = 64;

let module: WebAssembly.Module | undefined;
let kept: KernelMemory | undefined;

/** Lends an empty memory for the time of one call. */
export function withKernelMemory<Result>(work: (memory: KernelMemory) => Result): Result {
  const memory = kept ?? new KernelMemory();
  kept = undefined;
  memory.begin();
  const result = work(memory);
  if (memory.kernels.memory.buffer.byteLength <= keptBytesMax) kept = memory;
  return result;
}

export class KernelMemory {
  readonly kernels: OrcKernels;
  private end = 0;

  constructor() {
    module ??= new WebAssembly.Module(Buffer.from(orcKernel, 'base64'));
    this.kernels = new WebAssembly.Instance(module, {}).exports as unknown as OrcKernels;
  }

  /** Forgets all blocks. */
  begin(): void {
    this.end = Math.ceil(this.kernels.heapStart() / 16) * 16;
  }

  /** A new block of so many bytes, aligned to 16. */
  reserve(bytes: number): Pointer {
    const at = this.end;
    this.end = at + Math.ceil(bytes / 16) * 16;
    const end = this.end + slackBytes;
    const missing = end - this.kernels.memory.buffer.byteLength;
    if (missing > 0) this.grow(end, missing);
    return at;
  }

  private grow(end: number, missing: number): void {
    const tooMuch = (): MemoryLimitError => new MemoryLimitError('a column of an ORC stripe', addressMax, `it needs ${end} bytes; write fewer rows per stripe`);
    if (end > addressMax) throw tooMuch();
    try {
      this.kernels.memory.grow(Math.ceil(missing / pageBytes));
    } catch (thrown) {
      if (!(thrown instanceof RangeError)) throw thrown;
      throw tooMuch();
    }
  }

  /** A new block with a copy of these bytes. */
  put(view: ArrayBufferView): Pointer {
    const at = this.reserve(view.byteLength);
    this.bytes.set(new Uint8Array(view.buffer, view.byteOffset, view.byteLength), at);
    return at;
  }

  /** The whole memory; growing detaches it. */
  get bytes(): Uint8Array {
    return new Uint8Array(this.kernels.memory.buffer);
  }

  int64s(at: Pointer, count: number): BigInt64Array {
    return new BigInt64Array(this.kernels.memory.buffer, at, count);
  }

  /** A copy of the bytes [start, end). */
  copy(start: Pointer, end: Pointer): Uint8Array {
    return new Uint8Array(this.kernels.memory.buffer.slice(start, end));
  }
}
