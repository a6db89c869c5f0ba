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
import { addSplit, bySplit, byTwoSum } from './split';
import { wideAdd, wideOf, wLimits, wMode, wSplitter } from './wide';

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

/** A 64-bit key that orders as doubles do; −0 counts as 0, every NaN as one, above +∞. */
@inline function orderOf(value: f64): i64 {
  const bits = value == value ? reinterpret<i64>(value + 0.0) : 0x7ff8000000000000;
  return bits ^ ((bits >> 63) & 0x7fffffffffffffff);
}

// No branch: a wrong guess would be found out only when the group's cache line has come.

@inline export function keepLess(state: usize, key: i64): void {
  const kept = load<i64>(state);
  store<i64>(state, select<i64>(key, kept, key < kept));
}

@inline export function keepGreater(state: usize, key: i64): void {
  const kept = load<i64>(state);
  store<i64>(state, select<i64>(key, kept, key > kept));
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
  withCount: bool, withSum: bool, withMin: bool, withMax: bool, split: bool,
): void {
  const splitter: f64 = split ? load<f64>(wides + wSplitter) : 0;
  const limits = split ? v128.load(wides + wLimits) : f64x2.splat(0);
  for (let i = 0; i < count; i++) {
    const id = load<u32>(ids + (<usize>i << 2));
    let state = states + <usize>id * stride;
    if (withCount) {
      store<u64>(state, load<u64>(state) + 1);
      state += 8;
    }
    const value = load<T>(values + (<usize>i << 3));
    if (withSum) {
      if (isFloat<T>()) {
        if (split) addSplit(state, <f64>value, splitter, limits, wides, id);
        else addExactly(state, <f64>value, wides, id);
      } else addInt128(state, <u64>value, (<i64>value >> 63) & signs);
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
    case 1: loop<T>(values, ids, count, states, stride, wides, flip, signs, true, false, false, false, false); break;
    case 2: loop<T>(values, ids, count, states, stride, wides, flip, signs, false, true, false, false, false); break;
    case 3: loop<T>(values, ids, count, states, stride, wides, flip, signs, true, true, false, false, false); break;
    case 4: loop<T>(values, ids, count, states, stride, wides, flip, signs, false, false, true, false, false); break;
    case 5: loop<T>(values, ids, count, states, stride, wides, flip, signs, true, false, true, false, false); break;
    case 6: loop<T>(values, ids, count, states, stride, wides, flip, signs, false, true, true, false, false); break;
    case 7: loop<T>(values, ids, count, states, stride, wides, flip, signs, true, true, true, false, false); break;
    case 8: loop<T>(values, ids, count, states, stride, wides, flip, signs, false, false, false, true, false); break;
    case 9: loop<T>(values, ids, count, states, stride, wides, flip, signs, true, false, false, true, false); break;
    case 10: loop<T>(values, ids, count, states, stride, wides, flip, signs, false, true, false, true, false); break;
    case 11: loop<T>(values, ids, count, states, stride, wides, flip, signs, true, true, false, true, false); break;
    case 12: loop<T>(values, ids, count, states, stride, wides, flip, signs, false, false, true, true, false); break;
    case 13: loop<T>(values, ids, count, states, stride, wides, flip, signs, true, false, true, true, false); break;
    case 14: loop<T>(values, ids, count, states, stride, wides, flip, signs, false, true, true, true, false); break;
    case 15: loop<T>(values, ids, count, states, stride, wides, flip, signs, true, true, true, true, false); break;
    default: unreachable();
  }
}

/** The lists with a sum, by split. */
@inline function chooseSplit(what: i32, values: usize, ids: usize, count: i32, states: usize, stride: usize, wides: usize): void {
  switch (what) {
    case 2: loop<f64>(values, ids, count, states, stride, wides, 0, 0, false, true, false, false, true); break;
    case 3: loop<f64>(values, ids, count, states, stride, wides, 0, 0, true, true, false, false, true); break;
    case 6: loop<f64>(values, ids, count, states, stride, wides, 0, 0, false, true, true, false, true); break;
    case 7: loop<f64>(values, ids, count, states, stride, wides, 0, 0, true, true, true, false, true); break;
    case 10: loop<f64>(values, ids, count, states, stride, wides, 0, 0, false, true, false, true, true); break;
    case 11: loop<f64>(values, ids, count, states, stride, wides, 0, 0, true, true, false, true, true); break;
    case 14: loop<f64>(values, ids, count, states, stride, wides, 0, 0, false, true, true, true, true); break;
    case 15: loop<f64>(values, ids, count, states, stride, wides, 0, 0, true, true, true, true, true); break;
    default: unreachable();
  }
}

/**
 * Adds 64-bit values to the states of their groups. `what` says which states are to be updated, side by side from `states`
 * (that of group 0) on: 1 rows, 2 sum, 4 min, 8 max. `flip` turns integers into keys that order as they do, `signs` is −1
 * for signed integers and 0 for unsigned ones.
 */
export function accumulate(
  isDouble: i32, what: i32, values: usize, ids: usize, count: i32,
  states: usize, stride: usize, wides: usize, flip: i64, signs: i64,
): void {
  if (!isDouble) choose<i64>(what, values, ids, count, states, stride, wides, flip, signs);
  else if ((what & 2) != 0 && load<u32>(wides + wMode) == bySplit) chooseSplit(what, values, ids, count, states, stride, wides);
  else choose<f64>(what, values, ids, count, states, stride, wides, flip, signs);
}

/** Both columns of a row in one visit to its group; the states of the second begin `offset` bytes after those of the first. */
@inline function pairLoop(
  doubles: usize, integers: usize, ids: usize, count: i32, states: usize, stride: usize, wides: usize, offset: usize, flip: i64,
  min: bool, max: bool, secondMin: bool, secondMax: bool, split: bool,
): void {
  const splitter: f64 = split ? load<f64>(wides + wSplitter) : 0;
  const limits = split ? v128.load(wides + wLimits) : f64x2.splat(0);
  for (let i = 0; i < count; i++) {
    const id = load<u32>(ids + (<usize>i << 2));
    const group = states + <usize>id * stride;
    store<u64>(group, load<u64>(group) + 1);
    const value = load<f64>(doubles + (<usize>i << 3));
    if (split) addSplit(group + 8, value, splitter, limits, wides, id);
    else addExactly(group + 8, value, wides, id);
    let state = group + 24;
    if (min || max) {
      const order = orderOf(value);
      if (min) {
        keepLess(state, order);
        state += 8;
      }
      if (max) keepGreater(state, order);
    }
    const key = load<i64>(integers + (<usize>i << 3)) ^ flip;
    let second = group + offset;
    if (secondMin) {
      keepLess(second, key);
      second += 8;
    }
    if (secondMax) keepGreater(second, key);
  }
}

@inline function choosePair(
  what: i32, whatSecond: i32, doubles: usize, integers: usize, ids: usize, count: i32,
  states: usize, stride: usize, wides: usize, offset: usize, flip: i64, split: bool,
): void {
  const a = what & 4, b = what & 8, c = whatSecond & 4, d = whatSecond & 8;
  if (a == 0 && b == 0) {
    if (c == 0) pairLoop(doubles, integers, ids, count, states, stride, wides, offset, flip, false, false, false, true, split);
    else if (d == 0) pairLoop(doubles, integers, ids, count, states, stride, wides, offset, flip, false, false, true, false, split);
    else pairLoop(doubles, integers, ids, count, states, stride, wides, offset, flip, false, false, true, true, split);
  } else if (a == 0) {
    if (c == 0) pairLoop(doubles, integers, ids, count, states, stride, wides, offset, flip, false, true, false, true, split);
    else if (d == 0) pairLoop(doubles, integers, ids, count, states, stride, wides, offset, flip, false, true, true, false, split);
    else pairLoop(doubles, integers, ids, count, states, stride, wides, offset, flip, false, true, true, true, split);
  } else if (b == 0) {
    if (c == 0) pairLoop(doubles, integers, ids, count, states, stride, wides, offset, flip, true, false, false, true, split);
    else if (d == 0) pairLoop(doubles, integers, ids, count, states, stride, wides, offset, flip, true, false, true, false, split);
    else pairLoop(doubles, integers, ids, count, states, stride, wides, offset, flip, true, false, true, true, split);
  } else {
    if (c == 0) pairLoop(doubles, integers, ids, count, states, stride, wides, offset, flip, true, true, false, true, split);
    else if (d == 0) pairLoop(doubles, integers, ids, count, states, stride, wides, offset, flip, true, true, true, false, split);
    else pairLoop(doubles, integers, ids, count, states, stride, wides, offset, flip, true, true, true, true, split);
  }
}

/**
 * The common list at one visit per row: rows, the sum of a double (and its min 4, max 8 in `what`), and min 4 or max 8 or
 * both (`whatSecond`) of integers, dates or timestamps. No value is null.
 */
export function accumulatePair(
  what: i32, whatSecond: i32, doubles: usize, integers: usize, ids: usize, count: i32,
  states: usize, stride: usize, wides: usize, offset: usize, flip: i64,
): void {
  if (load<u32>(wides + wMode) == bySplit) choosePair(what, whatSecond, doubles, integers, ids, count, states, stride, wides, offset, flip, true);
  else choosePair(what, whatSecond, doubles, integers, ids, count, states, stride, wides, offset, flip, false);
}

/** Counts the nulls of each group: `nulls` has one i64 a group. */
export function countNulls(bitmap: usize, bitOffset: i32, rows: usize, count: i32, ids: usize, nulls: usize): void {
  for (let i = 0; i < count; i++) {
    const row = rows == 0 ? <u32>i : load<u32>(rows + (<usize>i << 2));
    const place = nulls + (<usize>load<u32>(ids + (<usize>i << 2)) << 3);
    store<i64>(place, load<i64>(place) + <i64>(1 - validBit(bitmap, bitOffset, row)));
  }
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

/** Adds to the rows of groups; 0 in place of `counts` adds one for each. */
export function mergeCounts(counts: usize, ids: usize, count: i32, states: usize, stride: usize): void {
  for (let i = 0; i < count; i++) {
    const state = states + <usize>load<u32>(ids + (<usize>i << 2)) * stride;
    store<u64>(state, load<u64>(state) + (counts == 0 ? 1 : load<u64>(counts + (<usize>i << 3))));
  }
}
