/**
 * The policy at work in a store: reads are answered as before while it materializes in the background and keeps the budget; and when
 * a side fails, somebody says so.
 */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { ArgumentError, type FeatureOptions, FeatureStore, type OpenOptions, StaleError, tablesEqual, writeTable } from '../../src/index.ts';
import { leaseMs } from '../../src/modes/policy/lease.ts';
import { customerSet, projectFolder, randomOf, transactions, transactionTable } from './support.ts';

const set = 'customer_demographics';
const plainSet = customerSet.replace(/ {4}windows.*\n/, '');
const otherSet = `${plainSet.replace(/^feature_sets:\n/, '').replace(set, 'other')}`;

/** A hybrid project with one source; the clock stands where the test puts it. */
async function shop(t: TestContext, { settings = '', sets = plainSet, rows = 20_000, ...options }: OpenOptions & { settings?: string; sets?: string; rows?: number } = {}) {
  const folder = projectFolder(t, { 'config/global.yaml': `feature_store:\n  mode: hybrid\n${settings}`, 'config/feature_sets.yaml': sets });
  const source = join(folder, 'data/silver/transactions');
  await writeTable(source, transactionTable(transactions(rows)), { format: 'parquet', mode: 'error' });
  const clock = { nowMs: Date.UTC(2024, 0, 1) };
  const lines: string[] = [];
  const open = (more: OpenOptions = {}): Promise<FeatureStore> =>
    FeatureStore.open(folder, { now: () => new Date(clock.nowMs), logger: (line) => lines.push(line), threads: 1, ...options, ...more });
  const append = (seed: number): Promise<unknown> => writeTable(source, transactionTable(transactions(500, seed)), { format: 'parquet', mode: 'append' });
  return { folder, source, clock, lines, open, append, store: await open() };
}

const stateOf = async (store: FeatureStore, name = set) => (await store.status(name))[0]!;
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 2));

/** Reads until the set is stored, as a user would who knows of nothing. */
async function readUntilStored(store: FeatureStore, name = set, readsMax = 400): Promise<number> {
  for (let reads = 1; reads <= readsMax; reads++) {
    await store.getFeatures(name);
    await pause();
    const { state, detail } = await stateOf(store, name);
    if (state === 'fresh' && !detail.join().includes('being worked on')) return reads;
  }
  return assert.fail(`not stored after ${readsMax} reads`);
}

/** Reads until the store says that it materializes. */
async function readUntilStarted(store: FeatureStore, lines: readonly string[]): Promise<void> {
  for (let reads = 0; !lines.some((line) => line.includes('materializing in the background')); reads++) {
    assert.ok(reads < 2_000, 'it never began');
    await store.getFeatures(set);
    await pause();
  }
}

test('what reads keep paying for is materialized in the background, and then answers', async (t) => {
  const { store, lines } = await shop(t);
  const first = await store.getFeatures(set);
  assert.match(first.reasons.join(), /nothing is stored/);
  const reads = await readUntilStored(store);
  assert.ok(reads > 1, 'not for a single read');
  const stored = await store.getFeatures(set);
  assert.match(stored.reasons.join(), /unchanged since it was materialized/);
  assert.ok(tablesEqual(first.table, stored.table));
  await store.close();
  assert.match(lines.join('\n'), /materializing in the background: reads have paid \d+ ms .*\n.*materialized in the background, 20000 source rows/);
});

test('new rows are merged, and added to what is stored once that pays', async (t) => {
  const { store, append } = await shop(t, { rows: 200_000 });
  await store.materialize(set);
  await append(2);
  const merged = await store.getFeatures(set);
  assert.match(merged.reasons.join(), /has changed.*1 new file/);
  assert.ok(tablesEqual(merged.table, (await store.getFeatures(set, { mode: 'virtualized' })).table));
  await readUntilStored(store);
  assert.ok(tablesEqual(merged.table, (await store.getFeatures(set)).table));
  await store.close();
});

test('it can be turned off, by an option and in the configuration', async (t) => {
  for (const [settings, options] of [['', { backgroundMaterialization: false }], ['  background_materialization: false\n', {}]] as const) {
    const { store, lines } = await shop(t, { settings, ...options });
    for (let i = 0; i < 60; i++) await store.getFeatures(set);
    await store.close();
    assert.deepEqual(lines, []);
    assert.equal((await stateOf(store).catch(() => undefined))?.state, undefined, 'the store is closed');
  }
});

test('what was learned and paid survives the process, and is not needed', async (t) => {
  const { store, open, folder, lines } = await shop(t, { backgroundMaterialization: false });
  for (let i = 0; i < 8; i++) await store.getFeatures(set);
  await store.close();
  const account = join(folder, 'data/feature_store', set, '_account');
  const file = join(account, readdirSync(account)[0]!);
  const saved = JSON.parse(readFileSync(file, 'utf8')) as { rentMs: number; throughputs: { source: { observations: number } } };
  assert.ok(saved.rentMs > 0);
  assert.equal(saved.throughputs.source.observations, 8);
  const again = await open();
  assert.match((await stateOf(again)).detail.join(), /reads have paid \d+ ms/);
  await again.close();
  writeFileSync(file, readFileSync(file).subarray(0, 50));
  const anew = await open();
  await anew.getFeatures(set);
  await anew.close();
  assert.match(lines.join('\n'), /_account.* cannot be read, and starts anew/);
});

test('two stores on one storage materialize once, and nothing is left behind', async (t) => {
  const { store, open } = await shop(t);
  const other = await open();
  for (let i = 0; i < 300 && (await stateOf(store)).state !== 'fresh'; i++) {
    await Promise.all([store.getFeatures(set), other.getFeatures(set)]);
  }
  await Promise.all([store.close(), other.close()]);
  const after = await open();
  const { version, state } = await stateOf(after);
  assert.equal(state, 'fresh');
  assert.equal(version, 0, 'one commit');
  const { reasons } = await after.getFeatures(set);
  assert.match(reasons.join(), /unchanged/);
  await after.close();
});

test('closing waits for what is under way, or cancels it and leaves nothing', async (t) => {
  const { store, open, folder, lines } = await shop(t);
  await readUntilStarted(store, lines);
  await store.close({ background: 'cancel' });
  const features = join(folder, 'data/feature_store', set, 'features');
  const staged = existsSync(features) ? readdirSync(features, { recursive: true, encoding: 'utf8' }).filter((path) => /_staged\/./.test(path)) : [];
  assert.deepEqual(staged, []);
  const again = await open();
  await readUntilStored(again);
  await again.close();
});

test('what the store’s own signal stops is no failure', async (t) => {
  const stop = new AbortController();
  const { store, lines } = await shop(t, { signal: stop.signal });
  await readUntilStarted(store, lines);
  stop.abort();
  await store.close();
  assert.doesNotMatch(lines.join('\n'), /failed/);
});

test('a background failure fails no read; it is logged, told by status, and tried again later', async (t) => {
  const { store, folder, lines } = await shop(t);
  const before = await store.getFeatures(set);
  // A file stands where a folder should be.
  mkdirSync(join(folder, 'data/feature_store', set), { recursive: true });
  writeFileSync(join(folder, 'data/feature_store', set, 'tiles'), '');
  for (let i = 0; i < 300 && !lines.some((line) => line.includes('failed')); i++) {
    assert.ok(tablesEqual((await store.getFeatures(set)).table, before.table));
    await pause();
  }
  assert.match(lines.join('\n'), /materializing in the background failed at 2024-01-01T00:00:00Z: .*tiles/);
  assert.match((await stateOf(store)).detail.join('\n'), /materializing in the background failed/);
  rmSync(join(folder, 'data/feature_store', set, 'tiles'));
  await readUntilStored(store, set, 2_000);
  assert.doesNotMatch((await stateOf(store)).detail.join('\n'), /failed/);
  await store.close();
});

test('a process that dies at it: others answer meanwhile, and take over when its lease is old', async (t) => {
  const { store, open, folder, clock } = await shop(t);
  const sound = await store.getFeatures(set, { mode: 'virtualized' });
  const place = join(folder, 'data/feature_store', set);
  // Until one is killed before it was done.
  for (let round = 0; ; round++) {
    const child = fork(new URL('./background-child.js', import.meta.url), [folder, String(clock.nowMs)], { stdio: 'ignore' });
    const exited = once(child, 'exit');
    await once(child, 'message');
    while (!existsSync(join(place, '_lease/0000000001.json'))) await pause();
    child.kill('SIGKILL');
    await exited;
    if ((await stateOf(store)).state !== 'fresh') break;
    assert.ok(round < 20, 'never killed in time');
    rmSync(place, { recursive: true });
  }
  for (let i = 0; i < 40; i++) assert.ok(tablesEqual((await store.getFeatures(set)).table, sound.table));
  assert.equal((await stateOf(store)).state, 'never materialized', 'the dead process holds the lease');
  await store.close();
  clock.nowMs += leaseMs;
  const later = await open();
  await readUntilStored(later);
  assert.ok(tablesEqual((await later.getFeatures(set)).table, sound.table));
  clock.nowMs += 2 * 86_400_000;
  await later.vacuum(set, { retentionMs: 0 });
  const left = readdirSync(place, { recursive: true, encoding: 'utf8' }).filter((path) => /_(staged|superseded)\/./.test(path) || /_log\/.*tmp$/.test(path));
  assert.deepEqual(left, []);
  await later.close();
});

test('whatever the background does meanwhile, hybrid is as fresh as the source, and the same table', async (t) => {
  const { store, source, append } = await shop(t, { sets: customerSet });
  const random = randomOf(11);
  let changes = 0;
  for (let step = 0; step < 120; step++) {
    if (random() < 0.1) await append(100 + step);
    else if (random() < 0.03) await writeTable(source, transactionTable(transactions(10_000, step)), { format: 'parquet', mode: 'overwrite' });
    const asked: FeatureOptions = random() < 0.5 ? {} : { timeRange: '30d', asOf: '1970-03-20T07:00:00Z' };
    const [hybrid, virtualized] = await Promise.all([store.getFeatures(set, asked), store.getFeatures(set, { ...asked, mode: 'virtualized' })]);
    assert.equal(hybrid.sourceVersion, virtualized.sourceVersion);
    assert.equal(hybrid.stale, false);
    assert.ok(tablesEqual(hybrid.table, virtualized.table), `step ${step}: ${hybrid.reasons.join('; ')}`);
    changes += hybrid.reasons.join().includes('nothing is stored') ? 0 : 1;
  }
  assert.ok(changes > 0, 'something was stored on the way');
  await store.close();
});

// ---- roads

test('explain says what every road would cost, in words and as data', async (t) => {
  const { store, append } = await shop(t, { backgroundMaterialization: false, rows: 200_000 });
  await store.materialize(set);
  await append(2);
  const { text, decision } = await store.explain(set);
  assert.equal(decision.road, 'merged');
  assert.deepEqual(decision.roads!.map(({ road, open }) => [road, open]), [['stored', false], ['merged', true], ['source', true]]);
  for (const { open, costMs } of decision.roads!) if (open) assert.ok(costMs! > 0);
  assert.match(text, /road {5}stored: closed, some [\d.]+ ms \(the source has changed/);
  assert.match(text, /road {5}source: open, some [\d.]+ ms/);
  assert.equal((await store.explain(set, { mode: 'virtualized' })).decision.roads, undefined);
  await store.close();
});

test('a road that is named is taken, by one call', async (t) => {
  const { store, append } = await shop(t, { backgroundMaterialization: false });
  await assert.rejects(store.getFeatures(set, { road: 'stored' }), /nothing is stored/);
  await store.materialize(set);
  const stored = await store.getFeatures(set);
  await append(2);
  const [old, merged, source] = await Promise.all((['stored', 'merged', 'source'] as const).map((road) => store.getFeatures(set, { road })));
  assert.deepEqual([old!.stale, merged!.stale, source!.stale], [true, false, false]);
  assert.ok(tablesEqual(old!.table, stored.table));
  assert.ok(tablesEqual(merged!.table, source!.table));
  assert.match(source!.reasons.join(), /road source was asked for/);
  await assert.rejects(store.getFeatures(set, { road: 'sorce' as 'source' }), (error: unknown) => error instanceof ArgumentError && /did you mean 'source'/.test(error.message));
  await assert.rejects(store.getFeatures(set, { mode: 'virtualized', road: 'stored' }), ArgumentError);
  assert.equal((await store.getFeatures(set, { mode: 'virtualized', road: 'source' })).mode, 'virtualized');
  await store.close();
});

// ---- failures

/** Flips a bit in the middle of each stored Parquet file of a table. */
function damage(folder: string, table: 'features' | 'tiles'): void {
  const place = join(folder, 'data/feature_store', set, table);
  for (const name of readdirSync(place).filter((each) => each.endsWith('.parquet'))) {
    const content = readFileSync(join(place, name));
    content[Math.floor(content.length / 2)]! ^= 1;
    writeFileSync(join(place, name), content);
  }
}

test('stored files damaged: the source answers, and the damage is said; then it is repaired', async (t) => {
  const { store, open, folder } = await shop(t);
  const sound = await store.getFeatures(set, { mode: 'virtualized' });
  await store.materialize(set);
  damage(folder, 'features');
  const { table, reasons, stale } = await store.getFeatures(set);
  assert.ok(tablesEqual(table, sound.table));
  assert.equal(stale, false);
  assert.match(reasons[0]!, /what is stored cannot be read: .*\.parquet/);
  for (let i = 0; i < 400 && (await store.getFeatures(set)).reasons[0]!.includes('cannot be read'); i++) await pause();
  const repaired = await open();
  assert.match((await repaired.getFeatures(set)).reasons.join(), /unchanged since it was materialized/);
  await Promise.all([store.close(), repaired.close()]);
});

test('stored tiles damaged: the same', async (t) => {
  const { store, folder } = await shop(t, { rows: 200_000, backgroundMaterialization: false });
  const month: FeatureOptions = { timeRange: '30d', asOf: '1970-03-02' };
  const sound = await store.getFeatures(set, { ...month, mode: 'virtualized' });
  await store.materialize(set);
  damage(folder, 'tiles');
  const { decision } = await store.explain(set, month);
  assert.equal(decision.road, 'tiles');
  assert.match(decision.reasons.join(), /cannot be planned: .*tiles.*\.parquet/);
  const { table, reasons } = await store.getFeatures(set, month);
  assert.ok(tablesEqual(table, sound.table));
  assert.match(reasons[0]!, /what is stored cannot be read: .*tiles.*\.parquet/);
  await assert.rejects(store.getFeatures(set, { ...month, road: 'stored' }), /tiles.*\.parquet/);
  await store.close();
});

test('a file of the source damaged: nobody says that it is what is stored', async (t) => {
  const { store, source, append } = await shop(t, { rows: 200_000, backgroundMaterialization: false });
  await store.materialize(set);
  const files = new Set(readdirSync(source));
  await append(2);
  const added = join(source, readdirSync(source).find((name) => name.endsWith('.parquet') && !files.has(name))!);
  const content = readFileSync(added);
  writeFileSync(added, content.subarray(0, content.length / 2));
  await assert.rejects(store.getFeatures(set), (error: unknown) => error instanceof Error && error.message.includes(added) && !/what is stored/.test(error.message));
  await store.close();
});

test('the log of what is stored damaged: the source answers, and materialized mode says what is wrong', async (t) => {
  const { store, open, folder } = await shop(t, { backgroundMaterialization: false });
  await store.materialize(set);
  await store.close();
  const log = join(folder, 'data/feature_store', set, 'features/_log');
  for (const name of readdirSync(log)) writeFileSync(join(log, name), '{');
  const again = await open();
  assert.match((await again.getFeatures(set)).reasons[0]!, /what is stored cannot be read: .*_log/);
  await assert.rejects(again.getFeatures(set, { mode: 'materialized' }), /_log/);
  await again.close();
});

test('source gone: the stored answer, only within max_staleness; both gone: the error says both', async (t) => {
  const { store, open, folder, source, clock } = await shop(t, { backgroundMaterialization: false });
  await store.materialize(set);
  const stored = await store.getFeatures(set);
  renameSync(source, `${source}-away`);
  clock.nowMs += 600_000;
  await assert.rejects(store.getFeatures(set), StaleError);
  await assert.rejects(store.getFeatures(set, { maxStaleness: '9m' }), (error: unknown) => error instanceof StaleError && /10m old, more than max_staleness allows/.test(error.message));
  const stale = await store.getFeatures(set, { maxStaleness: '10m' });
  assert.equal(stale.stale, true);
  assert.match(stale.reasons.join(), /the source cannot be reached/);
  assert.ok(tablesEqual(stale.table, stored.table));
  await store.close();
  damage(folder, 'features');
  const again = await open();
  await assert.rejects(again.getFeatures(set, { maxStaleness: '10m' }), (error: unknown) =>
    error instanceof StaleError && /the source cannot be reached/.test(error.message) && /what is stored cannot be read/.test(error.message));
  renameSync(`${source}-away`, source);
  assert.ok(tablesEqual((await again.getFeatures(set)).table, stored.table));
  await again.close();
});

test('a clock that jumps back makes no old answer young, and one that jumps to and fro stops nothing', async (t) => {
  const { store, clock, append } = await shop(t);
  await store.materialize(set);
  await append(2);
  clock.nowMs -= 3_600_000;
  const answer = await store.getFeatures(set, { maxStaleness: '1d' });
  assert.equal(answer.stale, false);
  assert.match(answer.reasons.join(), /still to come by this clock/);
  await assert.rejects(store.getFeatures(set, { mode: 'materialized', maxStaleness: '1d' }), /still to come by this clock/);
  for (let i = 0; i < 400 && (await stateOf(store)).state !== 'fresh'; i++) {
    clock.nowMs += i % 2 === 0 ? 10 * 365 * 86_400_000 : -10 * 365 * 86_400_000;
    await store.getFeatures(set);
    await pause();
  }
  assert.equal((await stateOf(store)).state, 'fresh');
  await store.close();
});

// ---- the budget

/** The bytes of live data files. */
function storedBytes(folder: string, name: string): number {
  const place = join(folder, 'data/feature_store', name);
  const files = readdirSync(place, { recursive: true, encoding: 'utf8' }).filter((path) => /^(features|tiles)\/part.*parquet$/.test(path));
  return files.reduce((sum, path) => sum + statSync(join(place, path)).size, 0);
}

test('a budget that is too small for two: the one that saves less gives way, and can be made again', async (t) => {
  const { store, open, lines, folder } = await shop(t, { sets: plainSet + otherSet, backgroundMaterialization: false });
  await store.materialize(set);
  for (let i = 0; i < 5; i++) await store.getFeatures(set);
  const other = await store.getFeatures('other');
  await store.close();
  const global = join(folder, 'config/global.yaml');
  writeFileSync(global, `${readFileSync(global, 'utf8')}  storage_budget: ${Math.round(storedBytes(folder, set) * 1.5)}B\n`);
  const tight = await open();
  await tight.materialize('other');
  await tight.close();
  assert.match(lines.join('\n'), /other: given up to keep storage_budget/);
  assert.equal(storedBytes(folder, 'other'), 0);
  const after = await open();
  assert.match((await after.getFeatures(set)).reasons.join(), /unchanged/, 'the other one stayed');
  const answer = await after.getFeatures('other');
  assert.match(answer.reasons.join(), /nothing is stored/);
  assert.ok(tablesEqual(answer.table, other.table));
  assert.equal((await stateOf(after, 'other')).state, 'never materialized');
  assert.equal((await after.materialize('other')).changed, true);
  await after.close();
});

test('in other modes than hybrid nothing is given up, since nothing else could answer', async (t) => {
  const { store, folder } = await shop(t, { settings: '  storage_budget: 1B\n' });
  await store.close();
  const global = join(folder, 'config/global.yaml');
  writeFileSync(global, readFileSync(global, 'utf8').replace('hybrid', 'materialized'));
  const materialized = await FeatureStore.open(folder, { threads: 1 });
  await materialized.materialize(set);
  await materialized.close();
  assert.ok(storedBytes(folder, set) > 0);
});
