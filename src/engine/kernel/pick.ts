/**
 * The value at the earliest or the latest event time: | there u64: 0 or 1 | time i64 | key or span |. Of several at that
 * time, the greatest.
 */
import { compareSpans, keepSpan } from './bytes';

@inline function pick(
  isSpan: bool, latest: i32, there: usize, values: usize, times: usize, ids: usize, count: i32, states: usize, stride: usize,
): void {
  for (let i = 0; i < count; i++) {
    if (there != 0 && load<u64>(there + (<usize>i << 3)) == 0) continue;
    const state = states + <usize>load<u32>(ids + (<usize>i << 2)) * stride;
    const time = load<i64>(times + (<usize>i << 3));
    const value = load<u64>(values + (<usize>i << 3));
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

/** Values are keys that order as they do, or spans. `there` 0: all of them are; else one word each. */
export function pickByTime(
  isSpan: i32, latest: i32, there: usize, values: usize, times: usize, ids: usize, count: i32, states: usize, stride: usize,
): void {
  if (isSpan) pick(true, latest, there, values, times, ids, count, states, stride);
  else pick(false, latest, there, values, times, ids, count, states, stride);
}
