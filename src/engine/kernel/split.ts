/**
 * Exact sums of doubles that do not differ too much in size: every value is split at a fixed bit 2^K into
 *
 *   high = (value + M) − M, a multiple of 2^K, with M = 1.5 · 2^(52 + K)          low = value − high, at most 2^(K−1)
 *
 * and both parts are added by one vector addition. Values are below 2^E and whole multiples of 2^F, so sums of high parts are
 * exact up to 2^(53+K) and sums of low parts up to 2^(53+F); beyond half of that low is carried into high, or the group's
 * wide accumulator takes both. K lies in the middle, so that both have room for as many additions. Where each addition also
 * counts a row, a group is looked at only when its count is a multiple of a power of two, below as many additions as take
 * a quarter of the room.
 *
 * After J. Demmel and H. D. Nguyen, "Fast reproducible floating-point summation" (2013): pre-rounding against a constant.
 * Where E − F is too large, sums go by TwoSum (state.ts) from then on.
 */
import { wEvery, wideAdd, wideOf, wLargest, wLimits, wMode, wSmallest, wSplitter } from './wide';

export const undecided: u32 = 0;
export const bySplit: u32 = 1;
export const byTwoSum: u32 = 2;

/** The widest E − F: what is left of twice 53 bits is room for additions. */
const spanMax: i32 = 92;

/** Looks whether there is room for more. */
export function look(state: usize, wides: usize, id: u32): void {
  if (v128.any_true(f64x2.gt(f64x2.abs(v128.load(state)), v128.load(wides + wLimits)))) carry(state, wides, id);
}

/** Brings a group's sum back within the limits. */
function carry(state: usize, wides: usize, id: u32): void {
  const splitter = load<f64>(wides + wSplitter);
  const high = load<f64>(state);
  const low = load<f64>(state, 8);
  if (abs(high) > load<f64>(wides + wLimits)) {
    const wide = wideOf(wides, id);
    wideAdd(wide, high);
    wideAdd(wide, low);
    store<f64>(state, 0);
    store<f64>(state, 0, 8);
    return;
  }
  const carried = (low + splitter) - splitter;
  store<f64>(state, high + carried);
  store<f64>(state, low - carried, 8);
}

/**
 * Sees to it that these values can be added: that they are within the magnitudes decided on, or decides anew. `sums` are
 * those of groups 0 … groups − 1, `stride` bytes apart.
 */
export function prepareSums(wides: usize, values: usize, count: i32, sums: usize, stride: i32, groups: i32): void {
  const mode = load<u32>(wides + wMode);
  if (mode == byTwoSum || (mode == bySplit && within(values, count, load<f64>(wides + wLargest), load<f64>(wides + wSmallest)))) return;
  let largest: f64 = mode == bySplit ? load<f64>(wides + wLargest) : 0;
  let smallest: f64 = mode == bySplit ? load<f64>(wides + wSmallest) : Infinity;
  for (let i = 0; i < count; i++) {
    const size = abs(load<f64>(values + (<usize>i << 3)));
    largest = max<f64>(largest, size);
    if (size != 0) smallest = min<f64>(smallest, size);
  }
  if (largest == 0) return;
  // Some room, so that this is not decided often.
  if (decide(wides, largest * 4, smallest / 256) || decide(wides, largest, smallest)) {
    if (mode == bySplit) splitAgain(wides, sums, stride, groups);
  } else {
    store<u32>(wides + wMode, byTwoSum);
  }
}

/** Sees to it that values of these magnitudes can be added, too. */
export function admit(wides: usize, largest: f64, smallest: f64, sums: usize, stride: i32, groups: i32): void {
  const mode = load<u32>(wides + wMode);
  if (mode == byTwoSum) return;
  if (mode == bySplit) {
    if (largest <= load<f64>(wides + wLargest) && smallest >= load<f64>(wides + wSmallest)) return;
    largest = max<f64>(largest, load<f64>(wides + wLargest));
    smallest = min<f64>(smallest, load<f64>(wides + wSmallest));
  }
  if (!decide(wides, largest, smallest)) store<u32>(wides + wMode, byTwoSum);
  else if (mode == bySplit) splitAgain(wides, sums, stride, groups);
}

/** Whether all magnitudes are 0 or lie between the two. NaN is not. */
export function within(values: usize, count: i32, largest: f64, smallest: f64): bool {
  const above = f64x2.splat(largest);
  const below = f64x2.splat(smallest);
  const zero = f64x2.splat(0);
  let all = i64x2.splat(-1);
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    const place = values + (<usize>i << 3);
    const first = f64x2.abs(v128.load(place));
    const second = f64x2.abs(v128.load(place, 16));
    const firstFits = v128.and(f64x2.le(first, above), v128.or(f64x2.ge(first, below), f64x2.eq(first, zero)));
    const secondFits = v128.and(f64x2.le(second, above), v128.or(f64x2.ge(second, below), f64x2.eq(second, zero)));
    all = v128.and(all, v128.and(firstFits, secondFits));
  }
  if (!i64x2.all_true(all)) return false;
  for (; i < count; i++) {
    const size = abs(load<f64>(values + (<usize>i << 3)));
    if (!(size == 0 || (size <= largest && size >= smallest))) return false;
  }
  return true;
}

@inline export function exponentOf(size: f64): i32 {
  return <i32>(reinterpret<u64>(size) >> 52) - 1023;
}

@inline export function powerOf2(exponent: i32): f64 {
  return reinterpret<f64>(<u64>(exponent + 1023) << 52);
}

/** Decides where to split; false when the magnitudes lie too far apart, or too near the ends of the doubles. */
function decide(wides: usize, largest: f64, smallest: f64): bool {
  if (!(largest < 1e250 && smallest > 1e-250)) return false;
  const above = exponentOf(largest) + 1;
  const unit = exponentOf(smallest) - 52;
  if (above - unit > spanMax) return false;
  const bit = (above + unit + 1) >> 1;
  store<f64>(wides + wSplitter, 1.5 * powerOf2(52 + bit));
  store<u32>(wides + wEvery, (1 << min(16, min(51 + bit - above, 52 + unit - bit))) - 1);
  store<f64>(wides + wLimits, powerOf2(52 + bit));
  store<f64>(wides + wLimits, powerOf2(52 + unit), 8);
  store<f64>(wides + wLargest, largest);
  store<f64>(wides + wSmallest, smallest);
  store<u32>(wides + wMode, bySplit);
  return true;
}

/** Splits the sums of all groups at the bit that was decided on since. */
function splitAgain(wides: usize, sums: usize, stride: i32, groups: i32): void {
  const splitter = load<f64>(wides + wSplitter);
  const limits = v128.load(wides + wLimits);
  for (let group = 0; group < groups; group++) {
    const state = sums + <usize>group * stride;
    const high = load<f64>(state);
    const low = load<f64>(state, 8);
    if (abs(high) > load<f64>(wides + wLimits) * 0.25) {
      const wide = wideOf(wides, group);
      wideAdd(wide, high);
      wideAdd(wide, low);
      store<f64>(state, 0);
      store<f64>(state, 0, 8);
      continue;
    }
    const first = (high + splitter) - splitter;
    const second = (low + splitter) - splitter;
    store<f64>(state, first + second);
    store<f64>(state, (high - first) + (low - second), 8);
    if (v128.any_true(f64x2.gt(f64x2.abs(v128.load(state)), limits))) carry(state, wides, group);
  }
}
