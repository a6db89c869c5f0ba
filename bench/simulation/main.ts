/**
 * Is the policy worth its keep? `node build/bench/simulation/main.js` drives it through all workloads by several rules and prints
 * what each pays, against always materialized, always virtualized and the best in hindsight.
 */
import { type Line, narrowLine } from '../../src/modes/policy/rent-or-buy.ts';
import { randomOf } from '../support/random.ts';
import { alwaysMaterialized, alwaysVirtualized, bestInHindsight } from './hindsight.ts';
import { simulate } from './simulate.ts';
import { workloads } from './workloads.ts';

const lines: Readonly<Record<string, Line>> = {
  'narrow dice': narrowLine,
  'no dice': () => 1,
  /** Against those who do not know the dice the best there is: density e^x / (e − 1). */
  'wide dice': (dice) => Math.log(1 + dice * (Math.E - 1)),
};

const size = Number(process.argv[2] ?? 10);
const heads = ['workload', 'virtualized', 'materialized', ...Object.keys(lines)];
console.log(`times the best in hindsight\n${heads.map((head, i) => (i === 0 ? head.padEnd(56) : head.padStart(13))).join('')}`);
const count = workloads(1, randomOf(1)).length;
for (let i = 0; i < count; i++) {
  const cells = Object.values(lines).map((line) => {
    const workload = workloads(size, randomOf(1))[i]!;
    const { totalMs, events } = simulate(workload, line, randomOf(2));
    return { workload, events, best: bestInHindsight(workload.sizes, events), totalMs };
  });
  const { workload, events, best } = cells[0]!;
  const ratios = [alwaysVirtualized(workload.sizes, events) / best, alwaysMaterialized(workload.sizes, events) / best, ...cells.map((cell) => cell.totalMs / cell.best)];
  console.log(workload.name.padEnd(56) + ratios.map((ratio) => ratio.toFixed(2).padStart(13)).join(''));
}
