/** Which sets give way to keep `storage_budget`. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { evict, planEviction, type StoredSet, sweep, wouldStay } from '../../src/modes/budget.ts';
import { evictedVersion } from '../../src/modes/storage.ts';
import { memoryBytes } from '../../src/store/memory-bytes.ts';
import { openOwnTable } from '../../src/store/own-table.ts';
import type { OwnTable } from '../../src/store/table.ts';
import { transactions, transactionTable } from './support.ts';

const set = (name: string, bytes: number, benefitMs: number, held = false): StoredSet => ({ name, bytes, benefitMs, held });

test('what saves least per byte gives way first', () => {
  const sets = [set('worth much', 100, 1_000), set('large', 400, 1_200), set('never read', 50, 0)];
  assert.deepEqual(planEviction(sets, 550), []);
  assert.deepEqual(planEviction(sets, 500), ['never read']);
  assert.deepEqual(planEviction(sets, 499), ['large'], 'and only as much as must be: without the large one the small one fits');
  assert.deepEqual(planEviction(sets, 120), ['never read', 'large']);
  assert.deepEqual(planEviction(sets, 0), ['never read', 'large', 'worth much']);
});

test('nothing is bought that would give way at once', () => {
  const others = [set('busy', 600, 10, true), set('good', 300, 3_000)];
  assert.equal(wouldStay({ name: 'new', bytes: 100, benefitMs: 1 }, others, 1_000), true, 'there is room');
  assert.equal(wouldStay({ name: 'new', bytes: 200, benefitMs: 1 }, others, 1_000), false, 'worth less than what is there');
  assert.equal(wouldStay({ name: 'new', bytes: 200, benefitMs: 4_000 }, others, 1_000), true);
  assert.equal(wouldStay({ name: 'good', bytes: 300, benefitMs: 3_000 }, others, 900), true, 'a set does not compete with itself');
});

test('after it, what is left fits, or nothing more may go; and nothing went without need', () => {
  const sets = fc.uniqueArray(fc.record({ name: fc.string({ maxLength: 3 }), bytes: fc.nat(1_000), benefitMs: fc.nat(100), held: fc.boolean() }), { selector: ({ name }) => name });
  fc.assert(fc.property(sets, fc.nat(3_000), (all, budget) => {
    const gone = new Set(planEviction(all, budget));
    const left = all.filter(({ name }) => !gone.has(name));
    const bytes = left.reduce((sum, each) => sum + each.bytes, 0);
    assert.ok(all.every(({ name, held }) => !held || !gone.has(name)));
    assert.ok(bytes <= budget || left.every((each) => each.held || each.bytes === 0));
    for (const each of all) if (gone.has(each.name)) assert.ok(bytes + each.bytes > budget, `${each.name} went for nothing`);
  }));
});

test('who reads what is given up reads on; its files go when nobody can be reading them', async () => {
  const clock = { nowMs: 1_000_000 };
  const bytes = memoryBytes();
  const open = (folder: string): OwnTable => openOwnTable(bytes, folder, { now: () => clock.nowMs });
  const tables = { features: open('features'), tiles: open('tiles') };
  const rows = transactionTable(transactions(1_000));
  const write = async (table: OwnTable, readVersion: number): Promise<void> => {
    const add = await table.stage(rows.schema, rows.batches);
    assert.equal((await table.commit({ readVersion, kind: 'overwrite', schema: rows.schema, add, info: {} })).kind, 'committed');
  };
  assert.equal(await evict(tables), false, 'nothing is there');
  await write(tables.features, -1);
  await write(tables.tiles, -1);
  const held = await tables.features.snapshot();
  const count = async (): Promise<number> => {
    let sum = 0;
    for await (const batch of held.scan()) sum += batch.numRows;
    return sum;
  };
  clock.nowMs += 3_600_000;
  assert.equal(await evict(tables), true);
  assert.equal(await evictedVersion(tables), 1);
  assert.equal(await count(), 1_000);
  await sweep(tables, clock.nowMs + 60_000);
  assert.equal(await count(), 1_000, 'a minute later');
  await sweep(tables, clock.nowMs + 3_600_000);
  assert.deepEqual((await bytes.list('')).map(({ path }) => path).filter((path) => path.endsWith('.parquet')), []);
  await write(tables.features, 1);
  assert.equal(await evictedVersion(tables), -1, 'stored again');
});
