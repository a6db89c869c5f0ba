/**
 * What the writer asks of columns of numbers, and the forms in which ORC keeps those that are no plain integers.
 */

/** Writes the least value, the greatest, and the low and high half of the 128-bit sum to `to`. There is a value. */
export function summarize(values: usize, count: i32, to: usize): void {
  let least = load<i64>(values);
  let greatest = least;
  let low: u64 = 0;
  let high: i64 = 0;
  for (let end = values + ((<usize>count) << 3); values < end; values += 8) {
    const value = load<i64>(values);
    least = min(least, value);
    greatest = max(greatest, value);
    low += <u64>value;
    high += (value >> 63) + <i64>(low < <u64>value);
  }
  store<i64>(to, least);
  store<i64>(to, greatest, 8);
  store<u64>(to, low, 16);
  store<i64>(to, high, 24);
}

/** 2015-01-01, from which ORC counts seconds. */
const baseSeconds: i64 = 1_420_070_400;

/** So that readers who reckon in milliseconds do not overflow. */
const secondsMax: i64 = i64.MAX_VALUE / 1000 - 1;

/**
 * Timestamps of `perSecond` units to a second, as ORC stores them: seconds since 2015 to `seconds`, nanoseconds with their
 * zeros cut off to `nanos`. Answers the index of the first that ORC cannot store, or −1.
 *
 * Before 1970, a reader takes one second off when there are nanoseconds beyond the first million. The last second before
 * 1970 would be stored as 0, where it does not: there is no way to write that.
 */
export function splitTimestamps(values: usize, count: i32, perSecond: i64, seconds: usize, nanos: usize): i32 {
  const nanosPerUnit: i64 = 1_000_000_000 / perSecond;
  for (let i = 0; i < count; i++) {
    const value = load<i64>(values + ((<usize>i) << 3));
    let second = value / perSecond;
    let rest = value - second * perSecond;
    if (rest < 0) {
      second--;
      rest += perSecond;
    }
    if (second > secondsMax || second < -secondsMax) return i;
    const nano = rest * nanosPerUnit;
    if (second < 0 && nano > 999_999) {
      second++;
      if (second == 0) return i;
    }
    store<i64>(seconds + ((<usize>i) << 3), second - baseSeconds);
    store<i64>(nanos + ((<usize>i) << 3), withoutZeros(nano));
  }
  return -1;
}

/** Two decimal zeros or more at the end become their count less one, in the three lowest bits. */
function withoutZeros(nanos: i64): i64 {
  if (nanos == 0) return 0;
  if (nanos % 100 != 0) return nanos << 3;
  let rest = nanos / 100;
  let code: i64 = 1;
  while (rest % 10 == 0 && code < 7) {
    rest /= 10;
    code++;
  }
  return (rest << 3) | code;
}

/** 128-bit integers as zigzag varints, and where they end: at most 19 bytes each. */
export function writeDecimals(values: usize, count: i32, to: usize): usize {
  let out = to;
  for (let end = values + ((<usize>count) << 4); values < end; values += 16) {
    const sign = load<i64>(values, 8) >> 63;
    let low = load<u64>(values);
    let high = load<u64>(values, 8);
    high = ((high << 1) | (low >> 63)) ^ <u64>sign;
    low = (low << 1) ^ <u64>sign;
    while (high != 0 || low >= 0x80) {
      store<u8>(out++, <u8>low | 0x80);
      low = (low >> 7) | (high << 57);
      high >>= 7;
    }
    store<u8>(out++, <u8>low);
  }
  return out;
}
