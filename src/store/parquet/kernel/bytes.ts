/**
 * Byte arrays.
 *
 *   in the page   | length, u32 | bytes | length | bytes | …
 *   in Arrow      | offset 0 | offset 1 | … | end |    | bytes bytes … |
 */

/** Moves `size` bytes, up to 15 beyond the end. */
@inline function move(to: usize, from: usize, size: usize): void {
  v128.store(to, v128.load(from));
  for (let i: usize = 16; i < size; i += 16) v128.store(to + i, v128.load(from + i));
}

/** Takes the lengths out: `count` values into `count` + 1 offsets, and data no longer than the page. 1, or 0 for a damaged input. */
export function plainBytes(at: usize, end: usize, count: u32, offsets: usize, data: usize): i32 {
  let size: usize = 0;
  for (let i: usize = 0; i < count; i++) {
    store<u32>(offsets + (i << 2), <u32>size);
    if (end - at < 4) return 0;
    const length = <usize>load<u32>(at);
    at += 4;
    if (length > end - at) return 0;
    move(data + size, at, length);
    at += length;
    size += length;
  }
  store<u32>(offsets + (<usize>count << 2), <u32>size);
  return 1;
}

/** Offsets of all rows from those of the values that are not null. */
export function spreadOffsets(offsets: usize, bitmap: usize, rows: u32, out: usize): void {
  for (let row: u32 = 0; row < rows; row++) {
    store<u32>(out + (<usize>row << 2), load<u32>(offsets));
    offsets += <usize>((load<u8>(bitmap + (row >> 3)) >> <u8>(row & 7)) & 1) << 2;
  }
  store<u32>(out + (<usize>rows << 2), load<u32>(offsets));
}

/** How many bytes the entries have together that the indices name; without those of null rows, where there is a bitmap. */
export function sizeOfCodes(offsets: usize, indices: usize, bitmap: usize, firstRow: u32, count: u32): f64 {
  let size: u64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    if (isNull(bitmap, firstRow + i)) continue;
    const entry = offsets + (<usize>load<u32>(indices + (<usize>i << 2)) << 2);
    size += <u64>(load<u32>(entry + 4) - load<u32>(entry));
  }
  return <f64>size;
}

/** Copies the entries that the indices name one behind the other; the first begins at `size` of `out`. Answers where they end. */
export function gatherBytes(
  offsets: usize, data: usize, indices: usize, bitmap: usize, firstRow: u32, count: u32, outOffsets: usize, out: usize, size: u32,
): u32 {
  for (let i: u32 = 0; i < count; i++) {
    store<u32>(outOffsets + (<usize>i << 2), size);
    if (isNull(bitmap, firstRow + i)) continue;
    const entry = offsets + (<usize>load<u32>(indices + (<usize>i << 2)) << 2);
    const start = load<u32>(entry);
    const length = load<u32>(entry + 4) - start;
    move(out + size, data + start, length);
    size += length;
  }
  store<u32>(outOffsets + (<usize>count << 2), size);
  return size;
}

@inline function isNull(bitmap: usize, row: u32): boolean {
  return bitmap != 0 && ((load<u8>(bitmap + (row >> 3)) >> <u8>(row & 7)) & 1) == 0;
}

/** Offsets, each with `delta` added. */
export function shiftOffsets(offsets: usize, count: u32, delta: u32, out: usize): void {
  for (let i: usize = 0; i < count; i++) store<u32>(out + (i << 2), load<u32>(offsets + (i << 2)) + delta);
}

/** Whether each of `count` values is UTF-8: all of the data is, and no value begins within a character. */
export function checkUtf8(offsets: usize, data: usize, count: u32): i32 {
  const end = data + <usize>load<u32>(offsets + (<usize>count << 2));
  const at = skipAscii(data, end);
  if (at >= end) return 1;
  if (!isUtf8(at, end)) return 0;
  for (let i: usize = 0; i < count; i++) {
    const start = data + <usize>load<u32>(offsets + (i << 2));
    if (start < end && (load<u8>(start) & 0xc0) == 0x80) return 0;
  }
  return 1;
}

/** The first 16 bytes that are not all ASCII, or the end. */
function skipAscii(at: usize, end: usize): usize {
  while (end - at >= 16) {
    if (i8x16.bitmask(v128.load(at)) != 0) return at;
    at += 16;
  }
  while (at < end && load<u8>(at) < 128) at++;
  return at;
}

/** Table 3-7 of the Unicode Standard: what may follow which first byte. */
function isUtf8(at: usize, end: usize): boolean {
  while (at < end) {
    const first = <u32>load<u8>(at);
    if (first < 0x80) {
      at = skipAscii(at, end);
      if (at >= end) return true;
      if (load<u8>(at) < 0x80) at++;
      continue;
    }
    const more: usize = first < 0xc2 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : first < 0xf5 ? 3 : 0;
    if (more == 0 || end - at <= more) return false;
    const second = <u32>load<u8>(at + 1);
    const lowest: u32 = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    const highest: u32 = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (second < lowest || second > highest) return false;
    for (let i: usize = 2; i <= more; i++) if ((load<u8>(at + i) & 0xc0) != 0x80) return false;
    at += more + 1;
  }
  return true;
}
