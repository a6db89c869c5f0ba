/** What is kept of memories that were used, and for how long. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Shelf, type Shelved } from '../../src/engine/shelf.ts';

const megabytes = 2 ** 20;
const used = (memory: number, inUse = memory): Shelved => ({ memoryBytes: memory * megabytes, usedBytes: inUse * megabytes });

test('small memories are kept for good, as many as there is room for', () => {
  const gone: Shelved[] = [];
  const shelf = new Shelf<Shelved>(2, (item) => gone.push(item));
  const [a, b, c] = [used(10), used(20), used(30)];
  for (const item of [a, b, c]) shelf.put(item);
  assert.deepEqual(gone, [c]);
  assert.deepEqual([shelf.take(), shelf.take(), shelf.take()], [b, a, undefined]);
});

test('one large memory is kept while it was needed lately, and taken first', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const gone: Shelved[] = [];
  const shelf = new Shelf<Shelved>(2, (item) => gone.push(item));
  const [small, large, other] = [used(10), used(1000), used(900)];
  for (const item of [small, large, other]) shelf.put(item);
  assert.deepEqual(gone, [other], 'one is enough');
  assert.equal(shelf.take(), large);
  assert.equal(shelf.take(), small);
  shelf.put(large);
  t.mock.timers.tick(1_999);
  assert.equal(shelf.take(), large);
  shelf.put(large);
  t.mock.timers.tick(2_000);
  assert.deepEqual(gone, [other, large]);
  assert.equal(shelf.take(), undefined);
});

test('small questions do not keep a large memory', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const gone: Shelved[] = [];
  const shelf = new Shelf<Shelved>(2, (item) => gone.push(item));
  const large = { memoryBytes: 1000 * megabytes, usedBytes: 1000 * megabytes };
  shelf.put(large);
  assert.equal(shelf.take(), large);
  large.usedBytes = megabytes;
  t.mock.timers.tick(1_500);
  shelf.put(large);
  assert.equal(shelf.take(), large);
  t.mock.timers.tick(1_500);
  shelf.put(large);
  assert.deepEqual(gone, [large], 'it was last needed three seconds ago');
});
