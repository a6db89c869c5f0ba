// What the fuzzing scripts share: numbers by a seed, a bit that is flipped, and what counts as a finding.
import assert from 'node:assert/strict';
import { FeatureStoreError } from '../build/src/base/errors.js';

/** Of the processor, since others may be at work on the machine; what waits for nothing to come ends at the clock. */
const processorMsMax = 5_000;
const millisecondsMax = 60_000;
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
      const [start, processor] = [performance.now(), process.cpuUsage()];
      try {
        return await read();
      } catch (thrown) {
        if (!(thrown instanceof FeatureStoreError) || thrown.tag === 'Invariant') throw new Error(`${what} (seed ${seed}): ${thrown?.stack ?? thrown}`, { cause: thrown });
        return undefined;
      } finally {
        const { user, system } = process.cpuUsage(processor);
        const [took, worked] = [performance.now() - start, (user + system) / 1_000];
        slowest = Math.max(slowest, worked);
        assert.ok(worked < processorMsMax && took < millisecondsMax, `${what} (seed ${seed}): ${worked} ms of the processor, ${took} ms in all`);
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
