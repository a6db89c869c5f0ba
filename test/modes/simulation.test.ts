/**
 * What the policy pays, against the best in hindsight, at toy size. `bench/simulation/main.ts` says it at full size, and for other
 * rules.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { alwaysMaterialized, alwaysVirtualized, bestInHindsight } from '../../bench/simulation/hindsight.ts';
import { simulate, type Workload } from '../../bench/simulation/simulate.ts';
import { watchingAdversary, workloads } from '../../bench/simulation/workloads.ts';
import { changed, type Event, isCurrent, machine, type SetSize, type SourceState, truthMs, worksOf } from '../../bench/simulation/world.ts';
import { narrowLine } from '../../src/modes/policy/rent-or-buy.ts';
import { defaultThroughputs } from '../../src/modes/throughput.ts';
import { randomOf } from './support.ts';

function ratioOf(workload: Workload, seed: number): number {
  const { totalMs, events } = simulate(workload, narrowLine, randomOf(seed));
  return totalMs / bestInHindsight(workload.sizes, events);
}

test('no workload makes the policy pay more than 2.2 times the best in hindsight, and the steady hot set at most 1.1 times', () => {
  for (const seed of [1, 2, 3]) {
    for (const workload of workloads(1, randomOf(seed))) {
      const ratio = ratioOf(workload, seed + 10);
      const most = workload.name === 'steady hot set' ? 1.1 : 2.2;
      assert.ok(ratio >= 0.999 && ratio <= most, `${workload.name}: ${ratio.toFixed(3)} times the best, seed ${seed}`);
    }
  }
});

test('an adversary that chooses the size of the set and when to write its source anew', () => {
  for (const entities of [100, 10_000, 100_000, 400_000, 1_600_000]) {
    for (const reads of [1, 2, 3, 4, 5, 7]) {
      const events = Array.from({ length: 40 * (reads + 1) }, (_, i): Event => {
        const at = { atMs: i * 60_000, set: 0 };
        return i % (reads + 1) === reads ? { ...at, kind: 'rewrite', share: 1 } : { ...at, kind: 'read', luck: 1 };
      });
      const workload = { name: `${entities} entities, ${reads} reads`, sizes: [{ rows: 2_000_000, entities }], next: (_: unknown, i: number) => events[i] };
      const ratio = ratioOf(workload, entities + reads);
      assert.ok(ratio <= 2.2, `${workload.name}: ${ratio.toFixed(3)}`);
    }
  }
});

test('neither of the simple modes would do', () => {
  const all = workloads(1, randomOf(1)).filter(({ name }) => !name.startsWith('adversary'));
  const worst = (cost: typeof alwaysVirtualized): number => Math.max(...all.map((workload) => {
    const { events } = simulate(workload, narrowLine, randomOf(2));
    return cost(workload.sizes, events) / bestInHindsight(workload.sizes, events);
  }));
  assert.ok(worst(alwaysVirtualized) > 5);
  assert.ok(worst(alwaysMaterialized) > 2.2);
});

test('an adversary that watches is one: it makes purchases vain', () => {
  const { purchases, events } = simulate(watchingAdversary('rewrites', 300), narrowLine, randomOf(1));
  assert.ok(purchases > 5);
  const rewrites = events.filter(({ kind }) => kind === 'rewrite').length;
  assert.ok(rewrites >= purchases - 1 && rewrites <= purchases);
});

test('the machine is not the one that the defaults are of', () => {
  for (const kind of ['source', 'materialize'] as const) assert.ok(machine[kind].rowNs > 2 * defaultThroughputs[kind].rowNs);
});

/** Tries every choice of moments to materialize at. */
function bruteForce(size: SetSize, events: readonly Event[]): number {
  let least = Infinity;
  for (let choice = 0; choice < 2 ** events.length; choice++) {
    let stored: SourceState | undefined;
    let source: SourceState = { rows: size.rows, rewrites: 0 };
    let total = 0;
    events.forEach((event, i) => {
      const before = worksOf(size, source, stored);
      if ((choice >> i) & 1) {
        total += truthMs(before.materialize);
        stored = source;
      }
      const { fresh, merged, source: all } = worksOf(size, source, stored);
      const roads = [truthMs(all), ...(merged === undefined ? [] : [truthMs(merged)])];
      if (event.kind === 'read') total += event.luck * (isCurrent(source, stored) ? truthMs(fresh) : Math.min(...roads));
      source = changed(source, event);
    });
    least = Math.min(least, total);
  }
  return least;
}

test('the best in hindsight is the best of all choices', () => {
  const kind = fc.constantFrom('read', 'read', 'read', 'append', 'rewrite');
  const size = fc.record({ rows: fc.constantFrom(10_000, 1_000_000), entities: fc.constantFrom(10, 100_000) });
  fc.assert(fc.property(size, fc.array(fc.tuple(kind, fc.integer({ min: 1, max: 9 })), { maxLength: 9 }), (of, drawn) => {
    const events = drawn.map(([what, n], i): Event => {
      const at = { atMs: i, set: 0 };
      if (what === 'read') return { ...at, kind: 'read', luck: n / 3 };
      return what === 'append' ? { ...at, kind: 'append', rows: n * 50_000 } : { ...at, kind: 'rewrite', share: 1 };
    });
    const best = bestInHindsight([of], events);
    assert.ok(Math.abs(best - (events.length === 0 ? 0 : bruteForce(of, events))) < 1e-6 * (1 + best));
    assert.ok(best <= alwaysVirtualized([of], events) + 1e-6 && best <= alwaysMaterialized([of], events) + 1e-6);
  }), { numRuns: 200 });
});
