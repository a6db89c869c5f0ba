/**
 * From the states of another aggregation in the same memory: words of its groups' rows go side by side, as columns of partial
 * states do, and from there on are merged as those are. `ids` has the own group of each of the other's.
 */
import { mergeWide, wideIn, wideOf } from './wide';

/** One word of each of `count` groups; `states` points at that of the first. */
export function gatherStates(states: usize, stride: usize, count: i32, out: usize): void {
  for (let i = 0; i < count; i++) store<i64>(out + (<usize>i << 3), load<i64>(states + <usize>i * stride));
}

/** Adds to one i64 a group. */
export function addToGroups(values: usize, ids: usize, count: i32, target: usize): void {
  for (let i = 0; i < count; i++) {
    const place = target + (<usize>load<u32>(ids + (<usize>i << 2)) << 3);
    store<i64>(place, load<i64>(place) + load<i64>(values + (<usize>i << 3)));
  }
}

/** The wide accumulators of the groups from `first` on of another table. */
export function mergeWides(other: usize, first: u32, count: i32, ids: usize, wides: usize): void {
  for (let i = 0; i < count; i++) {
    const wide = wideIn(other, first + i);
    if (wide != 0) mergeWide(wideOf(wides, load<u32>(ids + (<usize>i << 2))), wide);
  }
}
