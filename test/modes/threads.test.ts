/** Reads on several threads: the same bits, counts and errors as on one, whatever the threads read. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { tableFromArrays } from '../../src/arrow/arrow.ts';
import { dayUs } from '../../src/base/time.ts';
import { endIdleWorkers } from '../../src/engine/threads/pool.ts';
import {
  CancelledError, DamagedFileError, encodeParquet, featureSet, FeatureStore, type FeatureStoreError, groupBy, type Progress, residentTable, tablesEqual, writeTable,
} from '../../src/index.ts';
import { answerFromSource } from '../../src/modes/compute.ts';
import { openSource } from '../../src/store/source.ts';
import type { Snapshot } from '../../src/store/table.ts';
import { startThreads } from '../support/threads.ts';
import { customerSet, projectFolder, transactions, transactionTable } from './support.ts';

// So that they take part in the first read.
before(() => startThreads(4));
after(endIdleWorkers);

const now = new Date(Number((100n * dayUs) / 1_000n));
/** Enough for threads, in some files. */
const rows = transactions(300_000);
const parts = [0, 90_000, 90_001, 190_000].map((start, i, starts) => transactionTable(rows.slice(start, starts[i + 1])));
const threadCounts = [1, 2, 4] as const;

/** A project; `open` gives a store with so many threads, and a place of its own for what it stores. */
function project(t: test.TestContext, sets = customerSet) {
  const global = `feature_store:\n  mode: virtualized\n  storage_path: store-\${THREADS}\n`;
  const folder = projectFolder(t, { 'config/global.yaml': global, 'config/feature_sets.yaml': sets });
  const open = (threads: number) => FeatureStore.open(folder, { now: () => now, threads, env: { THREADS: `${threads}` } });
  return { folder, source: join(folder, 'data/silver/transactions'), open };
}

/** A source of plain files, as others write them. */
function plainFiles(t: test.TestContext, sets?: string) {
  const { source, ...rest } = project(t, sets);
  mkdirSync(source, { recursive: true });
  for (const [i, part] of parts.entries()) writeFileSync(join(source, `${i}.parquet`), encodeParquet(part.schema, part.batches, { rowGroupRows: 20_000 * (i + 1) }));
  return { source, ...rest };
}

/** A snapshot of plain files, and a question to it. */
async function question(t: test.TestContext) {
  const { open, source, folder } = plainFiles(t);
  const definition = (await open(1)).definition('customer_demographics');
  const plan = { definition, parts: [{ outputs: definition.outputs, range: undefined }], columns: ['amount_sum', 'date_max'], entities: undefined };
  return { plan, source, snapshot: await openSource(join(folder, 'data/silver'), 'transactions').snapshot() };
}

const failureOf = (work: Promise<unknown>): Promise<FeatureStoreError> =>
  work.then(() => assert.fail('it should fail'), (error: unknown) => error as FeatureStoreError);

test('an answer so large that threads read it out in parts is one batch all the same, and finds its entities', async () => {
  const many = 600_000;
  const source = tableFromArrays({
    customer_id: Int32Array.from({ length: many }, (_, i) => (i * 7_919) % many), amount: Float64Array.from({ length: many }, (_, i) => i / 8),
  });
  const [one, three] = await Promise.all([1, 3].map(async (threads) => {
    const store = await FeatureStore.open({ feature_store: { mode: 'virtualized' } }, { threads });
    store.registerSource('spending', source);
    store.define(featureSet({ name: 'spend', entityKeys: 'customer_id', source: 'spending', aggregations: { amount: ['sum', 'count'] } }));
    return { all: (await store.getFeatures('spend')).table, some: (await store.getFeatures('spend', { entities: [0, many - 1] })).table };
  }));
  assert.equal(three!.all.batches.length, 1);
  assert.equal(three!.all.numRows, many);
  assert.ok(tablesEqual(one!.all, three!.all));
  assert.ok(tablesEqual(one!.some, three!.some));
  const parted = await groupBy(source, 'customer_id').agg({ amount: ['sum', 'count'] }, { threads: 3 });
  assert.ok(parted.batches.length > 1, 'in parts');
  assert.ok(tablesEqual(one!.all, parted));
});

test('one, two and four threads give the same table, over any range, from files and from a table of our own', async (t) => {
  const [files, own] = [plainFiles(t), project(t)];
  for (const part of parts) await writeTable(own.source, part, { format: 'parquet', mode: 'append' });
  const answersOf = async (open: (threads: number) => Promise<FeatureStore>, threads: number) => {
    const store = await open(threads);
    const all = await store.getFeatures('customer_demographics');
    const recent = await store.getFeatures('customer_demographics', { timeRange: '80d', asOf: '1970-03-31T05:00' });
    const some = await store.getFeatures('customer_demographics', { entities: [3, 7], features: ['amount_sum', 'amount_mean_7d'] });
    assert.equal(all.rowsWithNullKey, rows.filter(({ customer }) => customer === null).length);
    return [all.table, recent.table, some.table];
  };
  const expected = await answersOf(files.open, 1);
  assert.deepEqual(expected.map(({ numRows }) => numRows), [40, 40, 2]);
  for (const { open } of [files, own]) {
    for (const threads of threadCounts) {
      for (const [i, table] of (await answersOf(open, threads)).entries()) assert.ok(tablesEqual(table, expected[i]!), `${threads} threads, answer ${i}`);
    }
  }
});

test('what is materialized is the same, to the byte, and has no column that nobody asked for', async (t) => {
  const { folder, open } = plainFiles(t, customerSet.replace('      date: max\n', ''));
  const made = await Promise.all(threadCounts.map(async (threads) => {
    const outcome = await (await open(threads)).materialize('customer_demographics');
    const [status] = await (await open(threads)).status('customer_demographics');
    const tables = ['tiles', 'features'].map((table) => {
      const at = join(folder, `store-${threads}/customer_demographics`, table);
      return readdirSync(at).filter((name) => name.endsWith('.parquet')).sort().map((name) => readFileSync(join(at, name)));
    });
    const { rows: features, tiles, sourceRows, rowsWithNullKey } = outcome;
    return { counts: { features, tiles, sourceRows, rowsWithNullKey, newest: status!.newestEvent }, tables };
  }));
  assert.equal(made[0]!.counts.sourceRows, rows.length);
  assert.equal(made[0]!.counts.newest, rows.reduce((newest, { customer, dateUs }) => (customer !== null && dateUs !== null && dateUs > newest ? dateUs : newest), 0n));
  for (const other of made.slice(1)) assert.deepEqual(other, made[0]);
  const tiles = await openSource(join(folder, 'store-2/customer_demographics'), 'tiles').snapshot();
  assert.deepEqual(tiles.schema.names, [
    'customer_id', 'tile_start', 'amount__count', 'amount__sum_hi', 'amount__sum_lo', 'amount__sum_wide', 'amount__min', 'amount__max',
  ]);
});

test('the threads read for themselves, and say how far they are', async (t) => {
  const { plan, snapshot } = await question(t);
  const unread: Snapshot = { ...snapshot, scan: () => assert.fail('nobody should read here') };
  const heard: Progress[] = [];
  const answer = await answerFromSource(unread, plan, { threads: 2 }, (progress) => heard.push(progress));
  const inline = await answerFromSource(snapshot, plan, { threads: 1 });
  assert.ok(tablesEqual(answer.table, inline.table));
  assert.equal(answer.sourceRows, rows.length);
  assert.deepEqual([heard[0]!.rows, heard.at(-1)!.rows], [0, rows.length]);
  for (const [i, progress] of heard.entries()) assert.ok(progress.rows >= (heard[i - 1]?.rows ?? 0) && progress.rowsTotal === rows.length);
});

test('a snapshot that only this thread can read is read here, and the work shared', async (t) => {
  const { plan, snapshot } = await question(t);
  const here: Snapshot = { ...snapshot, units: async () => undefined };
  const [shared, inline] = [await answerFromSource(here, plan, { threads: 2 }), await answerFromSource(here, plan, { threads: 1 })];
  assert.ok(tablesEqual(shared.table, inline.table));
});

test('a file that was truncated or replaced after the snapshot is the same error', async (t) => {
  const harms = [
    (file: string) => truncateSync(file, 1000),
    (file: string) => utimesSync(file, 1, 1),
  ];
  for (const harm of harms) {
    const { plan, source, snapshot } = await question(t);
    harm(join(source, '2.parquet'));
    const [one, two] = [await failureOf(answerFromSource(snapshot, plan, { threads: 1 })), await failureOf(answerFromSource(snapshot, plan, { threads: 2 }))];
    assert.ok(two instanceof DamagedFileError);
    assert.deepEqual([two.name, two.tag, two.message, two.file], [one.name, one.tag, one.message, (one as DamagedFileError).file]);
  }
  // What comes after finds threads that work.
  const { plan, snapshot } = await question(t);
  assert.equal((await answerFromSource(snapshot, plan, { threads: 2 })).table.numRows, 40);
});

test('a signal in the middle of the work ends it with its reason', async (t) => {
  const { plan, snapshot } = await question(t);
  const failures = await Promise.all(threadCounts.map((threads) => {
    const controller = new AbortController();
    const { signal } = controller;
    const abort = ({ rows: done }: Progress): void => {
      if (done > 0) controller.abort(new Error('no longer wanted'));
    };
    return failureOf(answerFromSource(snapshot, plan, { threads, signal }, abort));
  }));
  for (const failure of failures) {
    assert.ok(failure instanceof CancelledError);
    assert.equal(failure.message, 'reading the source was cancelled');
    assert.equal((failure.cause as Error).message, 'no longer wanted');
  }
});

test('threads that have read do not keep the process alive', async (t) => {
  const { folder } = plainFiles(t);
  const index = new URL('../../src/index.js', import.meta.url).href;
  const script = `
    const { FeatureStore } = await import(${JSON.stringify(index)});
    const store = await FeatureStore.open(${JSON.stringify(folder)}, { threads: 2, env: { THREADS: 'child' } });
    // More than once, so that threads are worth starting.
    for (let read = 0; read < 20; read++) console.log((await store.getFeatures('customer_demographics')).table.numRows);
  `;
  const { stdout, status, signal } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], { encoding: 'utf8', timeout: 60_000 });
  assert.deepEqual([stdout, status, signal], ['40\n'.repeat(20), 0, null]);
});

test('a registered table that is resident is the same source: the same answers, the same version', async () => {
  const table = transactionTable(rows);
  const resident = await residentTable(table);
  const answers = [];
  for (const [source, threads] of [[table, 1], [resident, 1], [resident, 2]] as const) {
    const store = await FeatureStore.open({ feature_store: { mode: 'virtualized' } }, { now: () => now, threads });
    store.registerSource('transactions', source);
    store.define(featureSet({ name: 'spend', entityKeys: 'customer_id', source: 'transactions', timestamp: 'date', aggregations: { amount: ['sum', 'mean', 'count', 'last'], date: 'max' } }));
    answers.push(await store.getFeatures('spend', { timeRange: '30d' }));
    await store.close();
  }
  for (const { table: answer, sourceVersion } of answers) {
    assert.ok(tablesEqual(answer, answers[0]!.table));
    assert.equal(sourceVersion, answers[0]!.sourceVersion);
  }
});
