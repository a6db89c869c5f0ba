/**
 * Side by side in one run: contenders take turns, so that a noisy machine is noisy for all; ratios of medians count.
 *
 * Each runs once unmeasured. No garbage is collected by force between rounds: that was seen to throw compiled code away,
 * and to slow the run after it.
 */
export interface Timing {
  readonly name: string;
  readonly minimumMs: number;
  readonly medianMs: number;
  readonly rounds: number;
}

const slowMs = 2_000;
const slowRounds = 2;

/** Contenders that take two seconds or more run twice, the others `rounds` times. */
export async function measure(contenders: ReadonlyMap<string, () => Promise<unknown>>, rounds: number): Promise<Timing[]> {
  const wanted = new Map<string, number>();
  for (const [name, run] of contenders) wanted.set(name, (await timed(run)) < slowMs ? rounds : Math.min(rounds, slowRounds));
  const times = new Map<string, number[]>([...contenders.keys()].map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, run] of contenders) {
      if (round < wanted.get(name)!) times.get(name)!.push(await timed(run));
    }
  }
  return [...times].map(([name, all]) => ({ name, minimumMs: Math.min(...all), medianMs: median(all), rounds: all.length }));
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
