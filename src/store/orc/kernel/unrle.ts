/**
 * ORC's run length encodings, decoded: integers of version 1 and 2, and bytes. See "Run Length Encoding" of the ORC
 * specification, v1; rle.ts draws the four forms of version 2.
 *
 * Whole runs are written, so there is room for `runMax` values more than are wanted. `mark` is an address in the input, or 0:
 * that a run begins there, and how many values stand before it, tells whether a row index is right.
 *
 * Laws: nothing is read beyond the end of the input but the slack of a load; what is damaged is answered as such.
 */

const ended: i32 = -1;
const patchBeyond: i32 = -2;
const tooWide: i32 = -3;
/** No run begins at the mark. */
const noMark: i32 = i32.MAX_VALUE;

let at: usize = 0;
let end: usize = 0;
let failure: i32 = 0;

// @ts-ignore: decorator
@inline
function unzigzag(value: u64): i64 {
  return <i64>(value >> 1) ^ -<i64>(value & 1);
}

// @ts-ignore: decorator
@inline
function valueOf(value: u64, isSigned: bool): i64 {
  return isSigned ? unzigzag(value) : <i64>value;
}

/** The eight bytes at an address, the first one highest. */
// @ts-ignore: decorator
@inline
function bigEndian(from: usize): u64 {
  return i64x2.extract_lane(i8x16.swizzle(v128.load64_splat(from), i8x16(7, 6, 5, 4, 3, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)), 0);
}

/** The width that five bits stand for. */
function widthOf(code: u32): i32 {
  if (code < 24) return <i32>code + 1;
  if (code < 28) return <i32>(code - 24) * 2 + 26;
  return <i32>(code - 28) * 8 + 40;
}

/** The least width that entries of patch lists are stored with. */
function storedWidth(bits: i32): i32 {
  if (bits <= 24) return bits;
  if (bits <= 32) return (bits + 1) & ~1;
  return min((bits + 7) & ~7, 64);
}

/** Whether so many bytes are left; otherwise the input has ended. */
function has(bytes: usize): bool {
  if (bytes <= end - at) return true;
  failure = ended;
  return false;
}

function byteNext(): u32 {
  return has(1) ? load<u8>(at++) : 0;
}

/** An integer of up to eight bytes, the highest first. */
function bytesNext(bytes: u32): u64 {
  if (!has(bytes)) return 0;
  const value = bigEndian(at) >> (64 - (<u64>bytes << 3));
  at += bytes;
  return value;
}

function varintNext(): u64 {
  let value: u64 = 0;
  let shift: u64 = 0;
  while (true) {
    if (shift > 63) {
      failure = tooWide;
      return 0;
    }
    if (!has(1)) return 0;
    const byte = <u64>load<u8>(at++);
    value |= (byte & 127) << shift;
    if (byte < 128) return value;
    shift += 7;
  }
}

/** Moves on beyond so many values of a width, and answers where they begin; 0 where they are not all there. */
function packedNext(count: i32, width: i32): usize {
  const bytes = (<usize>count * <usize>width + 7) >> 3;
  if (!has(bytes)) return 0;
  at += bytes;
  return at - bytes;
}

/** Unpacks values of up to 56 bits, or of 64. */
// @ts-ignore: decorator
@inline
function unpackAt(from: usize, bit: usize, width: i32): u64 {
  return (bigEndian(from + (bit >> 3)) << <u64>(bit & 7)) >> <u64>(64 - width);
}

/** `count` values to `out`: how many stand before the mark, `noMark`, or what is wrong. */
export function decodeIntegers(from: usize, size: usize, count: i32, version: i32, isSigned: bool, mark: usize, out: usize): i32 {
  at = from;
  end = from + size;
  failure = 0;
  let before = noMark;
  let done = 0;
  while (done < count) {
    if (at == mark) before = done;
    done += version == 1 ? runOfFirst(isSigned, out + (<usize>done << 3)) : runOfSecond(isSigned, out + (<usize>done << 3));
    if (failure != 0) return failure;
  }
  return at == mark && done == count ? done : before;
}

/** Version 1: a run of 3 to 130 values a fixed delta apart, or up to 128 varints. */
function runOfFirst(isSigned: bool, out: usize): i32 {
  const control = <i32>byteNext();
  if (failure != 0) return 0;
  if (control < 128) {
    const delta = <i64><i8>byteNext();
    let value = valueOf(varintNext(), isSigned);
    const count = control + 3;
    for (let i = 0; i < count; i++, value += delta) store<i64>(out + (<usize>i << 3), value);
    return count;
  }
  const count = 256 - control;
  for (let i = 0; i < count && failure == 0; i++) store<i64>(out + (<usize>i << 3), valueOf(varintNext(), isSigned));
  return count;
}

function runOfSecond(isSigned: bool, out: usize): i32 {
  const header = byteNext();
  const kind = header >> 6;
  if (kind == 0) {
    const value = valueOf(bytesNext(((header >> 3) & 7) + 1), isSigned);
    const count = <i32>(header & 7) + 3;
    for (let i = 0; i < count; i++) store<i64>(out + (<usize>i << 3), value);
    return count;
  }
  const count = <i32>(((header & 1) << 8) | byteNext()) + 1;
  const code = (header >> 1) & 31;
  if (kind == 1) unpack(count, widthOf(code), isSigned, out);
  else if (kind == 2) unpatch(count, widthOf(code), out);
  else undelta(count, code == 0 ? 0 : widthOf(code), isSigned, out);
  return count;
}

function unpack(count: i32, width: i32, isSigned: bool, out: usize): void {
  const from = packedNext(count, width);
  if (from == 0) return;
  let bit: usize = 0;
  if (isSigned) {
    for (let i = 0; i < count; i++, bit += width) store<i64>(out + (<usize>i << 3), unzigzag(unpackAt(from, bit, width)));
  } else {
    for (let i = 0; i < count; i++, bit += width) store<u64>(out + (<usize>i << 3), unpackAt(from, bit, width));
  }
}

/** Offsets from a base, of which some go on in a list of patches. */
function unpatch(count: i32, width: i32, out: usize): void {
  const third = byteNext();
  const fourth = byteNext();
  const bytes = (third >> 5) + 1;
  const patchWidth = widthOf(third & 31);
  const magnitude = bytesNext(bytes);
  const sign = <u64>1 << ((<u64>bytes << 3) - 1);
  const base = <i64>((magnitude & sign) == 0 ? magnitude : 0 - (magnitude ^ sign));
  unpack(count, width, false, out);
  const entries = <i32>(fourth & 31);
  const entryWidth = storedWidth(<i32>(fourth >> 5) + 1 + patchWidth);
  const from = packedNext(entries, entryWidth);
  if (failure != 0) return;
  let position: u64 = 0;
  let bit: usize = 0;
  for (let i = 0; i < entries; i++, bit += entryWidth) {
    const entry = unpackAt(from, bit, entryWidth);
    position += (patchWidth < 64 ? entry >> <u64>patchWidth : 0) & 255;
    if (position >= <u64>count) {
      failure = patchBeyond;
      return;
    }
    const patch = patchWidth < 64 ? entry & ((<u64>1 << <u64>patchWidth) - 1) : entry;
    const place = out + (<usize>position << 3);
    if (width < 64) store<u64>(place, load<u64>(place) | (patch << <u64>width));
  }
  for (let i = 0; i < count; i++) store<i64>(out + (<usize>i << 3), load<i64>(out + (<usize>i << 3)) + base);
}

/** A first value, a first step, and further steps in its direction; without a width they are all the same. */
function undelta(count: i32, width: i32, isSigned: bool, out: usize): void {
  let value = valueOf(varintNext(), isSigned);
  const step = unzigzag(varintNext());
  store<i64>(out, value);
  if (count == 1 || failure != 0) return;
  if (width == 0) {
    for (let i = 1; i < count; i++) store<i64>(out + (<usize>i << 3), (value += step));
    return;
  }
  store<i64>(out, (value += step), 8);
  const from = packedNext(count - 2, width);
  if (failure != 0) return;
  const direction: i64 = step < 0 ? -1 : 1;
  let bit: usize = 0;
  for (let i = 2; i < count; i++, bit += width) store<i64>(out + (<usize>i << 3), (value += <i64>unpackAt(from, bit, width) * direction));
}

/** Bytes in runs: 3 to 130 of the same, or 1 to 128 as they are. Answers as `decodeIntegers`. */
export function decodeBytes(from: usize, size: usize, count: i32, mark: usize, out: usize): i32 {
  at = from;
  end = from + size;
  let before = noMark;
  let done = 0;
  while (done < count) {
    if (at == mark) before = done;
    if (at == end) return ended;
    const control = <i32>load<u8>(at++);
    const isRun = control < 128;
    const length = isRun ? control + 3 : 256 - control;
    const bytes: usize = isRun ? 1 : <usize>length;
    if (bytes > end - at) return ended;
    if (isRun) memory.fill(out + done, load<u8>(at), length);
    else memory.copy(out + done, at, length);
    at += bytes;
    done += length;
  }
  return at == mark && done == count ? done : before;
}
