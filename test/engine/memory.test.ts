/** The arena that kernels take their memory from, and regions in it. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { borrowInstance } from '../../src/engine/instance.ts';

interface Block {
  readonly at: number;
  readonly bytes: number;
}

const overlap = (a: Block, b: Block): boolean => a.at < b.at + b.bytes && b.at < a.at + a.bytes;

test('property: blocks from regions and from outside, in any turn, never overlap; those of a region lie in it while it has room', () => {
  const steps = fc.array(fc.record({ where: fc.constantFrom<'outside' | 0 | 1>('outside', 0, 1), bytes: fc.integer({ min: 1, max: 40_000 }), isFreed: fc.boolean() }), { minLength: 20, maxLength: 60, size: 'max' });
  fc.assert(
    fc.property(steps, (all) => {
      const instance = borrowInstance(undefined);
      const { kernels } = instance;
      const regionBytes = 2 ** 18;
      const regions = [0, 1].map(() => ({ at: instance.alloc(regionBytes), bytes: regionBytes }));
      for (const { at, bytes } of regions) kernels.newRegion(at, bytes);
      const taken: (Block & { readonly where: 'outside' | 0 | 1 })[] = [];
      for (const { where, bytes, isFreed } of all) {
        if (where !== 'outside') kernels.swapRegion(regions[where]!.at);
        const block = { at: instance.alloc(bytes), bytes, where };
        if (where !== 'outside') kernels.swapRegion(regions[where]!.at);
        assert.ok(taken.every((other) => !overlap(block, other)), 'two blocks overlap');
        const used = taken.filter((other) => other.where === where).reduce((sum, other) => sum + 2 * other.bytes + 128, 4_096 + 2 * bytes);
        for (const [i, region] of regions.entries()) {
          if (where !== i) assert.ok(!overlap(block, region), 'a block lies in a region of others');
          else if (used < regionBytes) assert.ok(block.at >= region.at && block.at + block.bytes <= region.at + region.bytes, 'it had room');
        }
        if (isFreed && where === 'outside') instance.free(block.at, bytes);
        else taken.push(block);
      }
      instance.giveBack();
    }),
    { numRuns: 300 },
  );
});
