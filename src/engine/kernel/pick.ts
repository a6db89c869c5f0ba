/**
 * The value at the earliest or the latest event time: | there u64 | time i64 | key or span |. Of several at that time, the
 * greatest; or, where there are tie breakers, | there | time | tie i64 | key or span |, first those whose tie breaker is the
 * least (of the earliest) or the greatest (of the latest), and values without one behind all others.
 *
 * `there` is 0 without a value, 1 with one, and 3 where that has a tie breaker.
 */
import { compareSpans, keepSpan } from './bytes';
import { orderOf, wins } from './extremes';

@inline function pick(
  isSpan: bool, isTied: bool, latest: i32, there: usize, values: usize, times: usize, ties: usize, step: usize, ids: usize, count: i32, states: usize, stride: usize,
): void {
  const valueAt: usize = isTied ? 24 : 16;
  for (let i = 0; i < count; i++) {
    const at = <usize>i * step;
    const mark = there == 0 ? 1 : load<u64>(there + at);
    if (mark == 0) continue;
    const state = states + <usize>load<u32>(ids + (<usize>i << 2)) * stride;
    const time = load<i64>(times + at);
    const tie = isTied ? load<i64>(ties + at) : 0;
    const value = load<u64>(values + at);
    const kept = load<u64>(state);
    if (kept != 0) {
      const keptTime = load<i64>(state, 8);
      if (time == keptTime) {
        const order = isTied ? orderOfTies(latest, mark, tie, kept, load<i64>(state, 16)) : 0;
        if (order < 0) continue;
        if (order == 0) {
          const present = load<u64>(state + valueAt);
          if (isSpan ? compareSpans(value, present) <= 0 : <i64>value <= <i64>present) continue;
        }
      } else if (latest ? time < keptTime : time > keptTime) {
        continue;
      }
    }
    store<u64>(state, mark);
    store<i64>(state, time, 8);
    if (isTied) store<i64>(state, tie, 16);
    if (isSpan) keepSpan(state + valueAt, value);
    else store<u64>(state + valueAt, value);
  }
}

/** Above 0 where the first goes before the second, 0 where ties do not tell. */
@inline function orderOfTies(latest: i32, mark: u64, tie: i64, kept: u64, keptTie: i64): i32 {
  if (mark != kept) return mark > kept ? 1 : -1;
  if (mark == 1 || tie == keptTie) return 0;
  return (tie > keptTie) == (latest != 0) ? 1 : -1;
}

/** Values are keys that order as they do, or spans. `there` 0: all of them are; else one word each. Words are `step` bytes apart. */
export function pickByTime(
  isSpan: i32, latest: i32, there: usize, values: usize, times: usize, step: usize, ids: usize, count: i32, states: usize, stride: usize,
): void {
  if (isSpan) pick(true, false, latest, there, values, times, 0, step, ids, count, states, stride);
  else pick(false, false, latest, there, values, times, 0, step, ids, count, states, stride);
}

/** The same with tie breakers: words that order as they do. */
export function pickByTie(
  isSpan: i32, latest: i32, there: usize, values: usize, times: usize, ties: usize, step: usize, ids: usize, count: i32, states: usize, stride: usize,
): void {
  if (isSpan) pick(true, true, latest, there, values, times, ties, step, ids, count, states, stride);
  else pick(false, true, latest, there, values, times, ties, step, ids, count, states, stride);
}

/**
 * As `pickByTime`, for all rows of a stretch, where no value and no time is null, and a group's row is | rows | there | time | key | and no more: values
 * are 64-bit integers (`flip` as in `accumulate`) or doubles, those of the i-th row at `rows[i]` (0: i), as its time.
 * Without a branch on what is found there, since the first values of a group change its state more often than not; and in so few instructions that
 * the processor has sent for the groups of the next rows while it waits for this one's.
 */
@inline function pickRows(isDouble: bool, latest: bool, values: usize, times: usize, rows: usize, ids: usize, count: i32, groups: usize, flip: i64): void {
  for (let i = 0; i < count; i++) {
    const row: usize = rows == 0 ? i : load<u32>(rows + (<usize>i << 2));
    const group = groups + (<usize>load<u32>(ids + (<usize>i << 2)) << 5);
    const word = load<i64>(values + (row << 3));
    const key: i64 = isDouble ? orderOf(reinterpret<f64>(word)) : word ^ flip;
    const fresh = i64x2.replace_lane(i64x2.splat(load<i64>(times + (row << 3))), 1, key);
    const counts = v128.load(group);
    const kept = v128.load(group, 16);
    const isGreater = i64x2.gt_s(fresh, kept);
    const isNearer = latest ? isGreater : i64x2.gt_s(kept, fresh);
    const isEmpty = i64x2.eq(counts, i64x2.splat(0));
    const isBetter = v128.or(wins(isNearer, i64x2.eq(fresh, kept), isGreater), v128.shuffle<i64>(isEmpty, isEmpty, 1, 1));
    v128.store(group, v128.or(i64x2.add(counts, i64x2(1, 0)), i64x2(0, 1)));
    v128.store(group, v128.bitselect(fresh, kept, isBetter), 16);
  }
}

export function pickAll(
  isDouble: i32, latest: i32, values: usize, times: usize, rows: usize, ids: usize, count: i32, groups: usize, flip: i64,
): void {
  if (isDouble) {
    if (latest) pickRows(true, true, values, times, rows, ids, count, groups, flip);
    else pickRows(true, false, values, times, rows, ids, count, groups, flip);
  } else if (latest) {
    pickRows(false, true, values, times, rows, ids, count, groups, flip);
  } else {
    pickRows(false, false, values, times, rows, ids, count, groups, flip);
  }
}
