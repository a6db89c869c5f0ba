/**
 * The value at the earliest or the latest event time: | there u64: 0 or 1 | time i64 | key or span |. Of several at that
 * time, the greatest.
 */
import { compareSpans, keepSpan } from './bytes';
import { orderOf } from './extremes';

@inline function pick(
  isSpan: bool, latest: i32, there: usize, values: usize, times: usize, step: usize, ids: usize, count: i32, states: usize, stride: usize,
): void {
  for (let i = 0; i < count; i++) {
    const at = <usize>i * step;
    if (there != 0 && load<u64>(there + at) == 0) continue;
    const state = states + <usize>load<u32>(ids + (<usize>i << 2)) * stride;
    const time = load<i64>(times + at);
    const value = load<u64>(values + at);
    if (load<u64>(state) != 0) {
      const kept = load<i64>(state, 8);
      if (time == kept) {
        const present = load<u64>(state, 16);
        if (isSpan ? compareSpans(value, present) <= 0 : <i64>value <= <i64>present) continue;
      } else if (latest ? time < kept : time > kept) {
        continue;
      }
    }
    store<u64>(state, 1);
    store<i64>(state, time, 8);
    if (isSpan) keepSpan(state + 16, value);
    else store<u64>(state, value, 16);
  }
}

/** Values are keys that order as they do, or spans. `there` 0: all of them are; else one word each. Words are `step` bytes apart. */
export function pickByTime(
  isSpan: i32, latest: i32, there: usize, values: usize, times: usize, step: usize, ids: usize, count: i32, states: usize, stride: usize,
): void {
  if (isSpan) pick(true, latest, there, values, times, step, ids, count, states, stride);
  else pick(false, latest, there, values, times, step, ids, count, states, stride);
}

/**
 * The same for all rows of a stretch, where no value and no time is null: values are 64-bit integers (`flip` as in `accumulate`) or doubles,
 * those of the i-th row at `rows[i]` (0: i), as its time. `countAt`: where rows are counted, in the first word of a group's; 0: they are not.
 * Without a branch on what is found there, since the first values of a group change its state more often than not.
 */
@inline function pickRows(
  isDouble: bool, latest: bool, values: usize, times: usize, rows: usize, ids: usize, count: i32, countAt: usize, states: usize, stride: usize, flip: i64,
): void {
  for (let i = 0; i < count; i++) {
    const row: usize = rows == 0 ? i : load<u32>(rows + (<usize>i << 2));
    const group = <usize>load<u32>(ids + (<usize>i << 2)) * stride;
    if (countAt != 0) store<u64>(countAt + group, load<u64>(countAt + group) + 1);
    const state = states + group;
    const time = load<i64>(times + (row << 3));
    const word = load<i64>(values + (row << 3));
    const key: i64 = isDouble ? orderOf(reinterpret<f64>(word)) : word ^ flip;
    const kept = load<i64>(state, 8);
    const present = load<i64>(state, 16);
    const isNearer = latest ? time > kept : time < kept;
    const isBetter = u64(load<u64>(state) == 0) | u64(isNearer) | (u64(time == kept) & u64(key > present));
    const mask = 0 - isBetter;
    store<u64>(state, 1);
    store<i64>(state, kept ^ ((kept ^ time) & mask), 8);
    store<i64>(state, present ^ ((present ^ key) & mask), 16);
  }
}

export function pickAll(
  isDouble: i32, latest: i32, values: usize, times: usize, rows: usize, ids: usize, count: i32, countAt: usize, states: usize, stride: usize, flip: i64,
): void {
  if (isDouble) {
    if (latest) pickRows(true, true, values, times, rows, ids, count, countAt, states, stride, flip);
    else pickRows(true, false, values, times, rows, ids, count, countAt, states, stride, flip);
  } else if (latest) {
    pickRows(false, true, values, times, rows, ids, count, countAt, states, stride, flip);
  } else {
    pickRows(false, false, values, times, rows, ids, count, countAt, states, stride, flip);
  }
}
