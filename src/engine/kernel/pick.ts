/**
 * The value at the earliest or the latest event time: | there u64 | time i64 | key or span |. Of several at that time, the
 * greatest; or, where there are tie breakers, | there | time | tie i64 | key or span |, first those whose tie breaker is the
 * least (of the earliest) or the greatest (of the latest), and values without one behind all others.
 *
 * `there` is 0 without a value, 1 with one, and 3 where that has a tie breaker.
 */
import { compareSpans, keepSpan } from './bytes';

@inline function pick(
  isSpan: bool, isTied: bool, latest: i32, there: usize, values: usize, times: usize, ties: usize, ids: usize, count: i32, states: usize, stride: usize,
): void {
  const at: usize = isTied ? 24 : 16;
  for (let i = 0; i < count; i++) {
    const mark = there == 0 ? 1 : load<u64>(there + (<usize>i << 3));
    if (mark == 0) continue;
    const state = states + <usize>load<u32>(ids + (<usize>i << 2)) * stride;
    const time = load<i64>(times + (<usize>i << 3));
    const tie = isTied ? load<i64>(ties + (<usize>i << 3)) : 0;
    const value = load<u64>(values + (<usize>i << 3));
    const kept = load<u64>(state);
    if (kept != 0) {
      const keptTime = load<i64>(state, 8);
      if (time == keptTime) {
        const order = isTied ? orderOfTies(latest, mark, tie, kept, load<i64>(state, 16)) : 0;
        if (order < 0) continue;
        if (order == 0) {
          const present = load<u64>(state + at);
          if (isSpan ? compareSpans(value, present) <= 0 : <i64>value <= <i64>present) continue;
        }
      } else if (latest ? time < keptTime : time > keptTime) {
        continue;
      }
    }
    store<u64>(state, mark);
    store<i64>(state, time, 8);
    if (isTied) store<i64>(state, tie, 16);
    if (isSpan) keepSpan(state + at, value);
    else store<u64>(state + at, value);
  }
}

/** Above 0 where the first goes before the second, 0 where ties do not tell. */
@inline function orderOfTies(latest: i32, mark: u64, tie: i64, kept: u64, keptTie: i64): i32 {
  if (mark != kept) return mark > kept ? 1 : -1;
  if (mark == 1 || tie == keptTie) return 0;
  return (tie > keptTie) == (latest != 0) ? 1 : -1;
}

/** Values are keys that order as they do, or spans. `there` 0: all of them are; else one word each. */
export function pickByTime(
  isSpan: i32, latest: i32, there: usize, values: usize, times: usize, ids: usize, count: i32, states: usize, stride: usize,
): void {
  if (isSpan) pick(true, false, latest, there, values, times, 0, ids, count, states, stride);
  else pick(false, false, latest, there, values, times, 0, ids, count, states, stride);
}

/** The same with tie breakers: words that order as they do. */
export function pickByTie(
  isSpan: i32, latest: i32, there: usize, values: usize, times: usize, ties: usize, ids: usize, count: i32, states: usize, stride: usize,
): void {
  if (isSpan) pick(true, true, latest, there, values, times, ties, ids, count, states, stride);
  else pick(false, true, latest, there, values, times, ties, ids, count, states, stride);
}
