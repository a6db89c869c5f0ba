/**
 * An arena in a memory that several instances may share, one per thread. Each has spans of its own, taken from the break;
 * blocks are powers of two from 16 bytes, large ones also the seven sizes between two of them; a freed block waits in the list
 * of its size.
 *
 *   | – | break, kept: u32 at 64 | what is kept | span of A | span of B | large block of A | … → break
 *
 * `reset` gives back all but what is kept, for everyone: no other instance may be at work.
 *
 * A region is a block from which others are cut, as far as it goes, all given back at once. Its first 16 bytes say where that stands while nobody is in it:
 *
 *   | lists | next | end | – | blocks … |
 */

const breakAt: usize = 64;
/** Where that which is kept ends. */
const keptAt: usize = 68;
const heapStart: u32 = 4096;
const spanBytes: u32 = 1 << 18;
const regionHead: u32 = 16;
/** Sizes from here on have eight steps to the next power of two. */
const finePower: i32 = 20;
const classes: i32 = finePower + ((33 - finePower) << 3);

/** Free lists: one head per size, linked through the blocks. 0 until something was allocated. */
let lists: usize = 0;
/** What is left of the span that blocks are cut from. */
let next: u32 = 0;
let end: u32 = 0;
let limit: u64 = 0xffff0000;

/** Whether blocks are cut from a region. */
let inRegion: bool = false;

/** 1 after an allocation failed for want of memory; the instance traps then. */
export let outOfMemory: i32 = 0;

/** How many bytes may be used, beside what is kept. */
export function setLimit(bytes: f64): void {
  limit = min<u64>(<u64>bytes + load<u32>(keptAt), 0xffff0000);
}

/** Gives back everything at once, but what lies below `kept`. */
export function reset(kept: u32): void {
  store<u32>(keptAt, max(kept, heapStart));
  atomic.store<u32>(breakAt, max(kept, heapStart));
  attach();
}

/** Begins with no span: whatever this instance had is someone else's now. */
export function attach(): void {
  lists = 0;
  next = 0;
  end = 0;
  inRegion = false;
  outOfMemory = 0;
}

/** A region of this block, with nothing in it. */
export function newRegion(block: usize, bytes: u32): void {
  store<u32>(block, 0);
  store<u32>(block, <u32>block + regionHead, 4);
  store<u32>(block, <u32>block + bytes, 8);
}

/** From now on blocks are cut from a region, or, the second time, no longer. What was cut before stands. */
export function swapRegion(region: usize): void {
  const otherLists: usize = load<usize>(region);
  const otherNext = load<u32>(region, 4);
  const otherEnd = load<u32>(region, 8);
  store<u32>(region, <u32>lists);
  store<u32>(region, next, 4);
  store<u32>(region, end, 8);
  lists = otherLists;
  next = otherNext;
  end = otherEnd;
  inRegion = !inRegion;
}

/** Bytes up to the break. */
export function usedBytes(): u32 {
  return atomic.load<u32>(breakAt);
}

/** Moves the break up, and the end of the memory where it must. */
function take(bytes: u64): u32 {
  let start: u32, last: u64;
  while (true) {
    start = atomic.load<u32>(breakAt);
    last = <u64>start + bytes;
    if (last > limit) {
      outOfMemory = 1;
      unreachable();
    }
    if (atomic.cmpxchg<u32>(breakAt, start, <u32>last) == start) break;
  }
  const pages = <i32>((last + 0xffff) >> 16);
  while (memory.size() < pages) {
    const size = memory.size();
    const missing = pages - size;
    if (memory.grow(max<i32>(missing, min<i32>(size >> 2, 65535 - size))) < 0 && memory.grow(missing) < 0) {
      outOfMemory = 1;
      unreachable();
    }
  }
  return start;
}

/** The number of the smallest size that holds this many bytes. */
function classOf(size: usize): i32 {
  const power = 32 - clz<u32>(<u32>size - 1);
  if (power <= finePower) return max<i32>(4, power);
  // 2^(power − 1) and so many eighths of it.
  const eighth = power - 4;
  return finePower + ((power - 1 - finePower) << 3) + <i32>((<u64>size + ((<u64>1) << eighth) - 1) >> eighth) - 8;
}

@inline function bytesOf(sizeClass: i32): u64 {
  if (sizeClass <= finePower) return (<u64>1) << sizeClass;
  const steps = sizeClass - finePower;
  return <u64>(8 + (steps & 7)) << (finePower + (steps >> 3) - 3);
}

function cut(bytes: u32): usize {
  const aligned = bytes >= 64 ? (next + 63) & ~63 : next;
  if (aligned + bytes <= end && aligned >= next) {
    next = aligned + bytes;
    return aligned;
  }
  const start = take(spanBytes);
  next = start + bytes;
  end = start + spanBytes;
  return start;
}

@inline function heads(): usize {
  if (lists == 0) {
    lists = cut(classes * 4);
    memory.fill(lists, 0, classes * 4);
    next = (next + 15) & ~15;
  }
  return lists;
}

/** A block of at least `size` bytes, aligned to 16 (to 64 from 64 bytes on). Traps when there is no memory left. */
export function alloc(size: usize): usize {
  const sizeClass = classOf(max<usize>(size, 1));
  const head = heads() + (sizeClass << 2);
  const block = load<usize>(head);
  if (block != 0) {
    store<usize>(head, load<usize>(block));
    return block;
  }
  const bytes = bytesOf(sizeClass);
  const fits = inRegion && <u64>((next + 63) & ~63) + bytes <= <u64>end;
  return bytes > <u64>(spanBytes >> 1) && !fits ? <usize>take(bytes) : cut(<u32>bytes);
}

/** Gives back a block that `alloc(size)` returned, here or in another instance on this memory. */
export function free(block: usize, size: usize): void {
  if (block == 0) return;
  const head = heads() + (classOf(max<usize>(size, 1)) << 2);
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
