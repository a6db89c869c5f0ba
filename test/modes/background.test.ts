/** One background job per set, in all processes; a dead holder's lease is taken over, whatever the clock does. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Background, type Ending } from '../../src/modes/background.ts';
import { LeaseFolder, leaseMs } from '../../src/modes/policy/lease.ts';
import { readNewest, tryPutAfter } from '../../src/modes/policy/numbered-files.ts';
import { memoryBytes } from '../../src/store/memory-bytes.ts';

/** Clocks that the test moves. */
function clocks(nowMs = 1_000_000_000) {
  const clock = { nowMs, elapsedMs: 0, now: () => clock.nowMs, elapsed: () => clock.elapsedMs, pass(ms: number) { clock.nowMs += ms; clock.elapsedMs += ms; } };
  return clock;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function promised<T>() {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((take) => (resolve = take));
  return { promise, resolve };
}

/** Starts work, and waits for how it ended. */
function ending(background: Background, work: (signal: AbortSignal) => Promise<void>, set = 'a'): Promise<Ending> {
  const { promise, resolve } = promised<Ending>();
  assert.equal(background.start({ set, work, ended: resolve }), true);
  return promise;
}

test('work is done beside whoever asked for it, once per set', async () => {
  const background = new Background({ bytesOf: () => memoryBytes(), clocks: clocks() });
  const { promise: gate, resolve: open } = promised<void>();
  let runs = 0;
  const first = ending(background, async () => {
    runs++;
    await gate;
  });
  assert.equal(runs, 0, 'nothing was done before the caller goes on');
  assert.equal(background.start({ set: 'a', work: async () => {}, ended: () => {} }), false);
  assert.equal(background.isRunning('a'), true);
  open();
  assert.equal((await first).kind, 'done');
  assert.equal(background.isRunning('a'), false);
  assert.equal((await ending(background, async () => {})).kind, 'done', 'and again');
});

test('two stores on one storage: one works, the other hears that it is held', async () => {
  const shared = memoryBytes();
  const [one, two] = [0, 1].map(() => new Background({ bytesOf: () => shared, clocks: clocks() })) as [Background, Background];
  const { promise: gate, resolve: open } = promised<void>();
  const { promise: started, resolve: start } = promised<void>();
  const first = ending(one, async () => {
    start();
    await gate;
  });
  await started;
  assert.equal((await ending(two, async () => assert.fail('must not run'))).kind, 'held');
  open();
  assert.equal((await first).kind, 'done');
  assert.equal((await ending(two, async () => {})).kind, 'done');
});

test('a failure is told, and the lease is free again', async () => {
  const background = new Background({ bytesOf: () => memoryBytes(), clocks: clocks() });
  const failed = await ending(background, async () => {
    throw new Error('no space');
  });
  assert.ok(failed.kind === 'failed' && (failed.error as Error).message === 'no space');
  assert.equal((await ending(background, async () => {})).kind, 'done');
  const broken = new Background({ bytesOf: () => ({ ...memoryBytes(), names: async () => { throw new Error('no permission'); } }), clocks: clocks() });
  assert.equal((await ending(broken, async () => {})).kind, 'failed');
});

test('closing waits, or cancels', async () => {
  const make = (): Background => new Background({ bytesOf: () => memoryBytes(), clocks: clocks() });
  const waiting = make();
  const done = ending(waiting, () => pause(20));
  await waiting.close('wait');
  assert.equal((await done).kind, 'done');
  assert.equal(waiting.start({ set: 'a', work: async () => {}, ended: () => {} }), false, 'nothing starts any more');

  const cancelled = make();
  const ended = ending(cancelled, async (signal) => {
    while (!signal.aborted) await pause(1);
    signal.throwIfAborted();
  });
  await pause(10);
  await cancelled.close('cancel');
  assert.equal((await ended).kind, 'cancelled');
});

test('who has lost the lease stops', async () => {
  const shared = memoryBytes();
  const background = new Background({ bytesOf: () => shared, clocks: clocks(), renewEveryMs: 5 });
  const ended = ending(background, async (signal) => {
    const { number } = await readNewest(shared, '_lease');
    await tryPutAfter(shared, '_lease', number, new TextEncoder().encode('{}'));
    while (!signal.aborted) await pause(1);
    signal.throwIfAborted();
  });
  assert.equal((await ended).kind, 'cancelled');
});

test('the lease of a holder that died is taken over when it was not renewed', async () => {
  const shared = memoryBytes();
  const clock = clocks();
  const [dead, other] = [new LeaseFolder(shared, clock), new LeaseFolder(shared, clock)];
  const lease = await dead.tryTake();
  assert.ok(lease);
  clock.pass(leaseMs - 1);
  assert.equal(await other.tryTake(), undefined);
  assert.equal(await lease.renew(), true);
  clock.pass(leaseMs - 1);
  assert.equal(await other.tryTake(), undefined, 'renewed in time');
  clock.pass(1);
  const taken = await other.tryTake();
  assert.ok(taken);
  assert.equal(await lease.renew(), false, 'the first holder hears that it lost');
});

test('no clock locks for ever: set back by a year, set forward by a year, or standing still', async () => {
  const year = 365 * 86_400_000;
  for (const [what, jump] of [['back', -year], ['forward', year], ['not at all', 0]] as const) {
    const shared = memoryBytes();
    const clock = clocks(2 * year);
    assert.ok(await new LeaseFolder(shared, clock).tryTake());
    clock.nowMs += jump;
    const other = new LeaseFolder(shared, clock);
    const first = await other.tryTake();
    if (jump !== 0) assert.ok(first, what);
    else {
      assert.equal(first, undefined);
      clock.elapsedMs += leaseMs;
      assert.ok(await other.tryTake(), what);
    }
  }
});

test('a lease that nobody can read is nobody’s', async () => {
  for (const content of ['', 'null', '{"holder":1}', '\u0000\u0001']) {
    const bytes = memoryBytes();
    await bytes.writeNew('_lease/0000000007.json', new TextEncoder().encode(content));
    assert.ok(await new LeaseFolder(bytes, clocks()).tryTake());
  }
});

test('of many that take a lease at once, one gets it', async () => {
  await fc.assert(fc.asyncProperty(fc.integer({ min: 2, max: 8 }), fc.boolean(), async (takers, released) => {
    const shared = memoryBytes();
    const clock = clocks();
    if (released) await (await new LeaseFolder(shared, clock).tryTake())!.release();
    const leases = await Promise.all(Array.from({ length: takers }, () => new LeaseFolder(shared, clock).tryTake()));
    assert.equal(leases.filter((lease) => lease !== undefined).length, 1);
  }), { numRuns: 50 });
});

test('who looked long ago does not get a number that others have come to and gone from', async () => {
  const bytes = memoryBytes();
  const put = (after: number): Promise<boolean> => tryPutAfter(bytes, 'x', after, new Uint8Array([after]));
  assert.deepEqual([await put(0), await put(1), await put(2)], [true, true, true]);
  assert.equal(await put(2), false, 'the number is taken');
  assert.equal(await put(1), false, 'it was deleted, but there is a higher one');
  assert.equal((await readNewest(bytes, 'x')).number, 3);
});

test('what a process that died has left is deleted, once nobody can be at it', async () => {
  let nowMs = 1_000_000;
  const bytes = memoryBytes(() => nowMs);
  const names = async (): Promise<string[] | undefined> => bytes.names('x');
  await bytes.writeNew('x/.0000000001.json.a.tmp', new Uint8Array(1));
  await tryPutAfter(bytes, 'x', 0, new Uint8Array(1));
  assert.deepEqual(await names(), ['.0000000001.json.a.tmp', '0000000001.json']);
  nowMs += 61_000;
  await tryPutAfter(bytes, 'x', 1, new Uint8Array(1));
  assert.deepEqual(await names(), ['0000000002.json']);
});
