/**
 * Narrow states: the rows, the sum of doubles and one extreme of a group in 16 bytes, four groups to a cache line. Half of what the states of
 * state.ts take, so that those of twice as many groups stay in the processor's cache.
 *
 *   | code u32 | Σ high i32 | count · 2^56 + Σ low, i64 |        value = high · 2^(48 − k) + low · 2^−k,  |low| ≤ 2^47,  |high| ≤ 2^22
 *
 * Values are whole multiples of 2^−k below 2^(70 − k), so that both parts are whole numbers, which come out of the bits of a sum with a
 * constant; nothing is rounded. The extreme is that of codes of 32 bits, of which the greatest is kept (0: none). A row is added by one addition and one maximum of
 * 16 bytes. A group of 128 rows or more is found by the sign of its last word, after a block of 64 rows, and its sum goes to the states of state.ts, as all do
 * in the end (`widenStates`).
 */
import { allocZeroed } from './memory';
import { keepGreater, keepLess } from './extremes';
import { admit, byTwoSum, exponentOf, look, powerOf2 } from './split';
import { fits, fitSpan, lowestFit } from './split-rows';
import { addExactly } from './state';
import { wMode, wSplitter } from './wide';

/** How values and codes are narrowed. */
const nHigh: usize = 0; // what brings out the high part of a value
const nLow: usize = 8; // and the low one as a whole number
const nLargest: usize = 16; // the magnitudes that fit
const nSmallest: usize = 24;
const nHighUnit: usize = 32;
const nLowUnit: usize = 40;
const nLargestMet: usize = 48; // and those that it was decided by
const nSmallestMet: usize = 56;
const nIsSpilt: usize = 64; // whether any group had too many rows
const narrowingBytes: usize = 72;

const lowBits: i32 = 48;
const valueBits: i32 = 70;
const blockRows: i32 = 64;
const oneRow: i64 = 1 << 56;
const rowsMost: u64 = 256;
/** Where a group's sum stands in its row: behind the rows that it has. */
const sumAt: usize = 8;

/** Whether anything was added to states in passing. */
export function isSpilt(narrowing: usize): i32 {
  return load<i32>(narrowing + nIsSpilt);
}

export function newNarrowing(): usize {
  const narrowing = allocZeroed(narrowingBytes);
  store<f64>(narrowing + nSmallestMet, Infinity);
  return narrowing;
}

/**
 * Decides how values are narrowed, by these and those that it was decided by before; 0, and nothing is changed, where they lie too far apart or
 * all are zero. Nothing may be narrow at that time. `states`: those that take them later, `stride` bytes apart.
 */
export function decideNarrow(narrowing: usize, values: usize, count: i32, states: usize, stride: usize, groups: i32, wides: usize): i32 {
  let largest = load<f64>(narrowing + nLargestMet);
  let smallest = load<f64>(narrowing + nSmallestMet);
  for (let i = 0; i < count; i++) {
    const size = abs(load<f64>(values + (<usize>i << 3)));
    largest = max<f64>(largest, size);
    if (size != 0) smallest = min<f64>(smallest, size);
  }
  // NaN is in no range.
  if (!(largest < 1e250 && smallest > 1e-250 && largest > 0)) return 0;
  const below = 52 - exponentOf(smallest);
  const spare = valueBits - (exponentOf(largest) + 1) - below;
  if (spare < 0) return 0;
  // A bit for larger ones, where there is room; by nothing else than the largest, so that threads decide alike.
  const k = valueBits - (exponentOf(largest) + 1) - i32(spare > 1);
  store<f64>(narrowing + nLargestMet, largest);
  store<f64>(narrowing + nSmallestMet, smallest);
  store<f64>(narrowing + nHigh, 1.5 * powerOf2(52 + lowBits - k));
  store<f64>(narrowing + nLow, 1.5 * powerOf2(52 - k));
  store<f64>(narrowing + nLargest, powerOf2(valueBits - k));
  store<f64>(narrowing + nSmallest, powerOf2(52 - k));
  store<f64>(narrowing + nHighUnit, powerOf2(lowBits - k));
  store<f64>(narrowing + nLowUnit, powerOf2(-k));
  admitSums(narrowing, states, stride, groups, wides);
  return 1;
}

/** Sees to it that what these states have summed can be added to the sums of groups, in parts, as values are. */
function admitSums(narrowing: usize, states: usize, stride: usize, groups: i32, wides: usize): void {
  admit(wides, load<f64>(narrowing + nLargest) * 256, load<f64>(narrowing + nSmallest), states + sumAt, <i32>stride, groups);
}

/** Adds a row, whose parts are in `parts`, to its group. */
@inline function addRow(state: usize, parts: v128, code: usize, withCode: bool, least: bool): v128 {
  let sum = i64x2.add(v128.load(state), parts);
  if (withCode) {
    let extreme = v128.load32_zero(code);
    if (least) extreme = i32x4.sub(i32x4.splat(0), extreme);
    sum = i32x4.max_u(sum, extreme);
  }
  v128.store(state, sum);
  return sum;
}

/** The rows from `first` on up to the first block that does not fit; where that begins, or `count`. */
@inline function addRows(
  narrow: usize, narrowing: usize, first: i32, values: usize, codes: usize, ids: usize, count: i32, states: usize, stride: usize, wides: usize,
  withCode: bool, least: bool,
): i32 {
  const high = f64x2.splat(load<f64>(narrowing + nHigh));
  const low = f64x2.splat(load<f64>(narrowing + nLow));
  // Subtracted from the bits of low parts: those of the constant, less what counts a row.
  const ofRow = i64x2.sub(low, i64x2.splat(oneRow));
  const largest = load<f64>(narrowing + nLargest);
  const smallest = load<f64>(narrowing + nSmallest);
  const lowest = i32x4.splat(lowestFit(smallest));
  const span = i32x4.splat(fitSpan(largest, smallest));
  for (let i = first; i < count; i += blockRows) {
    const end = min<i32>(i + blockRows, count);
    if (!fits(values + (<usize>i << 3), end - i, largest, smallest, lowest, span)) return i;
    let all = i64x2.splat(0);
    let row = i;
    for (; row + 4 <= end; row += 4) {
      const place = values + (<usize>row << 3);
      const code = codes + (<usize>row << 2);
      const id = ids + (<usize>row << 2);
      let doubles = v128.load(place);
      let highs = f64x2.add(doubles, high);
      let lows = i64x2.sub(f64x2.add(f64x2.sub(doubles, f64x2.sub(highs, high)), low), ofRow);
      highs = i64x2.shl(highs, 32);
      all = v128.or(all, addRow(narrow + (<usize>load<u32>(id) << 4), v128.shuffle<i64>(highs, lows, 0, 2), code, withCode, least));
      all = v128.or(all, addRow(narrow + (<usize>load<u32>(id, 4) << 4), v128.shuffle<i64>(highs, lows, 1, 3), code + 4, withCode, least));
      doubles = v128.load(place, 16);
      highs = f64x2.add(doubles, high);
      lows = i64x2.sub(f64x2.add(f64x2.sub(doubles, f64x2.sub(highs, high)), low), ofRow);
      highs = i64x2.shl(highs, 32);
      all = v128.or(all, addRow(narrow + (<usize>load<u32>(id, 8) << 4), v128.shuffle<i64>(highs, lows, 0, 2), code + 8, withCode, least));
      all = v128.or(all, addRow(narrow + (<usize>load<u32>(id, 12) << 4), v128.shuffle<i64>(highs, lows, 1, 3), code + 12, withCode, least));
    }
    for (; row < end; row++) {
      const doubles = v128.load64_zero(values + (<usize>row << 3));
      const highs = f64x2.add(doubles, high);
      const lows = i64x2.sub(f64x2.add(f64x2.sub(doubles, f64x2.sub(highs, high)), low), ofRow);
      const parts = v128.shuffle<i64>(i64x2.shl(highs, 32), lows, 0, 2);
      all = v128.or(all, addRow(narrow + (<usize>load<u32>(ids + (<usize>row << 2)) << 4), parts, codes + (<usize>row << 2), withCode, least));
    }
    if ((i64x2.bitmask(all) & 2) != 0) widenFull(narrow, narrowing, ids + (<usize>i << 2), end - i, states, stride, wides);
  }
  return count;
}

/** Widens the sums of those of these groups that have many rows. */
function widenFull(narrow: usize, narrowing: usize, ids: usize, count: i32, states: usize, stride: usize, wides: usize): void {
  store<u32>(narrowing + nIsSpilt, 1);
  for (let i = 0; i < count; i++) {
    const id = load<u32>(ids + (<usize>i << 2));
    const state = narrow + (<usize>id << 4);
    if (load<i64>(state, 8) >= 0) continue;
    widenSum(state, narrowing, states + <usize>id * stride, wides, id);
    clearSum(state);
  }
}

@inline function clearSum(state: usize): void {
  store<i32>(state, 0, 4);
  store<i64>(state, 0, 8);
}

/** How many rows the last word of a state counts. */
@inline function rowsOf(word: i64): u64 {
  return <u64>(word + (oneRow >> 1)) >> 56;
}

/** Adds what a narrow state has counted and summed to a group's row. */
@inline function widenSum(state: usize, narrowing: usize, wide: usize, wides: usize, id: u32): void {
  const word = load<i64>(state, 8);
  const units = (word << 8) >> 8;
  const lowUnit = load<f64>(narrowing + nLowUnit);
  store<u64>(wide, load<u64>(wide) + rowsOf(word));
  // The low part may have 55 bits.
  const first = <f64>load<i32>(state, 4) * load<f64>(narrowing + nHighUnit);
  const second = <f64>((units >> 28) << 28) * lowUnit;
  const third = <f64>(units & 0xfffffff) * lowUnit;
  const sum = wide + sumAt;
  if (load<u32>(wides + wMode) == byTwoSum) {
    addExactly(sum, first, wides, id);
    addExactly(sum, second, wides, id);
    addExactly(sum, third, wides, id);
    return;
  }
  const splitter = load<f64>(wides + wSplitter);
  const firstHigh = (first + splitter) - splitter;
  const secondHigh = (second + splitter) - splitter;
  const thirdHigh = (third + splitter) - splitter;
  store<f64>(sum, load<f64>(sum) + (firstHigh + secondHigh + thirdHigh));
  store<f64>(sum, load<f64>(sum, 8) + ((first - firstHigh) + (second - secondHigh) + (third - thirdHigh)), 8);
  look(sum, wides, id);
}

/**
 * Adds rows whose values and codes (0: there are none; else those of the greatest or, `least`, the least are kept) are narrow, up to the first block of 64 that does not fit: returns
 * where that begins. `states`: those that take what becomes too much.
 */
export function addNarrow(
  narrow: usize, narrowing: usize, first: i32, values: usize, codes: usize, least: i32, ids: usize, count: i32, states: usize, stride: usize, wides: usize,
): i32 {
  if (codes == 0) return addRows(narrow, narrowing, first, values, 0, ids, count, states, stride, wides, false, false);
  if (least == 0) return addRows(narrow, narrowing, first, values, codes, ids, count, states, stride, wides, true, false);
  return addRows(narrow, narrowing, first, values, codes, ids, count, states, stride, wides, true, true);
}

/** Whether states of both can be added to each other. */
export function areNarrowedAlike(narrowing: usize, other: usize): i32 {
  return i32(load<f64>(narrowing + nHigh) == load<f64>(other + nHigh));
}

/**
 * Adds narrow states, from `first` on, `count` in number, to own ones: ids[i] or (0) own + i. Own sums go to their states where there would be too many rows.
 * There is room for all of them. They are to be widened before rows are added again: a group may have nearly as many as can be counted.
 */
export function mergeNarrow(narrow: usize, narrowing: usize, other: usize, first: u32, ids: usize, own: u32, count: i32, states: usize, stride: usize, wides: usize): void {
  const codes = i32x4(-1, 0, 0, 0);
  for (let i = 0; i < count; i++) {
    const from = other + (<usize>(first + i) << 4);
    const added = v128.load(from);
    if (!v128.any_true(added)) continue;
    const id = ids == 0 ? own + i : load<u32>(ids + (<usize>i << 2));
    const state = narrow + (<usize>id << 4);
    if (rowsOf(load<i64>(state, 8)) + rowsOf(load<i64>(from, 8)) >= rowsMost) {
      store<u32>(narrowing + nIsSpilt, 1);
      widenSum(state, narrowing, states + <usize>id * stride, wides, id);
      clearSum(state);
    }
    const sum = i64x2.add(v128.load(state), v128.andnot(added, codes));
    v128.store(state, i32x4.max_u(sum, v128.and(added, codes)));
  }
}

/**
 * Adds what groups have to states: that of groups[i] (`groups` 0: of first + i) to the states of ids[i] (`ids` 0: of own + i). Those below `room` have any. Codes
 * are (value − firstValue) / unit + 1; `extreme` is where theirs is in a group's row, 0: nowhere.
 */
export function widenStates(
  narrow: usize, narrowing: usize, room: u32, groups: usize, first: u32, ids: usize, own: u32, count: i32, states: usize, stride: usize, stateCount: i32, wides: usize,
  extreme: usize, least: i32, firstValue: i64, unit: i64,
): void {
  admitSums(narrowing, states, stride, stateCount, wides);
  for (let i = 0; i < count; i++) {
    const place = <usize>i << 2;
    const group = groups == 0 ? first + i : load<u32>(groups + place);
    if (group >= room) continue;
    const state = narrow + (<usize>group << 4);
    if (load<i64>(state, 8) == 0 && load<u32>(state) == 0) continue;
    const id = ids == 0 ? own + i : load<u32>(ids + place);
    const wide = states + <usize>id * stride;
    widenSum(state, narrowing, wide, wides, id);
    const code = load<u32>(state);
    if (code == 0) continue;
    if (least != 0) keepLess(wide + extreme, firstValue + <i64>(~code) * unit);
    else keepGreater(wide + extreme, firstValue + <i64>(code - 1) * unit);
  }
}
