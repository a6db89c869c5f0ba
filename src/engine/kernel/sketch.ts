/**
 * About how many distinct values a group has: HyperLogLog with 2^12 registers (standard error 1.04 / √4096 = 1.6 %).
 *
 *   state   | address u32 | entries u32 |      entries 2^32 − 1: registers, one byte each
 *   few     entries in ascending order, u32: | the hash's first 26 bits | how many zeros follow, and one, 6 bits |
 *
 * Up to 512 entries are kept as such; then they become registers. Which of the two it is depends on the values alone. The
 * estimate is Ertl's improved raw one ("New cardinality estimation algorithms for HyperLogLog sketches", 2017), which needs
 * no tables and no corrections, and only operations that IEEE 754 defines to the bit.
 */
import { hashSpan, hashWord } from './hash';
import { alloc, allocZeroed, free } from './memory';
import { addressOf, lengthOf } from './values';

const registers: i32 = 4096;
const entriesMax: u32 = 512;
const full: u32 = 0xffffffff;

@inline function roomFor(entries: u32): u32 {
  return entries <= 4 ? 4 : <u32>1 << (32 - clz<u32>(entries - 1));
}

@inline function entryOf(hash: u64): u32 {
  const rest = hash << 26;
  const rank: u32 = rest == 0 ? 39 : <u32>clz<u64>(rest) + 1;
  return (<u32>(hash >> 38) << 6) | rank;
}

@inline function setRegister(block: usize, index: usize, rank: u32): void {
  if (<u32>load<u8>(block + index) < rank) store<u8>(block + index, <u8>rank);
}

function addToRegisters(block: usize, entry: u32): void {
  const index = entry >> 6;
  const low = index & 0x3fff;
  setRegister(block, index >> 14, low != 0 ? <u32>clz<u32>(low) - 17 : 14 + (entry & 63));
}

function becomeRegisters(state: usize): usize {
  const entries = load<u32>(state, 4);
  const list: usize = load<u32>(state);
  const block = allocZeroed(registers);
  for (let i: u32 = 0; i < entries; i++) addToRegisters(block, load<u32>(list + (<usize>i << 2)));
  if (list != 0) free(list, <usize>roomFor(entries) << 2);
  store<u32>(state, <u32>block);
  store<u32>(state, full, 4);
  return block;
}

function addEntry(state: usize, entry: u32): void {
  const entries = load<u32>(state, 4);
  let list: usize = load<u32>(state);
  if (entries == full) {
    addToRegisters(list, entry);
    return;
  }
  let low: u32 = 0, high = entries;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (load<u32>(list + (<usize>middle << 2)) >> 6 < entry >> 6) low = middle + 1;
    else high = middle;
  }
  const place = <usize>low << 2;
  if (low < entries && load<u32>(list + place) >> 6 == entry >> 6) {
    if (load<u32>(list + place) < entry) store<u32>(list + place, entry);
    return;
  }
  if (entries == entriesMax) {
    addToRegisters(becomeRegisters(state), entry);
    return;
  }
  if (list == 0 || entries == roomFor(entries)) {
    const wider = alloc(<usize>roomFor(entries + 1) << 2);
    if (list != 0) {
      memory.copy(wider, list, <usize>entries << 2);
      free(list, <usize>roomFor(entries) << 2);
    }
    list = wider;
    store<u32>(state, <u32>list);
  }
  memory.copy(list + place + 4, list + place, <usize>(entries - low) << 2);
  store<u32>(list + place, entry);
  store<u32>(state, entries + 1, 4);
}

/** Values are keys, or spans. */
export function addSketch(spans: i32, values: usize, ids: usize, count: i32, states: usize, stride: usize): void {
  for (let i = 0; i < count; i++) {
    const value = load<u64>(values + (<usize>i << 3));
    const state = states + <usize>load<u32>(ids + (<usize>i << 2)) * stride;
    const hash = spans ? hashSpan(value) : hashWord(value);
    if (load<u32>(state, 4) == full) {
      const rest = hash << 12;
      setRegister(load<u32>(state), <usize>(hash >> 52), rest == 0 ? 53 : <u32>clz<u64>(rest) + 1);
    } else {
      addEntry(state, entryOf(hash));
    }
  }
}

function mergeEntries(state: usize, list: usize, entries: u32): void {
  for (let i: u32 = 0; i < entries; i++) addEntry(state, load<u32>(list + (<usize>i << 2)));
}

function mergeRegisters(state: usize, other: usize): void {
  const block: usize = load<u32>(state, 4) == full ? <usize>load<u32>(state) : becomeRegisters(state);
  for (let i: usize = 0; i < <usize>registers; i += 16) {
    v128.store(block + i, i8x16.max_u(v128.load(block + i), v128.load(other + i)));
  }
}

/** States of another aggregation in this memory, a word each. */
export function mergeSketches(words: usize, ids: usize, count: i32, states: usize, stride: usize): void {
  for (let i = 0; i < count; i++) {
    const other = words + (<usize>i << 3);
    const state = states + <usize>load<u32>(ids + (<usize>i << 2)) * stride;
    const entries = load<u32>(other, 4);
    if (entries == full) mergeRegisters(state, load<u32>(other));
    else mergeEntries(state, load<u32>(other), entries);
  }
}

/** Bytes of a state in a table: | 0 | entries … | or | 1 | registers |. */
export function sketchSize(state: usize): i32 {
  const entries = load<u32>(state, 4);
  return entries == full ? 1 + registers : 1 + <i32>(entries << 2);
}

export function writeSketch(state: usize, out: usize): void {
  const entries = load<u32>(state, 4);
  store<u8>(out, entries == full ? 1 : 0);
  memory.copy(out + 1, load<u32>(state), sketchSize(state) - 1);
}

/** States as bytes in a table. Returns 0 where the bytes are no such state. */
export function addSketchBytes(sketches: usize, ids: usize, count: i32, states: usize, stride: usize): i32 {
  for (let i = 0; i < count; i++) {
    const span = load<u64>(sketches + (<usize>i << 3));
    const length = lengthOf(span);
    const bytes = addressOf(span);
    const state = states + <usize>load<u32>(ids + (<usize>i << 2)) * stride;
    if (length == 0) return 0;
    const kind = load<u8>(bytes);
    if (kind == 1 && length == 1 + registers) mergeRegisters(state, bytes + 1);
    else if (kind == 0 && (length & 3) == 1 && length <= 1 + (entriesMax << 2)) mergeEntries(state, bytes + 1, <u32>(length >> 2));
    else return 0;
  }
  return 1;
}

export function sketchEstimate(state: usize): f64 {
  const entries = load<u32>(state, 4);
  if (entries != full) return <f64>entries;
  const block: usize = load<u32>(state);
  const counts = allocZeroed(64 << 2);
  for (let i: usize = 0; i < <usize>registers; i++) {
    const place = counts + (<usize>min<u32>(load<u8>(block + i), 53) << 2);
    store<u32>(place, load<u32>(place) + 1);
  }
  const m = <f64>registers;
  let z = m * tau(1 - <f64>load<u32>(counts + (53 << 2)) / m);
  for (let rank: usize = 52; rank >= 1; rank--) z = 0.5 * (z + <f64>load<u32>(counts + (rank << 2)));
  z += m * sigma(<f64>load<u32>(counts) / m);
  free(counts, 64 << 2);
  return 0.7213475204444817 * m * m / z;
}

function sigma(x: f64): f64 {
  if (x == 1) return Infinity;
  let y: f64 = 1;
  let z = x;
  while (true) {
    x *= x;
    const before = z;
    z += x * y;
    y += y;
    if (z == before) return z;
  }
}

function tau(x: f64): f64 {
  if (x == 0 || x == 1) return 0;
  let y: f64 = 1;
  let z = 1 - x;
  while (true) {
    x = sqrt(x);
    const before = z;
    y *= 0.5;
    z -= (1 - x) * (1 - x) * y;
    if (z == before) return z / 3;
  }
}
