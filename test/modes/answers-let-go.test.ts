/** Answers that nobody holds any more are freed by a scavenge, which takes a millisecond; V8 looks through the whole heap in ten or twenty. */
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { tableFromArrays } from '../../src/arrow/arrow.ts';
import { endIdleWorkers } from '../../src/engine/threads/pool.ts';
import { featureSet, FeatureStore } from '../../src/index.ts';
import { startThreads } from '../support/threads.ts';

before(() => startThreads(2));
after(endIdleWorkers);

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (options: { readonly type: 'minor' }) => void;
setFlagsFromString('--no-expose-gc');

const groups = 100_000;
const rows = 300_000;
/** An answer has five columns of eight bytes. */
const answerBytes = groups * 40;

for (const threads of [1, 2]) {
  test(`an answer of four megabytes, by ${threads} threads, is let go when young objects are collected`, async () => {
    const store = await FeatureStore.open({ feature_store: { mode: 'virtualized' } }, { threads });
    const customer = BigInt64Array.from({ length: rows }, (_, row) => BigInt(row % groups));
    store.registerSource('events', tableFromArrays({ customer, amount: Float64Array.from(customer, Number) }));
    store.define(featureSet({ name: 'spend', entityKeys: ['customer'], source: 'events', aggregations: { amount: ['sum', 'mean', 'max', 'count'] } }));
    const ask = async (): Promise<void> => {
      const { table } = await store.getFeatures('spend');
      assert.equal(table.numRows, groups);
    };
    const afterwards = async (): Promise<number> => {
      await ask();
      for (let i = 0; i < 2; i++) {
        await nextTurn();
        collect({ type: 'minor' });
      }
      return process.memoryUsage().external;
    };
    for (let i = 0; i < 3; i++) await afterwards();
    const before = await afterwards();
    let most = 0;
    for (let i = 0; i < 6; i++) most = Math.max(most, await afterwards());
    assert.ok(most - before < 3 * answerBytes, `after six more answers ${most - before} bytes more are held, each answer being of ${answerBytes}`);
    await store.close();
  });
}
