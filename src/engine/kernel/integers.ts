/** Exact sums of several words, two's complement, low word first: squares of integers, decimals and their squares. */
import { addressOf } from './values';

/** Adds words a, b, c, d and `extension` to a state of up to five words. */
@inline function addTo(state: usize, words: i32, a: u64, b: u64, c: u64, d: u64, extension: u64): void {
  let carry: u64 = 0;
  for (let word = 0; word < words; word++) {
    const part = word == 0 ? a : word == 1 ? b : word == 2 ? c : word == 3 ? d : extension;
    const place = state + (<usize>word << 3);
    const kept = load<u64>(place);
    const sum = kept + part;
    const withCarry = sum + carry;
    carry = <u64>(sum < kept) | <u64>(withCarry < sum);
    store<u64>(place, withCarry);
  }
}

@inline function highOfProduct(a: u64, b: u64): u64 {
  const a0 = a & 0xffffffff, a1 = a >> 32, b0 = b & 0xffffffff, b1 = b >> 32;
  const low = a0 * b0;
  const first = a1 * b0 + (low >> 32);
  const second = a0 * b1 + (first & 0xffffffff);
  return a1 * b1 + (first >> 32) + (second >> 32);
}

/** Adds the squares of integers of 64 bits to states of three words. */
export function addIntegerSquares(isSigned: i32, values: usize, ids: usize, count: i32, states: usize, stride: usize): void {
  for (let i = 0; i < count; i++) {
    const value = load<u64>(values + (<usize>i << 3));
    const size = isSigned && <i64>value < 0 ? 0 - value : value;
    const state = states + <usize>load<u32>(ids + (<usize>i << 2)) * stride;
    addTo(state, 3, size * size, highOfProduct(size, size), 0, 0, 0);
  }
}

/** Adds decimals, as spans of 16 ordered bytes, to states of three words. */
export function addDecimals(spans: usize, ids: usize, count: i32, states: usize, stride: usize): void {
  for (let i = 0; i < count; i++) {
    const bytes = addressOf(load<u64>(spans + (<usize>i << 3)));
    const high = bswap<u64>(load<u64>(bytes)) ^ 0x8000000000000000;
    const low = bswap<u64>(load<u64>(bytes, 8));
    const state = states + <usize>load<u32>(ids + (<usize>i << 2)) * stride;
    addTo(state, 3, low, high, <u64>(<i64>high >> 63), 0, 0);
  }
}

/** Adds the squares of decimals to states of five words. */
export function addDecimalSquares(spans: usize, ids: usize, count: i32, states: usize, stride: usize): void {
  for (let i = 0; i < count; i++) {
    const bytes = addressOf(load<u64>(spans + (<usize>i << 3)));
    let high = bswap<u64>(load<u64>(bytes)) ^ 0x8000000000000000;
    let low = bswap<u64>(load<u64>(bytes, 8));
    if (<i64>high < 0) {
      low = 0 - low;
      high = ~high + <u64>(low == 0);
    }
    const state = states + <usize>load<u32>(ids + (<usize>i << 2)) * stride;
    const middleLow = low * high, middleHigh = highOfProduct(low, high);
    addTo(state, 5, low * low, highOfProduct(low, low), high * high, highOfProduct(high, high), 0);
    addTo(state, 5, 0, middleLow << 1, (middleHigh << 1) | (middleLow >> 63), middleHigh >> 63, 0);
  }
}

/** Adds partial sums of 3 or 5 words; `columns` are the addresses of the columns of words, u32 each. */
export function mergeWords(words: i32, columns: usize, ids: usize, count: i32, states: usize, stride: usize): void {
  for (let i = 0; i < count; i++) {
    const state = states + <usize>load<u32>(ids + (<usize>i << 2)) * stride;
    let carry: u64 = 0;
    for (let word = 0; word < words; word++) {
      const place = state + (<usize>word << 3);
      const kept = load<u64>(place);
      const sum = kept + load<u64>(<usize>load<u32>(columns + (<usize>word << 2)) + (<usize>i << 3));
      const withCarry = sum + carry;
      carry = <u64>(sum < kept) | <u64>(withCarry < sum);
      store<u64>(place, withCarry);
    }
  }
}
