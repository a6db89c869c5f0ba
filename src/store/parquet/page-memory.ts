/**
 * WebAssembly instances of the page kernels, and the blocks in their memory.
 *
 * A scan of a row group borrows an instance and gives it back; one that has grown large (WebAssembly memory never shrinks)
 * is not lent again. The kernels keep nothing between calls, so that one that trapped is as good as before; one that is not
 * given back is garbage like anything else.
 */
import { pageKernel } from './kernel-bytes.js';

type Pointer = number;

/** What the kernels export; see src/store/parquet/kernel. Those that can refuse answer 0, or −1 where they count. */
export interface PageKernels {
  readonly memory: WebAssembly.Memory;
  heapStart(): Pointer;
  unsnap(from: Pointer, size: number, out: Pointer, outSize: number): number;
  copyBits(from: Pointer, fromBit: number, count: number, to: Pointer, toBit: number): number;
  setBits(to: Pointer, toBit: number, count: number): void;
  decodeLevels(at: Pointer, end: Pointer, count: number, bitmap: Pointer): number;
  decodeIndices(at: Pointer, end: Pointer, width: number, count: number, entries: number, out: Pointer): number;
  spread4(values: Pointer, bitmap: Pointer, rows: number, out: Pointer): void;
  spread8(values: Pointer, bitmap: Pointer, rows: number, out: Pointer): void;
  gather4(entries: Pointer, indices: Pointer, count: number, out: Pointer): void;
  gather8(entries: Pointer, indices: Pointer, count: number, out: Pointer): void;
  plainBytes(at: Pointer, end: Pointer, count: number, offsets: Pointer, data: Pointer): number;
  spreadOffsets(offsets: Pointer, bitmap: Pointer, rows: number, out: Pointer): void;
  sizeOfCodes(offsets: Pointer, indices: Pointer, bitmap: Pointer, firstRow: number, count: number): number;
  gatherBytes(
    offsets: Pointer, data: Pointer, indices: Pointer, bitmap: Pointer, firstRow: number, count: number, outOffsets: Pointer, out: Pointer, size: number,
  ): number;
  shiftOffsets(offsets: Pointer, count: number, delta: number, out: Pointer): void;
  checkUtf8(offsets: Pointer, data: Pointer, count: number): number;
}

/** A stretch of memory for one purpose, which is replaced by a larger one when it is too small. */
export interface Block {
  at: Pointer;
  /** 0 until it was first asked for. */
  bytes: number;
}

/** Behind the end of every block, to be read and written. */
export const slackBytes = 64;

const blockBytesMin = 4_096;
const pageBytes = 65_536;
const addressMax = 0xffff_0000;
const keptBytesMax = 64 * 1024 * 1024;
const keptMax = 2;
/** Of buffers outside that are kept with an instance. */
const lentBytesMax = 16 * 1024 * 1024;

let module: WebAssembly.Module | undefined;
const idle: PageMemory[] = [];

/** `lends`: what is copied out is good until `lendAgain`, and buffers are used again; otherwise it is for keeps. */
export function borrowPageMemory({ lends = false } = {}): PageMemory {
  const memory = idle.pop() ?? new PageMemory();
  memory.begin(lends);
  return memory;
}

export class PageMemory {
  readonly kernels: PageKernels;
  private bytesView: Uint8Array;
  private end = 0;
  private free = new Map<number, Pointer[]>();
  private lends = false;
  /** Buffers outside, in the order in which they are lent for each batch. */
  private lent: ArrayBuffer[] = [];
  private nextLent = 0;

  constructor() {
    module ??= new WebAssembly.Module(Buffer.from(pageKernel, 'base64'));
    this.kernels = new WebAssembly.Instance(module, {}).exports as unknown as PageKernels;
    this.bytesView = new Uint8Array(this.kernels.memory.buffer);
  }

  /** Forgets all blocks. */
  begin(lends = false): void {
    this.lends = lends;
    this.end = Math.ceil(this.kernels.heapStart() / slackBytes) * slackBytes;
    this.free = new Map();
  }

  /** For others to borrow. */
  giveBack(): void {
    if (this.lent.reduce((sum, { byteLength }) => sum + byteLength, 0) > lentBytesMax) this.lent = [];
    if (this.kernels.memory.buffer.byteLength <= keptBytesMax && idle.length < keptMax) idle.push(this);
  }

  /** The whole memory. Do not keep it across a call of `fit`: growing detaches it. */
  get bytes(): Uint8Array {
    const { buffer } = this.kernels.memory;
    if (this.bytesView.buffer !== buffer) this.bytesView = new Uint8Array(buffer);
    return this.bytesView;
  }

  /** The address of the block, with room for `bytes`. What was in it is lost when it has to move. Throws RangeError. */
  fit(block: Block, bytes: number): Pointer {
    if (block.bytes > 0 && bytes <= block.bytes) return block.at;
    this.release(block);
    // Powers of two, so that blocks that were given up can be used again.
    const size = 2 ** Math.ceil(Math.log2(Math.max(bytes, blockBytesMin)));
    block.at = this.free.get(size)?.pop() ?? this.extend(size + slackBytes);
    block.bytes = size;
    return block.at;
  }

  release(block: Block): void {
    if (block.bytes === 0) return;
    const same = this.free.get(block.bytes);
    if (same === undefined) this.free.set(block.bytes, [block.at]);
    else same.push(block.at);
    block.bytes = 0;
  }

  /** The u32 at an address, aligned or not. */
  wordAt(at: Pointer): number {
    const { bytes } = this;
    return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
  }

  /** Copies bytes in. */
  put(bytes: Uint8Array, at: Pointer): void {
    this.bytes.set(bytes, at);
  }

  /** Copies bytes out, to the start of a buffer. */
  copy(at: Pointer, bytes: number): Uint8Array {
    if (!this.lends) return new Uint8Array(this.kernels.memory.buffer.slice(at, at + bytes));
    const out = this.room(bytes);
    out.set(this.bytes.subarray(at, at + bytes));
    return out;
  }

  /** Copies bytes out to a buffer that nobody else gets. */
  copyForKeeps(at: Pointer, bytes: number): ArrayBuffer {
    return this.kernels.memory.buffer.slice(at, at + bytes);
  }

  /** Bytes outside of the memory, at the start of a buffer. What is in them is anything. */
  room(bytes: number): Uint8Array {
    // Not the pool of small buffers: views of any width begin at the start.
    if (!this.lends) return Buffer.allocUnsafeSlow(bytes);
    let buffer = this.lent[this.nextLent];
    if (buffer === undefined || buffer.byteLength < bytes) buffer = this.lent[this.nextLent] = new ArrayBuffer(2 ** Math.ceil(Math.log2(Math.max(bytes, blockBytesMin))));
    this.nextLent++;
    return new Uint8Array(buffer, 0, bytes);
  }

  /** What was copied out so far may be written over: new buffers cost more than to fill them, for the system clears their pages. */
  lendAgain(): void {
    this.nextLent = 0;
  }

  private extend(bytes: number): Pointer {
    const at = this.end;
    const end = at + bytes;
    if (end > addressMax) throw new RangeError(`${end} bytes are more than a WebAssembly memory holds`);
    const missing = end - this.kernels.memory.buffer.byteLength;
    if (missing > 0) this.kernels.memory.grow(Math.ceil(missing / pageBytes));
    this.end = end;
    return at;
  }
}
