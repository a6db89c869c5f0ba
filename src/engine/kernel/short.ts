/**
 * Short forms of columns, and the way back.
 *
 *   integers   (value − first) / unit + 1 in 32 bits, and 0 for null: they order as the integers do
 *   doubles    value · by − first in 32 or 16 bits, where all values are whole numbers divided by a power of ten; of −0, 0
 *
 * `unit` divides all differences; it is 2^shift · odd, and to divide a multiple by an odd number is to multiply by its inverse modulo a power of two
 * (T. Granlund and P. L. Montgomery, "Division by invariant integers using multiplication", 1994). That doubles are often decimal fractions is used as in
 * A. Afroozeh, L. Kuffo and P. Boncz, "ALP: Adaptive lossless floating-point compression" (2023); here the way back is a division, which is rounded as the
 * fraction was when it was read.
 */
import { at, validBit } from './select';

function greatestDivisor(a: u64, b: u64): u64 {
  while (b != 0) {
    const rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

/** Of an odd number, modulo 2^64: each step doubles the bits that are right, three to begin with. */
function inverseOf(odd: u64): u64 {
  let inverse = odd;
  for (let bits = 3; bits < 64; bits <<= 1) inverse *= 2 - odd * inverse;
  return inverse;
}

/** The greatest number that divides `unit` and how far each of these words is from `origin`; `unit` 0: nothing is known yet. */
export function unitOf(words: usize, count: i32, origin: i64, unit: u64): u64 {
  let shift: u64 = 0, inverse: u64 = 0, most: u64 = 0;
  let known: u64 = 0;
  for (let i = 0; i < count; i++) {
    if (known != unit) {
      known = unit;
      shift = ctz<u64>(unit);
      inverse = inverseOf(unit >> shift);
      most = u64.MAX_VALUE / unit;
    }
    const word = load<i64>(words + (<usize>i << 3));
    const distance = <u64>(word < origin ? origin - word : word - origin);
    // Of multiples this is the quotient, and of nothing else as little (Granlund and Montgomery, section 9).
    if (rotr<u64>(distance * inverse, shift) > most || (known == 0 && distance != 0)) unit = greatestDivisor(distance, unit);
  }
  return unit;
}

/** `bitmap` 0: none is null; else word 0 is bit `bitOffset`. Quotients fit 32 bits, so that as many of the inverse are enough. */
export function shorten(words: usize, count: i32, bitmap: usize, bitOffset: i32, first: i64, unit: u64, out: usize): void {
  const shift = ctz<u64>(unit);
  const inverse = <u32>inverseOf(unit >> shift);
  for (let i = 0; i < count; i++) {
    const code = <u32>(<u64>(load<i64>(words + (<usize>i << 3)) - first) >> shift) * inverse + 1;
    store<u32>(out + (<usize>i << 2), bitmap == 0 || validBit(bitmap, bitOffset, <u32>i) != 0 ? code : 0);
  }
}

export function lengthen(shorts: usize, rows: usize, count: i32, first: i64, unit: i64, out: usize): void {
  for (let i = 0; i < count; i++) {
    store<i64>(out + (<usize>i << 3), first + <i64>(load<u32>(shorts + (at(rows, i) << 2)) - 1) * unit);
  }
}

/** The whole numbers that two doubles times `by` are next to, in the lower lanes. */
@inline function wholes(values: v128, by: v128): v128 {
  return i32x4.trunc_sat_f64x2_s_zero(f64x2.nearest(f64x2.mul(values, by)));
}

/** Extends `bounds` (least and greatest, i32 each) by these doubles times `by`; 0 where one is no whole number of 32 bits then. */
export function wholeBounds(values: usize, count: i32, by: f64, bounds: usize): i32 {
  const bys = f64x2.splat(by);
  let least = i32x4.splat(load<i32>(bounds));
  let greatest = i32x4.splat(load<i32>(bounds, 4));
  let same = i64x2.splat(-1);
  for (let i = 0; i < count; i += 2) {
    const place = values + (<usize>i << 3);
    const two = i + 1 < count ? v128.load(place) : v128.load64_splat(place);
    const whole = wholes(two, bys);
    same = v128.and(same, f64x2.eq(f64x2.div(f64x2.convert_low_i32x4_s(whole), bys), two));
    const both = v128.shuffle<i32>(whole, whole, 0, 1, 0, 1);
    least = i32x4.min_s(least, both);
    greatest = i32x4.max_s(greatest, both);
  }
  store<i32>(bounds, min(i32x4.extract_lane(least, 0), i32x4.extract_lane(least, 1)));
  store<i32>(bounds, max(i32x4.extract_lane(greatest, 0), i32x4.extract_lane(greatest, 1)), 4);
  return i32(i64x2.all_true(same));
}

/** Doubles that `wholeBounds` has seen, those of null rows aside, `bytes` (4 or 2) each. */
export function shortenDoubles(values: usize, count: i32, by: f64, first: i32, bytes: i32, out: usize): void {
  const bys = f64x2.splat(by);
  for (let i = 0; i < count; i++) {
    const short = i32x4.extract_lane(wholes(v128.load64_splat(values + (<usize>i << 3)), bys), 0) - first;
    if (bytes == 4) store<i32>(out + (<usize>i << 2), short);
    else store<u16>(out + (<usize>i << 1), <u16>short);
  }
}

export function lengthenDoubles(shorts: usize, bytes: i32, rows: usize, count: i32, by: f64, first: i32, out: usize): void {
  if (bytes == 4) {
    for (let i = 0; i < count; i++) store<f64>(out + (<usize>i << 3), <f64>(load<i32>(shorts + (at(rows, i) << 2)) + first) / by);
  } else {
    for (let i = 0; i < count; i++) store<f64>(out + (<usize>i << 3), <f64>(<i32>load<u16>(shorts + (at(rows, i) << 1)) + first) / by);
  }
}
