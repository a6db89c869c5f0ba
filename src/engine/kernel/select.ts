/**
 * Which rows count. A selection is an ascending list of row numbers (u32); 0 in place of its pointer means all rows.
 * Each function writes the rows that pass to `out` and returns how many; `out` may be `rows` itself.
 */

/** The i-th selected row. */
@inline export function at(rows: usize, i: i32): usize {
  return rows == 0 ? <usize>i : <usize>load<u32>(rows + (<usize>i << 2));
}

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
 * Rows whose time, of 8 bytes or 4 without a sign, lies in [start, end), by bytes that order as times do: those whose byte is in [low, high], of which times are looked at where it is
 * `lowCut` or `highCut` (−1: neither), since the range cuts through what that stands for. Meant for where few of many rows pass. No loop has a branch on
 * a time, so that waits for times overlap: a bit for each row that may pass, and which of them are looked at; of these, the bits of those outside are taken
 * back; the rows that are left.
 *
 *   room ─▶ | bits, a u64 for 64 rows | rows that are looked at, u32 each |       count / 8 + 8 and count · 4 bytes
 */
export function selectNear(
  times: usize, timeBytes: i32, bytes: usize, low: i32, high: i32, lowCut: i32, highCut: i32, rows: usize, count: i32, start: i64, end: i64, room: usize, out: usize,
): i32 {
  const words = (count + 63) >> 6;
  const looked = room + (<usize>words << 3);
  const lookedEnd = rows == 0 ? nearOfAll(bytes, low, high, lowCut, highCut, count, room, looked) : nearOf(bytes, low, high, lowCut, highCut, rows, 0, count, room, looked);
  const length = <u64>(end - start);
  for (let place = looked; place < lookedEnd; place += 4) {
    const i = <i32>load<u32>(place);
    const row = at(rows, i);
    const time = timeBytes == 4 ? <i64>load<u32>(times + (row << 2)) : load<i64>(times + (row << 3));
    const isOutside = <u64>(<u64>(time - start) >= length);
    const word = room + (<usize>(i >> 6) << 3);
    store<u64>(word, load<u64>(word) & ~(isOutside << (i & 63)));
  }
  let selected = out;
  for (let i = 0; i < words; i++) {
    const bits = load<u64>(room + (<usize>i << 3));
    if (bits != 0) selected = rows == 0 && i < count >> 6 ? bitsFrom(i << 6, bits, selected) : rowsOfBits(rows, i << 6, bits, selected);
  }
  return <i32>((selected - out) >> 2);
}

/** The bits of all rows; returns where what is looked at ends. Sixteen bytes are compared at a time. */
function nearOfAll(bytes: usize, low: i32, high: i32, lowCut: i32, highCut: i32, count: i32, out: usize, looked: usize): usize {
  const lows = i8x16.splat(<i8>low);
  const widths = i8x16.splat(<i8>(high - low));
  const cuts = i8x16.splat(<i8>max(lowCut, highCut));
  const otherCuts = i8x16.splat(<i8>lowCut);
  const isCut = max(lowCut, highCut) >= 0;
  const isCutTwice = min(lowCut, highCut) >= 0 && lowCut != highCut;
  let end = looked;
  let i = 0;
  for (; i + 64 <= count; i += 64) {
    const place = bytes + <usize>i;
    store<u64>(out + <usize>(i >> 3), near64(place, lows, widths));
    if (!isCut) continue;
    let cut = equal64(place, cuts);
    if (isCutTwice) cut |= equal64(place, otherCuts);
    // Most often there is one or none, and which of both cannot be guessed.
    store<u32>(end, i + <i32>ctz<u64>(cut));
    end += <usize>(cut != 0) << 2;
    for (cut &= cut - 1; cut != 0; cut &= cut - 1, end += 4) store<u32>(end, i + <i32>ctz<u64>(cut));
  }
  return nearOf(bytes, low, high, lowCut, highCut, 0, i, count, out, end);
}

/** The bits of some rows, from the `first`-th on, which is the first of a word. */
function nearOf(bytes: usize, low: i32, high: i32, lowCut: i32, highCut: i32, rows: usize, first: i32, count: i32, out: usize, looked: usize): usize {
  let end = looked;
  let bits: u64 = 0;
  for (let i = first; i < count; i++) {
    const byte = <i32>load<u8>(bytes + at(rows, i));
    bits |= <u64>(<u32>(byte - low) <= <u32>(high - low)) << (i & 63);
    store<u32>(end, i);
    end += <usize>(i32(byte == lowCut) | i32(byte == highCut)) << 2;
    if ((i & 63) != 63 && i + 1 < count) continue;
    store<u64>(out + (<usize>(i >> 6) << 3), bits);
    bits = 0;
  }
  return end;
}

@inline function near64(place: usize, lows: v128, widths: v128): u64 {
  return <u64>near16(place, lows, widths) | (<u64>near16(place + 16, lows, widths) << 16) | (<u64>near16(place + 32, lows, widths) << 32) | (<u64>near16(place + 48, lows, widths) << 48);
}

@inline function near16(place: usize, lows: v128, widths: v128): u32 {
  return <u32>i8x16.bitmask(i8x16.le_u(i8x16.sub(v128.load(place), lows), widths));
}

@inline function equal64(place: usize, to: v128): u64 {
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
  for (let place = out + 32; place < end; place += 4) {
    store<u32>(place, first + <i32>ctz<u64>(left));
    left &= left - 1;
  }
  return end;
}

/** The same of rows of a list, and nothing is written behind them. */
function rowsOfBits(rows: usize, first: i32, bits: u64, out: usize): usize {
  let end = out;
  for (let left = bits; left != 0; left &= left - 1, end += 4) store<u32>(end, <u32>at(rows, first + <i32>ctz<u64>(left)));
  return end;
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
