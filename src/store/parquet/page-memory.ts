/**
 * WebAssembly instances of the page kernels, and the blocks in their memory.
 *
 *   a memory of their own       what is made is copied out; an instance is borrowed, and given back
 *   one that somebody lends     what is made stays where it is; the blocks are given back
 *
 * An instance whose own memory has grown large (WebAssembly memory never shrinks) is not lent again. The kernels keep nothing
 * between calls, so that one that trapped is as good as before; one that is not given back is garbage like anything else.
 */
import type { ColumnMemory } from '../../arrow/column-memory.ts';
import { pageKernel, pageSharedKernel } from './kernel-bytes.js';

type Pointer = number;

/** What the kernels export; see src/store/parquet/kernel. Those that can refuse answer 0, or −1 where they count. */
export interface PageKernels {
  readonly memory: WebAssembly.Memory;
  heapStart(): Pointer;
  tablesBytes(): number;
  prepare(at: Pointer): void;
  unsnap(from: Pointer, size: number, out: Pointer, outSize: number): number;
  copyBits(from: Pointer, fromBit: number, count: number, to: Pointer, toBit: number): number;
  setBits(to: Pointer, toBit: number, count: number): void;
  copyBytes(from: Pointer, count: number, to: Pointer): void;
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
let sharedModule: WebAssembly.Module | undefined;
const idle: PageMemory[] = [];
const lenders = new WeakMap<WebAssembly.Memory, PageKernels>();

export interface Borrowing {
  /** What is copied out is good until `lendAgain`, and buffers are used again; otherwise it is for keeps. */
  readonly lends?: boolean;
  /** Where to work; what is handed out lies there, and is good until `lendAgain`. */
  readonly lender?: ColumnMemory | undefined;
}

export function borrowPageMemory({ lends = false, lender }: Borrowing = {}): PageMemory {
  const memory = lender === undefined ? (idle.pop() ?? new PageMemory(ownKernels(), undefined)) : new PageMemory(kernelsIn(lender.memory), lender);
  memory.begin(lends);
  return memory;
}

function ownKernels(): PageKernels {
  module ??= new WebAssembly.Module(Buffer.from(pageKernel, 'base64'));
  return new WebAssembly.Instance(module, {}).exports as unknown as PageKernels;
}

function kernelsIn(memory: WebAssembly.Memory): PageKernels {
  let kernels = lenders.get(memory);
  if (kernels === undefined) {
    sharedModule ??= new WebAssembly.Module(Buffer.from(pageSharedKernel, 'base64'));
    kernels = new WebAssembly.Instance(sharedModule, { env: { memory } }).exports as unknown as PageKernels;
    lenders.set(memory, kernels);
  }
  return kernels;
}

export class PageMemory {
  private bytesView = new Uint8Array(0);
  private end = 0;
  private free = new Map<number, Pointer[]>();
  private lends = false;
  /** Buffers outside, in the order in which they are lent for each batch. */
  private lent: ArrayBuffer[] = [];
  private nextLent = 0;
  /** Blocks of the lender. */
  private readonly taken: { readonly at: Pointer; readonly bytes: number }[] = [];

  constructor(
    readonly kernels: PageKernels,
    private readonly lender: ColumnMemory | undefined,
  ) {}

  /** Forgets all blocks. */
  begin(lends = false): void {
    this.lends = lends;
    this.end = Math.ceil(this.kernels.heapStart() / slackBytes) * slackBytes;
    this.free = new Map();
    this.kernels.prepare(this.extend(this.kernels.tablesBytes()));
  }

  /** For others to borrow. What was handed out of a lender's memory is good no more. */
  giveBack(): void {
    if (this.lender !== undefined) {
      for (const { at, bytes } of this.taken.splice(0)) this.lender.free(at, bytes);
      return;
    }
    if (this.lent.reduce((sum, { byteLength }) => sum + byteLength, 0) > lentBytesMax) this.lent = [];
    if (this.memory.buffer.byteLength <= keptBytesMax && idle.length < keptMax) idle.push(this);
  }

  /** Whether so much more fits what a lender gives; sizes of blocks are rounded up, at most to the double. */
  hasRoomFor(bytes: number): boolean {
    const taken = this.taken.reduce((sum, block) => sum + block.bytes, 0);
    return this.lender === undefined || taken + 2 * bytes <= this.lender.bytesMax;
  }

  /** Whether what is handed out lies in the memory, so that it has to begin where its values may begin. */
  get isInPlace(): boolean {
    return this.lender !== undefined;
  }

  private get memory(): WebAssembly.Memory {
    return this.lender?.memory ?? this.kernels.memory;
  }

  /** The whole memory. Do not keep it across a call of `fit`: growing detaches it. */
  get bytes(): Uint8Array {
    const { buffer } = this.memory;
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

  /** What the block has is kept, `used` bytes of it, when it has to be larger. */
  enlarge(block: Block, used: number, bytes: number): Pointer {
    if (bytes <= block.bytes) return block.at;
    const before = { ...block };
    block.bytes = 0;
    this.fit(block, bytes);
    this.kernels.copyBytes(before.at, used, block.at);
    this.release(before);
    return block.at;
  }

  /** Bytes of the memory for others to read: a view in a lender's memory, else copied to the start of a buffer. */
  handOut(at: Pointer, bytes: number): Uint8Array {
    if (this.lender !== undefined) return this.lender.view(at, bytes);
    if (!this.lends) return new Uint8Array(this.copyForKeeps(at, bytes));
    const out = this.room(bytes);
    out.set(this.bytes.subarray(at, at + bytes));
    return out;
  }

  /** Copies bytes out to a buffer that nobody else gets. */
  copyForKeeps(at: Pointer, bytes: number): ArrayBuffer {
    return this.bytes.slice(at, at + bytes).buffer as ArrayBuffer;
  }

  /** Bytes outside of the memory, at the start of a buffer that is used again. What is in them is anything. */
  private room(bytes: number): Uint8Array {
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
    if (this.lender !== undefined) {
      const at = this.lender.alloc(bytes);
      this.taken.push({ at, bytes });
      // So that this thread's view of the memory reaches as far.
      this.lender.view(at, bytes);
      return at;
    }
    const at = this.end;
    const end = Math.ceil((at + bytes) / slackBytes) * slackBytes;
    if (end > addressMax) throw new RangeError(`${end} bytes are more than a WebAssembly memory holds`);
    const missing = end - this.memory.buffer.byteLength;
    if (missing > 0) this.memory.grow(Math.ceil(missing / pageBytes));
    this.end = end;
    return at;
  }
}
