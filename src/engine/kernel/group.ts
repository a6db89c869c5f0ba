/**
 * Groupers of integers: keys → group ids, dense and in order of first appearance. Strings are strings.ts.
 *
 * They are addressed directly for as long as they lie close together:
 *
 *   slots    id = key − base                                  a slot was met when its rows were counted (`countsAt`)
 *   direct   table[key − base] = id + 1                       4 bytes a slot, 0 = empty
 *   pairs    table[first << shift | second] = id + 1          keys are pairs of ids, which are dense from 0 on
 *   hash     table of ids (slots.ts); the key is in keys[id]
 *   keys     keys[id]                                         the way back
 *
 * Slots need no look-up at all, and their ids ascend as the keys do; but ids have gaps, so they are for a single key, and for
 * ranges that the rows announced are likely to fill. Ids stay what they are when a table grows, moves its base or turns into
 * another; what slots had no key then are dead ids.
 */
import { pairIds } from './gather';
import { alloc, allocZeroed, enlarge, free } from './memory';
import { keysOf, slotKeys } from './output';
import { at } from './select';
import { enter, findSlots, freeTable, newTable, slotOf } from './slots';

/** Makes every key collide: for tests that want the rare to be common. */
export let collide: u64 = u64.MAX_VALUE;
let direct: bool = true;

export function forceHash(useDirect: i32, allHashesEqual: i32): void {
  direct = useDirect != 0;
  collide = allHashesEqual != 0 ? 0 : u64.MAX_VALUE;
}

const slotsDirectMax: u64 = 1 << 24;

// An integer grouper's fields.
const iCount: usize = 0; // ids given out
const iCapacity: usize = 4; // room in keys
const iKeys: usize = 8;
const iTable: usize = 12;
const iMode: usize = 16; // 0 empty, 1 direct, 2 hash, 3 slots, 4 pairs
const iSlots: usize = 24; // u64: slots of the table
const iBase: usize = 32; // i64: the key of slot 0
const iExpected: usize = 40; // u64: keys that were announced
const iMet: usize = 48; // a byte for each of the first ids: whether it is alive, where rows were not counted
const iMetCount: usize = 52;
const iMaySlots: usize = 56;
const iRows: usize = 60; // where the rows of each id are counted, u64, and how far apart
const iRowsStride: usize = 64;
const iRowsCount: usize = 68;
const iNarrow: usize = 88; // and where narrow states are (narrow.ts), of how many ids
const iNarrowCount: usize = 92;
const iScratch: usize = 72; // the hashes of rows, and which rows were not found at once
const iReserved: usize = 76; // how many groups there are likely to be
const iShift: usize = 80; // of pairs: how many bits the second id has
const intGrouperBytes: usize = 96;

/** A table of pairs may always have so many slots, and beyond that so many for each pair that is there. */
const pairSlotsFree: u64 = 1 << 17;
const pairSlotsEach: u64 = 4;

/** Rows that are looked up at a time. */
const rowsAtOnce: i32 = 2048;

export function newIntGrouper(maySlots: i32): usize {
  const grouper = allocZeroed(intGrouperBytes);
  store<i32>(grouper + iMaySlots, maySlots);
  store<u32>(grouper + iCapacity, 1024);
  store<u32>(grouper + iKeys, <u32>alloc(1024 << 3));
  return grouper;
}

export function groupCount(grouper: usize): i32 {
  return load<i32>(grouper + iCount);
}

/** The key of each id, 64 bits each. */
export function intKeys(grouper: usize): usize {
  return load<u32>(grouper + iKeys);
}

@inline function hashOf(key: u64): u64 {
  // The multiplier is 2^64 / φ; the shift brings the well-mixed half down.
  const mixed = (key ^ (key >> 32)) * 0x9e3779b97f4a7c15;
  return (mixed ^ (mixed >> 29)) & collide;
}

function newId(grouper: usize, key: i64): u32 {
  const id = load<u32>(grouper + iCount);
  const capacity = load<u32>(grouper + iCapacity);
  if (id == capacity) {
    const keys = enlarge(load<u32>(grouper + iKeys), <usize>capacity << 3, <usize>capacity << 3, <usize>capacity << 4);
    store<u32>(grouper + iKeys, <u32>keys);
    store<u32>(grouper + iCapacity, capacity << 1);
  }
  store<i64>(<usize>load<u32>(grouper + iKeys) + (<usize>id << 3), key);
  store<u32>(grouper + iCount, id + 1);
  return id;
}

/** Announces keys that are to come: how wide a direct table may be depends on how many there are. */
export function expectKeys(grouper: usize, count: i32): void {
  store<u64>(grouper + iExpected, load<u64>(grouper + iExpected) + count);
}

/** Makes room for so many groups before there is one, so that nothing has to grow and be copied. */
export function reserveInts(grouper: usize, groups: u32): void {
  const capacity = load<u32>(grouper + iCapacity);
  store<u32>(grouper + iReserved, groups);
  if (groups <= capacity) return;
  free(load<u32>(grouper + iKeys), <usize>capacity << 3);
  store<u32>(grouper + iKeys, <u32>alloc(<usize>groups << 3));
  store<u32>(grouper + iCapacity, groups);
}

/** Gives each key its id. */
export function groupInts(grouper: usize, keys: usize, count: i32, ids: usize): void {
  if (count == 0) return;
  if (load<u32>(grouper + iMode) == 4) becomeHashed(grouper);
  if (load<u32>(grouper + iMode) == 3 && groupSlots(grouper, keys, count, ids)) return;
  if (load<u32>(grouper + iMode) != 2) makeRoom(grouper, keys, count);
  if (load<u32>(grouper + iMode) == 3) groupSlots(grouper, keys, count, ids);
  else if (load<u32>(grouper + iMode) == 1) groupDirect(grouper, keys, count, ids);
  else groupHashed(grouper, keys, count, ids);
}

/** Sees to it that the direct table spans all of these keys, or turns it into a hash table. */
function makeRoom(grouper: usize, keys: usize, count: i32): void {
  let first = load<i64>(keys);
  let last = first;
  for (let i = 1; i < count; i++) {
    const key = load<i64>(keys + (<usize>i << 3));
    first = min<i64>(first, key);
    last = max<i64>(last, key);
  }
  if (makeSlots(grouper, first, last)) return;
  const mode = load<u32>(grouper + iMode);
  const base = load<i64>(grouper + iBase);
  const slots = load<u64>(grouper + iSlots);
  if (mode == 1) {
    const lastSlot = slots - 1 > <u64>(i64.MAX_VALUE - base) ? i64.MAX_VALUE : base + <i64>(slots - 1);
    if (first >= base && last <= lastSlot) return;
    first = min<i64>(first, base);
    last = max<i64>(last, lastSlot);
  }
  const span = <u64>(last - first);
  const affordable = min<u64>(slotsDirectMax, max<u64>(1 << 16, load<u64>(grouper + iExpected) << 2));
  if (!direct || span >= affordable) {
    becomeHashed(grouper);
    return;
  }
  // Room on both sides, so that keys that creep in one direction do not move the table each time.
  const spare = min<u64>(span >> 2, slotsDirectMax - span) >> 1;
  const newBase = first - <i64>spare < first ? first - <i64>spare : first;
  const newSlots = min<u64>(<u64>(last - newBase) + 1 + spare, slotsDirectMax << 1);
  const table = allocZeroed(<usize>newSlots << 2);
  if (mode == 1) {
    memory.copy(table + (<usize>(base - newBase) << 2), load<u32>(grouper + iTable), <usize>slots << 2);
    free(load<u32>(grouper + iTable), <usize>slots << 2);
  }
  store<u32>(grouper + iTable, <u32>table);
  store<u64>(grouper + iSlots, newSlots);
  store<i64>(grouper + iBase, newBase);
  store<u32>(grouper + iMode, 1);
}

/** The most slots for a range: rows announced are to fill them, more or less, with some room at both ends. */
@inline function slotsMax(grouper: usize): u64 {
  const expected = load<u64>(grouper + iExpected);
  return min<u64>(slotsDirectMax, max<u64>(1 << 16, expected + (expected >> 2)));
}

/** Begins with slots, or adds slots at the end, where keys from first to last allow it; else slots become a table. */
function makeSlots(grouper: usize, first: i64, last: i64): bool {
  const mode = load<u32>(grouper + iMode);
  if (mode == 0) {
    if (!direct || load<i32>(grouper + iMaySlots) == 0 || <u64>(last - first) >= slotsMax(grouper)) return false;
    // Some room below, for keys that come later.
    const spare = <i64>min<u64>(<u64>(last - first) >> 3, slotsMax(grouper) - <u64>(last - first) - 1);
    store<i64>(grouper + iBase, first - spare < first ? first - spare : first);
    store<u32>(grouper + iMode, 3);
  } else if (mode != 3) {
    return false;
  }
  const base = load<i64>(grouper + iBase);
  const slots = load<u64>(grouper + iSlots);
  const wanted = <u64>(last - base) + 1;
  if (first < base || wanted - 1 >= slotsMax(grouper)) {
    leaveSlots(grouper);
    return false;
  }
  if (wanted > slots) {
    // Little room: whoever answers looks at each slot, and what more there is costs a byte a slot to copy.
    const room = min<u64>(wanted + (wanted >> 4), max<u64>(slotsMax(grouper), wanted));
    store<u32>(grouper + iMet, <u32>enlarge(load<u32>(grouper + iMet), <usize>slots, <usize>slots, <usize>room));
    store<u64>(grouper + iSlots, room);
    store<u32>(grouper + iMetCount, <u32>room);
    store<u32>(grouper + iCount, <u32>room);
  }
  return true;
}

/** Writes the keys of slots where they belong, keys[id]. */
function nameSlots(grouper: usize): void {
  const count = load<u32>(grouper + iCount);
  const capacity = load<u32>(grouper + iCapacity);
  if (count > capacity) {
    free(load<u32>(grouper + iKeys), <usize>capacity << 3);
    store<u32>(grouper + iKeys, <u32>alloc(<usize>count << 3));
    store<u32>(grouper + iCapacity, count);
  }
  const keys: usize = load<u32>(grouper + iKeys);
  const base = load<i64>(grouper + iBase);
  for (let id: u32 = 0; id < count; id++) store<i64>(keys + (<usize>id << 3), base + <i64>id);
}

/** Slots become a direct table, with the ids that they have. */
function leaveSlots(grouper: usize): void {
  nameSlots(grouper);
  meetCounted(grouper);
  const count = load<u32>(grouper + iCount);
  const met: usize = load<u32>(grouper + iMet);
  const table = allocZeroed(<usize>count << 2);
  for (let id: u32 = 0; id < count; id++) {
    if (load<u8>(met + id) != 0) store<u32>(table + (<usize>id << 2), id + 1);
  }
  store<u32>(grouper + iTable, <u32>table);
  store<u32>(grouper + iMode, 1);
}

/**
 * Says where the rows of each id are counted, which tells the slots that were met: 64 bits each, `stride` bytes apart; and where narrow states are,
 * whose last word counts rows, too.
 */
export function countsAt(grouper: usize, rows: usize, stride: i32, count: i32, narrow: usize, narrowCount: i32): void {
  store<u32>(grouper + iRows, <u32>rows);
  store<i32>(grouper + iRowsStride, stride);
  store<i32>(grouper + iRowsCount, count);
  store<u32>(grouper + iNarrow, <u32>narrow);
  store<i32>(grouper + iNarrowCount, narrowCount);
}

/** Marks ids as met whose rows are not counted. */
export function meet(grouper: usize, ids: usize, count: i32): void {
  if (load<u32>(grouper + iMode) != 3) return;
  const met: usize = load<u32>(grouper + iMet);
  for (let i = 0; i < count; i++) store<u8>(met + load<u32>(ids + (<usize>i << 2)), 1);
}

/** Brings what the counts tell into the bytes. */
function meetCounted(grouper: usize): void {
  if (load<u32>(grouper + iMode) != 3) return;
  const met: usize = load<u32>(grouper + iMet);
  const rows: usize = load<u32>(grouper + iRows);
  const stride: usize = load<u32>(grouper + iRowsStride);
  const count = min<u32>(load<u32>(grouper + iRowsCount), load<u32>(grouper + iMetCount));
  for (let id: u32 = 0; id < count; id++) {
    if (load<u64>(rows + <usize>id * stride) != 0) store<u8>(met + id, 1);
  }
  const narrow: usize = load<u32>(grouper + iNarrow);
  const narrowCount = min<u32>(load<u32>(grouper + iNarrowCount), load<u32>(grouper + iMetCount));
  for (let id: u32 = 0; id < narrowCount; id++) {
    if (load<u64>(narrow + (<usize>id << 4), 8) != 0) store<u8>(met + id, 1);
  }
}

/** Whether an id is a key's. */
@inline export function isAlive(grouper: usize, id: u32): bool {
  return id >= load<u32>(grouper + iMetCount) || load<u8>(<usize>load<u32>(grouper + iMet) + id) != 0;
}

/** Sees to it that keys[id] is there, and what `isAlive` says. */
export function nameKeys(grouper: usize): void {
  if (load<u32>(grouper + iMode) != 3) return;
  nameSlots(grouper);
  meetCounted(grouper);
}

/** Whether ids ascend as keys do. */
export function isOrdered(grouper: usize): i32 {
  return i32(load<u32>(grouper + iMode) == 3);
}

/** The ids that are alive, ascending; returns how many. There is room for all ids. Nothing is narrow any more, or `nameKeys` was called. */
export function aliveIds(grouper: usize, out: usize): i32 {
  const count = load<u32>(grouper + iCount);
  const met: usize = load<u32>(grouper + iMet);
  const metCount = min<u32>(load<u32>(grouper + iMetCount), count);
  // Where there are slots, rows that were counted tell as much as the bytes.
  const rows: usize = load<u32>(grouper + iRows);
  const stride: usize = load<u32>(grouper + iRowsStride);
  const countedEnd = load<u32>(grouper + iMode) == 3 ? min<u32>(load<u32>(grouper + iRowsCount), metCount) : 0;
  let next: usize = 0;
  let id: u32 = 0;
  for (; id < countedEnd; id++) {
    store<u32>(out + (next << 2), id);
    next += <usize>(<u64>load<u8>(met + id) | load<u64>(rows + <usize>id * stride) != 0);
  }
  for (; id < metCount; id++) {
    store<u32>(out + (next << 2), id);
    next += load<u8>(met + id);
  }
  for (; id < count; id++) store<u32>(out + (next++ << 2), id);
  return <i32>next;
}

/** The keys of these ids, `bytes` wide each. */
export function keysOfInts(grouper: usize, ids: usize, count: i32, bytes: i32, out: usize): void {
  if (load<u32>(grouper + iMode) == 3) slotKeys(load<i64>(grouper + iBase), ids, count, bytes, out);
  else keysOf(load<u32>(grouper + iKeys), ids, count, bytes, out);
}

/** False, with nothing done that matters, when a key lies outside the slots. */
function groupSlots(grouper: usize, keys: usize, count: i32, ids: usize): bool {
  const base = load<i64>(grouper + iBase);
  const slots = load<u64>(grouper + iSlots);
  let outside = false;
  for (let i = 0; i < count; i++) {
    const slot = <u64>(load<i64>(keys + (<usize>i << 3)) - base);
    outside = outside || slot >= slots;
    store<u32>(ids + (<usize>i << 2), <u32>slot);
  }
  return !outside;
}

/** Gives 32-bit keys their ids where they have slots, or all have one in the direct table; 0, with nothing done that matters, when they do not. */
export function groupInts32(grouper: usize, keys: usize, rows: usize, count: i32, signed: i32, ids: usize): i32 {
  const mode = load<u32>(grouper + iMode);
  if (mode != 1 && mode != 3) return 0;
  const base = load<i64>(grouper + iBase);
  const slots = load<u64>(grouper + iSlots);
  // The range in 32 bits, where it fits; the difference is right modulo 2^32 then.
  const lowest: i64 = signed ? <i64>i32.MIN_VALUE : 0;
  const highest: i64 = signed ? <i64>i32.MAX_VALUE : <i64>u32.MAX_VALUE;
  if (base < lowest || base + <i64>slots > highest) return 0;
  const low = <i32>base;
  const limit = <u32>slots;
  if (mode == 1) return groupKnown(load<u32>(grouper + iTable), low, limit, keys, rows, count, ids);
  let i = 0;
  if (rows == 0) {
    const bases = i32x4.splat(low);
    const limits = i32x4.splat(<i32>limit);
    let inside = i32x4.splat(-1);
    for (; i + 4 <= count; i += 4) {
      const slot = i32x4.sub(v128.load(keys + (<usize>i << 2)), bases);
      inside = v128.and(inside, i32x4.lt_u(slot, limits));
      v128.store(ids + (<usize>i << 2), slot);
    }
    if (!i32x4.all_true(inside)) return 0;
  }
  for (; i < count; i++) {
    const row = rows == 0 ? <u32>i : load<u32>(rows + (<usize>i << 2));
    const slot = <u32>(load<i32>(keys + (<usize>row << 2)) - low);
    if (slot >= limit) return 0;
    store<u32>(ids + (<usize>i << 2), slot);
  }
  return 1;
}

function groupKnown(table: usize, low: i32, limit: u32, keys: usize, rows: usize, count: i32, ids: usize): i32 {
  for (let i = 0; i < count; i++) {
    const slot = <u32>(load<i32>(keys + (at(rows, i) << 2)) - low);
    if (slot >= limit) return 0;
    const id1 = load<u32>(table + (<usize>slot << 2));
    if (id1 == 0) return 0;
    store<u32>(ids + (<usize>i << 2), id1 - 1);
  }
  return 1;
}

function groupDirect(grouper: usize, keys: usize, count: i32, ids: usize): void {
  const table: usize = load<u32>(grouper + iTable);
  const base = load<i64>(grouper + iBase);
  for (let i = 0; i < count; i++) {
    const key = load<i64>(keys + (<usize>i << 3));
    const slot = table + (<usize>(key - base) << 2);
    let id1 = load<u32>(slot);
    if (id1 == 0) {
      id1 = newId(grouper, key) + 1;
      store<u32>(slot, id1);
    }
    store<u32>(ids + (<usize>i << 2), id1 - 1);
  }
}

/** Gives each pair of ids its id. There are `firstCount` and `secondCount` of them by now; `words` is room for what is looked up. */
export function groupPairs(grouper: usize, firsts: usize, firstCount: i32, seconds: usize, secondCount: i32, count: i32, words: usize, ids: usize): void {
  if (!makePairs(grouper, firstCount, secondCount)) {
    pairIds(firsts, seconds, count, words);
    groupInts(grouper, words, count, ids);
    return;
  }
  const shift = load<u32>(grouper + iShift);
  const table: usize = load<u32>(grouper + iTable);
  for (let i: usize = 0; i < <usize>count; i++) {
    const first = load<u32>(firsts + (i << 2));
    const second = load<u32>(seconds + (i << 2));
    const slot = table + (<usize>((first << shift) | second) << 2);
    let id1 = load<u32>(slot);
    if (id1 == 0) {
      id1 = newId(grouper, (<i64>first << 32) | <i64>second) + 1;
      store<u32>(slot, id1);
    }
    store<u32>(ids + (i << 2), id1 - 1);
  }
}

/** Sees to it that the table has a slot for each pair that there may be; false where that were too many. */
function makePairs(grouper: usize, firstCount: i32, secondCount: i32): bool {
  const mode = load<u32>(grouper + iMode);
  if (!direct || (mode != 0 && mode != 4)) return false;
  const slots = load<u64>(grouper + iSlots);
  let shift = load<u32>(grouper + iShift);
  if (mode == 4 && secondCount <= 1 << shift && <u64>firstCount << shift <= slots) return true;
  while (secondCount > 1 << shift) shift++;
  const affordable = max<u64>(pairSlotsFree, <u64>load<u32>(grouper + iCount) * pairSlotsEach);
  const needed = <u64>firstCount << shift;
  if (needed > affordable) return false;
  const room = min<u64>(max<u64>(needed << 1, 1 << 12), affordable);
  if (mode == 4) free(load<u32>(grouper + iTable), <usize>slots << 2);
  const table = allocZeroed(<usize>room << 2);
  const keys: usize = load<u32>(grouper + iKeys);
  const count = load<u32>(grouper + iCount);
  for (let id: u32 = 0; id < count; id++) {
    const word = load<u64>(keys + (<usize>id << 3));
    const slot = <u32>((word >> 32) << shift) | <u32>word;
    store<u32>(table + (<usize>slot << 2), id + 1);
  }
  store<u32>(grouper + iTable, <u32>table);
  store<u64>(grouper + iSlots, room);
  store<u32>(grouper + iShift, shift);
  store<u32>(grouper + iMode, 4);
  return true;
}

function becomeHashed(grouper: usize): void {
  if (load<u32>(grouper + iMode) == 1 || load<u32>(grouper + iMode) == 4) free(load<u32>(grouper + iTable), <usize>load<u64>(grouper + iSlots) << 2);
  store<u32>(grouper + iMode, 2);
  let slots: u64 = 1024;
  while (slots < <u64>max<u32>(load<u32>(grouper + iCount), load<u32>(grouper + iReserved)) << 2) slots <<= 1;
  rehash(grouper, slots);
  store<u32>(grouper + iScratch, <u32>alloc(rowsAtOnce << 3));
}

function rehash(grouper: usize, slots: u64): void {
  const table = newTable(<u32>slots);
  const count = load<u32>(grouper + iCount);
  const keys: usize = load<u32>(grouper + iKeys);
  for (let id: u32 = 0; id < count; id++) {
    if (isAlive(grouper, id)) enter(table, <u32>slots - 1, <u32>hashOf(load<i64>(keys + (<usize>id << 3))), id);
  }
  store<u32>(grouper + iTable, <u32>table);
  store<u64>(grouper + iSlots, slots);
}

/**
 * Slots hold ids alone, a quarter of what they would be with their keys, so that the table of four times as many groups stays
 * in the cache. Room for all that may come is made before, a few thousand rows at a time, so that the loops look after nothing.
 */
function groupHashed(grouper: usize, keys: usize, count: i32, ids: usize): void {
  for (let start = 0; start < count; start += rowsAtOnce) {
    const some = min(rowsAtOnce, count - start);
    const slots = load<u64>(grouper + iSlots);
    const met = <u64>load<u32>(grouper + iCount);
    // Rows that may all be new are no reason to double, as long as the keys that are there fill no more than a quarter.
    if ((met + some) << 1 > slots && (met << 2 > slots || <u64>some << 2 > slots)) {
      freeTable(load<u32>(grouper + iTable), <u32>slots);
      rehash(grouper, max<u64>(slots << 1, <u64>rowsAtOnce << 2));
    }
    groupSome(grouper, keys + (<usize>start << 3), some, ids + (<usize>start << 2));
  }
}

/**
 * Short loops, each over all rows and without a branch that would wait for memory, so that many waits overlap: hashes, slots, keys. The last
 * settles what was not found that way, or is new.
 */
function groupSome(grouper: usize, keys: usize, count: i32, ids: usize): void {
  const mask = <u32>load<u64>(grouper + iSlots) - 1;
  const table: usize = load<u32>(grouper + iTable);
  const hashes: usize = load<u32>(grouper + iScratch);
  for (let i = 0; i < count; i++) store<u32>(hashes + (<usize>i << 2), <u32>hashOf(load<i64>(keys + (<usize>i << 3))));
  findSlots(table, mask, hashes, count, ids);
  let known: usize = load<u32>(grouper + iKeys);
  const pending = hashes + (<usize>rowsAtOnce << 2);
  let left: usize = 0;
  for (let i = 0; i < count; i++) {
    const id1 = load<u32>(ids + (<usize>i << 2));
    const isThere = u32(id1 != 0);
    const found = load<i64>(known + (<usize>(id1 - isThere) << 3));
    store<u32>(ids + (<usize>i << 2), id1 - 1);
    store<u32>(pending + (left << 2), i);
    left += <usize>(1 - (isThere & u32(found == load<i64>(keys + (<usize>i << 3)))));
  }
  for (let at: usize = 0; at < left; at++) {
    const i: usize = load<u32>(pending + (at << 2));
    const key = load<i64>(keys + (i << 3));
    const hash = load<u32>(hashes + (i << 2));
    let slot = hash & mask;
    let word = load<u32>(slotOf(table, slot));
    while (word != 0 && load<i64>(known + (<usize>((word & mask) - 1) << 3)) != key) {
      slot = (slot + 1) & mask;
      word = load<u32>(slotOf(table, slot));
    }
    if (word == 0) {
      word = newId(grouper, key) + 1;
      known = load<u32>(grouper + iKeys);
      store<u32>(slotOf(table, slot), (hash & ~mask) | word);
    }
    store<u32>(ids + (i << 2), (word & mask) - 1);
  }
}

// Merging a grouper of another thread, in the same memory: the own id of each of its ids, which are met.

export function mergeInts(grouper: usize, other: usize, ids: usize): void {
  const count = groupCount(other);
  nameKeys(other);
  const keys = intKeys(other);
  const alive = aliveIds(other, ids);
  if (alive == count) {
    groupInts(grouper, keys, count, ids);
    meet(grouper, ids, count);
    return;
  }
  const bytes = max<usize>(<usize>alive * 12, 16);
  const aliveKeys = alloc(bytes);
  const ownIds = aliveKeys + (<usize>alive << 3);
  for (let i: usize = 0; i < <usize>alive; i++) store<i64>(aliveKeys + (i << 3), load<i64>(keys + (<usize>load<u32>(ids + (i << 2)) << 3)));
  groupInts(grouper, aliveKeys, alive, ownIds);
  meet(grouper, ownIds, alive);
  // Dead ids have empty states: it does no harm to merge those with any group.
  let next: usize = 0;
  for (let id = 0; id < count; id++) {
    store<u32>(ids + (<usize>id << 2), load<u32>(ownIds + (next << 2)));
    next += <usize>(isAlive(other, id) && <i32>next < alive - 1);
  }
  free(aliveKeys, bytes);
}

/**
 * Slots beside slots: ids differ by where they begin. Writes, u32 each, the first id of the other that is alive, how many there are from there to
 * the last, and the own id of the first. 0 where one has no slots, or the other's keys do not fit. What was met by its counted rows is so once those are merged;
 * dead ids have empty states, which do no harm there.
 */
export function mergeSlots(grouper: usize, other: usize, out: usize): i32 {
  if (load<u32>(grouper + iMode) != 3 || load<u32>(other + iMode) != 3) return 0;
  let first: u32 = 0, end = load<u32>(other + iCount);
  while (first < end && !isMet(other, first)) first++;
  while (end > first && !isMet(other, end - 1)) end--;
  const base = load<i64>(other + iBase);
  if (first == end || !makeSlots(grouper, base + first, base + end - 1)) return 0;
  const own = <u32>(base + first - load<i64>(grouper + iBase));
  const met: usize = load<u32>(other + iMet) + first;
  const ownMet: usize = load<u32>(grouper + iMet) + own;
  const count = end - first;
  let i: usize = 0;
  for (; i + 8 <= <usize>count; i += 8) store<u64>(ownMet + i, load<u64>(ownMet + i) | load<u64>(met + i));
  for (; i < <usize>count; i++) store<u8>(ownMet + i, load<u8>(ownMet + i) | load<u8>(met + i));
  store<u32>(out, first);
  store<u32>(out, count, 4);
  store<u32>(out, own, 8);
  return 1;
}

/** Whether a slot was met, by its counted rows or otherwise. */
@inline function isMet(grouper: usize, id: u32): bool {
  if (load<u8>(<usize>load<u32>(grouper + iMet) + id) != 0) return true;
  if (id < load<u32>(grouper + iNarrowCount) && load<u64>(<usize>load<u32>(grouper + iNarrow) + (<usize>id << 4), 8) != 0) return true;
  return id < load<u32>(grouper + iRowsCount) && load<u64>(<usize>load<u32>(grouper + iRows) + <usize>id * load<u32>(grouper + iRowsStride)) != 0;
}

/** Pairs of ids, whose halves are to be mapped first: `firsts` and `seconds` hold the own ids of the other's, of which there are so many by now. */
export function mergePairs(grouper: usize, other: usize, firsts: usize, firstCount: i32, seconds: usize, secondCount: i32, ids: usize): void {
  const count = groupCount(other);
  const keys = intKeys(other);
  const bytes = max<usize>(<usize>count << 4, 16);
  const words = alloc(bytes);
  const ownFirsts = words + (<usize>count << 3);
  const ownSeconds = ownFirsts + (<usize>count << 2);
  for (let i: usize = 0; i < <usize>count; i++) {
    const pair = load<u64>(keys + (i << 3));
    store<u32>(ownFirsts + (i << 2), load<u32>(firsts + (<usize>(pair >> 32) << 2)));
    store<u32>(ownSeconds + (i << 2), load<u32>(seconds + (<usize>(pair & 0xffffffff) << 2)));
  }
  groupPairs(grouper, ownFirsts, firstCount, ownSeconds, secondCount, count, words, ids);
  free(words, bytes);
}
