/**
 * The hybrid of runs and bit-packed groups (Encodings.md in apache/parquet-format, RLE = 3).
 *
 *   | header, varint | body | header | …     header odd: header/2 groups of 8 values, packed; even: one value, header/2 times
 */
import { copyBits, setBits } from './bits';
import { scratch } from './tables';

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

/**
 * Definition levels of 0 or 1 into a bitmap, for which there is a byte more than it needs: how many are 1, or −1 for a damaged input. Where
 * they are one run of 1, as is common, nothing is written.
 */
export function decodeLevels(at: usize, end: usize, count: u32, bitmap: usize): i32 {
  let row: u32 = 0;
  let ones: u32 = 0;
  while (row < count) {
    const header = headerAt(at, end);
    if (header < 0) return -1;
    at = next;
    const left = count - row;
    if (row == 0) {
      if ((header & 1) == 0 && <u64>(header >> 1) >= <u64>count && at < end && load<u8>(at) == 1) return <i32>count;
      memory.fill(bitmap, 0, (count >> 3) + 1);
    }
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
    fill(to, value, take);
    to += <usize>take << 2;
    left -= take;
  }
  return count == 0 || largest < entries ? 1 : 0;
}

/** `count` times the value, and up to three beyond. */
@inline function fill(to: usize, value: u32, count: u32): void {
  const values = i32x4.splat(value);
  for (let i: u32 = 0; i < count; i += 4) v128.store(to + (<usize>i << 2), values);
}

/** Values of `width` bits, one u32 each. Answers with the largest of them. */
function unpack(at: usize, width: u32, mask: u64, count: u32, out: usize): u32 {
  if (width == 0 || width > 25 || count < 16) return unpackOneByOne(at, 0, width, mask, count, out);
  const eights = count >> 3;
  const largest = unpackEights(at, width, eights, out);
  const done = eights << 3;
  return max(largest, unpackOneByOne(at, <u64>done * width, width, mask, count - done, out + (<usize>done << 2)));
}

function unpackOneByOne(at: usize, start: u64, width: u32, mask: u64, count: u32, out: usize): u32 {
  let largest: u32 = 0;
  let bit = start;
  for (let i: u32 = 0; i < count; i++) {
    const value = <u32>((load<u64>(at + <usize>(bit >> 3)) >> (bit & 7)) & mask);
    largest = max(largest, value);
    store<u32>(out + (<usize>i << 2), value);
    bit += width;
  }
  return largest;
}

/** For four values: which bytes each begins in, and behind that the factors that bring each to bit 7. */
function prepareLanes(width: u32, firstBit: u32): void {
  for (let lane: u32 = 0; lane < 4; lane++) {
    const bit = firstBit + lane * width;
    for (let byte: u32 = 0; byte < 4; byte++) store<u8>(scratch + (lane << 2) + byte, <u8>((bit >> 3) + byte));
    store<u32>(scratch + (lane << 2), 1 << (7 - (bit & 7)), 16);
  }
}

/**
 * Eight values are `width` bytes. The four bytes that hold a value of up to 25 bits go into a lane of their own; there is no
 * shift by lanes, but there is a product, after which all are shifted alike.
 */
function unpackEights(at: usize, width: u32, count: u32, out: usize): u32 {
  const skip = (width << 2) >> 3;
  prepareLanes(width, 0);
  const lowLanes = v128.load(scratch);
  const lowFactors = v128.load(scratch, 16);
  prepareLanes(width, (width << 2) & 7);
  const highLanes = v128.load(scratch);
  const highFactors = v128.load(scratch, 16);
  const masks = i32x4.splat((1 << width) - 1);
  let largest = i32x4.splat(0);
  for (let i: u32 = 0; i < count; i++) {
    const low = v128.and(i32x4.shr_u(i32x4.mul(i8x16.swizzle(v128.load(at), lowLanes), lowFactors), 7), masks);
    const high = v128.and(i32x4.shr_u(i32x4.mul(i8x16.swizzle(v128.load(at + skip), highLanes), highFactors), 7), masks);
    v128.store(out, low);
    v128.store(out, high, 16);
    largest = i32x4.max_u(largest, i32x4.max_u(low, high));
    at += width;
    out += 32;
  }
  return max(
    max(i32x4.extract_lane(largest, 0) as u32, i32x4.extract_lane(largest, 1) as u32), max(i32x4.extract_lane(largest, 2) as u32, i32x4.extract_lane(largest, 3) as u32),
  );
}
