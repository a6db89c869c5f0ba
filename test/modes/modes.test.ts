/** The law of modes, on generated transactions: whatever an answer reports, virtualized over that is the same table. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import fc from 'fast-check';
import { FeatureStore, type FeatureAnswer, featureSet, groupBy, NotMaterializedError, StaleError, tablesEqual, writeTable } from '../../src/index.ts';
import { dayUs } from '../../src/base/time.ts';
import { customerSet, exactSum, projectFolder, transactions, transactionTable } from './support.ts';

const now = new Date(Number((100n * dayUs) / 1_000n));
const rows = transactions(5_000);

async function shop(t: test.TestContext, mode = 'hybrid') {
  const folder = projectFolder(t, {
    'config/global.yaml': `feature_store:\n  mode: ${mode}\n`,
    'config/feature_sets.yaml': customerSet,
  });
  const source = join(folder, 'data/silver/transactions');
  await writeTable(source, transactionTable(rows), { format: 'parquet', mode: 'error' });
  return { folder, source, store: await FeatureStore.open(folder, { now: () => now }) };
}

/** Asks virtualized for exactly what an answer reports. */
async function virtualizedLike(store: FeatureStore, answer: FeatureAnswer) {
  const bound = (us: bigint) => ({ value: us, unit: 'us' as const });
  const range = answer.range;
  return store.getFeatures('customer_demographics', {
    mode: 'virtualized',
    asOf: bound(answer.asOf),
    timeRange: range === undefined ? 'all' : {
      ...(range.startUs !== undefined && { start: bound(range.startUs) }),
      ...(range.endUs !== undefined && { end: bound(range.endUs) }),
    },
  });
}

test('one set, three modes, the same table', async (t) => {
  const { store } = await shop(t);
  const made = await store.materialize('customer_demographics');
  assert.equal(made.changed, true);
  assert.equal(made.sourceRows, rows.length);
  assert.equal(made.rowsWithNullKey, rows.filter((row) => row.customer === null).length);
  const answers = await Promise.all(
    (['materialized', 'virtualized', 'hybrid'] as const).map((mode) => store.getFeatures('customer_demographics', { mode })),
  );
  assert.equal(answers[0]!.table.numRows, 40);
  for (const answer of answers.slice(1)) assert.ok(tablesEqual(answers[0]!.table, answer.table), answer.mode);
});

test('every sum is the correctly rounded exact sum of that customer', async (t) => {
  const { store } = await shop(t);
  const { table } = await store.getFeatures('customer_demographics', { mode: 'virtualized' });
  const keys = table.getChild('customer_id')!;
  const sums = table.getChild('amount_sum')!;
  for (let i = 0; i < table.numRows; i++) {
    const amounts = rows.filter((row) => row.customer === keys.get(i)).flatMap((row) => row.amount ?? []);
    assert.equal(sums.get(i), exactSum(amounts), `customer ${keys.get(i)}`);
  }
});

test('law of modes: any range, any instant', async (t) => {
  const { store } = await shop(t);
  await store.materialize('customer_demographics');
  const instant = fc.oneof(
    fc.integer({ min: -5, max: 105 }).map((day) => BigInt(day) * dayUs),
    fc.bigInt({ min: -5n * dayUs, max: 105n * dayUs }),
  );
  const timeRange = fc.oneof(fc.constantFrom('1d', '7d', '30d', '36h'), fc.constant(undefined));
  await fc.assert(
    fc.asyncProperty(instant, timeRange, fc.constantFrom('materialized' as const, 'hybrid' as const), async (asOfUs, range, mode) => {
      const answer = await store.getFeatures('customer_demographics', {
        mode,
        asOf: { value: asOfUs, unit: 'us' },
        ...(range !== undefined && { timeRange: range }),
      });
      const again = await virtualizedLike(store, answer);
      assert.ok(tablesEqual(answer.table, again.table), answer.reasons.join('; '));
      if (mode === 'hybrid') {
        assert.equal(answer.asOf, asOfUs);
        assert.equal(answer.range?.endUs, asOfUs);
      }
    }),
    { numRuns: 60 },
  );
});

test('hybrid follows a source that changes, materialized says it is stale', async (t) => {
  const { store, source } = await shop(t);
  await store.materialize('customer_demographics');
  assert.equal((await store.getFeatures('customer_demographics', { features: ['amount_sum'] })).stale, false);
  await writeTable(source, transactionTable(transactions(500, 2)), { format: 'parquet', mode: 'append' });

  const hybrid = await store.getFeatures('customer_demographics');
  const virtualized = await store.getFeatures('customer_demographics', { mode: 'virtualized' });
  assert.ok(tablesEqual(hybrid.table, virtualized.table));
  assert.match(hybrid.reasons.join(), /has changed/);

  const materialized = await store.getFeatures('customer_demographics', { mode: 'materialized' });
  assert.equal(materialized.stale, true);
  assert.ok(!tablesEqual(materialized.table, virtualized.table));
  const lenient = await store.getFeatures('customer_demographics', { maxStaleness: '400w' });
  assert.ok(lenient.stale && tablesEqual(lenient.table, materialized.table));

  assert.equal((await store.materialize('customer_demographics')).changed, true);
  const fresh = await store.getFeatures('customer_demographics', { mode: 'materialized' });
  assert.ok(!fresh.stale && tablesEqual(fresh.table, virtualized.table));
});

test('materialize on an unchanged source does nothing, and says so', async (t) => {
  const { store } = await shop(t);
  const first = await store.materialize('customer_demographics');
  const second = await store.materialize('customer_demographics');
  assert.equal(second.changed, false);
  assert.equal(second.version, first.version);
  assert.match(second.reasons.join(), /not changed/);
  assert.equal((await store.materialize('customer_demographics', { full: true })).changed, true);
});

test('entities and features choose rows and columns, the same in every mode', async (t) => {
  const { store } = await shop(t);
  await store.materialize('customer_demographics');
  const options = { entities: [3, 5n, 999], features: ['amount_sum_7d', 'amount_count'], asOf: now, timeRange: '30d' } as const;
  const answers = await Promise.all(
    (['materialized', 'virtualized', 'hybrid'] as const).map((mode) => store.getFeatures('customer_demographics', { ...options, mode })),
  );
  const { table } = answers[0]!;
  assert.deepEqual(table.schema.fields.map((field) => field.name), ['customer_id', 'amount_sum_7d', 'amount_count']);
  assert.deepEqual([...table.getChild('customer_id')!], [3n, 5n]);
  for (const answer of answers.slice(1)) assert.ok(tablesEqual(table, answer.table), answer.mode);
  await assert.rejects(store.getFeatures('customer_demographics', { features: ['amount_sun'] }), /amount_sum/);
});

test('a range that matches nothing names the newest event', async (t) => {
  const { store } = await shop(t);
  await store.materialize('customer_demographics');
  for (const mode of ['materialized', 'virtualized', 'hybrid'] as const) {
    const { table, reasons } = await store.getFeatures('customer_demographics', { mode, timeRange: '1d', asOf: '1970-08-01' });
    assert.equal(table.numRows, 0);
    assert.match(reasons.join('\n'), /the newest is at 1970-03-31T23:30:00Z/, mode);
  }
});

test('materialized without anything stored, and hybrid without a source, say what to do', async (t) => {
  const { store, folder } = await shop(t);
  await assert.rejects(store.getFeatures('customer_demographics', { mode: 'materialized' }), NotMaterializedError);
  await store.materialize('customer_demographics');
  const { rmSync } = await import('node:fs');
  rmSync(join(folder, 'data/silver'), { recursive: true });
  await assert.rejects(store.getFeatures('customer_demographics'), StaleError);
  const answer = await store.getFeatures('customer_demographics', { features: ['amount_sum'], maxStaleness: '400w' });
  assert.equal(answer.stale, true);
  assert.match(answer.reasons.join(), /cannot be reached/);
  await assert.rejects(store.getFeatures('customer_demographics', { mode: 'virtualized' }), /transactions/);
});

test('a definition that changed is never answered from what the old one stored', async (t) => {
  const { folder, store } = await shop(t);
  await store.materialize('customer_demographics');
  const { writeFileSync } = await import('node:fs');
  writeFileSync(join(folder, 'config/feature_sets.yaml'), customerSet.replace('date: max', 'date: min'));
  const changed = await FeatureStore.open(folder, { now: () => now });
  await assert.rejects(changed.getFeatures('customer_demographics', { mode: 'materialized' }), /another definition/);
  const hybrid = await changed.getFeatures('customer_demographics');
  assert.ok(hybrid.table.getChild('date_min'));
  assert.equal((await changed.materialize('customer_demographics')).changed, true);
});

test('the answer does not depend on batch size, file order or the number of threads', async (t) => {
  const { store, folder } = await shop(t);
  const { table } = await store.getFeatures('customer_demographics', { mode: 'virtualized' });
  const half = rows.length >> 1;
  const reversed = join(folder, 'data/gold/transactions');
  for (const part of [rows.slice(half), rows.slice(0, half).reverse()]) {
    await writeTable(reversed, transactionTable(part), { format: 'parquet', mode: 'append' });
  }
  for (const threads of [1, 2, 3]) {
    const gold = await FeatureStore.open(
      { feature_store: { mode: 'virtualized', source_schema: 'gold' } },
      { folder, now: () => now, threads },
    );
    gold.define(store.definition('customer_demographics'));
    const answer = await gold.getFeatures('customer_demographics');
    assert.ok(tablesEqual(table, answer.table), `${threads} threads`);
    await gold.close();
  }
});

test('windows that are no whole number of tiles come from the source, and are not guessed from tiles', async (t) => {
  const { store } = await shop(t);
  store.define(featureSet({ name: 'half_days', entityKeys: 'customer_id', source: 'transactions', timestamp: 'date', aggregations: { amount: 'sum' }, windows: ['36h'] }));
  await store.materialize('half_days');
  const options = { asOf: '1970-03-11', timeRange: '30d' } as const;
  const [hybrid, virtualized] = [await store.getFeatures('half_days', options), await store.getFeatures('half_days', { ...options, mode: 'virtualized' })];
  assert.ok(tablesEqual(hybrid.table, virtualized.table));
  await assert.rejects(store.getFeatures('half_days', { ...options, mode: 'materialized' }), /36h is not a whole number of tiles/);
  const whole = await store.getFeatures('half_days', { ...options, mode: 'materialized', features: ['amount_sum'] });
  assert.equal(whole.range?.endUs, 69n * dayUs);
});

test('a pipeline: inputs by YAML, a node that computes, rows that are written', async (t) => {
  const folder = projectFolder(t, {
    'config/global.yaml': 'feature_store:\n  mode: hybrid\n',
    'config/feature_sets.yaml': `${customerSet}  spenders:\n    entity_keys: customer_id\n`,
    'config/inputs.yaml': 'inputs:\n  customer_features:\n    feature_store: true\n    feature_set: customer_demographics\n    time_range: 30d  # Optional: recent data\n  raw:\n    source: transactions\n',
    'config/nodes.yaml': 'nodes:\n  spend:\n    function: features/spend.mjs#spend\n    inputs: [raw]\n    output: { feature_store: true, feature_set: spenders }\n',
    'features/spend.mjs': "export const spend = (df) => df.groupBy('customer_id').agg({ amount: ['sum', 'max'] });\n",
  });
  await writeTable(join(folder, 'data/silver/transactions'), transactionTable(rows), { format: 'parquet', mode: 'error' });
  const store = await FeatureStore.open(folder, { now: () => new Date(Number((91n * dayUs) / 1_000n)) });
  assert.equal((await store.loadInput('customer_features')).numRows, 40);
  assert.equal((await store.loadInputs()).raw!.numRows, rows.length);
  assert.deepEqual(await store.runNode('spend'), { featureSet: 'spenders', rows: 40, version: 0 });
  const spenders = await store.getFeatures('spenders');
  const computed = await groupBy(transactionTable(rows), 'customer_id').agg({ amount: ['sum', 'max'] });
  assert.ok(tablesEqual(spenders.table, computed));
  await store.write('spenders', computed.slice(0, 1), { mode: 'append' });
  assert.equal((await store.getFeatures('spenders')).table.numRows, 41);
  assert.equal((await store.write('spenders', computed, { mode: 'merge' })).rows, 40);
  await assert.rejects(store.write('customer_demographics', computed, { mode: 'append' }), /computed from transactions/);
});
