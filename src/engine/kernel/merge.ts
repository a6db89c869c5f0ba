/** Merging the states of another thread, in the same memory: `ids` has the own group id of each of its groups. */
import { keepGreater, keepLess } from './extremes';
import { addExactly, addInt128 } from './state';
import { byTwoSum } from './split';
import { wideMerge, wideOf, wideOfOther, wMode } from './wide';

/** Adds the rows of each group, and of each column what `what` names: 2 sum, 4 min, 8 max; as in `accumulate`. */
export function mergeRows(other: usize, ids: usize, count: i32, states: usize, stride: i32): void {
  for (let i = 0; i < count; i++) {
    const state = states + <usize>load<u32>(ids + (<usize>i << 2)) * stride;
    store<u64>(state, load<u64>(state) + load<u64>(other + <usize>i * stride));
  }
}

/**
 * `other` and `states` point at the column's states of the first group. `groups`: the numbers that those of the other have in its
 * wide accumulators; 0 where they are numbered as they stand.
 */
export function mergeStates(
  isDouble: i32, what: i32, other: usize, otherWides: usize, groups: usize, ids: usize, count: i32, states: usize, stride: i32, wides: usize,
): void {
  if (isDouble) store<u32>(wides + wMode, byTwoSum);
  for (let i = 0; i < count; i++) {
    const id = load<u32>(ids + (<usize>i << 2));
    let state = states + <usize>id * stride;
    let from = other + <usize>i * stride;
    if (what & 2) {
      if (isDouble) {
        addExactly(state, load<f64>(from), wides, id);
        addExactly(state, load<f64>(from, 8), wides, id);
        const wide = wideOfOther(otherWides, groups == 0 ? <u32>i : load<u32>(groups + (<usize>i << 2)));
        if (wide != 0) wideMerge(wideOf(wides, id), wide);
      } else {
        addInt128(state, load<u64>(from), load<i64>(from, 8));
      }
      state += 16;
      from += 16;
    }
    if (what & 4) {
      keepLess(state, load<i64>(from));
      state += 8;
      from += 8;
    }
    if (what & 8) keepGreater(state, load<i64>(from));
  }
}

/** Adds the nulls of each group, one i64 a group. */
export function mergeNullCounts(other: usize, ids: usize, count: i32, nulls: usize): void {
  for (let i = 0; i < count; i++) {
    const place = nulls + (<usize>load<u32>(ids + (<usize>i << 2)) << 3);
    store<i64>(place, load<i64>(place) + load<i64>(other + (<usize>i << 3)));
  }
}

/**
 * One word of each of `count` groups, side by side as columns of partial states have it; `states` points at that of the first.
 * What is not merged by `mergeStates` is merged from there as those are.
 */
export function gatherStates(states: usize, stride: usize, count: i32, out: usize): void {
  for (let i = 0; i < count; i++) store<i64>(out + (<usize>i << 3), load<i64>(states + <usize>i * stride));
}
