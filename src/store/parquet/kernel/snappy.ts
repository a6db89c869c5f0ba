/**
 * Snappy, the raw format (format_description.txt in google/snappy): a length, then literals and copies.
 *
 *   | length, varint | tag | literal … | tag | offset | tag | …      the low two bits of a tag say which: 0 is a literal
 *
 * Two loops do the same: the fast one runs while a longest copy and its overshoot fit, and moves 16 bytes at a time; the
 * careful one does the rest.
 */

import { patterns, tags } from './tables';

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
  while (at < end) {
    if (at < fastEnd && to < fastOutEnd) {
      if (unsnapFast(at, fastEnd, out, to, fastOutEnd, tags) == 0) return 0;
      at = atNow;
      to = toNow;
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
 * Goes on until an end is near, or an element is not for it: a long literal, or a distance of four bytes. 0 for a damaged input.
 *
 * Literals and copies mostly take turns, which a processor learns: so a turn of the loop is one of each. Which of the two kinds of copy comes
 * next it does not learn, so there what differs is looked up, not branched on.
 */
function unsnapFast(at: usize, fastEnd: usize, out: usize, to: usize, fastOutEnd: usize, table: usize): i32 {
  do {
    let tag = <u32>load<u8>(at);
    if ((tag & 3) == 0) {
      if (tag > 15 << 2) break;
      v128.store(to, v128.load(at, 1));
      at += (tag >> 2) + 2;
      to += (tag >> 2) + 1;
      tag = <u32>load<u8>(at);
      if ((tag & 3) == 0) continue;
    }
    const copy = load<u32>(table + (tag << 2));
    const distance = <usize>((load<u32>(at, 1) & (copy >> 16)) | (copy & 0x700));
    const count = <usize>(copy & 0xff);
    if (count == 0) break;
    if (distance - 1 >= to - out) return 0;
    if (count > 16) copyLong(to, distance, count);
    else if (distance >= 16) v128.store(to, v128.load(to - distance));
    else v128.store(to, i8x16.swizzle(v128.load(to - distance), v128.load(patterns + (distance << 4))));
    at += (tag & 3) + 1;
    to += count;
    // Both ends are ahead as long as both differences are negative.
  } while (<i32>((at - fastEnd) & (to - fastOutEnd)) < 0);
  atNow = at;
  toNow = to;
  return 1;
}

/** Repeats what stands `distance` before, more than 16 bytes of it, and up to 15 beyond `count`. */
function copyLong(to: usize, distance: usize, count: usize): void {
  if (distance >= 16) {
    for (let i: usize = 0; i < count; i += 16) v128.store(to + i, v128.load(to + i - distance));
    return;
  }
  const pattern = i8x16.swizzle(v128.load(to - distance), v128.load(patterns + (distance << 4)));
  // Whole repetitions only, so that every store begins at the pattern's start.
  const step: usize = <usize>16 - <usize>16 % distance;
  for (let i: usize = 0; i < count; i += step) v128.store(to + i, pattern);
}
