/**
 * Groups in parts: ranges of keys that threads merge, sort and read out each by themselves. What several threads have of the
 * same range lies far apart in memory; brought together, a part stays in the cache.
 *
 *   part of a key = how many of the bounds are not above its word;    words order as keys do: integers with their sign flipped,
 *   of strings eight bytes behind what all begin with
 */
import { alloc, free } from './memory';
import { groupCount, groupInts, intKeys, isAlive, nameKeys } from './group';
import { stringEntries } from './strings';
import { backToStarts, sumUp } from './words';

/*
 * Bounds as they are asked, `| last cell u32 | shift u32 | low u64 | most u32 | – | bounds … | cells … |`: a cell, the upper bits of a word's
 * distance from the least bound, says how many bounds are not above it; up to `most` are within a cell, none where they were chosen so (cut.ts),
 * and as many steps find the place of any word among those. A step is arithmetic: a branch would be taken one way or the other by chance, and what was
 * guessed wrong costs more than the search.
 */
const cellBits: u32 = 12;
const bShift: usize = 4;
const bLow: usize = 8;
const bMost: usize = 16;
const bBounds: usize = 24;

/** Bytes for the bounds of so many parts. */
export function searchBytes(parts: i32): i32 {
  return <i32>bBounds + (parts << 4) + (2 << cellBits);
}

/** Makes ascending bounds, one less than there are parts, ready to be asked. */
export function newSearch(bounds: usize, parts: i32, search: usize): void {
  const count = parts - 1;
  const own = search + bBounds;
  const cells = own + (<usize>parts << 4);
  memory.copy(own, bounds, <usize>count << 3);
  // A search goes no further beyond the last bound than there are others.
  memory.fill(own + (<usize>count << 3), 0xff, <usize>(parts + 1) << 3);
  const low = count == 0 ? 0 : load<u64>(bounds);
  const high = count == 0 ? 0 : load<u64>(bounds + (<usize>(count - 1) << 3));
  const bits = <u32>(64 - clz<u64>(high - low));
  const shift = bits > cellBits ? bits - cellBits : 0;
  const last = <u32>((high - low) >> <u64>shift);
  let next = 0;
  let most = 0;
  for (let cell: u32 = 0; cell <= last; cell++) {
    while (next < count && load<u64>(bounds + (<usize>next << 3)) <= low + (<u64>cell << <u64>shift)) next++;
    store<u16>(cells + (<usize>cell << 1), <u16>next);
    const first = next;
    while (next < count && <u32>((load<u64>(bounds + (<usize>next << 3)) - low) >> <u64>shift) == cell) next++;
    most = max<i32>(most, next - first);
  }
  store<u32>(search, last);
  store<u32>(search, shift, bShift);
  store<u64>(search, low, bLow);
  store<i32>(search, most, bMost);
}

/** After how many bounds a word comes, by its cell alone. */
@inline function cellOf(word: u64, low: u64, shift: u64, last: u64, cells: usize): u32 {
  if (word < low) return 0;
  let cell = (word - low) >> shift;
  if (cell > last) cell = last;
  return <u32>load<u16>(cells + (<usize>cell << 1));
}

/** One step further, by `half` bounds or not. */
@inline function step(from: usize, half: usize, word: u64): usize {
  return from + ((0 - <usize>(load<u64>(from + (half << 3) - 8) <= word)) & (half << 3));
}

/** The part of each word, u16: how many of the bounds are not above it. Four are searched for side by side, for each step waits for the one before. */
export function partsOfWords(words: usize, flip: u64, count: i32, search: usize, parts: i32, out: usize): void {
  const low = load<u64>(search, bLow);
  const last = <u64>load<u32>(search);
  const shift = <u64>load<u32>(search, bShift);
  const most = load<u32>(search, bMost);
  const own = search + bBounds;
  const cells = own + (<usize>parts << 4);
  let i = 0;
  if (most > 0) {
    for (; i + 4 <= count; i += 4) {
      const place = words + (<usize>i << 3);
      const word0 = load<u64>(place) ^ flip, word1 = load<u64>(place, 8) ^ flip, word2 = load<u64>(place, 16) ^ flip, word3 = load<u64>(place, 24) ^ flip;
      let from0 = own + (<usize>cellOf(word0, low, shift, last, cells) << 3);
      let from1 = own + (<usize>cellOf(word1, low, shift, last, cells) << 3);
      let from2 = own + (<usize>cellOf(word2, low, shift, last, cells) << 3);
      let from3 = own + (<usize>cellOf(word3, low, shift, last, cells) << 3);
      for (let left = most; left > 0; ) {
        const half: usize = (left + 1) >> 1;
        from0 = step(from0, half, word0);
        from1 = step(from1, half, word1);
        from2 = step(from2, half, word2);
        from3 = step(from3, half, word3);
        left -= <u32>half;
      }
      const to = out + (<usize>i << 1);
      store<u16>(to, <u16>min<usize>((from0 - own) >> 3, parts - 1));
      store<u16>(to, <u16>min<usize>((from1 - own) >> 3, parts - 1), 2);
      store<u16>(to, <u16>min<usize>((from2 - own) >> 3, parts - 1), 4);
      store<u16>(to, <u16>min<usize>((from3 - own) >> 3, parts - 1), 6);
    }
  }
  for (; i < count; i++) {
    const word = load<u64>(words + (<usize>i << 3)) ^ flip;
    const part = cellOf(word, low, shift, last, cells);
    if (most == 0) {
      store<u16>(out + (<usize>i << 1), <u16>part);
      continue;
    }
    let from = own + (<usize>part << 3);
    for (let left = most; left > 0; ) {
      const half: usize = (left + 1) >> 1;
      from = step(from, half, word);
      left -= <u32>half;
    }
    store<u16>(out + (<usize>i << 1), <u16>min<usize>((from - own) >> 3, parts - 1));
  }
}

/** Words of strings that are made before they are searched for. */
export const wordsAtOnce: i32 = 1024;

/** From the part of each of `count` ids (u16, 0xffff: in none): the ids by part, and where each part begins. */
function gatherParts(partOfId: usize, count: i32, parts: i32, starts: usize, ids: usize): void {
  memory.fill(starts, 0, <usize>(parts + 1) << 2);
  for (let id = 0; id < count; id++) {
    const part: usize = load<u16>(partOfId + (<usize>id << 1));
    if (part == 0xffff) continue;
    store<u32>(starts + (part << 2), load<u32>(starts + (part << 2), 4) + 1, 4);
  }
  sumUp(starts, parts);
  for (let id = 0; id < count; id++) {
    const part: usize = load<u16>(partOfId + (<usize>id << 1));
    if (part == 0xffff) continue;
    const place = starts + (part << 2);
    const at = load<u32>(place);
    store<u32>(ids + (<usize>at << 2), id);
    store<u32>(place, at + 1);
  }
  backToStarts(starts, parts);
}

/** The ids of integer keys by part. `starts` has room for parts + 1, `ids` for all. */
export function partInts(grouper: usize, flip: i64, search: usize, parts: i32, starts: usize, ids: usize): void {
  nameKeys(grouper);
  const count = groupCount(grouper);
  const bytes = max<usize>(<usize>count << 1, 16);
  const partOfId = alloc(bytes);
  partsOfWords(intKeys(grouper), <u64>flip, count, search, parts, partOfId);
  for (let id = 0; id < count; id++) {
    if (!isAlive(grouper, id)) store<u16>(partOfId + (<usize>id << 1), 0xffff);
  }
  gatherParts(partOfId, count, parts, starts, ids);
  free(partOfId, bytes);
}

/**
 * The eight bytes of a string behind the first `skipped`, at most eight, which are `prefix`; as a word that orders as they do. From its first
 * 16 bytes as two such words.
 */
@inline export function wordOfHead(first: u64, second: u64, prefix: u64, skipped: i32): u64 {
  if (skipped == 0) return first;
  const begins = skipped == 8 ? first : first & (u64.MAX_VALUE << <u64>((8 - skipped) << 3));
  if (begins != prefix) return begins < prefix ? 0 : u64.MAX_VALUE;
  return skipped == 8 ? second : (first << <u64>(skipped << 3)) | (second >> <u64>((8 - skipped) << 3));
}

export function partStrings(grouper: usize, prefix: i64, skipped: i32, search: usize, parts: i32, starts: usize, ids: usize): void {
  const count = groupCount(grouper);
  const entries = stringEntries(grouper);
  const bytes = max<usize>(<usize>count << 1, 16);
  const partOfId = alloc(bytes);
  const words = alloc(wordsAtOnce << 3);
  for (let first = 0; first < count; first += wordsAtOnce) {
    const some = min<i32>(wordsAtOnce, count - first);
    for (let i = 0; i < some; i++) {
      const entry = entries + (<usize>(first + i) << 5);
      store<u64>(words + (<usize>i << 3), wordOfHead(bswap<u64>(load<u64>(entry)), bswap<u64>(load<u64>(entry, 8)), <u64>prefix, skipped));
    }
    partsOfWords(words, 0, some, search, parts, partOfId + (<usize>first << 1));
  }
  gatherParts(partOfId, count, parts, starts, ids);
  free(words, wordsAtOnce << 3);
  free(partOfId, bytes);
}

/** Words of some integer keys, one in so many; returns how many. */
export function sampleInts(grouper: usize, flip: i64, step: i32, out: usize): i32 {
  nameKeys(grouper);
  const count = groupCount(grouper);
  const keys = intKeys(grouper);
  let next: usize = 0;
  for (let id = 0; id < count; id += step) {
    store<i64>(out + (next << 3), load<i64>(keys + (<usize>id << 3)) ^ flip);
    next += <usize>isAlive(grouper, id);
  }
  return <i32>next;
}

/** The first 16 bytes of some strings as two words each that order as they do; returns how many strings. */
export function sampleStrings(grouper: usize, step: i32, out: usize): i32 {
  const count = groupCount(grouper);
  const entries = stringEntries(grouper);
  let next: usize = 0;
  for (let id = 0; id < count; id += step) {
    const entry = entries + (<usize>id << 5);
    store<u64>(out + (next << 4), bswap<u64>(load<u64>(entry)));
    store<u64>(out + (next << 4), bswap<u64>(load<u64>(entry, 8)), 8);
    next++;
  }
  return <i32>next;
}

/** The own ids of some integer keys of another grouper in the same memory, all of which are alive. */
export function mergeSomeInts(grouper: usize, other: usize, groups: usize, count: i32, ids: usize): void {
  const keys = intKeys(other);
  const bytes = max<usize>(<usize>count << 3, 16);
  const some = alloc(bytes);
  for (let i = 0; i < count; i++) store<i64>(some + (<usize>i << 3), load<i64>(keys + (<usize>load<u32>(groups + (<usize>i << 2)) << 3)));
  groupInts(grouper, some, count, ids);
  free(some, bytes);
}

/** The rows of some groups, side by side. */
export function gatherRows(states: usize, stride: i32, groups: usize, count: i32, out: usize): void {
  for (let i = 0; i < count; i++) {
    const from = states + <usize>load<u32>(groups + (<usize>i << 2)) * stride;
    const to = out + <usize>i * stride;
    for (let at = 0; at < stride; at += 8) store<u64>(to + at, load<u64>(from + at));
  }
}
