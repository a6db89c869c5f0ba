/**
 * Merging the states of another thread, in the same memory.
 *
 * What is merged are groups of the other that stand one after the other: `first` is the first of them, `count` says how many. The own id of each
 * is in `ids`; where that is 0, the own groups stand in the same order, from `own` on.
 */
import { keepGreater, keepLess } from './extremes';
import { addExactly, addInt128 } from './state';
import { byTwoSum } from './split';
import { hasWides, wideMerge, wideOf, wideOfOther, wMode } from './wide';

@inline function ownId(ids: usize, own: u32, i: i32): u32 {
  return ids == 0 ? own + i : load<u32>(ids + (<usize>i << 2));
}

/**
 * Merges what `what` names: 1 the rows, which stand before the first column, 2 sum, 4 min, 8 max; as in `accumulate`. `other` and `states` point at
 * the first of these of group 0. `groups`: the numbers that the others have in the wide accumulators, where they do not stand as they are numbered; else 0.
 */
export function mergeStates(
  isDouble: i32, what: i32, other: usize, otherWides: usize, groups: usize, first: u32, ids: usize, own: u32, count: i32, states: usize, stride: i32, wides: usize,
): void {
  let from = other + <usize>first * stride;
  let to = states;
  if (what & 1) {
    for (let i = 0; i < count; i++) {
      const state = to + <usize>ownId(ids, own, i) * stride;
      store<u64>(state, load<u64>(state) + load<u64>(from + <usize>i * stride));
    }
    from += 8;
    to += 8;
  }
  if (what & 2) {
    if (isDouble) mergeSums(from, otherWides, groups, first, ids, own, count, to, stride, wides);
    else {
      for (let i = 0; i < count; i++) {
        const sum = from + <usize>i * stride;
        addInt128(to + <usize>ownId(ids, own, i) * stride, load<u64>(sum), load<i64>(sum, 8));
      }
    }
    from += 16;
    to += 16;
  }
  if (what & 4) {
    for (let i = 0; i < count; i++) keepLess(to + <usize>ownId(ids, own, i) * stride, load<i64>(from + <usize>i * stride));
    from += 8;
    to += 8;
  }
  if (what & 8) {
    for (let i = 0; i < count; i++) keepGreater(to + <usize>ownId(ids, own, i) * stride, load<i64>(from + <usize>i * stride));
  }
}

function mergeSums(
  from: usize, otherWides: usize, groups: usize, first: u32, ids: usize, own: u32, count: i32, to: usize, stride: i32, wides: usize,
): void {
  store<u32>(wides + wMode, byTwoSum);
  for (let i = 0; i < count; i++) {
    const id = ownId(ids, own, i);
    mergeSum(to + <usize>id * stride, from + <usize>i * stride, wides, id);
  }
  if (!hasWides(otherWides)) return;
  for (let i = 0; i < count; i++) {
    const wide = wideOfOther(otherWides, groups == 0 ? first + i : load<u32>(groups + (<usize>i << 2)));
    if (wide != 0) wideMerge(wideOf(wides, ownId(ids, own, i)), wide);
  }
}

/** Sums that were split at the same bit are added high to high and low to low, without rounding; others part by part. */
@inline function mergeSum(state: usize, from: usize, wides: usize, id: u32): void {
  const before = v128.load(state);
  const more = v128.load(from);
  const sum = f64x2.add(before, more);
  const part = f64x2.sub(sum, before);
  const error = f64x2.add(f64x2.sub(before, f64x2.sub(sum, part)), f64x2.sub(more, part));
  if (i64x2.bitmask(f64x2.ne(error, f64x2.splat(0))) == 0) {
    v128.store(state, sum);
  } else {
    addExactly(state, load<f64>(from), wides, id);
    addExactly(state, load<f64>(from, 8), wides, id);
  }
}

/** Adds the nulls of each group, one i64 a group. */
export function mergeNullCounts(other: usize, first: u32, ids: usize, own: u32, count: i32, nulls: usize): void {
  for (let i = 0; i < count; i++) {
    const place = nulls + (<usize>ownId(ids, own, i) << 3);
    store<i64>(place, load<i64>(place) + load<i64>(other + (<usize>(first + i) << 3)));
  }
}

/**
 * One word of each of `count` groups, side by side as columns of partial states have it; `states` points at that of the first.
 * What is not merged by `mergeStates` is merged from there as those are.
 */
export function gatherStates(states: usize, stride: usize, count: i32, out: usize): void {
  for (let i = 0; i < count; i++) store<i64>(out + (<usize>i << 3), load<i64>(states + <usize>i * stride));
}
