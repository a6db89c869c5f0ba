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

const splitter: f64 = 134217729; // 2^27 + 1, Veltkamp's

/**
 * The doubles nearest to (high + low) / count. A quotient and its correction decide nearly always (Ziv's test: both ends of the
 * error bound round alike); the positions of those that it does not are written to `undecided`. Returns how many.
 */
export function meansOf(states: usize, stride: i32, groups: usize, counts: usize, count: i32, out: usize, undecided: usize): i32 {
  let left: usize = 0;
  for (let i = 0; i < count; i++) {
    const state = stateOf(states, stride, groups, i);
    const values = load<f64>(counts + (<usize>i << 3));
    const high = load<f64>(state);
    const low = load<f64>(state, 8);
    const sum = high + low;
    const part = sum - high;
    const below = (high - (sum - part)) + (low - part);
    const size = abs(sum);
    let mean: f64 = 0;
    if (sum != 0 && values != 0) {
      if (below == 0) {
        // A sum that is a double needs no more than the division, which rounds once.
        mean = sum / values + 0.0;
      } else if (values < 1073741824 && (<u32>values & (<u32>values - 1)) == 0 && size > 1e-250 && size < 1e290) {
        // Dividing by a power of two changes no digit, so only the addition rounds. Sums of money often lie halfway between
        // two doubles, which the test below could not decide.
        mean = sum / values + below / values;
      } else {
        const quotient = sum / values;
        const product = quotient * values;
        const productError = errorOfProduct(quotient, values, product);
        const nearest = sum - product;
        const nearer = nearest - productError;
        const rest = nearer + below;
        const correction = rest / values;
        const bound = abs(quotient) * 8.077935669463161e-28; // 2^-90
        mean = quotient + (correction - bound);
        const isUsual = size > 1e-250 && size < 1e290 && values < 9007199254740992;
        if (!isUsual || mean != quotient + (correction + bound)) {
          // Near the middle between two doubles. Where it is the very middle, as of sums of money it is of each fiftieth, nothing is left behind
          // the correction, and the addition rounds once.
          const isExact = isUsual && errorOfSum(nearest, -productError, nearer) == 0 && errorOfSum(nearer, below, rest) == 0
            && correction * values == rest && errorOfProduct(correction, values, rest) == 0;
          mean = quotient + correction;
          store<u32>(undecided + (left << 2), i);
          left += <usize>!isExact;
        }
      }
    } else if (sum != sum) {
      store<u32>(undecided + (left << 2), i);
      left++;
    }
    store<f64>(out + (<usize>i << 3), mean);
  }
  return <i32>left;
}

/** What a sum of two doubles lacks (Knuth). */
@inline function errorOfSum(a: f64, b: f64, sum: f64): f64 {
  const part = sum - a;
  return (a - (sum - part)) + (b - part);
}

/** What a product of two doubles lacks (Dekker). */
@inline function errorOfProduct(a: f64, b: f64, product: f64): f64 {
  const scaledA = splitter * a;
  const a1 = scaledA - (scaledA - a);
  const a2 = a - a1;
  const scaledB = splitter * b;
  const b1 = scaledB - (scaledB - b);
  const b2 = b - b1;
  return a2 * b2 - (((product - a1 * b1) - a2 * b1) - a1 * b2);
}
