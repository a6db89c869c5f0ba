/** Words side by side in memory: u32, and i64 that are times. */

@inline export function timeAt(times: usize, i: u32): i64 {
  return load<i64>(times + (<usize>i << 3));
}

@inline export function wordAt(words: usize, i: u32): u32 {
  return load<u32>(words + (<usize>i << 2));
}

/** How many of the points [from, end), which ascend, are at or before a time, and `from`. */
export function countUpTo(points: usize, from: u32, end: u32, time: i64): u32 {
  while (from < end) {
    const middle = (from + end) >> 1;
    if (timeAt(points, middle) <= time) from = middle + 1;
    else end = middle;
  }
  return from;
}

/** From how many rows each of `parts` parts has, at `starts` + 4 on (0 before them): where each begins. */
@inline export function sumUp(starts: usize, parts: i32): void {
  for (let part = 0; part < parts; part++) {
    const place = starts + (<usize>part << 2);
    store<u32>(place, load<u32>(place) + load<u32>(place, 4), 4);
  }
}

/** Back to where each part begins, after each start was counted up to the next one. */
@inline export function backToStarts(starts: usize, parts: i32): void {
  for (let part = parts; part > 0; part--) store<u32>(starts + (<usize>part << 2), load<u32>(starts + (<usize>(part - 1) << 2)));
  store<u32>(starts, 0);
}
