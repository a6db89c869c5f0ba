/** Side by side in one run: contenders take turns, so that a noisy machine is noisy for all; ratios of medians count. */

export interface Timing {
  readonly name: string;
  readonly minimumMs: number;
  readonly medianMs: number;
}

/** Runs every contender once unmeasured, then `rounds` times in turn. */
export async function measure(contenders: Readonly<Record<string, () => Promise<unknown>>>, rounds: number): Promise<Timing[]> {
  const times = new Map(Object.keys(contenders).map((name) => [name, [] as number[]]));
  for (let round = -1; round < rounds; round++) {
    for (const [name, run] of Object.entries(contenders)) {
      const start = performance.now();
      await run();
      if (round >= 0) times.get(name)!.push(performance.now() - start);
    }
  }
  return [...times].map(([name, all]) => {
    const sorted = [...all].sort((a, b) => a - b);
    return { name, minimumMs: sorted[0]!, medianMs: sorted[sorted.length >> 1]! };
  });
}

/** A readable table: times of each contender, and how many times as fast the first one is. */
export function report(question: string, timings: readonly Timing[]): void {
  console.log(`\n${question}`);
  const width = Math.max(...timings.map(({ name }) => name.length));
  for (const { name, minimumMs, medianMs } of timings) {
    const ratio = medianMs / timings[0]!.medianMs;
    console.log(`  ${name.padEnd(width)}  min ${ms(minimumMs)}  median ${ms(medianMs)}  ${ratio.toFixed(2)}×`);
  }
}

function ms(value: number): string {
  return `${value.toFixed(value < 10 ? 1 : 0).padStart(6)} ms`;
}

export const toy = process.argv.includes('--toy');

/** The same numbers in every run (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
