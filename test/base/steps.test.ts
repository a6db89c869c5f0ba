/** Work in steps comes to the same, however its steps are done. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { complete, inTurns, Pace, type Steps, within } from '../../src/base/steps.ts';

function* counting(to: number): Steps<number> {
  for (let i = 0; i < to; i++) yield;
  return to;
}

test('all at once, in turns, and within something else', async () => {
  assert.equal(complete(counting(3)), 3);
  let turns = 0;
  assert.equal(await inTurns(counting(3), async () => void turns++), 3);
  assert.equal(turns, 3, 'a turn between two steps, none before the first or behind the last');
  let inside = 0;
  const counted = <Step>(step: () => Step): Step => {
    inside++;
    return step();
  };
  assert.equal(complete(within(counting(3), counted)), 3);
  assert.equal(inside, 4);
});

test('an error of a step, or of a turn, ends it', async () => {
  function* failing(): Steps<void> {
    yield;
    throw new RangeError('no');
  }
  assert.throws(() => complete(within(failing(), (step) => step())), RangeError);
  await assert.rejects(inTurns(failing(), async () => undefined), RangeError);
  await assert.rejects(inTurns(counting(2), async () => Promise.reject(new TypeError('cancelled'))), TypeError);
});

test('property: a pace lets nobody wait for more than it says, and lets it be twice as much each time', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 0, max: 5 }), fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 80 }), (first, doublings, works) => {
      const most = first * 2 ** doublings;
      const pace = new Pace(first, most);
      let [step, waited] = [first, 0];
      for (const work of works) {
        waited += work;
        const isDue = waited >= step;
        assert.equal(pace.isDue(work), isDue);
        if (!isDue) continue;
        [step, waited] = [Math.min(step * 2, most), 0];
      }
    }),
  );
});

test('a pace says how much is to be done at once: no more than there is, twice as much each time', () => {
  const pace = new Pace(4, 16);
  assert.deepEqual([100, 100, 3, 100, 100].map((work) => pace.next(work)), [4, 8, 3, 16, 16]);
  const even = new Pace(4);
  assert.deepEqual([100, 100].map((work) => even.next(work)), [4, 4]);
});
