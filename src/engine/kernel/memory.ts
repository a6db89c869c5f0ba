/**
 * An arena. Blocks are powers of two from 16 bytes; a freed block waits in the list of its size; `reset` gives back all.
 *
 *   | static | block | block | block | … → top        free lists: one head per power of two, linked through the blocks
 */

const classes: i32 = 33;
const freeLists: usize = memory.data(classes * 4);
const heapStart: usize = (__heap_base + 63) & ~63;

let top: usize = heapStart;
let limit: u64 = 0xffff0000;

/** 1 after an allocation failed for want of memory; the instance traps then. */
export let outOfMemory: i32 = 0;

/** The largest address that may be used. */
export function setLimit(bytes: f64): void {
  limit = min<u64>(<u64>bytes + heapStart, 0xffff0000);
}

@inline function classOf(size: usize): i32 {
  return max<i32>(4, 32 - clz<u32>(<u32>size - 1));
}

/** A block of at least `size` bytes, aligned to 16 (to 64 from 64 bytes on). Traps when there is no memory left. */
export function alloc(size: usize): usize {
  const sizeClass = classOf(max<usize>(size, 1));
  const head = freeLists + (sizeClass << 2);
  const block = load<usize>(head);
  if (block != 0) {
    store<usize>(head, load<usize>(block));
    return block;
  }
  const bytes: u64 = (<u64>1) << sizeClass;
  const start: u64 = sizeClass >= 6 ? (<u64>top + 63) & ~63 : <u64>top;
  const end = start + bytes;
  if (end > limit) {
    outOfMemory = 1;
    unreachable();
  }
  const pages = <i32>((end + 0xffff) >> 16);
  if (pages > memory.size() && memory.grow(max<i32>(pages - memory.size(), min<i32>(memory.size() >> 2, 65535 - memory.size()))) < 0) {
    if (memory.grow(pages - memory.size()) < 0) {
      outOfMemory = 1;
      unreachable();
    }
  }
  top = <usize>end;
  return <usize>start;
}

/** Gives back a block that `alloc(size)` returned. */
export function free(block: usize, size: usize): void {
  if (block == 0) return;
  const head = freeLists + (classOf(max<usize>(size, 1)) << 2);
  store<usize>(block, load<usize>(head));
  store<usize>(head, block);
}

/** A larger block with the same first `used` bytes; the rest is zero. */
export function enlarge(block: usize, size: usize, used: usize, wanted: usize): usize {
  const larger = alloc(wanted);
  if (used > 0) memory.copy(larger, block, used);
  memory.fill(larger + used, 0, wanted - used);
  free(block, size);
  return larger;
}

/** A block of zeros. */
export function allocZeroed(size: usize): usize {
  const block = alloc(size);
  memory.fill(block, 0, size);
  return block;
}

/** Gives back everything at once. */
export function reset(): void {
  memory.fill(freeLists, 0, classes * 4);
  top = heapStart;
  outOfMemory = 0;
}
