/**
 * The latest value of each stretch, or the earliest, where nothing else is asked: | order i64 | key i64 |. The key orders as the value does, and the
 * order as its event time: time + 1 where the latest is asked for, and −1 − time for the earliest, so that the greatest pair is the one. No event of a
 * stretch has the last time of all, since a moment comes behind it: so the least order is left for stretches without a value.
 */
import { orderOf, wins, wordOf } from './extremes';
import { wordAt } from './words';

const none: u32 = 0xffffffff;

@inline function stateAt(states: usize, stretch: u32): usize {
  return states + (<usize>stretch << 4);
}

/** The greater of two pairs: by the first words, and by the second where those are the same. Without a branch, and short. */
@inline function greater(one: v128, other: v128): v128 {
  const isGreater = i64x2.gt_s(one, other);
  return v128.bitselect(one, other, wins(isGreater, i64x2.eq(one, other), isGreater));
}

export function emptyNearest(states: usize, stretches: u32): void {
  const empty = i64x2.splat(i64.MIN_VALUE);
  for (let i: u32 = 0; i < stretches; i++) v128.store(stateAt(states, i), empty);
}

@inline function keepNearest(isDouble: bool, latest: bool, values: usize, times: usize, rows: usize, stretches: usize, count: i32, states: usize, flip: i64): void {
  for (let i = 0; i < count; i++) {
    const row: usize = rows == 0 ? i : wordAt(rows, i);
    const state = stateAt(states, wordAt(stretches, i));
    const time = load<i64>(times + (row << 3));
    const word = load<i64>(values + (row << 3));
    const key = isDouble ? orderOf(reinterpret<f64>(word)) : word ^ flip;
    v128.store(state, greater(i64x2.replace_lane(i64x2.splat(latest ? time + 1 : ~time), 1, key), v128.load(state)));
  }
}

/** Values are 64-bit integers (`flip` as in `accumulate`) or doubles, that of the i-th row at `rows[i]` (0: i), as its time; `stretches` has those of rows in turn. */
export function addNearest(
  isDouble: i32, latest: i32, values: usize, times: usize, rows: usize, stretches: usize, count: i32, states: usize, flip: i64,
): void {
  if (isDouble) {
    if (latest) keepNearest(true, true, values, times, rows, stretches, count, states, flip);
    else keepNearest(true, false, values, times, rows, stretches, count, states, flip);
  } else if (latest) {
    keepNearest(false, true, values, times, rows, stretches, count, states, flip);
  } else {
    keepNearest(false, false, values, times, rows, stretches, count, states, flip);
  }
}

export function mergeNearest(other: usize, stretches: u32, states: usize): void {
  for (let i: u32 = 0; i < stretches; i++) v128.store(stateAt(states, i), greater(v128.load(stateAt(other, i)), v128.load(stateAt(states, i))));
}

/** As rows of values, one of each stretch that has one: the stretches, the keys and the times. Returns how many. */
export function nearestRows(states: usize, stretches: u32, latest: i32, outStretches: usize, keys: usize, times: usize): i32 {
  let kept: usize = 0;
  for (let i: u32 = 0; i < stretches; i++) {
    const state = stateAt(states, i);
    const order = load<i64>(state);
    store<u32>(outStretches + (kept << 2), i);
    store<i64>(keys + (kept << 3), load<i64>(state, 8));
    store<i64>(times + (kept << 3), latest ? order - 1 : ~order);
    kept += <usize>(order != i64.MIN_VALUE);
  }
  return <i32>kept;
}

/**
 * Makes of each state what a label asks of it: | number of a stretch u32 | – | key i64 |, the nearest stretch with a value at or before it where the latest is
 * asked for, else at or behind it, and the key of that. What is there ceases to be states. Those at `other`, unless it is 0, are merged first.
 */
export function settleNearest(states: usize, other: usize, stretches: u32, latest: i32): void {
  let near = i64x2.splat(i64.MIN_VALUE);
  near = i64x2.replace_lane(near, 0, <i64>none);
  for (let n: u32 = 0; n < stretches; n++) {
    const i = latest != 0 ? n : stretches - 1 - n;
    const state = stateAt(states, i);
    let own = v128.load(state);
    if (other != 0) own = greater(v128.load(stateAt(other, i)), own);
    if (i64x2.extract_lane(own, 0) != i64.MIN_VALUE) near = i64x2.replace_lane(own, 0, i);
    v128.store(state, near);
  }
}

/**
 * The value of each label's span, 0 where it has none: as it was, from its key, of states that are settled. `validity` hears which have one, a bit each, and
 * so does `isKnown`, a byte each; `known` 0: all are, else only those whose byte is set have any. Returns how many have one. Without a branch that would wait
 * for a state, so that the processor sends for those of many labels at once; where there are labels, there is a stretch.
 */
export function answersOfNearest(
  states: usize, latest: i32, isDouble: i32, flip: i64, first: usize, end: usize, labels: i32, known: usize, isKnown: usize, out: usize, validity: usize,
): i32 {
  let found = 0;
  let bits: u32 = 0;
  for (let i = 0; i < labels; i++) {
    const from = wordAt(first, i);
    const to = wordAt(end, i);
    const isAsked = u32(from < to) & (known == 0 ? 1 : <u32>load<u8>(known + i));
    const state = stateAt(states, (latest != 0 ? to - 1 : from) & (0 - isAsked));
    const stretch = load<u32>(state);
    const has = isAsked & u32(stretch >= from) & u32(stretch < to);
    store<i64>(out + (<usize>i << 3), wordOf(load<i64>(state, 8), isDouble, flip) & (0 - <i64>has));
    store<u8>(isKnown + i, has);
    found += has;
    bits |= has << (i & 7);
    if ((i & 7) == 7) {
      store<u8>(validity + (i >> 3), bits);
      bits = 0;
    }
  }
  if ((labels & 7) != 0) store<u8>(validity + (labels >> 3), bits);
  return found;
}

/** What the arrays of threads have of a stretch, merged; `arrays` has where they are, u32 each. */
@inline function mergedAt(arrays: usize, count: i32, stretch: u32): v128 {
  let own = v128.load(stateAt(wordAt(arrays, 0), stretch));
  for (let i = 1; i < count; i++) own = greater(v128.load(stateAt(wordAt(arrays, i), stretch)), own);
  return own;
}

/**
 * Answers labels that ask for all before their moments, those at [from, end) of `order` (kernel/points.ts), of which those from `asked` on are nobody's: what each has
 * is the greatest state so far of its entity, so states are read once, one after the other. At `out` each label's value is written, as `answersOfNearest` has it,
 * and at `known` whether it has one, a byte each. Returns how many have one.
 */
export function answersInOrder(
  arrays: usize, arrayCount: i32, isDouble: i32, flip: i64, starts: usize, entityCount: u32, order: usize, asked: u32, from: u32, end: u32, out: usize, known: usize,
): i32 {
  const last = min<u32>(end, asked);
  let next: u32 = 0;
  for (let i: u32 = 0; i < from; i++) next += 1 - (wordAt(order, i) >> 31);
  let behind: u32 = 0;
  let entity: u32 = 0;
  const empty = i64x2.splat(i64.MIN_VALUE);
  let near = empty;
  if (from < last) {
    // The entity of the first point, and what was nearest before it.
    const first = next - (wordAt(order, from) >> 31);
    entity = entityAt(starts, entityCount, first);
    behind = wordAt(starts, entity + 1);
    for (let stretch = wordAt(starts, entity); stretch < next; stretch++) near = greater(mergedAt(arrays, arrayCount, stretch), near);
  }
  let found = 0;
  for (let i = from; i < last; i++) {
    const word = wordAt(order, i);
    if (word >> 31 == 0) {
      if (next >= behind) {
        near = empty;
        do entity++;
        while (wordAt(starts, entity + 1) <= next);
        behind = wordAt(starts, entity + 1);
      }
      near = greater(mergedAt(arrays, arrayCount, next), near);
      next++;
    }
    const has = u32(i64x2.extract_lane(near, 0) != i64.MIN_VALUE);
    putAnswer(word & labelBits, has, wordOf(i64x2.extract_lane(near, 1), isDouble, flip), out, known);
    found += has;
  }
  for (let i = max<u32>(from, last); i < end; i++) putAnswer(wordAt(order, i), 0, 0, out, known);
  return found;
}

const labelBits: u32 = 0x7fffffff;

@inline function putAnswer(label: u32, has: u32, word: i64, out: usize, known: usize): void {
  store<i64>(out + (<usize>label << 3), word & (0 - <i64>has));
  store<u8>(known + label, has);
}

/** The entity that a stretch is of. */
function entityAt(starts: usize, entityCount: u32, stretch: u32): u32 {
  let from: u32 = 0;
  let end = entityCount;
  while (end - from > 1) {
    const middle = (from + end) >> 1;
    if (wordAt(starts, middle) <= stretch) from = middle;
    else end = middle;
  }
  return from;
}
