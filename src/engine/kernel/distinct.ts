/**
 * The distinct values of every group: one set of pairs for a whole column, and a count in each group's row.
 *
 *   slot | key, or span of bytes of its own, 8 bytes | group + 1, u32, 0 = empty | hash, u32 |      linear probing, half full
 *
 * As bytes in a table: keys of 8 bytes each; of spans, | length u32 | bytes | each. In ascending order either way.
 */
import { compareSpans } from './bytes';
import { hashSpan, hashWord } from './hash';
import { alloc, allocZeroed, free } from './memory';
import { addressOf, lengthOf, spanOf } from './values';

const dSpans: usize = 0; // 1 where the values are spans
const dCount: usize = 4;
const dSlots: usize = 8;
const dTable: usize = 12;
const dBlock: usize = 16; // the block that bytes are being copied into
const dLeft: usize = 20;
const dCollide: usize = 24; // the bits of a hash that count
const setBytes: usize = 32;
const blockBytes: usize = 1 << 16;

/** `collide`: every hash is the same, for tests that want the rare to be common. */
export function newDistinct(spans: i32, collide: i32): usize {
  const set = allocZeroed(setBytes);
  store<u32>(set, spans, dSpans);
  store<u32>(set, 1024, dSlots);
  store<u32>(set, <u32>allocZeroed(1024 << 4), dTable);
  store<u32>(set, collide ? 0 : 0xffffffff, dCollide);
  return set;
}

function keepBytes(set: usize, span: u64): u64 {
  const length = lengthOf(span);
  const room = (length + 15) & ~7; // a word behind it
  let place: usize;
  if (room > blockBytes >> 2) {
    place = alloc(room);
  } else {
    if (room > <usize>load<u32>(set, dLeft)) {
      store<u32>(set, <u32>alloc(blockBytes), dBlock);
      store<u32>(set, <u32>blockBytes, dLeft);
    }
    place = load<u32>(set, dBlock);
    store<u32>(set, <u32>(place + room), dBlock);
    store<u32>(set, load<u32>(set, dLeft) - <u32>room, dLeft);
  }
  memory.copy(place, addressOf(span), length);
  return spanOf(place, length);
}

function grow(set: usize): void {
  const slots: usize = load<u32>(set, dSlots);
  const table: usize = load<u32>(set, dTable);
  const mask = (slots << 1) - 1;
  const wider = allocZeroed(slots << 5);
  for (let slot: usize = 0; slot < slots; slot++) {
    const from = table + (slot << 4);
    if (load<u32>(from, 8) == 0) continue;
    let to = <usize>load<u32>(from, 12) & mask;
    while (load<u32>(wider + (to << 4), 8) != 0) to = (to + 1) & mask;
    store<u64>(wider + (to << 4), load<u64>(from));
    store<u64>(wider + (to << 4), load<u64>(from, 8), 8);
  }
  free(table, slots << 4);
  store<u32>(set, <u32>wider, dTable);
  store<u32>(set, <u32>(slots << 1), dSlots);
}

/** `count` is where the group counts its values. */
@inline function insert(set: usize, isSpan: bool, value: u64, group: u32, count: usize): void {
  const own = isSpan ? hashSpan(value) : hashWord(value);
  const hash = <u32>(hashWord(own ^ (<u64>group * 0x9e3779b97f4a7c15)) >> 32) & load<u32>(set, dCollide);
  const mask = <usize>load<u32>(set, dSlots) - 1;
  const table: usize = load<u32>(set, dTable);
  let slot = <usize>hash & mask;
  while (true) {
    const place = table + (slot << 4);
    const group1 = load<u32>(place, 8);
    if (group1 == 0) {
      store<u64>(place, isSpan ? keepBytes(set, value) : value);
      store<u32>(place, group + 1, 8);
      store<u32>(place, hash, 12);
      store<u64>(count, load<u64>(count) + 1);
      const total = load<u32>(set, dCount) + 1;
      store<u32>(set, total, dCount);
      if (total << 1 > <u32>mask) grow(set);
      return;
    }
    if (group1 == group + 1 && load<u32>(place, 12) == hash) {
      if (isSpan ? compareSpans(load<u64>(place), value) == 0 : load<u64>(place) == value) return;
    }
    slot = (slot + 1) & mask;
  }
}

function insertAny(set: usize, value: u64, group: u32, count: usize): void {
  if (load<u32>(set, dSpans)) insert(set, true, value, group, count);
  else insert(set, false, value, group, count);
}

/** `states` is where group 0 counts its values. */
export function addDistinct(set: usize, values: usize, ids: usize, count: i32, states: usize, stride: usize): void {
  const spans = load<u32>(set, dSpans);
  for (let i = 0; i < count; i++) {
    const group = load<u32>(ids + (<usize>i << 2));
    const value = load<u64>(values + (<usize>i << 3));
    const state = states + <usize>group * stride;
    if (spans) insert(set, true, value, group, state);
    else insert(set, false, value, group, state);
  }
}

/** The groups 0 … count − 1 of another set of this kind; `ids` has the own group of each. */
export function mergeDistinct(set: usize, other: usize, ids: usize, count: i32, states: usize, stride: usize): void {
  const slots: usize = load<u32>(other, dSlots);
  const table: usize = load<u32>(other, dTable);
  for (let slot: usize = 0; slot < slots; slot++) {
    const place = table + (slot << 4);
    const group1 = load<u32>(place, 8);
    if (group1 == 0 || group1 > <u32>count) continue;
    const group = load<u32>(ids + (<usize>(group1 - 1) << 2));
    insertAny(set, load<u64>(place), group, states + <usize>group * stride);
  }
}

/** The values as bytes in a table. Returns 0 where the bytes are not such values. */
export function addDistinctBytes(set: usize, lists: usize, ids: usize, count: i32, states: usize, stride: usize): i32 {
  const spans = load<u32>(set, dSpans);
  for (let i = 0; i < count; i++) {
    const group = load<u32>(ids + (<usize>i << 2));
    const state = states + <usize>group * stride;
    const list = load<u64>(lists + (<usize>i << 3));
    let at = addressOf(list);
    const end = at + lengthOf(list);
    while (at < end) {
      if (!spans) {
        if (end - at < 8) return 0;
        insert(set, false, load<u64>(at), group, state);
        at += 8;
      } else {
        if (end - at < 4) return 0;
        const length: usize = load<u32>(at);
        at += 4;
        if (end - at < length) return 0;
        insert(set, true, spanOf(at, length), group, state);
        at += length;
      }
    }
  }
  return 1;
}

/** Puts the values of each group side by side: those of group g from out[starts[g]] on. Moves `starts` to their ends. */
export function listDistinct(set: usize, starts: usize, out: usize): void {
  const slots: usize = load<u32>(set, dSlots);
  const table: usize = load<u32>(set, dTable);
  for (let slot: usize = 0; slot < slots; slot++) {
    const place = table + (slot << 4);
    const group1 = load<u32>(place, 8);
    if (group1 == 0) continue;
    const start = starts + (<usize>(group1 - 1) << 2);
    const at = load<u32>(start);
    if (at == 0xffffffff) continue;
    store<u64>(out + (<usize>at << 3), load<u64>(place));
    store<u32>(start, at + 1);
  }
}

@inline function isLess(spans: i32, a: u64, b: u64): bool {
  return spans ? compareSpans(a, b) < 0 : <i64>a < <i64>b;
}

/** Sorts words or spans in place (heap sort). */
export function sortValues(spans: i32, values: usize, count: i32): void {
  for (let root = (count >> 1) - 1; root >= 0; root--) sift(spans, values, root, count);
  for (let end = count - 1; end > 0; end--) {
    const last = values + (<usize>end << 3);
    const greatest = load<u64>(values);
    store<u64>(values, load<u64>(last));
    store<u64>(last, greatest);
    sift(spans, values, 0, end);
  }
}

function sift(spans: i32, values: usize, root: i32, count: i32): void {
  const value = load<u64>(values + (<usize>root << 3));
  while (true) {
    let child = (root << 1) + 1;
    if (child >= count) break;
    let greater = load<u64>(values + (<usize>child << 3));
    if (child + 1 < count) {
      const right = load<u64>(values + (<usize>child << 3), 8);
      if (isLess(spans, greater, right)) {
        greater = right;
        child++;
      }
    }
    if (!isLess(spans, value, greater)) break;
    store<u64>(values + (<usize>root << 3), greater);
    root = child;
  }
  store<u64>(values + (<usize>root << 3), value);
}

/** How many bytes these spans take in a table. */
export function spansSize(spans: usize, count: i32): f64 {
  let size: u64 = 0;
  for (let i = 0; i < count; i++) size += 4 + lengthOf(load<u64>(spans + (<usize>i << 3)));
  return <f64>size;
}

export function writeSpans(spans: usize, count: i32, out: usize): void {
  for (let i = 0; i < count; i++) {
    const span = load<u64>(spans + (<usize>i << 3));
    const length = lengthOf(span);
    store<u32>(out, <u32>length);
    memory.copy(out + 4, addressOf(span), length);
    out += 4 + length;
  }
}
