/**
 * Integers as codes of 32 bits that order as they do: (value − first) / unit + 1, and 0 for null. `unit` divides all differences; it is 2^shift · odd, and
 * to divide a multiple by an odd number is to multiply by its inverse modulo a power of two (T. Granlund and P. L. Montgomery, "Division by
 * invariant integers using multiplication", 1994).
 */
import { validBit } from './select';

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

/** `bitmap` 0: none is null; else word 0 is bit `bitOffset`. `inverse`: that of the unit's odd part, modulo 2^32. */
export function shorten(words: usize, count: i32, bitmap: usize, bitOffset: i32, first: i64, shift: i64, inverse: u32, out: usize): void {
  for (let i = 0; i < count; i++) {
    const code = <u32>(<u64>(load<i64>(words + (<usize>i << 3)) - first) >> <u64>shift) * inverse + 1;
    store<u32>(out + (<usize>i << 2), bitmap == 0 || validBit(bitmap, bitOffset, <u32>i) != 0 ? code : 0);
  }
}
