/** Reads until it materializes in the background, says so, and goes on until it is killed. Run by hybrid-policy.test.ts. */
import { FeatureStore } from '../../src/index.ts';

const [folder, nowMs] = process.argv.slice(2);
const store = await FeatureStore.open(folder!, {
  now: () => new Date(Number(nowMs)),
  threads: 1,
  logger: (line) => line.includes('materializing in the background') && process.send?.('started'),
});
for (;;) await store.getFeatures('customer_demographics');
