/**
 * Rows put aside by part, before they are grouped: where there are more groups than the cache holds, their states would be met at random
 * all over the memory. A part is a range of keys (part.ts) small enough to be grouped within the cache, later.
 *
 *   block    | next u32 | starts u32 | lane 0 u32 | lane 1 u32 | …      addresses; one block for each stretch of rows, in a list
 *   starts   where the rows of each part begin, parts + 1 of them
 *   lane     one value of each row, those of part 0, then those of part 1, …
 *   bytes    two slots: strings, one behind the other, by part, and where those of each part begin; there is room behind each part's
 *
 * A lane is made in a place that stays in the cache, and copied from there: what is written at random to new memory waits for each line of
 * it to be read first.
 */
import { alloc, free } from './memory';
import { partsOfWords, wordOfHead, wordsAtOnce } from './part';
import { validBit } from './select';
import { headOf, stringMasks } from './strings';
import { backToStarts, sumUp } from './words';

const bStarts: usize = 4;
const bLanes: usize = 8;
/** Strings are copied by 16 bytes, beyond their end. */
const roomBehind: u32 = 16;

@inline function rowAt(rows: usize, i: i32): u32 {
  return rows == 0 ? <u32>i : load<u32>(rows + (<usize>i << 2));
}

/** The part of each selected string, u16. */
export function partsOfStrings(
  grouper: usize, offsets: usize, bytes: usize, rows: usize, count: i32, prefix: i64, skipped: i32, search: usize, parts: i32, out: usize,
): void {
  const masks = stringMasks(grouper);
  const words = alloc(wordsAtOnce << 3);
  for (let first = 0; first < count; first += wordsAtOnce) {
    const some = min<i32>(wordsAtOnce, count - first);
    for (let i = 0; i < some; i++) {
      const place = offsets + (<usize>rowAt(rows, first + i) << 2);
      const start = load<u32>(place);
      const head = headOf(masks, bytes + start, load<u32>(place, 4) - start);
      const word = wordOfHead(bswap<u64>(i64x2.extract_lane(head, 0)), bswap<u64>(i64x2.extract_lane(head, 1)), <u64>prefix, skipped);
      store<u64>(words + (<usize>i << 3), word);
    }
    partsOfWords(words, 0, some, search, parts, out + (<usize>first << 1));
  }
  free(words, wordsAtOnce << 3);
}

/** The first 16 bytes of the selected strings as two words each that order as they do. */
export function headsOf(grouper: usize, offsets: usize, bytes: usize, rows: usize, count: i32, out: usize): void {
  const masks = stringMasks(grouper);
  for (let i = 0; i < count; i++) {
    const place = offsets + (<usize>rowAt(rows, i) << 2);
    const start = load<u32>(place);
    const head = headOf(masks, bytes + start, load<u32>(place, 4) - start);
    store<u64>(out + (<usize>i << 4), bswap<u64>(i64x2.extract_lane(head, 0)));
    store<u64>(out + (<usize>i << 4), bswap<u64>(i64x2.extract_lane(head, 1)), 8);
  }
}

/** From the part of each row: where each part begins, and which place each row has. */
export function placesOf(partOfRow: usize, count: i32, parts: i32, starts: usize, places: usize): void {
  memory.fill(starts, 0, <usize>(parts + 1) << 2);
  for (let i = 0; i < count; i++) {
    const place = starts + (<usize>load<u16>(partOfRow + (<usize>i << 1)) << 2);
    store<u32>(place, load<u32>(place, 4) + 1, 4);
  }
  sumUp(starts, parts);
  for (let i = 0; i < count; i++) {
    const place = starts + (<usize>load<u16>(partOfRow + (<usize>i << 1)) << 2);
    const at = load<u32>(place);
    store<u32>(places + (<usize>i << 2), at);
    store<u32>(place, at + 1);
  }
  backToStarts(starts, parts);
}

@inline function scatter<T>(values: usize, rows: usize, count: i32, places: usize, out: usize): void {
  if (rows == 0) {
    for (let i = 0; i < count; i++) {
      store<T>(out + <usize>load<u32>(places + (<usize>i << 2)) * sizeof<T>(), load<T>(values + <usize>i * sizeof<T>()));
    }
    return;
  }
  for (let i = 0; i < count; i++) {
    store<T>(out + <usize>load<u32>(places + (<usize>i << 2)) * sizeof<T>(), load<T>(values + <usize>load<u32>(rows + (<usize>i << 2)) * sizeof<T>()));
  }
}

/** Values of 2^shift bytes each, 1 to 16, of the selected rows to their places. */
export function scatterLane(shift: i32, values: usize, rows: usize, count: i32, places: usize, out: usize): void {
  switch (shift) {
    case 0: scatter<u8>(values, rows, count, places, out); break;
    case 1: scatter<u16>(values, rows, count, places, out); break;
    case 2: scatter<u32>(values, rows, count, places, out); break;
    case 3: scatter<u64>(values, rows, count, places, out); break;
    default: scatter<v128>(values, rows, count, places, out);
  }
}

/** Bits, a byte for each. */
export function scatterBits(bits: usize, bitOffset: i32, rows: usize, count: i32, places: usize, out: usize): void {
  for (let i = 0; i < count; i++) {
    store<u8>(out + <usize>load<u32>(places + (<usize>i << 2)), <u8>validBit(bits, bitOffset, rowAt(rows, i)));
  }
}

/** The lengths of the selected strings, u32, and where those of each part begin; returns how many bytes they take. */
export function scatterLengths(
  offsets: usize, rows: usize, count: i32, partOfRow: usize, places: usize, parts: i32, byteStarts: usize, out: usize,
): u32 {
  memory.fill(byteStarts, 0, <usize>(parts + 1) << 2);
  for (let i = 0; i < count; i++) {
    const offset = offsets + (<usize>rowAt(rows, i) << 2);
    const length = load<u32>(offset, 4) - load<u32>(offset);
    store<u32>(out + (<usize>load<u32>(places + (<usize>i << 2)) << 2), length);
    const place = byteStarts + (<usize>load<u16>(partOfRow + (<usize>i << 1)) << 2);
    store<u32>(place, load<u32>(place, 4) + length, 4);
  }
  for (let part = 0; part < parts; part++) {
    const place = byteStarts + (<usize>part << 2);
    store<u32>(place, load<u32>(place) + load<u32>(place, 4) + roomBehind, 4);
  }
  return load<u32>(byteStarts + (<usize>parts << 2));
}

/** The bytes of the selected strings. */
export function scatterBytes(
  offsets: usize, bytes: usize, rows: usize, count: i32, partOfRow: usize, parts: i32, byteStarts: usize, out: usize,
): void {
  for (let i = 0; i < count; i++) {
    const offset = offsets + (<usize>rowAt(rows, i) << 2);
    const from = load<u32>(offset);
    const length = load<u32>(offset, 4) - from;
    const place = byteStarts + (<usize>load<u16>(partOfRow + (<usize>i << 1)) << 2);
    const to = load<u32>(place);
    if (length <= 16) v128.store(out + to, v128.load(bytes + from));
    else memory.copy(out + to, bytes + from, length);
    store<u32>(place, to + length);
  }
  for (let part = parts; part > 0; part--) {
    store<u32>(byteStarts + (<usize>part << 2), load<u32>(byteStarts + (<usize>(part - 1) << 2)) + roomBehind);
  }
  store<u32>(byteStarts, 0);
}

export function copyLane(from: usize, bytes: usize, to: usize): void {
  memory.copy(to, from, bytes);
}

/** From a block on as many as have so many rows of a part, or all: writes which is next, how many they are, and how many rows they have. */
export function blocksOf(first: usize, part: i32, rowsWanted: u32, out: usize): void {
  let rows: u32 = 0;
  let blocks: u32 = 0;
  let block = first;
  for (; block != 0 && rows < rowsWanted; block = load<u32>(block)) {
    const starts: usize = <usize>load<u32>(block, bStarts) + (<usize>part << 2);
    rows += load<u32>(starts, 4) - load<u32>(starts);
    blocks++;
  }
  store<u32>(out, <u32>block);
  store<u32>(out, blocks, 4);
  store<u32>(out, rows, 8);
}

/** What some blocks have of one part in one lane, of 2^shift bytes each, side by side; a lane that a block lacks is all ones. */
export function gatherLane(block: usize, blocks: i32, slot: i32, shift: i32, part: i32, out: usize): void {
  for (let i = 0; i < blocks; i++, block = load<u32>(block)) {
    const starts: usize = <usize>load<u32>(block, bStarts) + (<usize>part << 2);
    const first: usize = load<u32>(starts);
    const bytes: usize = (<usize>load<u32>(starts, 4) - first) << shift;
    const lane: usize = load<u32>(block + (<usize>slot << 2), bLanes);
    if (lane == 0) memory.fill(out, 1, bytes);
    else memory.copy(out, lane + (first << shift), bytes);
    out += bytes;
  }
}

/** How many bytes the strings of one part take in some blocks. */
export function bytesOfPart(block: usize, blocks: i32, slot: i32, part: i32): u32 {
  let bytes: u32 = 0;
  for (let i = 0; i < blocks; i++, block = load<u32>(block)) {
    const starts: usize = <usize>load<u32>(block + (<usize>slot << 2), bLanes + 4) + (<usize>part << 2);
    bytes += load<u32>(starts, 4) - roomBehind - load<u32>(starts);
  }
  return bytes;
}

/** The bytes of those strings, side by side. */
export function gatherBytes(block: usize, blocks: i32, slot: i32, part: i32, out: usize): void {
  for (let i = 0; i < blocks; i++, block = load<u32>(block)) {
    const lane = block + (<usize>slot << 2);
    const starts: usize = <usize>load<u32>(lane, bLanes + 4) + (<usize>part << 2);
    const first: usize = load<u32>(starts);
    const bytes: usize = <usize>load<u32>(starts, 4) - roomBehind - first;
    memory.copy(out, <usize>load<u32>(lane, bLanes) + first, bytes);
    out += bytes;
  }
}

/** Lengths become offsets, of which there is one more. */
export function offsetsOf(lengths: usize, count: i32): void {
  let offset: u32 = 0;
  for (let i = 0; i <= count; i++) {
    const length = load<u32>(lengths + (<usize>i << 2));
    store<u32>(lengths + (<usize>i << 2), offset);
    offset += length;
  }
}

/** Bytes of 0 or 1 become bits, in place; up to seven bytes behind the last are read. */
export function packBits(flags: usize, count: i32): void {
  for (let i = 0; i < count; i += 8) {
    // The multiplier brings bit 0 of byte j to bit 56 + j. Behind the last byte may stand anything.
    const bits = load<u64>(flags + <usize>i) & 0x0101010101010101;
    store<u8>(flags + <usize>(i >> 3), <u8>((bits * 0x0102040810204080) >> 56));
  }
}
