/**
 * Rows added to the states of their groups where sums go by split (split.ts): the loops that most time is spent in.
 *
 * A stretch is taken in blocks. Each is looked at first, whether its values are within the magnitudes decided on, so that it is in
 * the nearest cache when it is added. Nothing rare happens inside of the innermost loop: it is left for it, and entered again behind that row,
 * or the registers of what is rare would be saved and restored for every row. Where the states of a row are those of the list and no
 * others, the distance between groups is a constant.
 */
import { keepGreater, keepLess, orderOf } from './extremes';
import { look, within } from './split';
import { wEvery, wLargest, wLimits, wSmallest, wSplitter } from './wide';

/** Rows that are looked at before they are added. */
const blockRows: i32 = 64;

@inline function upperHalf(size: f64): i32 {
  return <i32>(reinterpret<u64>(size) >> 32);
}

/** The least upper half of a magnitude that surely fits, and how far beyond it the greatest is. */
@inline export function lowestFit(smallest: f64): i32 {
  return upperHalf(smallest) + 1;
}

@inline export function fitSpan(largest: f64, smallest: f64): i32 {
  return max<i32>(upperHalf(largest) - 1 - lowestFit(smallest), 0);
}

/**
 * Whether all of a block's values are surely within: by their upper halves, four at a time. Zeros are not, nor what is near a limit;
 * then all bits are asked.
 */
@inline export function fits(values: usize, rows: i32, largest: f64, smallest: f64, lowest: v128, span: v128): bool {
  if (rows == blockRows) {
    let outside = i32x4.splat(0);
    for (let at: usize = 0; at < <usize>blockRows << 3; at += 32) {
      const uppers = v128.shuffle<i32>(v128.load(values + at), v128.load(values + at, 16), 1, 3, 5, 7);
      const distance = i32x4.sub(v128.and(uppers, i32x4.splat(0x7fffffff)), lowest);
      outside = v128.or(outside, i32x4.gt_u(distance, span));
    }
    if (!v128.any_true(outside)) return true;
  }
  return within(values, rows, largest, smallest);
}

/** Adds a row to its group; whether it is time to look at the sum. */
@inline function addRow(
  group: usize, parts: v128, value: f64, integer: usize, offset: usize, flip: i64, limits: v128, every: u32,
  withCount: bool, min: bool, max: bool, secondMin: bool, secondMax: bool,
): bool {
  let state = group;
  let isFull = false;
  if (withCount) {
    const rows = load<u64>(state) + 1;
    store<u64>(state, rows);
    state += 8;
    isFull = (<u32>rows & every) == 0;
  }
  const sum = f64x2.add(v128.load(state), parts);
  v128.store(state, sum);
  if (!withCount) isFull = v128.any_true(f64x2.gt(f64x2.abs(sum), limits));
  state += 16;
  if (min || max) {
    const key = orderOf(value);
    if (min) {
      keepLess(state, key);
      state += 8;
    }
    if (max) keepGreater(state, key);
  }
  if (secondMin || secondMax) {
    const key = load<i64>(integer) ^ flip;
    state = group + offset;
    if (secondMin) {
      keepLess(state, key);
      state += 8;
    }
    if (secondMax) keepGreater(state, key);
  }
  return isFull;
}

/** The rows from `first` on, up to the first block that does not fit; where that begins, or `count`. */
@inline function splitRows(
  first: i32, doubles: usize, integers: usize, ids: usize, count: i32, states: usize, stride: usize, wides: usize, offset: usize, flip: i64,
  withCount: bool, least: bool, greatest: bool, secondLeast: bool, secondGreatest: bool,
): i32 {
  const splitter = load<f64>(wides + wSplitter);
  const splitters = f64x2.splat(splitter);
  const limits = v128.load(wides + wLimits);
  const every = load<u32>(wides + wEvery);
  const largest = load<f64>(wides + wLargest);
  const smallest = load<f64>(wides + wSmallest);
  const lowest = i32x4.splat(lowestFit(smallest));
  const span = i32x4.splat(fitSpan(largest, smallest));
  const sumAt: usize = withCount ? 8 : 0;
  let i = first;
  while (i < count) {
    const end = min<i32>(i + blockRows, count);
    if (!fits(doubles + (<usize>i << 3), end - i, largest, smallest, lowest, span)) return i;
    while (i < end) {
      let full: usize = 0;
      for (; i + 4 <= end; i += 4) {
        const place = doubles + (<usize>i << 3);
        const integer = integers + (<usize>i << 3);
        const id = ids + (<usize>i << 2);
        let values = v128.load(place);
        let highs = f64x2.sub(f64x2.add(values, splitters), splitters);
        let lows = f64x2.sub(values, highs);
        let group = states + <usize>load<u32>(id) * stride;
        if (addRow(group, v128.shuffle<f64>(highs, lows, 0, 2), f64x2.extract_lane(values, 0), integer, offset, flip, limits, every, withCount, least, greatest, secondLeast, secondGreatest)) {
          full = group;
          i += 1;
          break;
        }
        group = states + <usize>load<u32>(id, 4) * stride;
        if (addRow(group, v128.shuffle<f64>(highs, lows, 1, 3), f64x2.extract_lane(values, 1), integer + 8, offset, flip, limits, every, withCount, least, greatest, secondLeast, secondGreatest)) {
          full = group;
          i += 2;
          break;
        }
        values = v128.load(place, 16);
        highs = f64x2.sub(f64x2.add(values, splitters), splitters);
        lows = f64x2.sub(values, highs);
        group = states + <usize>load<u32>(id, 8) * stride;
        if (addRow(group, v128.shuffle<f64>(highs, lows, 0, 2), f64x2.extract_lane(values, 0), integer + 16, offset, flip, limits, every, withCount, least, greatest, secondLeast, secondGreatest)) {
          full = group;
          i += 3;
          break;
        }
        group = states + <usize>load<u32>(id, 12) * stride;
        if (addRow(group, v128.shuffle<f64>(highs, lows, 1, 3), f64x2.extract_lane(values, 1), integer + 24, offset, flip, limits, every, withCount, least, greatest, secondLeast, secondGreatest)) {
          full = group;
          i += 4;
          break;
        }
      }
      if (full != 0) {
        look(full + sumAt, wides, load<u32>(ids + (<usize>(i - 1) << 2)));
        continue;
      }
      for (; i < end; i++) {
        const id = load<u32>(ids + (<usize>i << 2));
        const group = states + <usize>id * stride;
        const value = load<f64>(doubles + (<usize>i << 3));
        const part = (value + splitter) - splitter;
        const parts = f64x2.replace_lane(f64x2.splat(part), 1, value - part);
        const isFull = addRow(group, parts, value, integers + (<usize>i << 3), offset, flip, limits, every, withCount, least, greatest, secondLeast, secondGreatest);
        if (isFull) look(group + sumAt, wides, id);
      }
    }
  }
  return count;
}

/** With the distance between groups, and to the second column, as constants where nothing else stands in a row. */
@inline function closeRows(
  first: i32, doubles: usize, integers: usize, ids: usize, count: i32, states: usize, stride: usize, wides: usize, offset: usize, flip: i64,
  secondLeast: bool, secondGreatest: bool,
): i32 {
  const close: usize = 24 + (secondLeast ? 8 : 0) + (secondGreatest ? 8 : 0);
  if (stride == close && flip == 0 && (offset == 24 || close == 24)) {
    return splitRows(first, doubles, integers, ids, count, states, close, wides, 24, 0, true, false, false, secondLeast, secondGreatest);
  }
  return splitRows(first, doubles, integers, ids, count, states, stride, wides, offset, flip, true, false, false, secondLeast, secondGreatest);
}

/** One column: its rows (1), its sum (2, always), its least (4) and greatest (8). */
export function addSplit(what: i32, first: i32, values: usize, ids: usize, count: i32, states: usize, stride: usize, wides: usize): i32 {
  switch (what) {
    case 2: return splitRows(first, values, 0, ids, count, states, stride, wides, 0, 0, false, false, false, false, false);
    case 3: return closeRows(first, values, 0, ids, count, states, stride, wides, 0, 0, false, false);
    case 6: return splitRows(first, values, 0, ids, count, states, stride, wides, 0, 0, false, true, false, false, false);
    case 7: return splitRows(first, values, 0, ids, count, states, stride, wides, 0, 0, true, true, false, false, false);
    case 10: return splitRows(first, values, 0, ids, count, states, stride, wides, 0, 0, false, false, true, false, false);
    case 11: return splitRows(first, values, 0, ids, count, states, stride, wides, 0, 0, true, false, true, false, false);
    case 14: return splitRows(first, values, 0, ids, count, states, stride, wides, 0, 0, false, true, true, false, false);
    default: return splitRows(first, values, 0, ids, count, states, stride, wides, 0, 0, true, true, true, false, false);
  }
}

/** Rows, the sum of the first column, its least and greatest by `what`, and those of integers by `whatSecond`, from `offset` on. */
export function addSplitPair(
  what: i32, whatSecond: i32, first: i32, doubles: usize, integers: usize, ids: usize, count: i32,
  states: usize, stride: usize, wides: usize, offset: usize, flip: i64,
): i32 {
  const second = whatSecond >> 2;
  switch (what >> 2 & 3) {
    case 0:
      if (second == 1) return closeRows(first, doubles, integers, ids, count, states, stride, wides, offset, flip, true, false);
      if (second == 2) return closeRows(first, doubles, integers, ids, count, states, stride, wides, offset, flip, false, true);
      return closeRows(first, doubles, integers, ids, count, states, stride, wides, offset, flip, true, true);
    case 1:
      if (second == 1) return splitRows(first, doubles, integers, ids, count, states, stride, wides, offset, flip, true, true, false, true, false);
      if (second == 2) return splitRows(first, doubles, integers, ids, count, states, stride, wides, offset, flip, true, true, false, false, true);
      return splitRows(first, doubles, integers, ids, count, states, stride, wides, offset, flip, true, true, false, true, true);
    case 2:
      if (second == 1) return splitRows(first, doubles, integers, ids, count, states, stride, wides, offset, flip, true, false, true, true, false);
      if (second == 2) return splitRows(first, doubles, integers, ids, count, states, stride, wides, offset, flip, true, false, true, false, true);
      return splitRows(first, doubles, integers, ids, count, states, stride, wides, offset, flip, true, false, true, true, true);
    default:
      if (second == 1) return splitRows(first, doubles, integers, ids, count, states, stride, wides, offset, flip, true, true, true, true, false);
      if (second == 2) return splitRows(first, doubles, integers, ids, count, states, stride, wides, offset, flip, true, true, true, false, true);
      return splitRows(first, doubles, integers, ids, count, states, stride, wides, offset, flip, true, true, true, true, true);
  }
}
