/** Minima and maxima as 64-bit keys that order as the values do (state.ts). */

/** A 64-bit key that orders as doubles do; −0 counts as 0, every NaN as one, above +∞. */
@inline export function orderOf(value: f64): i64 {
  const bits = value == value ? reinterpret<i64>(value + 0.0) : 0x7ff8000000000000;
  return bits ^ ((bits >> 63) & 0x7fffffffffffffff);
}

/** The value of a key as 64 bits: of a double, or of an integer whose sign was flipped by `flip`. */
@inline export function wordOf(key: i64, isDouble: i32, flip: i64): i64 {
  return isDouble != 0 ? key ^ ((key >> 63) & 0x7fffffffffffffff) : key ^ flip;
}

// No branch: a wrong guess would be found out only when the group's cache line has come.

@inline export function keepLess(state: usize, key: i64): void {
  const kept = load<i64>(state);
  store<i64>(state, select<i64>(key, kept, key < kept));
}

@inline export function keepGreater(state: usize, key: i64): void {
  const kept = load<i64>(state);
  store<i64>(state, select<i64>(key, kept, key > kept));
}

/** All bits where a pair of words wins: by the first, or by the second where those are the same. */
@inline export function wins(byFirst: v128, isSame: v128, bySecond: v128): v128 {
  return v128.or(
    v128.shuffle<i64>(byFirst, byFirst, 0, 0),
    v128.and(v128.shuffle<i64>(isSame, isSame, 0, 0), v128.shuffle<i64>(bySecond, bySecond, 1, 1)),
  );
}
