/**
 * Values on their way to the states that are not sums or extremes of numbers.
 *
 * What is longer than 64 bits goes as a span, | address u32 | length u32 | in one word, so that it can be selected and
 * compacted as numbers are. There is room for a word to be read behind every span. Decimals become 16 bytes that order as
 * they do: big-endian, the sign bit flipped.
 */
import { validBit } from './select';

@inline function at(rows: usize, i: i32): usize {
  return rows == 0 ? <usize>i : <usize>load<u32>(rows + (<usize>i << 2));
}

@inline export function spanOf(address: usize, length: usize): u64 {
  return <u64>address | (<u64>length << 32);
}

@inline export function addressOf(span: u64): usize {
  return <usize>(span & 0xffffffff);
}

@inline export function lengthOf(span: u64): usize {
  return <usize>(span >> 32);
}

/** Strings: `offsets` are u32 and count from `bytes`. */
export function gatherSpans(offsets: usize, bytes: usize, rows: usize, count: i32, out: usize): void {
  for (let i = 0; i < count; i++) {
    const place = offsets + (at(rows, i) << 2);
    const start: usize = load<u32>(place);
    store<u64>(out + (<usize>i << 3), spanOf(bytes + start, <usize>load<u32>(place, 4) - start));
  }
}

/** Strings of a dictionary, by their codes. A code under a null may be anything. */
export function gatherCodeSpans(
  codes: usize, entries: u32, offsets: usize, bytes: usize, rows: usize, count: i32, out: usize,
): void {
  for (let i = 0; i < count; i++) {
    const code = load<u32>(codes + (at(rows, i) << 2));
    if (code >= entries) {
      store<u64>(out + (<usize>i << 3), spanOf(bytes, 0));
      continue;
    }
    const place = offsets + (<usize>code << 2);
    const start: usize = load<u32>(place);
    store<u64>(out + (<usize>i << 3), spanOf(bytes + start, <usize>load<u32>(place, 4) - start));
  }
}

/** How many bytes spans have together. */
export function lengthOfSpans(spans: usize, count: i32): f64 {
  let length: u64 = 0;
  for (let i = 0; i < count; i++) length += load<u32>(spans + (<usize>i << 3), 4);
  return <f64>length;
}

/** Writes what spans name side by side to `out`, and to `offsets` where each ends, `before` bytes being before them. There is room for 16 bytes behind `out`. */
export function concatSpans(spans: usize, count: i32, before: u32, offsets: usize, out: usize): void {
  let end = out;
  for (let i = 0; i < count; i++) {
    const span = load<u64>(spans + (<usize>i << 3));
    const length = lengthOf(span);
    if (length <= 16) v128.store(end, v128.load(addressOf(span)));
    else memory.copy(end, addressOf(span), length);
    end += length;
    store<u32>(offsets + (<usize>i << 2), before + <u32>(end - out));
  }
}

/** Decimals of 128 bits as bytes that order as they do, 16 each at `bytes`, and their spans where `out` is not 0. */
export function gatherDecimals(values: usize, rows: usize, count: i32, bytes: usize, out: usize): void {
  for (let i = 0; i < count; i++) {
    const value = values + (at(rows, i) << 4);
    const place = bytes + (<usize>i << 4);
    store<u64>(place, bswap<u64>(load<u64>(value, 8) ^ 0x8000000000000000));
    store<u64>(place, bswap<u64>(load<u64>(value)), 8);
    if (out != 0) store<u64>(out + (<usize>i << 3), spanOf(place, 16));
  }
}

/** Words that order as the values do, by signed comparison; −0 counts as 0, every NaN as one, above +∞. */
export function orderKeys(isDouble: i32, values: usize, count: i32, flip: i64, out: usize): void {
  for (let i = 0; i < count; i++) {
    const place = <usize>i << 3;
    if (isDouble) {
      const value = load<f64>(values + place);
      const bits = value == value ? reinterpret<i64>(value + 0.0) : 0x7ff8000000000000;
      store<i64>(out + place, bits ^ ((bits >> 63) & 0x7fffffffffffffff));
    } else {
      store<i64>(out + place, load<i64>(values + place) ^ flip);
    }
  }
}

/** Drops what has no value or no event time; a bitmap of 0 drops nothing. Returns how many are left. */
export function compactTimed(
  values: usize, times: usize, ids: usize, rows: usize, count: i32, bitmap: usize, bitOffset: i32,
  timeBitmap: usize, timeBitOffset: i32, outValues: usize, outTimes: usize, outIds: usize,
): i32 {
  let kept = 0;
  for (let i = 0; i < count; i++) {
    const row = <u32>at(rows, i);
    store<i64>(outValues + (<usize>kept << 3), load<i64>(values + (<usize>i << 3)));
    store<i64>(outTimes + (<usize>kept << 3), load<i64>(times + (<usize>i << 3)));
    store<u32>(outIds + (<usize>kept << 2), load<u32>(ids + (<usize>i << 2)));
    const there = bitmap == 0 ? 1 : validBit(bitmap, bitOffset, row);
    kept += there & (timeBitmap == 0 ? 1 : validBit(timeBitmap, timeBitOffset, row));
  }
  return kept;
}

/**
 * The tie breakers of the rows that `compactTimed` keeps, and in `outThere` what each is worth: 3, or 1 where it is null.
 */
export function compactTies(
  ties: usize, tieBitmap: usize, tieBitOffset: i32, rows: usize, count: i32, bitmap: usize, bitOffset: i32,
  timeBitmap: usize, timeBitOffset: i32, outTies: usize, outThere: usize,
): void {
  let kept = 0;
  for (let i = 0; i < count; i++) {
    const row = <u32>at(rows, i);
    const hasTie = tieBitmap == 0 ? 1 : validBit(tieBitmap, tieBitOffset, row);
    store<i64>(outTies + (<usize>kept << 3), hasTie ? load<i64>(ties + (<usize>i << 3)) : 0);
    store<u64>(outThere + (<usize>kept << 3), hasTie ? 3 : 1);
    const there = bitmap == 0 ? 1 : validBit(bitmap, bitOffset, row);
    kept += there & (timeBitmap == 0 ? 1 : validBit(timeBitmap, timeBitOffset, row));
  }
}
