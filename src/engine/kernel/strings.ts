/**
 * The grouper of strings: strings → group ids, dense and in order of first appearance.
 *
 *   table    id + 1 by hash (slots.ts)
 *   entry    | first 16 bytes, zero-padded | hash u32 | length u32 | bytes u32 | – |            32 bytes, entries[id]
 *
 * Most keys are no longer than 16 bytes: they are compared by two words, without a loop, and stand in the entry alone. Longer
 * ones are kept once more, whole, at `bytes`, zero-padded to words. Bytes that come in may be read 16 beyond their end.
 */
import { collide } from './group';
import { alloc, allocZeroed, enlarge, free } from './memory';
import { enter, findSlots, freeTable, newTable, slotOf } from './slots';
import { spanOf } from './values';

const sCount: usize = 0; // as in group.ts
const sCapacity: usize = 4; // room in entries
const sEntries: usize = 8;
const sTable: usize = 12;
const sSlots: usize = 16;
const sBlock: usize = 20; // the block that long strings are being copied into
const sBlockLeft: usize = 24;
const sMasks: usize = 28; // 16 bytes for each length from 0 to 16: as many ones as the string has bytes
const sScratch: usize = 32; // room for what is known of the rows of a batch
const stringGrouperBytes: usize = 40;

/** Rows that are looked up at a time: what is known of them stays in the nearest cache. */
const rowsAtOnce: i32 = 1024;
/** | first 16 bytes | hash | length | rows that were not found at once | of each row of a batch */
const hashesAt: usize = <usize>rowsAtOnce << 4;
const lengthsAt: usize = hashesAt + (<usize>rowsAtOnce << 2);
const pendingAt: usize = lengthsAt + (<usize>rowsAtOnce << 2);
const scratchBytes: usize = pendingAt + (<usize>rowsAtOnce << 2);
const blockBytes: usize = 1 << 16;

const eHash: usize = 16;
const eLength: usize = 20;
const eBytes: usize = 24;
const entryShift: usize = 5;
const inlineBytes: u32 = 16;

export function newStringGrouper(): usize {
  const grouper = allocZeroed(stringGrouperBytes);
  store<u32>(grouper + sCapacity, 1024);
  store<u32>(grouper + sEntries, <u32>alloc(1024 << entryShift));
  store<u32>(grouper + sSlots, 4096);
  store<u32>(grouper + sTable, <u32>newTable(4096));
  const masks = allocZeroed(17 << 4);
  for (let length: usize = 1; length <= 16; length++) memory.fill(masks + (length << 4), 0xff, length);
  store<u32>(grouper + sMasks, <u32>masks);
  store<u32>(grouper + sScratch, <u32>alloc(scratchBytes));
  return grouper;
}

/** Makes room for so many strings before there is one, so that nothing has to grow and be copied. */
export function reserveStrings(grouper: usize, strings: u32): void {
  const capacity = load<u32>(grouper + sCapacity);
  if (strings > capacity) {
    free(load<u32>(grouper + sEntries), <usize>capacity << entryShift);
    store<u32>(grouper + sEntries, <u32>alloc(<usize>strings << entryShift));
    store<u32>(grouper + sCapacity, strings);
  }
  const before = load<u32>(grouper + sSlots);
  let slots = before;
  while (slots < strings << 2) slots <<= 1;
  if (slots == before) return;
  freeTable(load<u32>(grouper + sTable), before);
  store<u32>(grouper + sTable, <u32>newTable(slots));
  store<u32>(grouper + sSlots, slots);
}

@inline function entryOf(grouper: usize, id: usize): usize {
  return <usize>load<u32>(grouper + sEntries) + (id << entryShift);
}

/** Where the bytes of an entry stand; only for as long as no string is added. */
@inline function placeOf(entry: usize): usize {
  return load<u32>(entry, eLength) <= inlineBytes ? entry : <usize>load<u32>(entry, eBytes);
}

/** The lowest `bytes` bytes of a word are ones: 1 to 8. */
@inline function maskOf(bytes: u32): u64 {
  return u64.MAX_VALUE >> (<u64>(8 - bytes) << 3);
}

/** The first 16 bytes of a string, zeros behind its end. */
@inline export function headOf(masks: usize, bytes: usize, length: u32): v128 {
  return v128.and(v128.load(bytes), v128.load(masks + (<usize>min<u32>(length, inlineBytes) << 4)));
}

@inline function hashOfHead(head: v128, length: u32): u64 {
  let hash = (i64x2.extract_lane(head, 0) ^ <u64>length) * 0x9e3779b97f4a7c15;
  hash = ((hash ^ (hash >> 32)) ^ i64x2.extract_lane(head, 1)) * 0xff51afd7ed558ccd;
  return hash ^ (hash >> 32);
}

/** Goes on where a string is longer than 16 bytes. */
function hashOfRest(hash: u64, bytes: usize, length: u32): u64 {
  for (let i: u32 = 16; i < length; i += 8) {
    hash = (hash ^ (load<u64>(bytes + i) & maskOf(min<u32>(length - i, 8)))) * 0xff51afd7ed558ccd;
    hash ^= hash >> 32;
  }
  return hash;
}

/** The last multiplication brings the bits of the last word that came in, which may stand where they stood in it, to all slots. */
@inline function hashOfString(head: v128, bytes: usize, length: u32): u32 {
  let hash = hashOfHead(head, length);
  if (length > inlineBytes) hash = hashOfRest(hash, bytes, length);
  return <u32>(((hash * 0xc4ceb9fe1a85ec53) >> 32) & collide);
}

/** The rest of a string whose first 16 bytes are the entry's, as its length is. */
function sameRest(entry: usize, bytes: usize, length: u32): bool {
  const kept: usize = load<u32>(entry, eBytes);
  for (let i: u32 = 16; i < length; i += 8) {
    if (load<u64>(kept + i) != (load<u64>(bytes + i) & maskOf(min<u32>(length - i, 8)))) return false;
  }
  return true;
}

@inline function isEntry(entry: usize, head: v128, bytes: usize, length: u32): bool {
  if (v128.any_true(v128.xor(v128.load(entry), head)) || load<u32>(entry, eLength) != length) return false;
  return length <= inlineBytes || sameRest(entry, bytes, length);
}

function keepBytes(grouper: usize, bytes: usize, length: usize): usize {
  const padded = (length + 7) & ~7;
  let place: usize;
  if (padded > blockBytes >> 2) {
    place = alloc(padded);
  } else {
    if (padded > <usize>load<u32>(grouper + sBlockLeft)) {
      store<u32>(grouper + sBlock, <u32>alloc(blockBytes));
      store<u32>(grouper + sBlockLeft, <u32>blockBytes);
    }
    place = load<u32>(grouper + sBlock);
    store<u32>(grouper + sBlock, <u32>(place + padded));
    store<u32>(grouper + sBlockLeft, load<u32>(grouper + sBlockLeft) - <u32>padded);
  }
  store<u64>(place + padded - 8, 0);
  memory.copy(place, bytes, length);
  return place;
}

function newString(grouper: usize, hash: u32, head: v128, bytes: usize, length: u32): u32 {
  const id = load<u32>(grouper + sCount);
  const capacity: usize = load<u32>(grouper + sCapacity);
  if (id == <u32>capacity) {
    const now = capacity << entryShift;
    const room = capacity + (now < 33554432 ? capacity : capacity >> 1);
    store<u32>(grouper + sEntries, <u32>enlarge(load<u32>(grouper + sEntries), now, now, room << entryShift));
    store<u32>(grouper + sCapacity, <u32>room);
  }
  const entry = entryOf(grouper, id);
  v128.store(entry, head);
  store<u32>(entry, hash, eHash);
  store<u32>(entry, length, eLength);
  store<u32>(entry, length <= inlineBytes ? 0 : <u32>keepBytes(grouper, bytes, length), eBytes);
  store<u32>(grouper + sCount, id + 1);
  return id;
}

/** Room in the table for so many more; the table doubles when the strings that are there fill a quarter of it. */
function makeRoom(grouper: usize, some: u32): void {
  const slots = load<u32>(grouper + sSlots);
  const met = load<u32>(grouper + sCount);
  if ((met + some) << 1 <= slots || (met << 2 <= slots && some << 2 <= slots)) return;
  const wider = max<u32>(slots << 1, 16384);
  freeTable(load<u32>(grouper + sTable), slots);
  const table = newTable(wider);
  for (let id: u32 = 0; id < met; id++) enter(table, wider - 1, load<u32>(entryOf(grouper, id), eHash), id);
  store<u32>(grouper + sTable, <u32>table);
  store<u32>(grouper + sSlots, wider);
}

/** The id of a string, for which there is room in the table. */
function idOfHashed(grouper: usize, head: v128, hash: u32, bytes: usize, length: u32): u32 {
  const mask = load<u32>(grouper + sSlots) - 1;
  const table: usize = load<u32>(grouper + sTable);
  const upper = hash & ~mask;
  let slot = hash & mask;
  while (true) {
    const word = load<u32>(slotOf(table, slot));
    if (word == 0) break;
    const id = (word & mask) - 1;
    if ((word & ~mask) == upper && isEntry(entryOf(grouper, id), head, bytes, length)) return id;
    slot = (slot + 1) & mask;
  }
  const id = newString(grouper, hash, head, bytes, length);
  store<u32>(slotOf(table, slot), upper | (id + 1));
  return id;
}

/** For which there is room in the table. */
function idOfString(grouper: usize, bytes: usize, length: u32): u32 {
  const head = headOf(load<u32>(grouper + sMasks), bytes, length);
  return idOfHashed(grouper, head, hashOfString(head, bytes, length), bytes, length);
}

/** Gives each selected string its id. `offsets` are u32 and count from `bytes`. */
export function groupStrings(grouper: usize, offsets: usize, bytes: usize, rows: usize, count: i32, ids: usize): void {
  for (let start = 0; start < count; start += rowsAtOnce) {
    const some = min(rowsAtOnce, count - start);
    makeRoom(grouper, some);
    if (rows == 0) groupSome(grouper, offsets + (<usize>start << 2), bytes, 0, some, ids + (<usize>start << 2));
    else groupSome(grouper, offsets, bytes, rows + (<usize>start << 2), some, ids + (<usize>start << 2));
  }
}

/**
 * Short loops, each over all rows, so that many waits for memory overlap: hashes; slots, of which the first of four with the upper bits of the
 * hash is taken; entries, which are looked at without a branch; and last the few rows whose string was not found that way.
 */
function groupSome(grouper: usize, offsets: usize, bytes: usize, rows: usize, count: i32, ids: usize): void {
  const scratch: usize = load<u32>(grouper + sScratch);
  const masks: usize = load<u32>(grouper + sMasks);
  for (let i = 0; i < count; i++) {
    const row: usize = rows == 0 ? i : load<u32>(rows + (<usize>i << 2));
    const start = load<u32>(offsets + (row << 2));
    const length = load<u32>(offsets + (row << 2), 4) - start;
    const head = headOf(masks, bytes + start, length);
    v128.store(scratch + (<usize>i << 4), head);
    store<u32>(scratch + lengthsAt + (<usize>i << 2), length);
    store<u32>(scratch + hashesAt + (<usize>i << 2), hashOfString(head, bytes + start, length));
  }
  findSlots(load<u32>(grouper + sTable), load<u32>(grouper + sSlots) - 1, scratch + hashesAt, count, ids);
  const entries: usize = load<u32>(grouper + sEntries);
  const pending = scratch + pendingAt;
  let left: usize = 0;
  for (let i = 0; i < count; i++) {
    const id1 = load<u32>(ids + (<usize>i << 2));
    const isThere = u32(id1 != 0);
    const entry = entries + (<usize>(id1 - isThere) << entryShift);
    const length = load<u32>(scratch + lengthsAt + (<usize>i << 2));
    let isSame = isThere & u32(i64x2.all_true(i64x2.eq(v128.load(entry), v128.load(scratch + (<usize>i << 4))))) & u32(load<u32>(entry, eLength) == length);
    if (length > inlineBytes) isSame = isSame != 0 ? u32(sameRest(entry, bytesOf(offsets, bytes, rows, i), length)) : 0;
    store<u32>(ids + (<usize>i << 2), id1 - 1);
    store<u32>(pending + (left << 2), i);
    left += <usize>(1 - isSame);
  }
  for (let at: usize = 0; at < left; at++) {
    const i = load<i32>(pending + (at << 2));
    const hash = load<u32>(scratch + hashesAt + (<usize>i << 2));
    const length = load<u32>(scratch + lengthsAt + (<usize>i << 2));
    store<u32>(ids + (<usize>i << 2), idOfHashed(grouper, v128.load(scratch + (<usize>i << 4)), hash, bytesOf(offsets, bytes, rows, i), length));
  }
}

/** Where the bytes of the i-th selected row begin. */
@inline function bytesOf(offsets: usize, bytes: usize, rows: usize, i: i32): usize {
  const row: usize = rows == 0 ? i : load<u32>(rows + (<usize>i << 2));
  return bytes + load<u32>(offsets + (row << 2));
}

/**
 * Gives each selected dictionary code the id of its string. `memo` holds id + 1 of the codes met before, 0 for the others:
 * an entry of the dictionary that no row names gets no id.
 */
export function groupCodes(
  grouper: usize, codes: usize, rows: usize, count: i32, memo: usize, offsets: usize, bytes: usize, ids: usize,
): void {
  for (let i = 0; i < count; i++) {
    const row: usize = rows == 0 ? i : load<u32>(rows + (<usize>i << 2));
    const code: usize = load<u32>(codes + (row << 2));
    let id1 = load<u32>(memo + (code << 2));
    if (id1 == 0) {
      const start = load<u32>(offsets + (code << 2));
      makeRoom(grouper, 1);
      id1 = idOfString(grouper, bytes + start, load<u32>(offsets + (code << 2), 4) - start) + 1;
      store<u32>(memo + (code << 2), id1);
    }
    store<u32>(ids + (<usize>i << 2), id1 - 1);
  }
}

/** The own id of each string of a grouper of another thread, in the same memory; of those of `groups` where it is not 0. */
export function mergeStrings(grouper: usize, other: usize, groups: usize, count: i32, ids: usize): void {
  for (let i = 0; i < count; i++) {
    const entry = entryOf(other, groups == 0 ? <usize>i : <usize>load<u32>(groups + (<usize>i << 2)));
    makeRoom(grouper, 1);
    store<u32>(ids + (<usize>i << 2), idOfString(grouper, placeOf(entry), load<u32>(entry, eLength)));
  }
}

/** Spans of the strings with these ids, u64 each, until strings are added. */
export function stringSpans(grouper: usize, ids: usize, count: i32, out: usize): void {
  for (let i = 0; i < count; i++) {
    const entry = entryOf(grouper, load<u32>(ids + (<usize>i << 2)));
    store<u64>(out + (<usize>i << 3), spanOf(placeOf(entry), load<u32>(entry, eLength)));
  }
}

/** What `headOf` masks with. */
export function stringMasks(grouper: usize): usize {
  return load<u32>(grouper + sMasks);
}

export function stringEntries(grouper: usize): usize {
  return load<u32>(grouper + sEntries);
}

/** Whether the string of entry `b` comes before that of entry `a`, by bytes. */
export function comesBefore(b: usize, a: usize): bool {
  const lengthA = load<u32>(a, eLength), lengthB = load<u32>(b, eLength);
  for (let i: usize = 0; i < 16; i += 8) {
    const wordA = bswap<u64>(load<u64>(a + i)), wordB = bswap<u64>(load<u64>(b + i));
    if (wordA != wordB) return wordB < wordA;
  }
  const bytesA = placeOf(a), bytesB = placeOf(b);
  const shared: usize = min<u32>(lengthA, lengthB);
  for (let i: usize = 16; i < shared; i += 8) {
    const wordA = bswap<u64>(load<u64>(bytesA + i)), wordB = bswap<u64>(load<u64>(bytesB + i));
    if (wordA != wordB) return wordB < wordA;
  }
  return lengthB < lengthA;
}
