/**
 * Exact sums of the squares of doubles.
 *
 *   state   four doubles whose sum is exactly the sum so far
 *
 * A square is two doubles (Dekker's product); each goes through the four by error-free additions. What is left over, and the
 * squares of very large and very small values, go to the group's wide accumulator, a fixed-point number like that of wide.ts
 * with twice the span: limb i has weight 2^(32·i − 2148). NaN and infinities set its flag: there is no variance then.
 *
 * As bytes in a table: | flag | limbs of 32 bits that are skipped | magnitude, little-endian |.
 */
import { alloc, allocZeroed, free } from './memory';
import { addressOf, lengthOf } from './values';

const limbs: i32 = 136;
const limbsUsed: i32 = 134;
const additions: usize = 1088;
const flag: usize = 1092;
const wideBytes: usize = 1104;
const slabCount: usize = 29; // fills half a 64 KiB block

// The table of a column: | pointers, u32: one address per group, 0 = none | capacity, u32 | slab, u32 | left in slab, u32 |
const tPointers: usize = 0;
const tCapacity: usize = 4;
const tSlab: usize = 8;
const tLeft: usize = 12;

/** Between these, a square and its error are doubles, and no sum of them overflows. */
const least: f64 = reinterpret<f64>(<u64>(1023 - 450) << 52);
const greatest: f64 = reinterpret<f64>(<u64>(1023 + 450) << 52);

export function newSquareTable(): usize {
  return allocZeroed(16);
}

function wideOf(table: usize, group: u32): usize {
  let capacity = load<u32>(table, tCapacity);
  if (group >= capacity) {
    const wider = max<u32>(max<u32>(1024, capacity << 1), group + 1);
    const pointers = allocZeroed(<usize>wider << 2);
    if (capacity > 0) {
      memory.copy(pointers, load<u32>(table, tPointers), <usize>capacity << 2);
      free(load<u32>(table, tPointers), <usize>capacity << 2);
    }
    store<u32>(table, <u32>pointers, tPointers);
    store<u32>(table, wider, tCapacity);
  }
  const place = <usize>load<u32>(table, tPointers) + (<usize>group << 2);
  let wide: usize = load<u32>(place);
  if (wide == 0) {
    if (load<u32>(table, tLeft) == 0) {
      store<u32>(table, <u32>alloc(slabCount * wideBytes), tSlab);
      store<u32>(table, <u32>slabCount, tLeft);
    }
    wide = load<u32>(table, tSlab);
    store<u32>(table, <u32>(wide + wideBytes), tSlab);
    store<u32>(table, load<u32>(table, tLeft) - 1, tLeft);
    memory.fill(wide, 0, wideBytes);
    store<u32>(place, <u32>wide);
  }
  return wide;
}

@inline function wideIn(table: usize, group: u32): usize {
  return group < load<u32>(table, tCapacity) ? <usize>load<u32>(<usize>load<u32>(table, tPointers) + (<usize>group << 2)) : 0;
}

function propagate(wide: usize): void {
  for (let limb = 0; limb < limbs - 1; limb++) {
    const place = wide + (<usize>limb << 3);
    const value = load<i64>(place);
    store<i64>(place, value & 0xffffffff);
    store<i64>(place, load<i64>(place, 8) + (value >> 32), 8);
  }
  store<u32>(wide, 0, additions);
}

function counted(wide: usize): void {
  const count = load<u32>(wide, additions) + 1;
  store<u32>(wide, count, additions);
  if (count >= 1 << 29) propagate(wide);
}

@inline function addDigit(place: usize, digit: u64, negative: bool): void {
  store<i64>(place, load<i64>(place) + (negative ? -<i64>digit : <i64>digit));
}

/** Adds a finite double. */
function addDouble(wide: usize, value: f64): void {
  const bits = reinterpret<u64>(value);
  const exponent = <i32>((bits >> 52) & 0x7ff);
  const fraction = bits & 0xfffffffffffff;
  const mantissa = exponent == 0 ? fraction : fraction | (1 << 52);
  if (mantissa == 0) return;
  addShifted(wide, mantissa, 0, max<i32>(exponent, 1) - 1 + 1074, <i64>bits < 0);
}

/** Adds a number of 128 bits at a position counted from the lowest bit there is. */
function addShifted(wide: usize, low: u64, high: u64, position: i32, negative: bool): void {
  const shift = <u64>(position & 31);
  const place = wide + (<usize>(position >> 5) << 3);
  const first = low << shift;
  const second = shift == 0 ? high : (high << shift) | (low >> (64 - shift));
  const third = shift == 0 ? 0 : high >> (64 - shift);
  addDigit(place, first & 0xffffffff, negative);
  addDigit(place + 8, first >> 32, negative);
  addDigit(place + 16, second & 0xffffffff, negative);
  addDigit(place + 24, second >> 32, negative);
  addDigit(place + 32, third, negative);
  counted(wide);
}

/** Adds the square of any double. */
function addSquare(wide: usize, value: f64): void {
  const bits = reinterpret<u64>(value);
  const exponent = <i32>((bits >> 52) & 0x7ff);
  if (exponent == 0x7ff) {
    store<u32>(wide, 1, flag);
    return;
  }
  const fraction = bits & 0xfffffffffffff;
  const mantissa = exponent == 0 ? fraction : fraction | (1 << 52);
  const a = mantissa & 0xffffffff, b = mantissa >> 32;
  const middle = a * b;
  const base = a * a;
  const low = base + (middle << 33);
  const high = b * b + (middle >> 31) + <u64>(low < base);
  addShifted(wide, low, high, (max<i32>(exponent, 1) - 1) << 1, false);
}

/** Adds a double of moderate size to the four. */
@inline function addPart(state: usize, value: f64, table: usize, group: u32): void {
  let rest = value;
  for (let at: usize = 0; at < 32; at += 8) {
    const kept = load<f64>(state + at);
    const sum = kept + rest;
    const part = sum - kept;
    rest = (kept - (sum - part)) + (rest - part);
    store<f64>(state + at, sum);
    if (rest == 0) return;
  }
  const wide = wideOf(table, group);
  for (let at: usize = 0; at < 32; at += 8) {
    addDouble(wide, load<f64>(state + at));
    store<f64>(state + at, 0);
  }
  addDouble(wide, rest);
}

/** Adds the squares of doubles. */
export function addSquares(values: usize, ids: usize, count: i32, states: usize, stride: usize, table: usize): void {
  for (let i = 0; i < count; i++) {
    const value = load<f64>(values + (<usize>i << 3));
    if (value == 0) continue;
    const group = load<u32>(ids + (<usize>i << 2));
    const size = abs(value);
    if (size >= least && size <= greatest) {
      const state = states + <usize>group * stride;
      const square = value * value;
      const scaled = value * 134217729;
      const high = scaled - (scaled - value);
      const low = value - high;
      addPart(state, square, table, group);
      addPart(state, ((high * high - square) + 2 * high * low) + low * low, table, group);
    } else {
      addSquare(wideOf(table, group), value);
    }
  }
}

/** States of another aggregation in this memory: its four doubles side by side each, and its table. */
export function mergeSquares(
  a: usize, b: usize, c: usize, d: usize, other: usize, first: u32, ids: usize, count: i32, states: usize, stride: usize, table: usize,
): void {
  for (let i = 0; i < count; i++) {
    const group = load<u32>(ids + (<usize>i << 2));
    const state = states + <usize>group * stride;
    const at = <usize>i << 3;
    addPart(state, load<f64>(a + at), table, group);
    addPart(state, load<f64>(b + at), table, group);
    addPart(state, load<f64>(c + at), table, group);
    addPart(state, load<f64>(d + at), table, group);
    const wide = wideIn(other, first + i);
    if (wide == 0) continue;
    const own = wideOf(table, group);
    propagate(own);
    propagate(wide);
    for (let limb = 0; limb < limbs; limb++) {
      const place = <usize>limb << 3;
      store<i64>(own + place, load<i64>(own + place) + load<i64>(wide + place));
    }
    counted(own);
    store<u32>(own, load<u32>(own, flag) | load<u32>(wide, flag), flag);
  }
}

/** Writes the sums of these groups one behind the other and their lengths. At most 546 bytes each. Returns how many in all. */
export function writeSquares(groups: usize, count: i32, states: usize, stride: usize, table: usize, lengths: usize, out: usize): i32 {
  const total = alloc(wideBytes);
  const start = out;
  for (let i = 0; i < count; i++) {
    const group = load<u32>(groups + (<usize>i << 2));
    const from = out;
    out = writeSquare(states + <usize>group * stride, wideIn(table, group), total, out);
    store<u32>(lengths + (<usize>i << 2), <u32>(out - from));
  }
  free(total, wideBytes);
  return <i32>(out - start);
}

function writeSquare(state: usize, wide: usize, total: usize, out: usize): usize {
  memory.fill(total, 0, wideBytes);
  if (wide != 0) {
    propagate(wide);
    memory.copy(total, wide, wideBytes);
  }
  if (load<u32>(total, flag)) {
    store<u16>(out, 1);
    return out + 2;
  }
  for (let at: usize = 0; at < 32; at += 8) addDouble(total, load<f64>(state + at));
  propagate(total);
  let low = 0;
  while (low < limbsUsed && load<i64>(total + (<usize>low << 3)) == 0) low++;
  let high = limbsUsed;
  while (high > low && load<i64>(total + (<usize>(high - 1) << 3)) == 0) high--;
  store<u8>(out, 0);
  store<u8>(out, low == high ? 0 : <u8>low, 1);
  out += 2;
  for (let limb = low; limb < high; limb++) {
    store<u32>(out, <u32>load<i64>(total + (<usize>limb << 3)));
    out += 4;
  }
  while (low < high && load<u8>(out - 1) == 0) out--;
  return out;
}

/** Sums as bytes in a table. Returns 0 where the bytes are no such sum. */
export function addSquareBytes(sums: usize, ids: usize, count: i32, states: usize, stride: usize, table: usize): i32 {
  for (let i = 0; i < count; i++) {
    const span = load<u64>(sums + (<usize>i << 3));
    const length = <i32>lengthOf(span);
    let bytes = addressOf(span);
    const group = load<u32>(ids + (<usize>i << 2));
    const state = states + <usize>group * stride;
    if (length < 2) return 0;
    let limb = <i32>load<u8>(bytes, 1);
    if (limb + ((length + 1) >> 2) > limbsUsed) return 0;
    if (load<u8>(bytes)) store<u32>(wideOf(table, group), 1, flag);
    const end = bytes + length;
    for (bytes += 2; bytes < end; bytes += 4) {
      const left = end - bytes;
      const digit = left >= 4 ? load<u32>(bytes) : load<u32>(bytes) & ((1 << (<u32>left << 3)) - 1);
      const exponent = (limb << 5) - 2148;
      if (exponent >= -1000 && exponent <= 900) {
        addPart(state, <f64>digit * reinterpret<f64>(<u64>(exponent + 1023) << 52), table, group);
      } else {
        const wide = wideOf(table, group);
        addDigit(wide + (<usize>limb << 3), digit, false);
        counted(wide);
      }
      limb++;
    }
  }
  return 1;
}
