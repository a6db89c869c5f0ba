/** The data that `init` writes, and how it says what to type. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Table } from '../../src/arrow/arrow.ts';
import { programName } from '../../src/cli/program.ts';
import { sampleTransactions, transactionCount } from '../../src/cli/sample-transactions.ts';
import { toRows } from '../../src/arrow/values.ts';

const now = new Date('2026-05-01T12:34:56.789Z');

test('usage: the same instant gives the same 50,000 rows, in four files by time', () => {
  const [tables, again] = [sampleTransactions(now), sampleTransactions(now)];
  assert.equal(tables.length, 4);
  assert.equal(tables.reduce((sum, table) => sum + table.numRows, 0), transactionCount);
  assert.deepEqual(toRows(tables[2]!).slice(0, 100), toRows(again[2]!).slice(0, 100));
  assert.deepEqual(toRows(new Table(tables[0]!.batches)).at(-1), toRows(new Table(again[0]!.batches)).at(-1));
});

test('they have what real ones have: nulls, refunds, cents, ties; all before now, a quarter in the last 30 days', () => {
  const rows = sampleTransactions(now).flatMap(toRows) as { customer_id: number | null; amount: number; date: string }[];
  const share = (condition: (row: (typeof rows)[number], i: number) => boolean): number => rows.filter(condition).length / rows.length;
  assert.ok(Math.abs(share((row) => row.customer_id === null) - 0.01) < 0.003);
  assert.ok(Math.abs(share((row) => row.amount < 0) - 0.04) < 0.006);
  assert.ok(share((row, i) => i > 0 && row.date === rows[i - 1]!.date) > 0.04);
  assert.ok(rows.every((row) => Math.round(row.amount * 100) / 100 === row.amount));
  assert.ok(rows.every((row) => row.date < '2026-05-01T12:34:00Z' && row.date >= '2026-01-01T12:34:00Z'));
  assert.ok(Math.abs(share((row) => row.date >= '2026-04-01T12:34:00Z') - 0.25) < 0.01);
  assert.ok(rows.every((row, i) => i === 0 || row.date >= rows[i - 1]!.date));
  assert.ok(new Set(rows.map((row) => row.customer_id)).size > 1_900);
});

test('what to type is what was typed', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tauro-program-'));
  const script = join(folder, 'main.js');
  const bin = join(folder, 'tauro-features');
  writeFileSync(script, '');
  chmodSync(script, 0o755);
  symlinkSync(script, bin);
  assert.equal(programName(bin, { PATH: `/nowhere:${folder}` }), 'tauro-features');
  assert.equal(programName(script, { PATH: '/nowhere' }), `node ${script}`);
  assert.equal(programName('/with space/main.js', {}), 'node "/with space/main.js"');
  assert.equal(programName(script, { npm_command: 'exec' }), 'npx tauro-features');
  assert.equal(programName('/home/a/.npm/_npx/1f/node_modules/.bin/tauro-features', { npm_command: 'exec' }), 'npx --package tauro-feature-store tauro-features');
  const local = join(folder, 'node_modules/.bin/tauro-features');
  mkdirSync(join(folder, 'node_modules/.bin'), { recursive: true });
  symlinkSync(script, local);
  assert.equal(programName(local, { PATH: '' }), 'npx tauro-features');
  rmSync(folder, { recursive: true });
});
