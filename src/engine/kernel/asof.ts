/**
 * Points in time of entities, and which stretch between two of them an event lies in.
 *
 *   starts   u32 per entity, and one more: where its points begin
 *   points   | points of entity 0, ascending | points of entity 1 | …     i64, in the unit of the event time
 *   stretch  number i is the time before point i, from the entity's point before it on (from the beginning for its first)
 *
 * Events at or after an entity's last point lie in no stretch.
 */
import { alloc, free } from './memory';

const none: u32 = 0xffffffff;
/** Up to so many points of an entity are sorted by insertion. */
const insertedMost: u32 = 24;
/** Parts that entities are ordered by. */
const partsMost: usize = 64;

@inline function timeAt(times: usize, i: u32): i64 {
  return load<i64>(times + (<usize>i << 3));
}

@inline function wordAt(words: usize, i: u32): u32 {
  return load<u32>(words + (<usize>i << 2));
}

/**
 * ⌈(time · multiplier − back) / divisor⌉ of each time, and at most `last`. What does not fit 64 bits on the way is the
 * least or greatest there is.
 */
export function pointsBefore(times: usize, count: i32, multiplier: i64, back: i64, divisor: i64, last: i64, out: usize): void {
  const greatest = i64.MAX_VALUE / multiplier;
  for (let i = 0; i < count; i++) {
    const time = timeAt(times, i);
    let point = time > greatest ? i64.MAX_VALUE : time < -greatest ? i64.MIN_VALUE : time * multiplier;
    point = point < i64.MIN_VALUE + back ? i64.MIN_VALUE : point - back;
    if (divisor != 1) point = point / divisor + i64(point > 0 && point % divisor != 0);
    store<i64>(out + (<usize>i << 3), min<i64>(point, last));
  }
}

/**
 * Sorts `count` points by entity and time, each once. `entities` says whose each is (0xffffffff: nobody's), `places` hears
 * which of the sorted points it is. Fills `starts`; returns how many points are left in `points`.
 */
export function sortPoints(entities: usize, times: usize, count: i32, entityCount: i32, starts: usize, points: usize, places: usize): i32 {
  memory.fill(starts, 0, (<usize>entityCount + 1) << 2);
  for (let i = 0; i < count; i++) {
    const entity = wordAt(entities, i);
    if (entity == none) continue;
    const place = starts + (<usize>entity << 2);
    store<u32>(place, load<u32>(place) + 1);
  }
  let total: u32 = 0;
  for (let entity = 0; entity < entityCount; entity++) {
    const place = starts + (<usize>entity << 2);
    const own = load<u32>(place);
    store<u32>(place, total);
    total += own;
  }
  store<u32>(starts + (<usize>entityCount << 2), total);
  // Which point stands where. Each start moves to its end meanwhile.
  const bytes = max<usize>(<usize>total << 2, 16);
  const order = alloc(bytes);
  for (let i = 0; i < count; i++) {
    const entity = wordAt(entities, i);
    if (entity == none) continue;
    const place = starts + (<usize>entity << 2);
    const at = load<u32>(place);
    store<u32>(order + (<usize>at << 2), i);
    store<i64>(points + (<usize>at << 3), timeAt(times, i));
    store<u32>(place, at + 1);
  }
  let start: u32 = 0;
  let kept: u32 = 0;
  for (let entity = 0; entity < entityCount; entity++) {
    const place = starts + (<usize>entity << 2);
    const end = load<u32>(place);
    sortOwn(points + (<usize>start << 3), order + (<usize>start << 2), end - start);
    store<u32>(place, kept);
    for (let i = start; i < end; i++) {
      const time = timeAt(points, i);
      if (i == start || time != timeAt(points, kept - 1)) {
        store<i64>(points + (<usize>kept << 3), time);
        kept++;
      }
      store<u32>(places + (<usize>wordAt(order, i) << 2), kept - 1);
    }
    start = end;
  }
  store<u32>(starts + (<usize>entityCount << 2), kept);
  free(order, bytes);
  return kept;
}

/** Sorts the points of one entity, and what goes with them. */
function sortOwn(points: usize, order: usize, count: u32): void {
  if (count > insertedMost && !isAscending(points, count)) {
    sortHeap(points, order, count);
    return;
  }
  for (let i: u32 = 1; i < count; i++) {
    const time = timeAt(points, i);
    if (timeAt(points, i - 1) <= time) continue;
    const place = wordAt(order, i);
    let at = i;
    for (; at > 0 && timeAt(points, at - 1) > time; at--) put(points, order, at, timeAt(points, at - 1), wordAt(order, at - 1));
    put(points, order, at, time, place);
  }
}

function isAscending(points: usize, count: u32): bool {
  for (let i: u32 = 1; i < count; i++) if (timeAt(points, i) < timeAt(points, i - 1)) return false;
  return true;
}

@inline function put(points: usize, order: usize, i: u32, time: i64, place: u32): void {
  store<i64>(points + (<usize>i << 3), time);
  store<u32>(order + (<usize>i << 2), place);
}

function sortHeap(points: usize, order: usize, count: u32): void {
  for (let i = count >> 1; i > 0; i--) sink(points, order, i - 1, count);
  for (let end = count - 1; end > 0; end--) {
    const time = timeAt(points, end);
    const place = wordAt(order, end);
    put(points, order, end, timeAt(points, 0), wordAt(order, 0));
    put(points, order, 0, time, place);
    sink(points, order, 0, end);
  }
}

function sink(points: usize, order: usize, root: u32, count: u32): void {
  const time = timeAt(points, root);
  const place = wordAt(order, root);
  let at = root;
  for (let child = (at << 1) + 1; child < count; child = (at << 1) + 1) {
    if (child + 1 < count && timeAt(points, child + 1) > timeAt(points, child)) child++;
    if (timeAt(points, child) <= time) break;
    put(points, order, at, timeAt(points, child), wordAt(order, child));
    at = child;
  }
  put(points, order, at, time, place);
}

/** The most points that an entity has. */
export function pointsMost(starts: usize, entityCount: i32): i32 {
  let most: u32 = 0;
  for (let entity: u32 = 0; entity < <u32>entityCount; entity++) most = max<u32>(most, wordAt(starts, entity + 1) - wordAt(starts, entity));
  return <i32>most;
}

/** The bit of a time: of 64 equal parts from `base` on, which. Never decreases as time goes on, however it rounds. */
@inline function partOf(time: i64, base: i64, scale: f64): i32 {
  return max<i32>(0, min<i32>(63, <i32>(<f64>(time - base) * scale)));
}

/**
 * Which parts of time an entity's wanted stretches touch, a u64 each, and 0 for the one behind the last. None of them may be an
 * entity's first, which has no beginning. Returns how many bits are set.
 */
export function markParts(starts: usize, entityCount: i32, points: usize, wanted: usize, base: i64, scale: f64, masks: usize): f64 {
  let set: f64 = 0;
  for (let entity: u32 = 0; entity < <u32>entityCount; entity++) {
    const start = wordAt(starts, entity);
    const end = wordAt(starts, entity + 1);
    let mask: u64 = 0;
    for (let i = start + 1; i < end; i++) {
      if (load<u8>(wanted + i) == 0) continue;
      const first = partOf(timeAt(points, i - 1), base, scale);
      const last = partOf(timeAt(points, i), base, scale);
      mask |= (u64.MAX_VALUE << first) & (u64.MAX_VALUE >> (63 - last));
    }
    store<u64>(masks + (<usize>entity << 3), mask);
    set += <f64>popcnt<u64>(mask);
  }
  store<u64>(masks + (<usize>entityCount << 3), 0);
  return set;
}

/** Of `count` events those that lie in a marked part, as positions in `out`: what is left may be of no stretch, what is not is of none. */
export function mightLocate(
  entities: usize, times: usize, count: i32, entityCount: u32, base: i64, scale: f64, masks: usize, out: usize,
): i32 {
  let kept: usize = 0;
  for (let i = 0; i < count; i++) {
    const over = <i32>(wordAt(entities, i) - entityCount);
    const entity = entityCount + <u32>(over & (over >> 31));
    store<u32>(out + (kept << 2), i);
    kept += <usize>((load<u64>(masks + (<usize>entity << 3)) >> partOf(timeAt(times, i), base, scale)) & 1);
  }
  return <i32>kept;
}

/**
 * The positions of events (`some`; 0: all) in the order of their entities, roughly: by `entity >> shift`, which is below `partsMost`,
 * and as they were within. Those of entities that are not known are left out. Returns how many there are.
 *
 * What follows then touches the points and states of few entities at a time, whose pages the processor knows where to find.
 */
export function orderByEntity(entities: usize, some: usize, count: i32, entityCount: u32, shift: u32, out: usize): i32 {
  const ends = alloc((partsMost + 1) << 2);
  memory.fill(ends, 0, (partsMost + 1) << 2);
  for (let n = 0; n < count; n++) {
    const place = ends + (<usize>partOfEntity(entities, some, n, entityCount, shift) << 2);
    store<u32>(place, load<u32>(place) + 1);
  }
  let start: u32 = 0;
  for (let part: u32 = 0; part < <u32>partsMost; part++) {
    const place = ends + (<usize>part << 2);
    const own = load<u32>(place);
    store<u32>(place, start);
    start += own;
  }
  // Those that are not known go behind the others.
  store<u32>(ends + (<usize>partsMost << 2), start);
  for (let n = 0; n < count; n++) {
    const place = ends + (<usize>partOfEntity(entities, some, n, entityCount, shift) << 2);
    const at = load<u32>(place);
    store<u32>(out + (<usize>at << 2), some == 0 ? <u32>n : wordAt(some, n));
    store<u32>(place, at + 1);
  }
  free(ends, (partsMost + 1) << 2);
  return <i32>start;
}

@inline function partOfEntity(entities: usize, some: usize, n: u32, entityCount: u32, shift: u32): u32 {
  const entity = wordAt(entities, some == 0 ? n : wordAt(some, n));
  return entity < entityCount ? entity >> shift : <u32>partsMost;
}

/**
 * The stretch that each event lies in, as an i64 in `stretches`, and its row in `outRows`: of events of known entities that lie
 * in a stretch which is `wanted` (a byte each; 0: all are). `rows` 0: all. `some`: positions of the events to look at; 0: all.
 * Returns how many; `outRows` may not be `rows`.
 *
 * `starts` has a second end behind the first, so that unknown entities have no points. `most`: the most points that any has.
 * The search takes as many steps for all events and no branch depends on them, so that waits for memory overlap; sums and
 * masks, since the engine makes a branch of a choice.
 */
export function locate(
  entities: usize, times: usize, rows: usize, some: usize, count: i32, entityCount: u32, starts: usize, points: usize, most: u32, wanted: usize,
  outRows: usize, stretches: usize,
): i32 {
  const steps = most == 0 ? 0 : <u32>1 << (31 - clz<u32>(most));
  let kept: usize = 0;
  for (let n = 0; n < count; n++) {
    const i = some == 0 ? <u32>n : wordAt(some, n);
    const entity = min<u32>(wordAt(entities, i), entityCount);
    const start = wordAt(starts, entity);
    const length = wordAt(starts, entity + 1) - start;
    const time = timeAt(times, i);
    const before = points + (<usize>start << 3) - 8;
    // How many points there are at or before it.
    let passed: u32 = 0;
    for (let step = steps; step > 0; step >>= 1) {
      const beyond = <i32>(passed + step - length);
      const probe = length + <u32>(beyond & (beyond >> 31));
      const isBefore = u32(load<i64>(before + (<usize>probe << 3)) <= time);
      passed += (probe - passed) & (0 - isBefore);
    }
    store<u32>(outRows + (kept << 2), rows == 0 ? i : wordAt(rows, i));
    store<i64>(stretches + (kept << 3), <i64>(start + passed));
    kept += <usize>(u32(passed < length) & (wanted == 0 ? 1 : <u32>load<u8>(wanted + start + passed)));
  }
  return <i32>kept;
}
