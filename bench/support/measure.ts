/**
 * Side by side in one run: contenders take turns, so that a noisy machine is noisy for all; ratios of medians count.
 *
 * Each runs unmeasured at first, four times at the least, and for two seconds where more than a few rounds are asked for, but for the slow: JavaScript and
 * WebAssembly are compiled for speed while they run, on every thread, which is done after some fifty runs of a question of 50 ms. No garbage is collected by force
 * between rounds: that was seen to throw compiled code away, and to slow the run after it.
 */
export interface Timing {
  readonly name: string;
  readonly minimumMs: number;
  readonly medianMs: number;
  readonly rounds: number;
}

export interface Runner {
  run(): Promise<unknown>;
  /** Runs twice, and is not warmed up. */
  readonly isSlow?: boolean;
}

const slowRounds = 2;
/** From so many rounds on it is about how long it takes. */
const roundsLeast = 5;
/** `ms`: where it is about how long it takes. */
const warmUp = { runs: 4, ms: 2_000 } as const;
/** Rounds beyond those that are asked for, where they are short. */
const more = { rounds: 15, ms: 5_000 } as const;

/** `rounds`: at the least. */
export async function measure(runners: ReadonlyMap<string, Runner>, rounds: number): Promise<Timing[]> {
  const isTimed = rounds >= roundsLeast;
  const enough = isTimed ? warmUp.ms : 0;
  for (const { run, isSlow } of runners.values()) {
    let [runs, ms] = [0, 0];
    for (; !isSlow && (runs < warmUp.runs || ms < enough); runs++) ms += await timed(run);
  }
  const times = new Map<string, number[]>([...runners.keys()].map((name) => [name, []]));
  const start = performance.now();
  const hasTime = (round: number): boolean => isTimed && round < more.rounds && performance.now() - start < more.ms;
  for (let round = 0; round < rounds || hasTime(round); round++) {
    for (const [name, { run, isSlow }] of runners) {
      if (!isSlow || round < slowRounds) times.get(name)!.push(await timed(run));
    }
  }
  return [...times].map(([name, all]) => ({ name, minimumMs: Math.min(...all), medianMs: median(all), rounds: all.length }));
}

async function timed(run: Runner['run']): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
