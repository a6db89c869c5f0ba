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
 * Rows whose byte lies in [low, high]. Sixteen are compared at a time, and what passes of 64 is walked bit by bit: meant for where that is
 * little.
 */
export function selectBytes(bytes: usize, rows: usize, count: i32, low: i32, high: i32, out: usize): i32 {
  let selected: usize = 0;
  let i = 0;
  if (rows == 0) {
    const lows = i8x16.splat(<i8>low);
    const widths = i8x16.splat(<i8>(high - low));
    for (; i + 64 <= count; i += 64) {
      const place = bytes + <usize>i;
      let mask = <u64>passing(place, lows, widths) | (<u64>passing(place + 16, lows, widths) << 16)
        | (<u64>passing(place + 32, lows, widths) << 32) | (<u64>passing(place + 48, lows, widths) << 48);
      for (; mask != 0; mask &= mask - 1) {
        store<u32>(out + selected, i + <i32>ctz<u64>(mask));
        selected += 4;
      }
    }
  }
  for (; i < count; i++) {
    const row = rows == 0 ? <u32>i : load<u32>(rows + (<usize>i << 2));
    store<u32>(out + selected, row);
    selected += <usize>(<u32>load<u8>(bytes + row) - <u32>low <= <u32>(high - low)) << 2;
  }
  return <i32>(selected >> 2);
}

/**
 * Of rows whose byte lies in [low, high] those whose 64-bit time lies in [start, end), where all between are inside: times are looked at where it is
 * either. In loops without a branch on what was loaded, so that waits for times overlap: which rows those are; which of them are outside; what is left.
 * `edges` has room for `count`, as `out` has.
 */
export function selectNear(times: usize, bytes: usize, low: i32, high: i32, rows: usize, count: i32, start: i64, end: i64, edges: usize, out: usize): i32 {
  let edge: usize = edges;
  for (let i = 0; i < count; i++) {
    const byte = <i32>load<u8>(bytes + load<u32>(rows + (<usize>i << 2)));
    store<u32>(edge, i);
    edge += <usize>(i32(byte == low) | i32(byte == high)) << 2;
  }
  const length = <u64>(end - start);
  let outside = edges;
  for (let at = edges; at < edge; at += 4) {
    const i = load<u32>(at);
    store<u32>(outside, i);
    outside += <usize>(<u64>(load<i64>(times + (<usize>load<u32>(rows + (<usize>i << 2)) << 3)) - start) >= length) << 2;
  }
  let selected = out;
  let from: i32 = 0;
  for (let at = edges; at <= outside; at += 4) {
    const to = at < outside ? <i32>load<u32>(at) : count;
    for (; from < to; from++, selected += 4) store<u32>(selected, load<u32>(rows + (<usize>from << 2)));
    from = to + 1;
  }
  return <i32>((selected - out) >> 2);
}

@inline function passing(place: usize, lows: v128, widths: v128): u32 {
  return <u32>i8x16.bitmask(i8x16.le_u(i8x16.sub(v128.load(place), lows), widths));
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
