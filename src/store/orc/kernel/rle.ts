/**
 * ORC's run length encoding for integers, version 2: stretches of up to 512 values, each in the smallest of four forms.
 *
 *   short repeat  | 0, bytes − 1, count − 3 | value |                                        3 to 10 equal values
 *   direct        | 1, width, count − 1 | values |                                           one width for all
 *   patched base  | 2, width, count − 1 | sizes | minimum | values − minimum | patches |     a few outliers
 *   delta         | 3, width, count − 1 | first value | first delta | further deltas |       rising or falling
 *
 * Values are bit-packed, the highest bit first; signed ones are zigzag encoded where they are not relative to another.
 * Widths are those that the format does not call deprecated: powers of two, and whole bytes.
 * Law: decoding gives the same values; nothing is kept between calls.
 */

const runMax: i32 = 512;
const patchesMax: i32 = 31;
/** A gap has at most eight bits; an empty patch stands for 255, and within 512 values two of them do. */
const emptyPatchesMax: i32 = 2;

/** Beyond this a minimum has no room for its sign in eight bytes in all readers. */
const baseMax: i64 = 1 << 55;

/** How many bits a byte in the making still has room for, and the byte. */
let room: i32 = 8;
let pending: u32 = 0;
let out: usize = 0;

/** How many values need each number of bits. */
const histogram = memory.data(65 * 4, 8);

// @ts-ignore: decorator
@inline
function valueAt(values: usize, i: i32): i64 {
  return load<i64>(values + ((<usize>i) << 3));
}

// @ts-ignore: decorator
@inline
function bitsOf(value: u64): i32 {
  return 64 - <i32>clz<u64>(value);
}

// @ts-ignore: decorator
@inline
function zigzag(value: i64): u64 {
  return <u64>((value << 1) ^ (value >> 63));
}

/** The least width above `bits` to pack values in. */
function widthFor(bits: i32): i32 {
  if (bits <= 1) return 1;
  if (bits <= 2) return 2;
  if (bits <= 4) return 4;
  return (bits + 7) & ~7;
}

/** The least width for patches, of which many more are in use. */
function patchWidthFor(bits: i32): i32 {
  if (bits <= 1) return 1;
  if (bits <= 24) return bits;
  if (bits <= 32) return (bits + 1) & ~1;
  return (bits + 7) & ~7;
}

/** The five bits that stand for a width; 0 is a width of 0 in delta encoding only. */
function widthCode(width: i32): u32 {
  if (width == 0) return 0;
  if (width <= 24) return <u32>(width - 1);
  if (width <= 32) return <u32>(24 + ((width - 26) >> 1));
  return <u32>(28 + ((width - 40) >> 3));
}

function putByte(byte: u32): void {
  store<u8>(out++, <u8>byte);
}

function putBytes(value: u64, bytes: i32): void {
  for (let shift = (bytes - 1) << 3; shift >= 0; shift -= 8) store<u8>(out++, <u8>(value >> <u64>shift));
}

function putVarint(value: u64): void {
  let rest = value;
  while (rest >= 0x80) {
    store<u8>(out++, <u8>rest | 0x80);
    rest >>= 7;
  }
  store<u8>(out++, <u8>rest);
}

function putHeader(kind: u32, width: i32, count: i32): void {
  const length = <u32>(count - 1);
  putByte((kind << 6) | (widthCode(width) << 1) | (length >> 8));
  putByte(length);
}

/** Appends the lowest `width` bits of a value. */
function pack(value: u64, width: i32): void {
  if ((width & 7) == 0 && room == 8) {
    putBytes(value, width >> 3);
    return;
  }
  let left = width;
  while (left > 0) {
    const taken = min(left, room);
    left -= taken;
    pending = (pending << taken) | (<u32>(value >> <u64>left) & ((1 << taken) - 1));
    room -= taken;
    if (room == 0) {
      putByte(pending);
      pending = 0;
      room = 8;
    }
  }
}

/** Fills the last byte with zeros. */
function packEnd(): void {
  if (room < 8) putByte(pending << room);
  pending = 0;
  room = 8;
}

/** Writes `count` values to `to` and returns where they end: at most 10 bytes each and 8 more. */
export function encodeIntegers(values: usize, count: i32, isSigned: bool, to: usize): usize {
  out = to;
  let at = 0;
  while (at < count) {
    const first = values + ((<usize>at) << 3);
    const left = min(runMax, count - at);
    const repeats = repeatsFrom(first, left);
    if (repeats >= 3 && (repeats == left || isWorthRepeat(valueAt(first, 0), repeats, isSigned))) {
      writeRepeats(valueAt(first, 0), repeats, isSigned);
      at += repeats;
    } else {
      const length = lengthWithoutRepeats(first, left, isSigned);
      writeStretch(first, length, isSigned);
      at += length;
    }
  }
  return out;
}

function repeatsFrom(values: usize, count: i32): i32 {
  const value = valueAt(values, 0);
  let repeats = 1;
  while (repeats < count && valueAt(values, repeats) == value) repeats++;
  return repeats;
}

/** Whether equal values cost less as a run than among others: it takes two headers. */
// @ts-ignore: decorator
@inline
function isWorthRepeat(value: i64, repeats: i32, isSigned: bool): bool {
  return repeats * max(1, bitsOf(isSigned ? zigzag(value) : <u64>value)) >= 48;
}

/** How many values there are before a repetition that is better written on its own. */
function lengthWithoutRepeats(values: usize, count: i32, isSigned: bool): i32 {
  let repeats = 1;
  let previous = valueAt(values, 0);
  for (let i = 1; i < count; i++) {
    const value = valueAt(values, i);
    repeats = value == previous ? repeats + 1 : 1;
    previous = value;
    if (repeats >= 3 && i >= repeats && isWorthRepeat(value, repeats, isSigned)) return i - repeats + 1;
  }
  return count;
}

function writeRepeats(value: i64, count: i32, isSigned: bool): void {
  const bits = isSigned ? zigzag(value) : <u64>value;
  if (count > 10) {
    putHeader(3, 0, count);
    putVarint(bits);
    putVarint(0);
    return;
  }
  const bytes = max(1, (bitsOf(bits) + 7) >> 3);
  putByte(<u32>(((bytes - 1) << 3) | (count - 3)));
  putBytes(bits, bytes);
}

/** Writes a stretch in the form that takes the fewest bytes; between equals, the one that is quickest to read. */
function writeStretch(values: usize, count: i32, isSigned: bool): void {
  let least = valueAt(values, 0);
  let greatest = least;
  let allBits: u64 = 0;
  for (let i = 0; i < count; i++) {
    const value = valueAt(values, i);
    least = min(least, value);
    greatest = max(greatest, value);
    allBits |= isSigned ? zigzag(value) : <u64>value;
  }
  const directWidth = widthFor(bitsOf(allBits));
  const directCost = 2 + ((count * directWidth + 7) >> 3);
  // Differences can be trusted when that of the extremes is no wrapped number.
  const isNear = greatest - least >= 0;
  const deltaWidth = count >= 3 && isNear ? deltaWidthOf(values, count) : -1;
  const deltaCost = deltaWidth < 0 ? i32.MAX_VALUE : deltaCostOf(values, count, deltaWidth, isSigned);
  const patchedWidth = count >= 8 && isNear && least > -baseMax && least < baseMax ? patchedWidthOf(values, count, least, greatest, directWidth) : 0;
  const patchedCost = patchedWidth == 0 ? i32.MAX_VALUE : patchedCostOf(count, patchedWidth, least, greatest);
  if (directCost <= deltaCost && directCost <= patchedCost) writeDirect(values, count, directWidth, isSigned);
  else if (deltaCost <= patchedCost) writeDeltas(values, count, deltaWidth, isSigned);
  else writePatched(values, count, patchedWidth, least, greatest);
}

function writeDirect(values: usize, count: i32, width: i32, isSigned: bool): void {
  putHeader(1, width, count);
  for (let i = 0; i < count; i++) pack(isSigned ? zigzag(valueAt(values, i)) : <u64>valueAt(values, i), width);
  packEnd();
}

/** The width of the deltas after the first, 0 when all are the same; −1 when the values go up and down or begin with two equal ones. */
function deltaWidthOf(values: usize, count: i32): i32 {
  const first = valueAt(values, 1) - valueAt(values, 0);
  if (first == 0) return -1;
  const falls = first < 0;
  let allBits: u64 = 0;
  let isFixed = true;
  for (let i = 2; i < count; i++) {
    const delta = valueAt(values, i) - valueAt(values, i - 1);
    if (delta != 0 && (delta < 0) != falls) return -1;
    isFixed = isFixed && delta == first;
    allBits |= <u64>(falls ? -delta : delta);
  }
  // The code of a width of 1 means 0 here.
  return isFixed ? 0 : max(2, widthFor(bitsOf(allBits)));
}

function deltaCostOf(values: usize, count: i32, width: i32, isSigned: bool): i32 {
  const first = valueAt(values, 0);
  const base = isSigned ? zigzag(first) : <u64>first;
  return 2 + varintSize(base) + varintSize(zigzag(valueAt(values, 1) - first)) + (((count - 2) * width + 7) >> 3);
}

function varintSize(value: u64): i32 {
  return max(1, (bitsOf(value) + 6) / 7);
}

function writeDeltas(values: usize, count: i32, width: i32, isSigned: bool): void {
  const first = valueAt(values, 0);
  const delta = valueAt(values, 1) - first;
  putHeader(3, width, count);
  putVarint(isSigned ? zigzag(first) : <u64>first);
  putVarint(zigzag(delta));
  if (width == 0) return;
  for (let i = 2; i < count; i++) {
    const further = valueAt(values, i) - valueAt(values, i - 1);
    pack(<u64>(delta < 0 ? -further : further), width);
  }
  packEnd();
}

/** The width below `directWidth` at which values and patches together are the smallest, or 0 when there are too many for patches. */
function patchedWidthOf(values: usize, count: i32, least: i64, greatest: i64, directWidth: i32): i32 {
  memory.fill(histogram, 0, 65 * 4);
  for (let i = 0; i < count; i++) {
    const at = histogram + ((<usize>bitsOf(<u64>(valueAt(values, i) - least))) << 2);
    store<i32>(at, load<i32>(at) + 1);
  }
  const bitsMax = bitsOf(<u64>(greatest - least));
  let best = 0;
  let bestCost = i32.MAX_VALUE;
  // A patch and its gap share 64 bits.
  for (let width = widthFor(max(1, bitsMax - 48)); width < directWidth && width < bitsMax; width = widthFor(width + 1)) {
    const cost = patchedCostOf(count, width, least, greatest);
    if (cost >= bestCost) continue;
    best = width;
    bestCost = cost;
  }
  return best;
}

/** An upper bound, as if all gaps were wide. `histogram` is that of these values. */
function patchedCostOf(count: i32, width: i32, least: i64, greatest: i64): i32 {
  const bitsMax = bitsOf(<u64>(greatest - least));
  let patches = emptyPatchesMax;
  for (let bits = width + 1; bits <= bitsMax; bits++) patches += load<i32>(histogram + ((<usize>bits) << 2));
  if (patches > patchesMax) return i32.MAX_VALUE;
  const patchWidth = patchWidthFor(8 + patchWidthFor(bitsMax - width));
  return 4 + baseBytes(least) + ((count * width + 7) >> 3) + ((patches * patchWidth + 7) >> 3);
}

/** Bytes for the minimum: its size, and a bit for its sign. */
function baseBytes(least: i64): i32 {
  return (bitsOf(<u64>(least < 0 ? -least : least)) + 8) >> 3;
}

function writePatched(values: usize, count: i32, width: i32, least: i64, greatest: i64): void {
  let gapMax = 0;
  let patches = 0;
  let previous = 0;
  for (let i = 0; i < count; i++) {
    if (bitsOf(<u64>(valueAt(values, i) - least)) <= width) continue;
    const gap = i - previous;
    gapMax = max(gapMax, min(gap, 255));
    patches += gap > 510 ? 3 : gap > 255 ? 2 : 1;
    previous = i;
  }
  const gapWidth = max(1, bitsOf(<u64>gapMax));
  const patchWidth = patchWidthFor(bitsOf(<u64>(greatest - least)) - width);
  const bytes = baseBytes(least);
  putHeader(2, width, count);
  putByte((<u32>(bytes - 1) << 5) | widthCode(patchWidth));
  putByte((<u32>(gapWidth - 1) << 5) | <u32>patches);
  putBytes(least < 0 ? <u64>-least | (<u64>1 << <u64>((bytes << 3) - 1)) : <u64>least, bytes);
  const mask = (<u64>1 << <u64>width) - 1;
  for (let i = 0; i < count; i++) pack(<u64>(valueAt(values, i) - least) & mask, width);
  packEnd();
  const entryWidth = patchWidthFor(gapWidth + patchWidth);
  previous = 0;
  for (let i = 0; i < count; i++) {
    const value = <u64>(valueAt(values, i) - least);
    if (bitsOf(value) <= width) continue;
    let gap = <u64>(i - previous);
    while (gap > 255) {
      pack(<u64>255 << <u64>patchWidth, entryWidth);
      gap -= 255;
    }
    pack((gap << <u64>patchWidth) | (value >> <u64>width), entryWidth);
    previous = i;
  }
  packEnd();
}
