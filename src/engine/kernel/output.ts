/**
 * From the states of groups to columns: `groups` names those wanted, in order; `states` points at the state asked for of
 * group 0. Each function writes one 64-bit element a group.
 */

@inline function stateOf(states: usize, stride: i32, groups: usize, i: i32): usize {
  return states + <usize>load<u32>(groups + (<usize>i << 2)) * stride;
}

export function wordsOf(states: usize, stride: i32, groups: usize, count: i32, out: usize): void {
  for (let i = 0; i < count; i++) store<i64>(out + (<usize>i << 3), load<i64>(stateOf(states, stride, groups, i)));
}

/** The values that order keys stand for: of doubles, or of integers whose sign was flipped by `flip`. */
export function extremesOf(states: usize, stride: i32, groups: usize, count: i32, isDouble: i32, flip: i64, out: usize): void {
  for (let i = 0; i < count; i++) {
    const key = load<i64>(stateOf(states, stride, groups, i));
    const word = isDouble != 0 ? key ^ ((key >> 63) & 0x7fffffffffffffff) : key ^ flip;
    store<i64>(out + (<usize>i << 3), word);
  }
}

/** Rows less nulls, as doubles or as integers; returns how many are zero. `nulls` 0: there are none. */
export function countsOf(states: usize, stride: i32, nulls: usize, groups: usize, count: i32, asDouble: i32, out: usize): i32 {
  let zeros = 0;
  for (let i = 0; i < count; i++) {
    let values = load<i64>(stateOf(states, stride, groups, i));
    if (nulls != 0) values -= load<i64>(nulls + (<usize>load<u32>(groups + (<usize>i << 2)) << 3));
    zeros += i32(values == 0);
    if (asDouble != 0) store<f64>(out + (<usize>i << 3), <f64>values);
    else store<i64>(out + (<usize>i << 3), values);
  }
  return zeros;
}

export function sumsOf(states: usize, stride: i32, groups: usize, count: i32, out: usize): void {
  for (let i = 0; i < count; i++) {
    const state = stateOf(states, stride, groups, i);
    store<f64>(out + (<usize>i << 3), load<f64>(state) + load<f64>(state, 8) + 0.0);
  }
}

/** Integer keys of these groups, `bytes` wide each, from words keys[group]. */
export function keysOf(keys: usize, groups: usize, count: i32, bytes: i32, out: usize): void {
  switch (bytes) {
    case 8: return narrowKeys<u64>(keys, groups, count, out);
    case 4: return narrowKeys<u32>(keys, groups, count, out);
    case 2: return narrowKeys<u16>(keys, groups, count, out);
    default: return narrowKeys<u8>(keys, groups, count, out);
  }
}

@inline function narrowKeys<T>(keys: usize, groups: usize, count: i32, out: usize): void {
  for (let i: usize = 0; i < <usize>count; i++) store<T>(out + i * sizeof<T>(), load<T>(keys + (<usize>load<u32>(groups + (i << 2)) << 3)));
}

const splitter: f64 = 134217729; // 2^27 + 1, Veltkamp's

/** What left × right is beyond the double nearest to it, `product`: after Dekker. */
@inline function productError(left: f64, right: f64, product: f64): f64 {
  const scaledLeft = splitter * left;
  const left1 = scaledLeft - (scaledLeft - left);
  const left2 = left - left1;
  const scaledRight = splitter * right;
  const right1 = scaledRight - (scaledRight - right);
  const right2 = right - right1;
  return left2 * right2 - (((product - left1 * right1) - left2 * right1) - left1 * right2);
}

/** What left + right is beyond the double nearest to it, `sum`: after Knuth. */
@inline function sumError(left: f64, right: f64, sum: f64): f64 {
  const part = sum - left;
  return (left - (sum - part)) + (right - part);
}

/**
 * Which of two neighbours is nearest to (sum + below) / values, which lies between them, or the even one when it is their midpoint: by the
 * sign of (sum + below) − midpoint · values, whose five parts are added without error, as an expansion after Shewchuk.
 */
function nearestOf(lower: f64, upper: f64, sum: f64, below: f64, values: f64): f64 {
  const product = lower * values;
  const beyond = -productError(lower, values, product);
  const halfGap = (upper - lower) * 0.5 * values;
  // The product is so near to the sum that this is exact.
  const rest = sum - product;
  const rest1 = rest - halfGap, rest0 = sumError(rest, -halfGap, rest1);
  const a1 = below + beyond, a0 = sumError(below, beyond, a1);
  // | a0 a1 | and then rest1
  const b1 = rest1 + a0, b0 = sumError(rest1, a0, b1);
  const b2 = b1 + a1, b1Error = sumError(b1, a1, b2);
  // | b0 b1Error b2 | and then rest0
  const c0Sum = rest0 + b0, c0 = sumError(rest0, b0, c0Sum);
  const c1Sum = c0Sum + b1Error, c1 = sumError(c0Sum, b1Error, c1Sum);
  const c3 = c1Sum + b2, c2 = sumError(c1Sum, b2, c3);
  const sign = c3 != 0 ? c3 : c2 != 0 ? c2 : c1 != 0 ? c1 : c0;
  if (sign != 0) return sign > 0 ? upper : lower;
  return (reinterpret<u64>(lower) & 1) == 0 ? lower : upper;
}

/**
 * The doubles nearest to (high + low) / count. A quotient and its correction decide nearly always (Ziv's test: both ends of the
 * error bound round alike), else what is left beyond the midpoint of the two doubles in question. The positions of sums near the ends of
 * the doubles, and of NaN and infinities, are written to `undecided`. Returns how many.
 */
export function meansOf(states: usize, stride: i32, groups: usize, counts: usize, count: i32, out: usize, undecided: usize): i32 {
  let left: usize = 0;
  for (let i = 0; i < count; i++) {
    const state = stateOf(states, stride, groups, i);
    const values = load<f64>(counts + (<usize>i << 3));
    const high = load<f64>(state);
    const low = load<f64>(state, 8);
    const sum = high + low;
    const below = sumError(high, low, sum);
    const size = abs(sum);
    let mean: f64 = 0;
    if (sum != 0 && values != 0) {
      if (below == 0) {
        // A sum that is a double needs no more than the division, which rounds once.
        mean = sum / values + 0.0;
      } else if (!(size > 1e-250 && size < 1e290 && values < 9007199254740992)) {
        store<u32>(undecided + (left++ << 2), i);
      } else if (values < 1073741824 && (<u32>values & (<u32>values - 1)) == 0) {
        // Dividing by a power of two changes no digit, so only the addition rounds.
        mean = sum / values + below / values;
      } else {
        const quotient = sum / values;
        const product = quotient * values;
        const correction = ((sum - product) - productError(quotient, values, product) + below) / values;
        const bound = abs(quotient) * 8.077935669463161e-28; // 2^-90
        mean = quotient + (correction - bound);
        const upper = quotient + (correction + bound);
        // Sums of money often lie halfway between two doubles.
        if (mean != upper) mean = nearestOf(mean, upper, sum, below, values);
      }
    } else if (sum != sum) {
      store<u32>(undecided + (left++ << 2), i);
    }
    store<f64>(out + (<usize>i << 3), mean);
  }
  return <i32>left;
}
