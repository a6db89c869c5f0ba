/**
 * Accumulators. The states of one group stand side by side, `stride` bytes a group, so that a group is one or two cache
 * lines whatever is asked of it:
 *
 *   | rows u64 | column 0: sum, min, max | column 1: … |      sum: high f64, low f64  or  low u64, high i64; min, max: i64
 *
 * What is not asked for is not there. Values are counted as the group's rows less the nulls of the column, which stand in
 * an array of their own that is there only once a null was met (`countNulls`).
 *
 * Minima and maxima are kept as 64-bit keys that order as the values do (`orderOf` for doubles, the sign bit flipped for
 * unsigned integers), so one comparison serves all types. New groups start as a copy of a template.
 *
 * Float sums: high + low is exactly the sum so far. Values of similar size are split and added by parts (split.ts); else each
 * addition is two error-free transformations (Knuth's TwoSum). Where a residue does not fit, and for NaN and infinities, the
 * group's wide accumulator takes what there is and high and low start again from zero.
 */
import { alloc, free } from './memory';
import { validBit } from './select';
import { keepGreater, keepLess, orderOf } from './extremes';
import { bySplit, byTwoSum, look, prepareSums, undecided } from './split';
import { addSplit, addSplitPair } from './split-rows';
import { wEvery, wideAdd, wideOf, wLimits, wMode, wSplitter } from './wide';

/** Room for `wanted` groups: the block of `have` groups, or a larger one with new groups made from `template`. */
export function growStates(states: usize, have: i32, wanted: i32, stride: i32, template: usize): usize {
  const bytes = <usize>have * stride;
  const larger = alloc(<usize>wanted * stride);
  if (have > 0) {
    memory.copy(larger, states, bytes);
    free(states, bytes);
  }
  const fresh = larger + bytes;
  const freshBytes = <usize>(wanted - have) * stride;
  memory.copy(fresh, template, stride);
  for (let filled: usize = stride; filled < freshBytes; filled <<= 1) memory.copy(fresh + filled, fresh, min<usize>(filled, freshBytes - filled));
  return larger;
}

@inline export function addExactly(state: usize, value: f64, wides: usize, id: u32): void {
  const high = load<f64>(state);
  const low = load<f64>(state, 8);
  const sum = high + value;
  const part = sum - high;
  const error = (high - (sum - part)) + (value - part);
  const newLow = low + error;
  const lowPart = newLow - low;
  const residue = (low - (newLow - lowPart)) + (error - lowPart);
  if (residue == 0) {
    store<f64>(state, sum);
    store<f64>(state, newLow, 8);
  } else {
    const wide = wideOf(wides, id);
    wideAdd(wide, high);
    wideAdd(wide, low);
    wideAdd(wide, value);
    store<f64>(state, 0);
    store<f64>(state, 0, 8);
  }
}

@inline export function addInt128(state: usize, low: u64, high: i64): void {
  const before = load<u64>(state);
  const after = before + low;
  store<u64>(state, after);
  store<i64>(state, load<i64>(state, 8) + high + <i64>(after < before), 8);
}

/** What is asked for, as literals: each combination becomes a loop of its own. */
@inline function loop<T>(
  values: usize, ids: usize, count: i32, states: usize, stride: usize, wides: usize, flip: i64, signs: i64,
  withCount: bool, withSum: bool, withMin: bool, withMax: bool,
): void {
  for (let i = 0; i < count; i++) {
    const id = load<u32>(ids + (<usize>i << 2));
    let state = states + <usize>id * stride;
    if (withCount) {
      store<u64>(state, load<u64>(state) + 1);
      state += 8;
    }
    const value = load<T>(values + (<usize>i << 3));
    if (withSum) {
      if (isFloat<T>()) addExactly(state, <f64>value, wides, id);
      else addInt128(state, <u64>value, (<i64>value >> 63) & signs);
      state += 16;
    }
    if (withMin || withMax) {
      const key: i64 = isFloat<T>() ? orderOf(<f64>value) : <i64>value ^ flip;
      if (withMin) {
        keepLess(state, key);
        state += 8;
      }
      if (withMax) keepGreater(state, key);
    }
  }
}

@inline function choose<T>(
  what: i32, values: usize, ids: usize, count: i32, states: usize, stride: usize, wides: usize, flip: i64, signs: i64,
): void {
  switch (what) {
    case 1: loop<T>(values, ids, count, states, stride, wides, flip, signs, true, false, false, false); break;
    case 2: loop<T>(values, ids, count, states, stride, wides, flip, signs, false, true, false, false); break;
    case 3: loop<T>(values, ids, count, states, stride, wides, flip, signs, true, true, false, false); break;
    case 4: loop<T>(values, ids, count, states, stride, wides, flip, signs, false, false, true, false); break;
    case 5: loop<T>(values, ids, count, states, stride, wides, flip, signs, true, false, true, false); break;
    case 6: loop<T>(values, ids, count, states, stride, wides, flip, signs, false, true, true, false); break;
    case 7: loop<T>(values, ids, count, states, stride, wides, flip, signs, true, true, true, false); break;
    case 8: loop<T>(values, ids, count, states, stride, wides, flip, signs, false, false, false, true); break;
    case 9: loop<T>(values, ids, count, states, stride, wides, flip, signs, true, false, false, true); break;
    case 10: loop<T>(values, ids, count, states, stride, wides, flip, signs, false, true, false, true); break;
    case 11: loop<T>(values, ids, count, states, stride, wides, flip, signs, true, true, false, true); break;
    case 12: loop<T>(values, ids, count, states, stride, wides, flip, signs, false, false, true, true); break;
    case 13: loop<T>(values, ids, count, states, stride, wides, flip, signs, true, false, true, true); break;
    case 14: loop<T>(values, ids, count, states, stride, wides, flip, signs, false, true, true, true); break;
    case 15: loop<T>(values, ids, count, states, stride, wides, flip, signs, true, true, true, true); break;
    default: unreachable();
  }
}

/** A second column in the same visit: extremes of integers. */
@inline function secondRow(state: usize, integer: i64, flip: i64, withMin: bool, withMax: bool): void {
  const key = integer ^ flip;
  if (withMin) {
    keepLess(state, key);
    state += 8;
  }
  if (withMax) keepGreater(state, key);
}

/**
 * Adds 64-bit values to the states of their groups. `what` says which states are to be updated, side by side from `states`
 * (that of group 0) on: 1 rows, 2 sum, 4 min, 8 max. `flip` turns integers into keys that order as they do, `signs` is −1
 * for signed integers and 0 for unsigned ones.
 */
export function accumulate(
  isDouble: i32, what: i32, values: usize, ids: usize, count: i32,
  states: usize, stride: usize, groups: i32, wides: usize, flip: i64, signs: i64,
): void {
  if (!isDouble) return choose<i64>(what, values, ids, count, states, stride, wides, flip, signs);
  if ((what & 2) == 0) return choose<f64>(what, values, ids, count, states, stride, wides, flip, signs);
  addSums(what, 0, values, 0, ids, count, states, stride, groups, wides, 0, 0);
}

/** Adds doubles by split for as long as their magnitudes allow it, and the rest by TwoSum. */
function addSums(
  what: i32, whatSecond: i32, doubles: usize, integers: usize, ids: usize, count: i32,
  states: usize, stride: usize, groups: i32, wides: usize, offset: usize, flip: i64,
): void {
  const sums = states + ((what & 1) != 0 ? 8 : 0);
  let done = 0;
  for (let mode = load<u32>(wides + wMode); mode != byTwoSum; ) {
    if (mode == bySplit) {
      done = whatSecond == 0
        ? addSplit(what, done, doubles, ids, count, states, stride, wides)
        : addSplitPair(what, whatSecond, done, doubles, integers, ids, count, states, stride, wides, offset, flip);
      if (done == count) return;
    }
    // Of the first values nothing is known; later ones are not within the magnitudes decided on.
    prepareSums(wides, doubles + (<usize>done << 3), count - done, sums, <i32>stride, groups);
    mode = load<u32>(wides + wMode);
    if (mode == undecided) break;
  }
  const skipped = <usize>done << 3;
  const restIds = ids + (skipped >> 1);
  if (whatSecond == 0) choose<f64>(what, doubles + skipped, restIds, count - done, states, stride, wides, 0, 0);
  else choosePair(what, whatSecond, doubles + skipped, integers + skipped, restIds, count - done, states, stride, wides, offset, flip);
}

/** Both columns of a row in one visit to its group, by TwoSum. */
@inline function pairLoop(
  doubles: usize, integers: usize, ids: usize, count: i32, states: usize, stride: usize, wides: usize, offset: usize, flip: i64,
  min: bool, max: bool, secondMin: bool, secondMax: bool,
): void {
  for (let i = 0; i < count; i++) {
    const id = load<u32>(ids + (<usize>i << 2));
    const group = states + <usize>id * stride;
    store<u64>(group, load<u64>(group) + 1);
    const value = load<f64>(doubles + (<usize>i << 3));
    addExactly(group + 8, value, wides, id);
    let state = group + 24;
    if (min || max) {
      const order = orderOf(value);
      if (min) {
        keepLess(state, order);
        state += 8;
      }
      if (max) keepGreater(state, order);
    }
    secondRow(group + offset, load<i64>(integers + (<usize>i << 3)), flip, secondMin, secondMax);
  }
}

@inline function choosePair(
  what: i32, whatSecond: i32, doubles: usize, integers: usize, ids: usize, count: i32,
  states: usize, stride: usize, wides: usize, offset: usize, flip: i64,
): void {
  const a = what & 4, b = what & 8, c = whatSecond & 4, d = whatSecond & 8;
  if (a == 0 && b == 0) {
    if (c == 0) pairLoop(doubles, integers, ids, count, states, stride, wides, offset, flip, false, false, false, true);
    else if (d == 0) pairLoop(doubles, integers, ids, count, states, stride, wides, offset, flip, false, false, true, false);
    else pairLoop(doubles, integers, ids, count, states, stride, wides, offset, flip, false, false, true, true);
  } else if (a == 0) {
    if (c == 0) pairLoop(doubles, integers, ids, count, states, stride, wides, offset, flip, false, true, false, true);
    else if (d == 0) pairLoop(doubles, integers, ids, count, states, stride, wides, offset, flip, false, true, true, false);
    else pairLoop(doubles, integers, ids, count, states, stride, wides, offset, flip, false, true, true, true);
  } else if (b == 0) {
    if (c == 0) pairLoop(doubles, integers, ids, count, states, stride, wides, offset, flip, true, false, false, true);
    else if (d == 0) pairLoop(doubles, integers, ids, count, states, stride, wides, offset, flip, true, false, true, false);
    else pairLoop(doubles, integers, ids, count, states, stride, wides, offset, flip, true, false, true, true);
  } else {
    if (c == 0) pairLoop(doubles, integers, ids, count, states, stride, wides, offset, flip, true, true, false, true);
    else if (d == 0) pairLoop(doubles, integers, ids, count, states, stride, wides, offset, flip, true, true, true, false);
    else pairLoop(doubles, integers, ids, count, states, stride, wides, offset, flip, true, true, true, true);
  }
}

/**
 * The common list at one visit per row: rows, the sum of a double (and its min 4, max 8 in `what`), and min 4 or max 8 or
 * both (`whatSecond`) of integers, dates or timestamps. No value is null.
 */
export function accumulatePair(
  what: i32, whatSecond: i32, doubles: usize, integers: usize, ids: usize, count: i32,
  states: usize, stride: usize, groups: i32, wides: usize, offset: usize, flip: i64,
): void {
  addSums(what | 1, whatSecond, doubles, integers, ids, count, states, stride, groups, wides, offset, flip);
}

/**
 * Counts the nulls of each group, or its values: `counts` has one i64 a group. Up to eight bytes behind the bitmap are read.
 */
export function countNulls(bitmap: usize, bitOffset: i32, rows: usize, count: i32, ids: usize, ofValues: i32, counts: usize): void {
  if (rows == 0) {
    const flip: u64 = ofValues != 0 ? 0 : u64.MAX_VALUE;
    // As many bits at a time as are left of a word wherever in its first byte they begin.
    for (let start = 0; start < count; start += 56) {
      const bit = bitOffset + start;
      let counted = ((load<u64>(bitmap + (bit >> 3)) >> <u64>(bit & 7)) ^ flip) & ((1 << 56) - 1);
      if (start + 56 > count) counted &= (<u64>1 << <u64>(count - start)) - 1;
      while (counted != 0) {
        const place = counts + (<usize>load<u32>(ids + (<usize>(start + <i32>ctz<u64>(counted)) << 2)) << 3);
        store<i64>(place, load<i64>(place) + 1);
        counted &= counted - 1;
      }
    }
    return;
  }
  for (let i = 0; i < count; i++) {
    const place = counts + (<usize>load<u32>(ids + (<usize>i << 2)) << 3);
    store<i64>(place, load<i64>(place) + <i64>i32(validBit(bitmap, bitOffset, load<u32>(rows + (<usize>i << 2))) == ofValues));
  }
}

/** Turns counts of nulls into counts of values, or back: of a group's rows, those that are not counted. */
export function invertCounts(counts: usize, groups: i32, states: usize, stride: usize): void {
  for (let group = 0; group < groups; group++) {
    const place = counts + (<usize>group << 3);
    store<i64>(place, load<i64>(states + <usize>group * stride) - load<i64>(place));
  }
}

/** How many of these bits are set. Up to eight bytes behind them are read. */
export function countBits(bitmap: usize, bitOffset: i32, count: i32): i32 {
  let set: u64 = 0;
  for (let start = 0; start < count; start += 56) {
    const bit = bitOffset + start;
    const kept: u64 = start + 56 > count ? (<u64>1 << <u64>(count - start)) - 1 : (1 << 56) - 1;
    set += popcnt<u64>((load<u64>(bitmap + (bit >> 3)) >> <u64>(bit & 7)) & kept);
  }
  return <i32>set;
}

/** Values with `identity` for each null: what changes no state when it is added. `rows` as in `compact64`. */
export function fillNulls(words: usize, bitmap: usize, bitOffset: i32, rows: usize, count: i32, identity: i64, out: usize): void {
  let i = 0;
  if (rows == 0) {
    const filler = i64x2.splat(identity);
    for (; i + 8 <= count; i += 8) {
      const bit = bitOffset + i;
      const bits = i64x2.splat(<i64>(load<u16>(bitmap + (bit >> 3)) >> <u16>(bit & 7)));
      const from = words + (<usize>i << 3);
      const to = out + (<usize>i << 3);
      v128.store(to, v128.bitselect(v128.load(from), filler, areSet(bits, i64x2(1, 2))));
      v128.store(to, v128.bitselect(v128.load(from, 16), filler, areSet(bits, i64x2(4, 8))), 16);
      v128.store(to, v128.bitselect(v128.load(from, 32), filler, areSet(bits, i64x2(16, 32))), 32);
      v128.store(to, v128.bitselect(v128.load(from, 48), filler, areSet(bits, i64x2(64, 128))), 48);
    }
  }
  for (; i < count; i++) {
    const row = rows == 0 ? <u32>i : load<u32>(rows + (<usize>i << 2));
    const isValid = validBit(bitmap, bitOffset, row) != 0;
    store<i64>(out + (<usize>i << 3), select<i64>(load<i64>(words + (<usize>i << 3)), identity, isValid));
  }
}

@inline function areSet(bits: v128, wanted: v128): v128 {
  return i64x2.eq(v128.and(bits, wanted), wanted);
}

/** For partial states, which count values: `rows[i] − counts[i]` more nulls. */
export function mergeNulls(rows: usize, counts: usize, ids: usize, count: i32, nulls: usize): void {
  for (let i = 0; i < count; i++) {
    const place = nulls + (<usize>load<u32>(ids + (<usize>i << 2)) << 3);
    store<i64>(place, load<i64>(place) + load<i64>(rows + (<usize>i << 3)) - load<i64>(counts + (<usize>i << 3)));
  }
}

/** Adds partial sums, `high[i] + low[i]` each; `states` points at the sum of group 0. */
export function mergeHighLow(
  high: usize, low: usize, ids: usize, count: i32, states: usize, stride: usize, wides: usize,
): void {
  store<u32>(wides + wMode, byTwoSum);
  for (let i = 0; i < count; i++) {
    const id = load<u32>(ids + (<usize>i << 2));
    const state = states + <usize>id * stride;
    addExactly(state, load<f64>(high + (<usize>i << 3)), wides, id);
    addExactly(state, load<f64>(low + (<usize>i << 3)), wides, id);
  }
}

export function mergeInt128(low: usize, high: usize, ids: usize, count: i32, states: usize, stride: usize): void {
  for (let i = 0; i < count; i++) {
    const state = states + <usize>load<u32>(ids + (<usize>i << 2)) * stride;
    addInt128(state, load<u64>(low + (<usize>i << 3)), load<i64>(high + (<usize>i << 3)));
  }
}

/** Counts rows. `wides`: those of the sum behind the counts, where that goes by the counts; else 0. */
export function countRows(ids: usize, count: i32, states: usize, stride: usize, wides: usize): void {
  const every: u32 = wides != 0 && load<u32>(wides + wMode) == bySplit ? load<u32>(wides + wEvery) : u32.MAX_VALUE;
  for (let i = 0; i < count; i++) {
    const id = load<u32>(ids + (<usize>i << 2));
    const state = states + <usize>id * stride;
    const rows = load<u64>(state) + 1;
    store<u64>(state, rows);
    if ((<u32>rows & every) == 0 && every != u32.MAX_VALUE) look(state + 8, wides, id);
  }
}

/** Adds to the rows of groups. */
export function mergeCounts(counts: usize, ids: usize, count: i32, states: usize, stride: usize): void {
  for (let i = 0; i < count; i++) {
    const state = states + <usize>load<u32>(ids + (<usize>i << 2)) * stride;
    store<u64>(state, load<u64>(state) + load<u64>(counts + (<usize>i << 3)));
  }
}
