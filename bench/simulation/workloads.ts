/** Who reads what, and what happens to the sources meanwhile. Every workload is the same in every run with one seed. */
import type { View, Workload } from './simulate.ts';
import type { Event, SetSize } from './world.ts';

const minuteMs = 60_000;

/** Costs vary: mostly a little, sometimes a read meets a pause. */
function luckOf(random: () => number): number {
  return random() < 0.02 ? 1 + 4 * random() : 0.85 + 0.3 * random();
}

function sizesOf(count: number, random: () => number): SetSize[] {
  return Array.from({ length: count }, () => {
    const rows = Math.round(10 ** (5 + 2.3 * random()));
    return { rows, entities: Math.round(rows * 10 ** (-4 + 3.5 * random())) + 1 };
  });
}

function fixed(name: string, sizes: readonly SetSize[], events: readonly Event[]): Workload {
  return { name, sizes, next: (_, count) => events[count] };
}

/** A few sets have all reads, for long; now and then a source grows a little. */
export function steadyHotSet(reads: number, random: () => number): Workload {
  const sizes = [{ rows: 100_000, entities: 5_000 }, { rows: 300_000, entities: 2_000 }, { rows: 50_000, entities: 20_000 }];
  const events: Event[] = [];
  for (let i = 0; i < reads; i++) {
    const set = Math.floor(random() * sizes.length);
    events.push({ kind: 'read', atMs: i * minuteMs, set, luck: luckOf(random) });
    if (i % 500 === 499) events.push({ kind: 'append', atMs: i * minuteMs, set, rows: 1_000 });
  }
  return fixed('steady hot set', sizes, events);
}

/** The sets that are read change over time. */
export function driftingHotSet(reads: number, random: () => number): Workload {
  const events: Event[] = [];
  const count = 20;
  for (let i = 0; i < reads; i++) {
    const hot = Math.floor((i / reads) * count);
    const set = random() < 0.9 ? (hot + Math.floor(random() * 3)) % count : Math.floor(random() * count);
    events.push({ kind: 'read', atMs: i * minuteMs, set, luck: luckOf(random) });
    if (random() < 0.02) events.push({ kind: 'append', atMs: i * minuteMs, set, rows: 50_000 });
  }
  return fixed('drifting hot set', sizesOf(count, random), events);
}

/** Every set is read once, or a few times. */
export function oneScan(sets: number, times: number, random: () => number): Workload {
  const events = Array.from({ length: sets * times }, (_, i): Event => ({ kind: 'read', atMs: i * minuteMs, set: i % sets, luck: luckOf(random) }));
  return fixed(`each set read ${times === 1 ? 'once' : `${times} times`}`, sizesOf(sets, random), events);
}

/** Nothing for long, then many reads at once; between bursts the source is written anew, as by a nightly job. */
export function bursts(count: number, random: () => number): Workload {
  const events: Event[] = [];
  for (let burst = 0; burst < count; burst++) {
    const set = burst % 5;
    const startMs = burst * 600 * minuteMs;
    events.push({ kind: 'rewrite', atMs: startMs, set, share: 1 });
    const reads = Math.ceil(random() ** 2 * 40);
    for (let i = 0; i < reads; i++) events.push({ kind: 'read', atMs: startMs + (i + 1) * 15_000, set, luck: luckOf(random) });
  }
  return fixed('bursts', sizesOf(5, random), events);
}

/** After each read the source is another. */
export function changesAfterEachRead(reads: number, how: 'grows' | 'is rewritten' | 'is rewritten in part', random: () => number): Workload {
  const sizes = sizesOf(4, random);
  const events: Event[] = [];
  for (let i = 0; i < reads; i++) {
    const set = i % sizes.length;
    const atMs = i * minuteMs;
    events.push({ kind: 'read', atMs, set, luck: luckOf(random) });
    if (how === 'grows') events.push({ kind: 'append', atMs, set, rows: Math.ceil(sizes[set]!.rows / 100) });
    else events.push({ kind: 'rewrite', atMs, set, share: how === 'is rewritten' ? 1 : 0.02 });
  }
  return fixed(`source ${how} after each read`, sizes, events);
}

/** Large sets of which materializing costs from little more than a read to many times as much. */
const adversarySizes = (sets: number): SetSize[] =>
  Array.from({ length: sets }, (_, i) => ({ rows: 2_000_000, entities: Math.round(10 ** (2 + (i % 9) / 2)) }));

/** Knows the rule, not the dice: so many reads, then the source is written anew, and so on. */
export function periodicAdversary(reads: number, rounds: number): Workload {
  const sizes = adversarySizes(9);
  const events: Event[] = [];
  for (let round = 0; round < rounds; round++) {
    for (let set = 0; set < sizes.length; set++) {
      for (let i = 0; i < reads; i++) events.push({ kind: 'read', atMs: events.length * minuteMs, set, luck: 1 });
      events.push({ kind: 'rewrite', atMs: events.length * minuteMs, set, share: 1 });
    }
  }
  return fixed(`adversary: rewritten after each ${reads} reads`, sizes, events);
}

/** Watches: as soon as a set was materialized, its source is written anew; or it is never read again. */
export function watchingAdversary(what: 'rewrites' | 'leaves', eventsMax: number): Workload {
  const sizes = adversarySizes(what === 'rewrites' ? 9 : 200);
  const answered = sizes.map(() => 0);
  let set = 0;
  const next = ({ nowMs, purchases }: View, count: number): Event | undefined => {
    if (count >= eventsMax || set >= sizes.length) return undefined;
    const atMs = nowMs + minuteMs;
    if (purchases[set]! > answered[set]!) {
      answered[set]!++;
      if (what === 'rewrites') return { kind: 'rewrite', atMs, set, share: 1 };
      set++;
    } else if (what === 'rewrites') set = (set + 1) % sizes.length;
    return set < sizes.length ? { kind: 'read', atMs, set, luck: 1 } : undefined;
  };
  return { name: `adversary: ${what} what was just materialized`, sizes, next };
}

/** All of them; `size` 1 is a test's, 10 a bench's. */
export function workloads(size: number, random: () => number): Workload[] {
  return [
    steadyHotSet(32_000 * size, random),
    driftingHotSet(600 * size, random),
    oneScan(40 * size, 1, random),
    oneScan(20 * size, 4, random),
    bursts(30 * size, random),
    changesAfterEachRead(200 * size, 'grows', random),
    changesAfterEachRead(200 * size, 'is rewritten', random),
    changesAfterEachRead(200 * size, 'is rewritten in part', random),
    ...[1, 2, 3, 4, 5, 6, 8, 12].map((reads) => periodicAdversary(reads, 10 * size)),
    watchingAdversary('rewrites', 600 * size),
    watchingAdversary('leaves', 600 * size),
  ];
}
