/** Positions in ascending order: of 64-bit words by radix, of strings by their bytes. Equal elements keep their order. */
import { groupCount } from './group';
import { alloc, free } from './memory';
import { comesBefore, stringEntries } from './strings';

/** Turns signed words into unsigned ones that order alike, or back. */
export function flipSigns(words: usize, count: i32): void {
  for (let i = 0; i < count; i++) store<u64>(words + (<usize>i << 3), load<u64>(words + (<usize>i << 3)) ^ 0x8000000000000000);
}

/** The rank of each element, from the positions in ascending order. */
export function ranksOf(positions: usize, count: i32, ranks: usize): void {
  for (let rank = 0; rank < count; rank++) store<u32>(ranks + (<usize>load<u32>(positions + (<usize>rank << 2)) << 2), rank);
}

/** Fewer are sorted by inserting each where it belongs. */
const fewMost: i32 = 24;
const digitBits: u32 = 11;
const digits: usize = 3;
const countsBytes: usize = digits << (digitBits + 2);

/**
 * Fills `positions` so that words[positions[i]] ascends, unsigned. Radix sort by the upper 32 bits of what words are above the least, in entries that
 * carry the position; what agrees in those is sorted by the rest.
 */
export function argsort64(words: usize, count: i32, positions: usize): void {
  for (let i = 0; i < count; i++) store<u32>(positions + (<usize>i << 2), i);
  sortPositions(words, count, positions);
}

function sortPositions(words: usize, count: i32, positions: usize): void {
  if (count <= fewMost) return insertSorted(words, count, positions);
  let low = u64.MAX_VALUE;
  let high: u64 = 0;
  for (let i = 0; i < count; i++) {
    const word = load<u64>(words + (<usize>load<u32>(positions + (<usize>i << 2)) << 3));
    low = min<u64>(low, word);
    high = max<u64>(high, word);
  }
  if (low == high) return;
  const bits = 64 - clz<u64>(high - low);
  const shift = bits > 32 ? bits - 32 : 0;
  const counts = alloc(countsBytes);
  memory.fill(counts, 0, countsBytes);
  const bytes = <usize>count << 3;
  const entries = alloc(bytes);
  const spare = alloc(bytes);
  for (let i = 0; i < count; i++) {
    const position = load<u32>(positions + (<usize>i << 2));
    const upper = (load<u64>(words + (<usize>position << 3)) - low) >> shift;
    for (let digit: usize = 0; digit < digits; digit++) {
      const place = counts + (digit << (digitBits + 2)) + ((<usize>(upper >> (digit * digitBits)) & ((1 << digitBits) - 1)) << 2);
      store<u32>(place, load<u32>(place) + 1);
    }
    store<u64>(entries + (<usize>i << 3), (upper << 32) | <u64>position);
  }
  let from = entries;
  let to = spare;
  for (let digit: usize = 0; digit < digits; digit++) {
    const starts = counts + (digit << (digitBits + 2));
    if (!startsOf(starts, count)) continue;
    const skipped = 32 + <u64>(digit * digitBits);
    for (let i = 0; i < count; i++) {
      const entry = load<u64>(from + (<usize>i << 3));
      const place = starts + ((<usize>(entry >> skipped) & ((1 << digitBits) - 1)) << 2);
      const start = load<u32>(place);
      store<u64>(to + (<usize>start << 3), entry);
      store<u32>(place, start + 1);
    }
    const swap = from;
    from = to;
    to = swap;
  }
  for (let i = 0; i < count; i++) store<u32>(positions + (<usize>i << 2), load<u32>(from + (<usize>i << 3)));
  if (shift > 0) {
    for (let start = 0, end = 0; start < count; start = end) {
      const upper = load<u32>(from + (<usize>start << 3), 4);
      end = start + 1;
      while (end < count && load<u32>(from + (<usize>end << 3), 4) == upper) end++;
      if (end - start > 1) sortPositions(words, end - start, positions + (<usize>start << 2));
    }
  }
  free(spare, bytes);
  free(entries, bytes);
  free(counts, countsBytes);
}

function insertSorted(words: usize, count: i32, positions: usize): void {
  for (let i = 1; i < count; i++) {
    const position = load<u32>(positions + (<usize>i << 2));
    const word = load<u64>(words + (<usize>position << 3));
    let place = positions + (<usize>i << 2);
    while (place > positions) {
      const before = load<u32>(place - 4);
      if (load<u64>(words + (<usize>before << 3)) <= word) break;
      store<u32>(place, before);
      place -= 4;
    }
    store<u32>(place, position);
  }
}

/** Turns counts of a digit into where each begins; false when one digit has them all. */
function startsOf(counts: usize, count: i32): bool {
  let start: u32 = 0;
  for (let value: usize = 0; value < 1 << digitBits; value++) {
    const here = load<u32>(counts + (value << 2));
    if (here == <u32>count) return false;
    store<u32>(counts + (value << 2), start);
    start += here;
  }
  return true;
}

/**
 * The ids of a grouper's strings (strings.ts) in ascending order of their bytes: sorted by the eight bytes behind what all begin
 * with as one word; runs that agree in it are sorted by comparing.
 */
export function argsortStrings(grouper: usize, positions: usize): void {
  const count = groupCount(grouper);
  const entries = stringEntries(grouper);
  const bytes = max<usize>(<usize>count << 3, 16);
  const words = alloc(bytes);
  const skipped = sharedBytes(entries, count) << 3;
  for (let i = 0; i < count; i++) {
    const entry = entries + (<usize>i << 5);
    const first = bswap<u64>(load<u64>(entry));
    const second = bswap<u64>(load<u64>(entry, 8));
    const word = skipped == 64 ? second : skipped == 0 ? first : (first << <u64>skipped) | (second >> <u64>(64 - skipped));
    store<u64>(words + (<usize>i << 3), word);
  }
  argsort64(words, count, positions);
  const spare = alloc(max<usize>(<usize>count << 2, 16));
  let start = 0;
  while (start < count) {
    const word = load<u64>(words + (<usize>load<u32>(positions + (<usize>start << 2)) << 3));
    let end = start + 1;
    while (end < count && load<u64>(words + (<usize>load<u32>(positions + (<usize>end << 2)) << 3)) == word) end++;
    if (end - start > 1) mergeSort(entries, positions + (<usize>start << 2), end - start, spare);
    start = end;
  }
  free(spare, max<usize>(<usize>count << 2, 16));
  free(words, bytes);
}

/** With how many bytes all strings begin alike, of the first eight; those that are shorter have zeros there. */
function sharedBytes(entries: usize, count: i32): i32 {
  if (count == 0) return 0;
  const first = load<u64>(entries);
  let differs: u64 = 0;
  for (let i = 0; i < count; i++) differs |= load<u64>(entries + (<usize>i << 5)) ^ first;
  return <i32>min<u64>(ctz<u64>(differs) >> 3, 8);
}

@inline function entryAt(entries: usize, positions: usize, i: i32): usize {
  return entries + (<usize>load<u32>(positions + (<usize>i << 2)) << 5);
}

/** Bottom-up, stable. */
function mergeSort(entries: usize, positions: usize, count: i32, spare: usize): void {
  for (let width = 1; width < count; width <<= 1) {
    for (let start = 0; start < count; start += width << 1) {
      const middle = min(start + width, count);
      const end = min(start + (width << 1), count);
      let left = start;
      let right = middle;
      for (let out = start; out < end; out++) {
        const takeRight = left == middle ||
          (right < end && comesBefore(entryAt(entries, positions, right), entryAt(entries, positions, left)));
        const from = takeRight ? right++ : left++;
        store<u32>(spare + (<usize>out << 2), load<u32>(positions + (<usize>from << 2)));
      }
    }
    memory.copy(positions, spare, <usize>count << 2);
  }
}
