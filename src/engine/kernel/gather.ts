/**
 * Values of the selected rows, side by side and 64 bits wide, so that every loop behind this one is dense and has one of
 * two types. `rows` 0 means all rows. `gatherX` fills `out[i]`; `compactX` also drops nulls and carries group ids along.
 */
import { at, validBit } from './select';

@inline function gatherInt<T>(values: usize, rows: usize, count: i32, out: usize): void {
  for (let i = 0; i < count; i++) {
    store<i64>(out + (<usize>i << 3), <i64>load<T>(values + at(rows, i) * sizeof<T>()));
  }
}

export function gatherI8(values: usize, rows: usize, count: i32, out: usize): void { gatherInt<i8>(values, rows, count, out); }
export function gatherU8(values: usize, rows: usize, count: i32, out: usize): void { gatherInt<u8>(values, rows, count, out); }
export function gatherI16(values: usize, rows: usize, count: i32, out: usize): void { gatherInt<i16>(values, rows, count, out); }
export function gatherU16(values: usize, rows: usize, count: i32, out: usize): void { gatherInt<u16>(values, rows, count, out); }
export function gatherI32(values: usize, rows: usize, count: i32, out: usize): void { gatherInt<i32>(values, rows, count, out); }
export function gatherU32(values: usize, rows: usize, count: i32, out: usize): void { gatherInt<u32>(values, rows, count, out); }
export function gather64(values: usize, rows: usize, count: i32, out: usize): void { gatherInt<i64>(values, rows, count, out); }

/** 32 bits that stay as wide as they are. */
export function gather32(values: usize, rows: usize, count: i32, out: usize): void {
  for (let i = 0; i < count; i++) store<u32>(out + (<usize>i << 2), load<u32>(values + (at(rows, i) << 2)));
}

export function gatherF32(values: usize, rows: usize, count: i32, out: usize): void {
  for (let i = 0; i < count; i++) store<f64>(out + (<usize>i << 3), <f64>load<f32>(values + (at(rows, i) << 2)));
}

/** Booleans: row 0 is bit `bitOffset`. */
export function gatherBits(bits: usize, bitOffset: i32, rows: usize, count: i32, out: usize): void {
  for (let i = 0; i < count; i++) store<i64>(out + (<usize>i << 3), <i64>validBit(bits, bitOffset, <u32>at(rows, i)));
}

/**
 * Drops what is null: `values[i]` and `ids[i]` of the i-th selected row go to `outValues` and `outIds` where that row's bit
 * is set. Returns how many. Writes in place of its input are allowed.
 */
export function compact64(
  values: usize, bitmap: usize, bitOffset: i32, rows: usize, count: i32, ids: usize, outValues: usize, outIds: usize,
): i32 {
  let kept = 0;
  for (let i = 0; i < count; i++) {
    store<i64>(outValues + (<usize>kept << 3), load<i64>(values + (<usize>i << 3)));
    store<u32>(outIds + (<usize>kept << 2), load<u32>(ids + (<usize>i << 2)));
    kept += validBit(bitmap, bitOffset, <u32>at(rows, i));
  }
  return kept;
}

/** Two ids as one word, the first in the high half: ordered as the pair is. */
export function pairIds(first: usize, second: usize, count: i32, out: usize): void {
  for (let i = 0; i < count; i++) {
    const high = <u64>load<u32>(first + (<usize>i << 2));
    store<u64>(out + (<usize>i << 3), (high << 32) | <u64>load<u32>(second + (<usize>i << 2)));
  }
}

/**
 * ⌊t · numerator / denominator⌋ of each 64-bit time, in place of it. The quotient comes from a multiplication by the
 * reciprocal and is corrected by the remainder; times beyond 2^51 are divided. Rows whose bit is unset (where there is a
 * bitmap) get i64.MIN_VALUE.
 */
export function tileOf(
  times: usize, bitmap: usize, bitOffset: i32, rows: usize, count: i32, numerator: i64, denominator: i64,
): void {
  const reciprocal = 1.0 / <f64>denominator;
  for (let i = 0; i < count; i++) {
    const place = times + (<usize>i << 3);
    if (bitmap != 0 && validBit(bitmap, bitOffset, <u32>at(rows, i)) == 0) {
      store<i64>(place, i64.MIN_VALUE);
      continue;
    }
    const time = load<i64>(place) * numerator;
    let quotient: i64;
    if (<u64>(time + (1 << 51)) < (1 << 52)) {
      quotient = <i64>floor(<f64>time * reciprocal);
      const rest = time - quotient * denominator;
      if (rest < 0) quotient--;
      else if (rest >= denominator) quotient++;
    } else {
      quotient = time / denominator;
      if (time % denominator < 0) quotient--;
    }
    store<i64>(place, quotient);
  }
}

/** Makes string offsets count from `first`. */
export function shiftOffsets(offsets: usize, count: i32, first: i64, wide: i32): void {
  if (wide != 0) {
    for (let i = 0; i < count; i++) store<i64>(offsets + (<usize>i << 3), load<i64>(offsets + (<usize>i << 3)) - first);
  } else {
    for (let i = 0; i < count; i++) store<i32>(offsets + (<usize>i << 2), load<i32>(offsets + (<usize>i << 2)) - <i32>first);
  }
}
