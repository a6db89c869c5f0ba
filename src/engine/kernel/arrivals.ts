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
import { countUpTo, timeAt, wordAt } from './words';

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
    const end = wordAt(starts, entity + 1);
    const time = timeAt(times, i);
    const happened = countUpTo(points, wordAt(starts, entity), end, time);
    if (happened == end || (wanted != 0 && load<u8>(wanted + happened) == 0)) continue;
    const known = countUpTo(points, happened, end, max<i64>(time, timeAt(arrivals, i)));
    if (known == end) continue;
    store<u32>(outRows + (kept << 2), rows == 0 ? i : wordAt(rows, i));
    store<u64>(cells + (kept << 3), (<u64>known << 32) | <u64>happened);
    kept++;
  }
  return <i32>kept;
}
