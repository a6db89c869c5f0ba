/**
 * Snappy, the raw format (format_description.txt in google/snappy): a length, then literals and copies.
 *
 *   | length, varint | tag | literal … | tag | offset | tag | …      the low two bits of a tag say which: 0 is a literal
 *
 * Two loops do the same: the fast one runs while a longest copy and its overshoot fit, and moves 16 bytes at a time; the
 * careful one does the rest.
 *
 * Where an element begins is known only once the one before was read, and to wait for that takes longer than all that is to be done. So it is
 * looked at in advance what would begin at *every* byte of a block of the input, 16 bytes at a time, and the fast loop waits for one byte a turn.
 */

import { advances, blockBytes, literalLengths, literalSizes, needs, patterns, tags } from './tables';

/**
 * Room that a turn of the fast loop needs before the ends: of a literal of 16 bytes and a copy, the loads; of the same, with a copy of 64,
 * the stores.
 */
const inputSlack: usize = 48;
const outputSlack: usize = 112;
/** So that a difference of addresses has a sign. */
const outSizeMax: usize = 0x7fffffff;

/** Where the fast loop has come to. */
let atNow: usize = 0;
let toNow: usize = 0;

/** The `size` bytes at `from` into exactly `outSize` bytes at `out`. 1, or 0 for a damaged input. */
export function unsnap(from: usize, size: usize, out: usize, outSize: usize): i32 {
  const end = from + size;
  const outEnd = out + outSize;
  let at = from;
  let length: u64 = 0;
  let shift: u64 = 0;
  while (true) {
    if (at >= end || shift > 28) return 0;
    const byte = load<u8>(at++);
    length |= (<u64>(byte & 127)) << shift;
    if (byte < 128) break;
    shift += 7;
  }
  if (length != <u64>outSize || outSize > outSizeMax) return 0;
  const fastEnd = size > inputSlack ? end - inputSlack : from;
  const fastOutEnd = outSize > outputSlack ? outEnd - outputSlack : out;
  let to = out;
  let block = at;
  let blockEnd = at;
  while (at < end) {
    if (at < fastEnd && to < fastOutEnd) {
      if (at >= blockEnd) {
        block = at;
        blockEnd = min(at + blockBytes, fastEnd);
        lookAhead(block, blockEnd, advances);
      }
      if (unsnapBlock(at, blockEnd, out, to, fastOutEnd, tags, advances - block) == 0) return 0;
      at = atNow;
      to = toNow;
      if (at >= blockEnd) continue;
    }
    const tag = <u32>load<u8>(at++);
    const kind = tag & 3;
    let count: usize = <usize>(tag >> 2) + 1;
    if (kind == 0) {
      if (count > 60) {
        const lengthBytes = count - 60;
        if (at + lengthBytes > end) return 0;
        // Up to four bytes, little endian; the load may overshoot into the slack.
        count = <usize>(load<u32>(at) & (0xffffffff >> (32 - (<u32>lengthBytes << 3))));
        at += lengthBytes;
        if (count >= outSize) return 0;
        count++;
      }
      if (count > end - at || count > outEnd - to) return 0;
      memory.copy(to, at, count);
      at += count;
      to += count;
      continue;
    }
    let distance: usize;
    if (kind == 1) {
      if (at + 1 > end) return 0;
      count = <usize>((tag >> 2) & 7) + 4;
      distance = <usize>((tag >> 5) << 8 | <u32>load<u8>(at));
      at += 1;
    } else if (kind == 2) {
      if (at + 2 > end) return 0;
      distance = <usize>load<u16>(at);
      at += 2;
    } else {
      if (at + 4 > end) return 0;
      distance = <usize>load<u32>(at);
      at += 4;
    }
    if (distance - 1 >= to - out) return 0;
    if (count > outEnd - to) return 0;
    for (let i: usize = 0; i < count; i++) store<u8>(to + i, load<u8>(to + i - distance));
    to += count;
  }
  return to == outEnd ? 1 : 0;
}

/**
 * Of each byte from `at` to `end`: how long a turn of the fast loop is that begins there, a literal of up to 15 bytes, if there is one, and a copy. What
 * is none, a longer literal or a distance of four bytes, has any number. Reads and writes up to 31 bytes beyond.
 */
function lookAhead(at: usize, end: usize, out: usize): void {
  const kinds = i8x16.splat(3);
  const one = i8x16.splat(1);
  let bytes = v128.load(at);
  let copies = v128.and(bytes, kinds);
  while (at < end) {
    const nextBytes = v128.load(at, 16);
    const nextCopies = v128.and(nextBytes, kinds);
    // The length of a literal less one, and beyond 63 for what is a copy: of those in the table the size, tag and all, of others 0.
    const lengths = v128.or(v128.and(i16x8.shr_u(bytes, 2), i8x16.splat(63)), i16x8.shl(copies, 6));
    const literals = i8x16.swizzle(i8x16(2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0), lengths);
    // Behind the literal, in these 16 bytes or the next ones, stands the copy, whose size its kind tells.
    const behind = i8x16.add(i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), literals);
    const kind = v128.or(i8x16.swizzle(copies, behind), i8x16.swizzle(nextCopies, i8x16.sub(behind, i8x16.splat(16))));
    v128.store(out, i8x16.add(i8x16.add(literals, one), kind));
    bytes = nextBytes;
    copies = nextCopies;
    at += 16;
    out += 16;
  }
}

/**
 * Goes on until an end is near, or an element is not for it: a longer literal, or a distance of four bytes. 0 for a damaged input.
 *
 * A turn is a literal, or none, and a copy; what is none is a literal of no bytes, whose 16 bytes the copy writes over. Nothing is branched on that a
 * processor does not learn. The copy is loaded before the literal is stored, where it takes nothing of it: a load waits for stores that
 * it overlaps with in part. Where it does, or is longer, it has to leave the inner loop, which thus keeps all that it needs in registers.
 */
function unsnapBlock(at: usize, blockEnd: usize, out: usize, to: usize, fastOutEnd: usize, table: usize, ahead: usize): i32 {
  do {
    // Of two bytes a turn makes eleven at most, of three 16.
    const turnsEnd = min(blockEnd, at + ((fastOutEnd - to) >> 3));
    while (at < turnsEnd) {
      const tag = table + <usize>load<u8>(at);
      const behind = at + <usize>load<u8>(tag, literalSizes);
      const length = <usize>load<u8>(tag, literalLengths);
      const entry = table + (<usize>load<u8>(behind) << 2);
      const copy = load<u32>(entry);
      const distance = <usize>((load<u32>(behind, 1) & (copy >> 16)) | (copy & 0x700));
      if (distance < length + <usize>load<u32>(entry, needs)) break;
      const copyTo = to + length;
      if (distance > copyTo - out) return 0;
      const copied = v128.load(copyTo - distance);
      v128.store(to, v128.load(at, 1));
      v128.store(copyTo, copied);
      at += <usize>load<u8>(at + ahead);
      to = copyTo + <usize>(copy & 0xff);
    }
    if (at >= turnsEnd) {
      if (turnsEnd == blockEnd) break;
      if (fastOutEnd - to < 8) break;
      continue;
    }
    const tag = table + <usize>load<u8>(at);
    const behind = at + <usize>load<u8>(tag, literalSizes);
    const copyTo = to + <usize>load<u8>(tag, literalLengths);
    const copy = load<u32>(table + (<usize>load<u8>(behind) << 2));
    const distance = <usize>((load<u32>(behind, 1) & (copy >> 16)) | (copy & 0x700));
    const count = <usize>(copy & 0xff);
    if (count == 0) break;
    if (distance - 1 >= copyTo - out) return 0;
    v128.store(to, v128.load(at, 1));
    copyNear(copyTo, distance, count);
    at += <usize>load<u8>(at + ahead);
    to = copyTo + count;
  } while (at < blockEnd && to < fastOutEnd);
  atNow = at;
  toNow = to;
  return 1;
}

/** Repeats what stands `distance` before, and up to 15 bytes beyond `count`. */
function copyNear(to: usize, distance: usize, count: usize): void {
  if (distance >= 16) {
    for (let i: usize = 0; i < count; i += 16) v128.store(to + i, v128.load(to + i - distance));
    return;
  }
  const pattern = i8x16.swizzle(v128.load(to - distance), v128.load(patterns + (distance << 4)));
  // Whole repetitions only, so that every store begins at the pattern's start.
  const step: usize = <usize>16 - <usize>16 % distance;
  for (let i: usize = 0; i < count; i += step) v128.store(to + i, pattern);
}
