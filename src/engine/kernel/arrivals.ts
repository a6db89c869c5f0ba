/**
 * Events that arrive later than they happen, among the points in time of entities (asof.ts): two stretches each.
 *
 *   points   ──┬─────────┬──────┬──         of the event's entity
 *   event        x  happens, in stretch i
 *   arrival               y                 it is known in stretch j ≥ i and after
 *   cell       j · 2^32 + i
 *
 * An event that arrives before it happens is known when it happens.
 */

@inline function timeAt(times: usize, i: u32): i64 {
  return load<i64>(times + (<usize>i << 3));
}

@inline function wordAt(words: usize, i: u32): u32 {
  return load<u32>(words + (<usize>i << 2));
}

/** How many of `length` ascending points are at or before a time. */
@inline function passedOf(points: usize, length: u32, time: i64): u32 {
  let low: u32 = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (timeAt(points, middle) <= time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The cell of each event, as an i64 in `cells`, and its row in `outRows`: of events of known entities that happen in a stretch
 * which is `wanted` (a byte each; 0: all are) and are known before their entity's last point. `rows` 0: all. Returns how many; `outRows`
 * may not be `rows`. `starts` has an end behind the last entity.
 */
export function locateArrivals(
  entities: usize, times: usize, arrivals: usize, rows: usize, count: i32, entityCount: u32, starts: usize, points: usize, wanted: usize,
  outRows: usize, cells: usize,
): i32 {
  let kept: usize = 0;
  for (let i: u32 = 0; i < <u32>count; i++) {
    const entity = wordAt(entities, i);
    if (entity >= entityCount) continue;
    const start = wordAt(starts, entity);
    const length = wordAt(starts, entity + 1) - start;
    const own = points + (<usize>start << 3);
    const time = timeAt(times, i);
    const happened = passedOf(own, length, time);
    if (happened == length || (wanted != 0 && load<u8>(wanted + start + happened) == 0)) continue;
    const known = happened + passedOf(own + (<usize>happened << 3), length - happened, max<i64>(time, timeAt(arrivals, i)));
    if (known == length) continue;
    store<u32>(outRows + (kept << 2), rows == 0 ? i : wordAt(rows, i));
    store<u64>(cells + (kept << 3), (<u64>(start + known) << 32) | <u64>(start + happened));
    kept++;
  }
  return <i32>kept;
}
