/** What the reader makes of decoded integers: points in time, and decimals from varints. */

/**
 * Seconds and nanoseconds, as ORC stores them, to timestamps of `perSecond` units: where one cannot be, its index, else −1.
 * `base` is added to the seconds, which are to be fewer than `sinceMost` either way. The lowest three bits of the nanoseconds
 * tell how many decimal zeros were cut off.
 *
 * Before 1970 the seconds were rounded towards it where there are nanoseconds beyond the first million, if they are
 * `areRounded` still. Some writers have nanoseconds negative where the seconds are.
 */
export function joinTimestamps(seconds: usize, nanos: usize, count: i32, base: i64, areRounded: bool, perSecond: i64, sinceMost: i64, out: usize): i32 {
  const nanosPerUnit = <i32>(1_000_000_000 / perSecond);
  const secondsMax = perSecond > 1 ? i64.MAX_VALUE / perSecond + 1 : i64.MAX_VALUE;
  for (let i = 0; i < count; i++) {
    const since = load<i64>(seconds + (<usize>i << 3));
    const part = load<i64>(nanos + (<usize>i << 3));
    const digits = part >> 3;
    if (since >= sinceMost || since <= -sinceMost || digits >= 1_000_000_000 || digits <= -1_000_000_000) return i;
    const nano = digits * zeros(<u32>part & 7);
    if (nano >= 1_000_000_000 || nano <= -1_000_000_000) return i;
    let second = since + base;
    if (second < 0 && nano > 999_999 && areRounded) second--;
    const rest = <i32>nano / nanosPerUnit;
    if (rest * nanosPerUnit != <i32>nano || second > secondsMax || second < -secondsMax) return i;
    const value = second * perSecond + rest;
    // So near the ends what does not fit has the other sign. ClickHouse writes the last second before 1970 as 0 with nanoseconds below it.
    if (second < 0 ? value >= 0 : second > 0 && value < 0) return i;
    store<i64>(out + (<usize>i << 3), value);
  }
  return -1;
}

// @ts-ignore: decorator
@inline
function zeros(code: u32): i64 {
  return load<i64>(powers + (<usize>code << 3));
}

/** Of ten: none where no zeros were cut off, otherwise one more than is told. */
const powers = memory.data<i64>([1, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000]);

/** Zigzag varints of up to 128 bits to integers of 16 bytes, and where they end; 0 where the input ends or one is longer. */
export function readDecimals(from: usize, size: usize, count: i32, out: usize): usize {
  let at = from;
  const end = from + size;
  for (let i = 0; i < count; i++) {
    let low: u64 = 0;
    let high: u64 = 0;
    let shift: u64 = 0;
    while (true) {
      if (at == end || shift > 126) return 0;
      const byte = <u64>load<u8>(at++);
      const bits = byte & 127;
      if (shift < 64) {
        low |= bits << shift;
        if (shift > 57) high |= bits >> (64 - shift);
      } else {
        if (shift == 126 && bits > 3) return 0;
        high |= bits << (shift - 64);
      }
      if (byte < 128) break;
      shift += 7;
    }
    const sign = <u64>-<i64>(low & 1);
    store<u64>(out + (<usize>i << 4), ((low >> 1) | (high << 63)) ^ sign);
    store<u64>(out + (<usize>i << 4), (high >> 1) ^ sign, 8);
  }
  return at;
}
