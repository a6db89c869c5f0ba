// What the fuzzing scripts share: numbers by a seed, a bit that is flipped, and what counts as a finding.
import assert from 'node:assert/strict';
import { FeatureStoreError } from '../build/src/base/errors.js';

/** Of the processor, since the machine may be at other work. What waits for nothing to come ends the process: Node says so (code 13). */
const processorMsMax = 5_000;
const grownBytesMax = 512 * 1024 * 1024;

/** Of one run; the same seed finds the same. */
export function fuzzing(seed) {
  let state = seed >>> 0;
  let slowest = 0;
  const below = (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  return {
    below,
    pick: (list) => list[below(list.length)],
    slowestMs: () => Math.round(slowest),
    /** What reading gives, or undefined for an error of ours. Anything else is a finding. */
    async attempt(what, read) {
      const before = process.cpuUsage();
      try {
        return await read();
      } catch (thrown) {
        if (!(thrown instanceof FeatureStoreError) || thrown.tag === 'Invariant') throw new Error(`${what} (seed ${seed}): ${thrown?.stack ?? thrown}`, { cause: thrown });
        return undefined;
      } finally {
        const { user, system } = process.cpuUsage(before);
        const worked = (user + system) / 1_000;
        slowest = Math.max(slowest, worked);
        assert.ok(worked < processorMsMax, `${what} (seed ${seed}): ${worked} ms of the processor`);
      }
    },
  };
}

export function flipped(bytes, bit) {
  const changed = bytes.slice();
  changed[bit >> 3] ^= 1 << (bit & 7);
  return changed;
}

/** Does the works in turn; says by how many MiB memory has grown meanwhile. */
export async function steadily(works) {
  const before = process.memoryUsage().rss;
  for (const work of works) await work();
  const grown = process.memoryUsage().rss - before;
  assert.ok(grown < grownBytesMax, `${grown} bytes more`);
  return Math.round(grown / 2 ** 20);
}
