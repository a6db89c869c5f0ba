/**
 * Accumulators. The states of one group stand side by side, `stride` bytes a group, so that a group is one or two cache
 * lines whatever is asked of it. A column's states begin at an offset of its own:
 *
 *   | count u64 | sum: high f64, low f64  or  low u64, high i64 | min i64 | max i64 |       what is not asked for is not there
 *
 * Minima and maxima are kept as 64-bit keys that order as the values do (`orderOf` for doubles, the sign bit flipped for
 * unsigned integers), so one comparison serves all types. New groups start as a copy of a template.
 *
 * Float sums: high + low is exactly the sum so far. Each addition is two error-free transformations (Knuth's TwoSum); where
 * a residue does not fit, and for NaN and infinities, the group's wide accumulator takes what there is and high and low
 * start again from zero.
 */
import { alloc, free } from './memory';
import { wideAdd, wideOf } from './wide';

/** Room for `wanted` groups: the block of `have` groups, or a larger one with new groups made from `template`. */
export function growStates(states: usize, have: i32, wanted: i32, stride: i32, template: usize): usize {
  const bytes = <usize>have * stride;
  const larger = alloc(<usize>wanted * stride);
  if (have > 0) {
    memory.copy(larger, states, bytes);
    free(states, bytes);
  }
  for (let group = have; group < wanted; group++) memory.copy(larger + <usize>group * stride, template, stride);
  return larger;
}

/** A 64-bit key that orders as doubles do; −0 counts as 0, every NaN as one, above +∞. */
@inline function orderOf(value: f64): i64 {
  const bits = value == value ? reinterpret<i64>(value + 0.0) : 0x7ff8000000000000;
  return bits ^ ((bits >> 63) & 0x7fffffffffffffff);
}

@inline function addExactly(state: usize, value: f64, wides: usize, id: u32): void {
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

@inline function addInt128(state: usize, low: u64, high: i64): void {
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
        if (key < load<i64>(state)) store<i64>(state, key);
        state += 8;
      }
      if (withMax) {
        if (key > load<i64>(state)) store<i64>(state, key);
      }
    }
  }
}

@inline function choose<T>(
  what: i32, values: usize, ids: usize, count: i32, states: usize, stride: usize, wides: usize, flip: i64, signs: i64,
): void {
  switch (what) {
    case 1: loop<T>(values, ids, count, states, stride, wides, flip, signs, true, false, false, false); break;
    case 3: loop<T>(values, ids, count, states, stride, wides, flip, signs, true, true, false, false); break;
    case 4: loop<T>(values, ids, count, states, stride, wides, flip, signs, false, false, true, false); break;
    case 5: loop<T>(values, ids, count, states, stride, wides, flip, signs, true, false, true, false); break;
    case 7: loop<T>(values, ids, count, states, stride, wides, flip, signs, true, true, true, false); break;
    case 8: loop<T>(values, ids, count, states, stride, wides, flip, signs, false, false, false, true); break;
    case 9: loop<T>(values, ids, count, states, stride, wides, flip, signs, true, false, false, true); break;
    case 11: loop<T>(values, ids, count, states, stride, wides, flip, signs, true, true, false, true); break;
    case 13: loop<T>(values, ids, count, states, stride, wides, flip, signs, true, false, true, true); break;
    case 15: loop<T>(values, ids, count, states, stride, wides, flip, signs, true, true, true, true); break;
    default: unreachable();
  }
}

/**
 * Adds 64-bit values to the states of their groups. `states` points at the column's first state of group 0. `what` says
 * which states there are: 1 count, 2 sum, 4 min, 8 max. `flip` turns integers into keys that order as they do, `signs` is
 * −1 for signed integers and 0 for unsigned ones.
 */
export function accumulate(
  isDouble: i32, what: i32, values: usize, ids: usize, count: i32,
  states: usize, stride: usize, wides: usize, flip: i64, signs: i64,
): void {
  if (isDouble) choose<f64>(what, values, ids, count, states, stride, wides, flip, signs);
  else choose<i64>(what, values, ids, count, states, stride, wides, flip, signs);
}

/** Adds partial sums, `high[i] + low[i]` each; `states` points at the sum of group 0. */
export function mergeHighLow(
  high: usize, low: usize, ids: usize, count: i32, states: usize, stride: usize, wides: usize,
): void {
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

/** Adds partial counts; 0 in place of `counts` adds one for each row. */
export function mergeCounts(counts: usize, ids: usize, count: i32, states: usize, stride: usize): void {
  for (let i = 0; i < count; i++) {
    const state = states + <usize>load<u32>(ids + (<usize>i << 2)) * stride;
    store<u64>(state, load<u64>(state) + (counts == 0 ? 1 : load<u64>(counts + (<usize>i << 3))));
  }
}
