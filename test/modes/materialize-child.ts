/** Materializes again and again until it is killed, everything or what is new. Run by kill.test.ts as a process of its own. */
import { FeatureStore } from '../../src/index.ts';

const store = await FeatureStore.open(process.argv[2]!);
process.send?.('ready');
for (;;) await store.materialize('customer_demographics', { full: process.argv[3] === 'full' });
