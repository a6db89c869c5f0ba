/**
 * Labels and the stretches in their ranges: spans [first, end) of stretches, u32 each, before anything is added (which stretches are wanted)
 * and after (which of them have rows, and values).
 */
import { wordAt } from './words';

const none: u32 = 0xffffffff;

@inline function putWord(words: usize, i: u32, word: u32): void {
  store<u32>(words + (<usize>i << 2), word);
}

/** The span of each label: `startPlaces` has the point it begins at (0: there is none), `endPlaces` the one it ends at. Nobody's is empty. */
export function spansOf(entities: usize, count: i32, starts: usize, startPlaces: usize, endPlaces: usize, first: usize, end: usize): void {
  for (let i = 0; i < count; i++) {
    const entity = wordAt(entities, i);
    let from: u32 = 0;
    let to: u32 = 0;
    if (entity != none) {
      from = startPlaces == 0 ? wordAt(starts, entity) : wordAt(startPlaces, i) + 1;
      to = max<u32>(wordAt(endPlaces, i) + 1, from);
    }
    putWord(first, i, from);
    putWord(end, i, to);
  }
}

/** Notes in `changes`, i32 for each stretch and one more, where spans begin (+1) and end (−1). */
export function markSpans(first: usize, end: usize, count: i32, changes: usize): void {
  for (let i = 0; i < count; i++) {
    const from = wordAt(first, i);
    const to = wordAt(end, i);
    putWord(changes, from, wordAt(changes, from) + 1);
    putWord(changes, to, wordAt(changes, to) - 1);
  }
}

/** From those, which stretches lie in any span, a byte each; returns how many do. */
export function wantedOf(changes: usize, stretches: i32, wanted: usize): i32 {
  let open = 0;
  let count = 0;
  for (let i = 0; i < stretches; i++) {
    open += <i32>wordAt(changes, i);
    store<u8>(wanted + i, u8(open > 0));
    count += i32(open > 0);
  }
  return count;
}

/**
 * The stretches that have rows, ascending, in `full`; how many there are before each, and in all, in `before`. A stretch's rows are
 * counted in the first word of its states. Returns how many have rows.
 */
export function fullStretches(states: usize, stride: usize, stretches: i32, before: usize, full: usize): i32 {
  let count: u32 = 0;
  for (let i = 0; i < stretches; i++) {
    putWord(before, i, count);
    putWord(full, count, i);
    count += u32(load<u64>(states + <usize>i * stride) != 0);
  }
  putWord(before, stretches, count);
  return <i32>count;
}

/** Says of each label whether any stretch of its span has rows, a byte each; returns of how many. */
export function knownSpans(first: usize, end: usize, count: i32, before: usize, known: usize): i32 {
  let all = 0;
  for (let i = 0; i < count; i++) {
    const isKnown = wordAt(before, wordAt(first, i)) < wordAt(before, wordAt(end, i));
    store<u8>(known + i, u8(isKnown));
    all += i32(isKnown);
  }
  return all;
}

/** Spans of stretches become spans of those that have rows; empty for labels that are not known. */
export function fullSpans(first: usize, end: usize, count: i32, before: usize, known: usize): void {
  for (let i = 0; i < count; i++) {
    const from = wordAt(before, wordAt(first, i));
    putWord(first, i, from);
    putWord(end, i, load<u8>(known + i) != 0 ? wordAt(before, wordAt(end, i)) : from);
  }
}

/** `there`: the word of the first stretch that says whether it has a value. `latest`: the nearest at or before each; else at or after. */
export function nearStretches(there: usize, stride: usize, stretches: i32, latest: i32, near: usize): void {
  let nearest = none;
  for (let n = 0; n < stretches; n++) {
    const i = latest != 0 ? n : stretches - 1 - n;
    if (load<u64>(there + <usize>i * stride) != 0) nearest = i;
    putWord(near, i, nearest);
  }
}

/** The stretch with the latest or earliest value of each label's span; `stretches`, which there is none of, where it has none or is not known. */
export function pickStretches(
  first: usize, end: usize, known: usize, count: i32, near: usize, latest: i32, stretches: u32, out: usize,
): void {
  for (let i = 0; i < count; i++) {
    const from = wordAt(first, i);
    const to = wordAt(end, i);
    let found = stretches;
    if (load<u8>(known + i) != 0 && from < to) {
      const candidate = wordAt(near, latest != 0 ? to - 1 : from);
      if (candidate >= from && candidate < to) found = candidate;
    }
    putWord(out, i, found);
  }
}

/**
 * The stretches in the spans of labels, in `nodes`, and whose each is, in `ids`: from where `place` says on, | label u32 | stretch u32 |, which moves on with
 * them, and at most so many. `known` 0: all labels are, else those whose byte is set. Returns how many. Whether a stretch has rows is not asked: to merge
 * one without costs less than to wait for it.
 */
export function nodesOfSpans(first: usize, end: usize, known: usize, labels: u32, place: usize, most: u32, nodes: usize, ids: usize): i32 {
  let label = load<u32>(place);
  let stretch = load<u32>(place, 4);
  let count: u32 = 0;
  for (; label < labels; label++) {
    const to = known == 0 || load<u8>(known + label) != 0 ? wordAt(end, label) : 0;
    for (stretch = max<u32>(stretch, wordAt(first, label)); stretch < to && count < most; stretch++) {
      putWord(nodes, count, stretch);
      putWord(ids, count, label);
      count++;
    }
    if (stretch < to) break;
    stretch = 0;
  }
  store<u32>(place, label);
  store<u32>(place, stretch, 4);
  return <i32>count;
}

/** How many stretches lie in spans, those of each for itself. */
export function lengthOfRanges(first: usize, end: usize, labels: i32): f64 {
  let length: u64 = 0;
  for (let i = 0; i < labels; i++) length += wordAt(end, i) - wordAt(first, i);
  return <f64>length;
}

/** Says of each group whether it has rows, a byte each; returns how many do. */
export function knownGroups(states: usize, stride: usize, groups: i32, known: usize): i32 {
  let all = 0;
  for (let i = 0; i < groups; i++) {
    const isKnown = load<u64>(states + <usize>i * stride) != 0;
    store<u8>(known + i, u8(isKnown));
    all += i32(isKnown);
  }
  return all;
}
