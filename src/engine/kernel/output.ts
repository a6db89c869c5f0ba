/**
 * From the states of groups to columns: `groups` names those wanted, in order; `states` points at the state asked for of
 * group 0. Each function writes one 64-bit element a group.
 */
import { wordOf } from './extremes';

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
    store<i64>(out + (<usize>i << 3), wordOf(key, isDouble, flip));
  }
}

/** How many values a group has: its rows less its nulls. `nulls` 0: there are none. */
@inline function valuesAt(rows: usize, stride: i32, nulls: usize, group: u32): i64 {
  const all = load<i64>(rows + <usize>group * stride);
  return nulls == 0 ? all : all - load<i64>(nulls + (<usize>group << 3));
}

/** How many values each group has; returns how many groups have none. */
export function countsOf(rows: usize, stride: i32, nulls: usize, groups: usize, count: i32, out: usize): i32 {
  let zeros = 0;
  for (let i: usize = 0; i < <usize>count; i++) {
    const values = valuesAt(rows, stride, nulls, load<u32>(groups + (i << 2)));
    store<i64>(out + (i << 3), values);
    zeros += i32(values == 0);
  }
  return zeros;
}

/** How many groups have fewer values than `atLeast`. */
export function fewerThan(atLeast: i32, rows: usize, stride: i32, nulls: usize, groups: usize, count: i32): i32 {
  let fewer = 0;
  for (let i: usize = 0; i < <usize>count; i++) fewer += i32(valuesAt(rows, stride, nulls, load<u32>(groups + (i << 2))) < atLeast);
  return fewer;
}

/** Which groups have at least so many values, a bit each. */
export function enoughValues(atLeast: i32, rows: usize, stride: i32, nulls: usize, groups: usize, count: i32, bitmap: usize): void {
  for (let first = 0; first < count; first += 8) {
    let bits: u32 = 0;
    for (let i = first; i < min<i32>(first + 8, count); i++) bits |= u32(valuesAt(rows, stride, nulls, load<u32>(groups + (<usize>i << 2))) >= atLeast) << (i & 7);
    store<u8>(bitmap + (first >> 3), <u8>bits);
  }
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

/** The same of slots: an id's key is `base` more. */
export function slotKeys(base: i64, groups: usize, count: i32, bytes: i32, out: usize): void {
  switch (bytes) {
    case 8: return narrowSlots<u64>(base, groups, count, out);
    case 4: return narrowSlots<u32>(base, groups, count, out);
    case 2: return narrowSlots<u16>(base, groups, count, out);
    default: return narrowSlots<u8>(base, groups, count, out);
  }
}

@inline function narrowSlots<T>(base: i64, groups: usize, count: i32, out: usize): void {
  for (let i: usize = 0; i < <usize>count; i++) store<T>(out + i * sizeof<T>(), <T>(base + <i64>load<u32>(groups + (i << 2))));
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

@inline function sumErrors(left: v128, right: v128, sum: v128): v128 {
  const part = f64x2.sub(sum, left);
  return f64x2.add(f64x2.sub(left, f64x2.sub(sum, part)), f64x2.sub(right, part));
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
 * The doubles nearest to (high + low) / values, of two groups at a time. A quotient and its correction decide nearly always (Ziv's test: both
 * ends of the error bound round alike); what they do not decide is left to `meanOf`, and what that does not, by its position in `undecided`.
 * Returns how many.
 */
export function meansOf(states: usize, rows: usize, stride: i32, nulls: usize, groups: usize, count: i32, out: usize, undecided: usize): i32 {
  let left: usize = 0;
  for (let i = 0; i < count; i += 2) {
    const group0 = load<u32>(groups + (<usize>i << 2));
    const group1 = load<u32>(groups + (<usize>min(i + 1, count - 1) << 2));
    const state0 = v128.load(states + <usize>group0 * stride);
    const state1 = v128.load(states + <usize>group1 * stride);
    const high = v128.shuffle<f64>(state0, state1, 0, 2);
    const low = v128.shuffle<f64>(state0, state1, 1, 3);
    const values = f64x2(<f64>valuesAt(rows, stride, nulls, group0), <f64>valuesAt(rows, stride, nulls, group1));
    const sum = f64x2.add(high, low);
    const below = sumErrors(high, low, sum);
    const inverse = f64x2.div(f64x2.splat(1), values);
    const quotient = f64x2.mul(sum, inverse);
    // Of a quotient in two halves the products with values of 26 bits are exact, and so is what they leave of the sum.
    const scaled = f64x2.mul(f64x2.splat(splitter), quotient);
    const upper = f64x2.sub(scaled, f64x2.sub(scaled, quotient));
    const lower = f64x2.sub(quotient, upper);
    const rest = f64x2.sub(f64x2.sub(sum, f64x2.mul(upper, values)), f64x2.mul(lower, values));
    const correction = f64x2.mul(f64x2.add(rest, below), inverse);
    const size = f64x2.abs(sum);
    const bound = f64x2.mul(f64x2.abs(quotient), f64x2.splat(zivBound));
    const mean = f64x2.add(quotient, f64x2.sub(correction, bound));
    v128.store(out + (<usize>i << 3), mean);
    const isSure = f64x2.eq(mean, f64x2.add(quotient, f64x2.add(correction, bound)));
    const isModerate = v128.and(f64x2.gt(size, f64x2.splat(sizeLeast)), v128.and(f64x2.lt(size, f64x2.splat(sizeMost)), f64x2.lt(values, f64x2.splat(valuesShort))));
    // Not `all_true`: V8 tests by a register that conversions wait for, so that each turn of the loop would wait for the one before.
    const decided = i64x2.bitmask(v128.and(isModerate, isSure));
    if (decided == 3) continue;
    for (let k = 0; k < min(2, count - i); k++) {
      if ((decided >> k) & 1) continue;
      const group = k == 0 ? group0 : group1;
      const state = states + <usize>group * stride;
      const exact = meanOf(load<f64>(state), load<f64>(state, 8), <f64>valuesAt(rows, stride, nulls, group));
      store<f64>(out + (<usize>(i + k) << 3), exact);
      store<u32>(undecided + (left << 2), i + k);
      left += <usize>(exact != exact);
    }
  }
  return <i32>left;
}

const zivBound: f64 = 8.077935669463161e-28; // 2^-90
const sizeLeast: f64 = 1e-250;
const sizeMost: f64 = 1e290;
const valuesShort: f64 = 67108864; // 2^26
const valuesMost: f64 = 9007199254740992; // 2^53

/**
 * The double nearest to (high + low) / values; what correction leaves open is decided by what is beyond the midpoint of the two doubles in
 * question. NaN of sums near the ends of the doubles, and of NaN and infinities.
 */
function meanOf(high: f64, low: f64, values: f64): f64 {
  const sum = high + low;
  const below = sumError(high, low, sum);
  const size = abs(sum);
  if (sum == 0 || values == 0) return sum != sum ? sum : 0;
  // A sum that is a double needs no more than the division, which rounds once.
  if (below == 0) return sum / values + 0.0;
  if (!(size > sizeLeast && size < sizeMost && values < valuesMost)) return NaN;
  // Dividing by a power of two changes no digit, so only the addition rounds.
  if (values < 1073741824 && (<u32>values & (<u32>values - 1)) == 0) return sum / values + below / values;
  const quotient = sum / values;
  const product = quotient * values;
  const correction = ((sum - product) - productError(quotient, values, product) + below) / values;
  const bound = abs(quotient) * zivBound;
  const mean = quotient + (correction - bound);
  const upper = quotient + (correction + bound);
  // Sums of money often lie halfway between two doubles.
  return mean == upper ? mean : nearestOf(mean, upper, sum, below, values);
}
