/**
 * Which rows count. A selection is an ascending list of row numbers (u32); 0 in place of its pointer means all rows.
 * Each function writes the rows that pass to `out` and returns how many; `out` may be `rows` itself.
 */

/** end > time and not start > time: greater is the one comparison of 64-bit lanes that processors have. */
@inline function inside(times: v128, starts: v128, ends: v128): v128 {
  return v128.andnot(i64x2.gt_s(ends, times), i64x2.gt_s(starts, times));
}

/**
 * Rows whose 64-bit time lies in [start, end). Four are compared at a time; no branch depends on the data, since one that
 * asked whether any of the four passes was mispredicted too often.
 */
export function selectRange64(times: usize, rows: usize, count: i32, start: i64, end: i64, out: usize): i32 {
  const length = <u64>(end - start);
  let selected = 0;
  if (rows == 0) {
    const starts = i64x2.splat(start);
    const ends = i64x2.splat(end);
    let i = 0;
    for (; i + 4 <= count; i += 4) {
      const place = times + (<usize>i << 3);
      const low = v128.load(place);
      const high = v128.load(place, 16);
      const lowIn = inside(low, starts, ends);
      const highIn = inside(high, starts, ends);
      const mask = i64x2.bitmask(lowIn) | (i64x2.bitmask(highIn) << 2);
      store<u32>(out + (<usize>selected << 2), i);
      selected += mask & 1;
      store<u32>(out + (<usize>selected << 2), i + 1);
      selected += (mask >> 1) & 1;
      store<u32>(out + (<usize>selected << 2), i + 2);
      selected += (mask >> 2) & 1;
      store<u32>(out + (<usize>selected << 2), i + 3);
      selected += mask >> 3;
    }
    for (; i < count; i++) {
      store<u32>(out + (<usize>selected << 2), i);
      selected += <i32>(<u64>(load<i64>(times + (<usize>i << 3)) - start) < length);
    }
    return selected;
  }
  for (let i = 0; i < count; i++) {
    const row = load<u32>(rows + (<usize>i << 2));
    store<u32>(out + (<usize>selected << 2), row);
    selected += <i32>(<u64>(load<i64>(times + (<usize>row << 3)) - start) < length);
  }
  return selected;
}

/**
 * Whether the first 64-bit time lies in [start, end), as all others do then, or do not: 1 or 0; −1 where they differ. Asked first, since where events stand in
 * order of time it is so of most stretches.
 */
export function allAlikeInRange64(times: usize, count: i32, start: i64, end: i64): i32 {
  const starts = i64x2.splat(start);
  const ends = i64x2.splat(end);
  const first = inside(v128.load64_splat(times), starts, ends);
  let i = 0;
  for (; i + 8 <= count; i += 8) {
    const place = times + (<usize>i << 3);
    const lower = v128.or(v128.xor(inside(v128.load(place), starts, ends), first), v128.xor(inside(v128.load(place, 16), starts, ends), first));
    const upper = v128.or(v128.xor(inside(v128.load(place, 32), starts, ends), first), v128.xor(inside(v128.load(place, 48), starts, ends), first));
    if (v128.any_true(v128.or(lower, upper))) return -1;
  }
  const isFirst = i64x2.extract_lane(first, 0) != 0;
  for (; i < count; i++) {
    const time = load<i64>(times + (<usize>i << 3));
    if ((time >= start && time < end) != isFirst) return -1;
  }
  return i32(isFirst);
}

/**
 * Rows whose 64-bit time lies in [start, end), by bytes that order as times do: those whose byte is in [low, high], of which times are looked at where it is
 * `lowCut` or `highCut` (−1: neither), since the range cuts through what that stands for. Loops have no branch on a time, so that waits for times overlap:
 * which rows those are, and which are looked at; which of these are outside; what is left. `edges` has room for `count`, as `out` has. Meant for where few
 * of many rows pass.
 */
export function selectNear(
  times: usize, bytes: usize, low: i32, high: i32, lowCut: i32, highCut: i32, rows: usize, count: i32, start: i64, end: i64, edges: usize, out: usize,
): i32 {
  let selected = out;
  let edge = edges;
  let i = 0;
  if (rows == 0) {
    const lows = i8x16.splat(<i8>low);
    const widths = i8x16.splat(<i8>(high - low));
    const cuts = i8x16.splat(<i8>max(lowCut, highCut));
    const otherCuts = i8x16.splat(<i8>lowCut);
    const isCut = max(lowCut, highCut) >= 0;
    const isCutTwice = min(lowCut, highCut) >= 0 && lowCut != highCut;
    for (; i + 64 <= count; i += 64) {
      const place = bytes + <usize>i;
      const near = masks(place, lows, widths);
      if (near == 0) continue;
      if (isCut) {
        let cut = near & equal(place, cuts);
        if (isCutTwice) cut |= near & equal(place, otherCuts);
        // Most often there is one or none, and which of both cannot be guessed.
        const first = <u32>((selected - out) >> 2);
        store<u32>(edge, first + before(near, cut));
        edge += <usize>(cut != 0) << 2;
        for (cut &= cut - 1; cut != 0; cut &= cut - 1, edge += 4) store<u32>(edge, first + before(near, cut));
      }
      selected = bitsFrom(i, near, selected);
    }
  }
  for (; i < count; i++) {
    const row = rows == 0 ? <u32>i : load<u32>(rows + (<usize>i << 2));
    const byte = <i32>load<u8>(bytes + row);
    const isNear = i32(<u32>(byte - low) <= <u32>(high - low));
    store<u32>(selected, row);
    store<u32>(edge, <u32>((selected - out) >> 2));
    edge += <usize>(isNear & (i32(byte == lowCut) | i32(byte == highCut))) << 2;
    selected += <usize>isNear << 2;
  }
  const length = <u64>(end - start);
  let outside = edges;
  for (let at = edges; at < edge; at += 4) {
    const position = load<u32>(at);
    store<u32>(outside, position);
    outside += <usize>(<u64>(load<i64>(times + (<usize>load<u32>(out + (<usize>position << 2)) << 3)) - start) >= length) << 2;
  }
  if (outside == edges) return <i32>((selected - out) >> 2);
  let to = out + (<usize>load<u32>(edges) << 2);
  for (let at = edges; at < outside; at += 4) {
    const from = out + (<usize>load<u32>(at) << 2) + 4;
    const next = at + 4 < outside ? out + (<usize>load<u32>(at, 4) << 2) : selected;
    to = movedDown(from, next, to);
  }
  return <i32>((to - out) >> 2);
}

/** How many bits stand before the first of others. */
@inline function before(bits: u64, others: u64): u32 {
  return <u32>popcnt<u64>(bits & ((others & -others) - 1));
}

/** Of 64 bytes those that lie in a range, a bit each. */
@inline function masks(place: usize, lows: v128, widths: v128): u64 {
  return <u64>passing(place, lows, widths) | (<u64>passing(place + 16, lows, widths) << 16)
    | (<u64>passing(place + 32, lows, widths) << 32) | (<u64>passing(place + 48, lows, widths) << 48);
}

@inline function passing(place: usize, lows: v128, widths: v128): u32 {
  return <u32>i8x16.bitmask(i8x16.le_u(i8x16.sub(v128.load(place), lows), widths));
}

@inline function equal(place: usize, to: v128): u64 {
  return <u64>equal16(place, to) | (<u64>equal16(place + 16, to) << 16) | (<u64>equal16(place + 32, to) << 32) | (<u64>equal16(place + 48, to) << 48);
}

@inline function equal16(place: usize, to: v128): u32 {
  return <u32>i8x16.bitmask(i8x16.eq(v128.load(place), to));
}

/**
 * Writes where bits are set, from `first` on; returns where that ends. Eight are written in any case, since how many there are of 64 rows is guessed
 * wrongly once a word by a loop that ends with them.
 */
@inline function bitsFrom(first: i32, bits: u64, out: usize): usize {
  const end = out + (<usize>popcnt<u64>(bits) << 2);
  let left = bits;
  for (let k = 0; k < 8; k++) {
    store<u32>(out + (<usize>k << 2), first + <i32>ctz<u64>(left));
    left &= left - 1;
  }
  for (let at = out + 32; at < end; at += 4) {
    store<u32>(at, first + <i32>ctz<u64>(left));
    left &= left - 1;
  }
  return end;
}

/** Moves what stands at [from, end) down to `to`; returns where that ends. */
@inline function movedDown(from: usize, end: usize, to: usize): usize {
  for (; from + 16 <= end; from += 16, to += 16) v128.store(to, v128.load(from));
  for (; from < end; from += 4, to += 4) store<u32>(to, load<u32>(from));
  return to;
}

/** Which of 256 parts of time each lies in, of 2^`shift` units each from `first` on, a byte each; the last for all beyond. */
export function coarsen(times: usize, count: i32, first: i64, shift: i64, out: usize): void {
  for (let i = 0; i < count; i++) {
    store<u8>(out + <usize>i, <u8>min<u64>(<u64>(load<i64>(times + (<usize>i << 3)) - first) >> <u64>shift, 255));
  }
}

/** As selectRange64, for 32-bit dates. */
export function selectRange32(times: usize, rows: usize, count: i32, start: i64, end: i64, out: usize): i32 {
  const length = <u64>(end - start);
  let selected = 0;
  for (let i = 0; i < count; i++) {
    const row = rows == 0 ? <u32>i : load<u32>(rows + (<usize>i << 2));
    store<u32>(out + (<usize>selected << 2), row);
    selected += <i32>(<u64>(<i64>load<i32>(times + (<usize>row << 2)) - start) < length);
  }
  return selected;
}

/** Rows whose bit is set; row 0 is bit `bitOffset` of the bitmap. */
export function selectValid(bitmap: usize, bitOffset: i32, rows: usize, count: i32, out: usize): i32 {
  let selected = 0;
  for (let i = 0; i < count; i++) {
    const row = rows == 0 ? <u32>i : load<u32>(rows + (<usize>i << 2));
    store<u32>(out + (<usize>selected << 2), row);
    selected += validBit(bitmap, bitOffset, row);
  }
  return selected;
}

@inline export function validBit(bitmap: usize, bitOffset: i32, row: u32): i32 {
  const bit = <u32>bitOffset + row;
  return (load<u8>(bitmap + (bit >> 3)) >> (bit & 7)) & 1;
}
