/**
 * The hybrid of runs and bit-packed groups (Encodings.md in apache/parquet-format, RLE = 3).
 *
 *   | header, varint | body | header | …     header odd: header/2 groups of 8 values, packed; even: one value, header/2 times
 */
import { copyBits, setBits } from './bits';

/** Where reading goes on after a header, and the header itself; −1 where it does not end in time. */
let next: usize = 0;

@inline function headerAt(at: usize, end: usize): i64 {
  let header: u64 = 0;
  let shift: u64 = 0;
  while (at < end && shift <= 28) {
    const byte = <u64>load<u8>(at++);
    header |= (byte & 127) << shift;
    if (byte < 128) {
      next = at;
      return <i64>header;
    }
    shift += 7;
  }
  return -1;
}

/** Definition levels of 0 or 1 into a bitmap of zeros: how many are 1, or −1 for a damaged input. */
export function decodeLevels(at: usize, end: usize, count: u32, bitmap: usize): i32 {
  let row: u32 = 0;
  let ones: u32 = 0;
  while (row < count) {
    const header = headerAt(at, end);
    if (header < 0) return -1;
    at = next;
    const left = count - row;
    if ((header & 1) != 0) {
      const bytes = <u64>(header >> 1);
      const take = <u32>min<u64>(bytes << 3, left);
      // The last group may be cut short where its values end.
      if (<u64>((take + 7) >> 3) > <u64>(end - at)) return -1;
      ones += copyBits(at, 0, take, bitmap, row);
      at += <usize>min<u64>(bytes, <u64>(end - at));
      row += take;
      continue;
    }
    if (at >= end) return -1;
    const level = load<u8>(at++);
    if (level > 1) return -1;
    const take = <u32>min<u64>(<u64>(header >> 1), left);
    if (level == 1) {
      setBits(bitmap, row, take);
      ones += take;
    }
    row += take;
  }
  return <i32>ones;
}

/** Dictionary indices of `width` bits, one u32 each: 1, or 0 for a damaged input or an index of `entries` or more. */
export function decodeIndices(at: usize, end: usize, width: u32, count: u32, entries: u32, out: usize): i32 {
  const valueBytes: usize = (width + 7) >> 3;
  const mask = width == 32 ? 0xffffffff : ((<u64>1) << width) - 1;
  let to = out;
  let left = count;
  let largest: u32 = 0;
  while (left > 0) {
    const header = headerAt(at, end);
    if (header < 0) return 0;
    at = next;
    if ((header & 1) != 0) {
      const bytes = <u64>(header >> 1) * width;
      const take = <u32>min<u64>(<u64>(header >> 1) << 3, left);
      if ((<u64>take * width + 7) >> 3 > <u64>(end - at)) return 0;
      largest = max(largest, unpack(at, width, mask, take, to));
      at += <usize>min<u64>(bytes, <u64>(end - at));
      to += <usize>take << 2;
      left -= take;
      continue;
    }
    if (valueBytes > end - at) return 0;
    const value = <u32>(load<u64>(at) & (valueBytes == 4 ? 0xffffffff : ((<u64>1) << (valueBytes << 3)) - 1));
    at += valueBytes;
    const take = <u32>min<u64>(<u64>(header >> 1), left);
    if (take > 0) largest = max(largest, value);
    for (let i: u32 = 0; i < take; i++) store<u32>(to + (<usize>i << 2), value);
    to += <usize>take << 2;
    left -= take;
  }
  return count == 0 || largest < entries ? 1 : 0;
}

/** Values of `width` bits, one u32 each. Answers with the largest. */
function unpack(at: usize, width: u32, mask: u64, count: u32, out: usize): u32 {
  let largest: u32 = 0;
  let bit: u64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const value = <u32>((load<u64>(at + <usize>(bit >> 3)) >> (bit & 7)) & mask);
    largest = max(largest, value);
    store<u32>(out + (<usize>i << 2), value);
    bit += width;
  }
  return largest;
}
