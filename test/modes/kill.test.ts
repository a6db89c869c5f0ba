/** Killing `materialize` at any moment leaves a table that reads as before or as after. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { FeatureStore, tablesEqual, writeTable } from '../../src/index.ts';
import { localBytes } from '../../src/store/local-bytes.ts';
import { openOwnTable } from '../../src/store/own-table.ts';
import { customerSet, projectFolder, randomOf, transactions, transactionTable } from './support.ts';

test('a killed materialize leaves the state before or after, and the next one succeeds', async (t) => {
  const folder = projectFolder(t, {
    'config/global.yaml': 'feature_store:\n  mode: materialized\n',
    'config/feature_sets.yaml': customerSet.replace('    windows: [7d, 30d]\n', ''),
  });
  const source = join(folder, 'data/silver/transactions');
  const random = randomOf(7);
  await writeTable(source, transactionTable(transactions(20_000)), { format: 'parquet', mode: 'error' });
  const store = await FeatureStore.open(folder);
  await store.materialize('customer_demographics');
  let before = (await store.getFeatures('customer_demographics')).table;

  for (let round = 0; round < 12; round++) {
    await writeTable(source, transactionTable(transactions(500, 100 + round)), { format: 'parquet', mode: 'append' });
    const after = (await store.getFeatures('customer_demographics', { mode: 'virtualized' })).table;
    const child = fork(new URL('./materialize-child.js', import.meta.url), [folder, round % 2 === 0 ? 'full' : 'new'], { stdio: 'ignore' });
    const exited = once(child, 'exit');
    await once(child, 'message');
    await sleep(random() * 120);
    child.kill('SIGKILL');
    await exited;

    const read = await FeatureStore.open(folder);
    const { table } = await read.getFeatures('customer_demographics');
    assert.ok(tablesEqual(table, before) || tablesEqual(table, after), `round ${round}: neither before nor after`);
    const month = { timeRange: '30d', asOf: '1970-03-01' } as const;
    const tiles = await read.getFeatures('customer_demographics', month);
    if (!tiles.stale) {
      const fresh = await read.getFeatures('customer_demographics', { ...month, mode: 'virtualized' });
      assert.ok(tablesEqual(tiles.table, fresh.table), `round ${round}: tiles`);
    }
    await read.materialize('customer_demographics');
    before = (await read.getFeatures('customer_demographics')).table;
    assert.ok(tablesEqual(before, after), `round ${round}: the next one`);
  }
  // Staged files are only taken for forgotten when no writer can still be at work on them: two days later.
  const later = await FeatureStore.open(folder, { now: () => new Date(Date.now() + 2 * 86_400_000) });
  await later.vacuum('customer_demographics', { retentionMs: 0 });
  const left = readdirSync(join(folder, 'data/feature_store/customer_demographics'), { recursive: true, encoding: 'utf8' });
  let live = 0;
  for (const table of ['features', 'tiles']) live += (await openOwnTable(localBytes(join(folder, 'data/feature_store/customer_demographics', table)), '').snapshot()).files!.length;
  assert.equal(left.filter((file) => file.endsWith('.parquet')).length, live, left.join('\n'));
  assert.ok(tablesEqual((await store.getFeatures('customer_demographics')).table, before));
});
