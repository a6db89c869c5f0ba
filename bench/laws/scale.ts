/**
 * Ten times the rows take at most eleven times as long, and memory stays bounded: 10 M and 100 M rows from Parquet, each
 * answered by a process of its own, the answers compared with DuckDB's.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { deserialize } from 'node:v8';
import { parquetPath } from '../contenders/contender.ts';
import { answerOf, connect } from '../contenders/duckdb.ts';
import { count } from '../questions.ts';
import type { Answer } from '../support/answer.ts';
import { firstDayUs } from '../support/dataset.ts';
import type { Fact } from '../support/result.ts';
import type { Law } from './law.ts';
import type { OneAnswer } from './one-answer.ts';

const groups = 100_000;

export const scaleLaw: Law = {
  name: 'limits/100M-rows',
  text: '100 M rows from Parquet against 10 M, 100 k integer keys, two threads',
  async measure({ toy, folder }) {
    const sizes = toy ? [10_000, 100_000] : [10_000_000, 100_000_000];
    const answers: OneAnswer[] = [];
    for (const rows of sizes) answers.push(await answerOfRows(rows, folder, toy ? 1 : 3));
    const [small, large] = answers as [OneAnswer, OneAnswer];
    const [fewer, more] = sizes.map(count) as [string, string];
    const facts: Fact[] = [
      { what: `${fewer} rows`, unit: 'ms', measured: small.medianMs },
      { what: `${more} rows`, unit: 'ms', measured: large.medianMs },
      // Of few rows the time is what a start takes, and says nothing of the rows.
      { what: 'ratio of the medians', unit: '×', measured: large.medianMs / small.medianMs, ...(!toy && { most: 11 }) },
      { what: `resident memory at its peak, ${fewer} rows`, unit: 'MiB', measured: small.residentBytes / 2 ** 20 },
      { what: `resident memory at its peak, ${more} rows`, unit: 'MiB', measured: large.residentBytes / 2 ** 20, most: 1536 },
    ];
    return facts;
  },
};

async function answerOfRows(rows: number, folder: string, rounds: number): Promise<OneAnswer> {
  const table = `scale_${rows}`;
  const path = parquetPath({ folder, table });
  mkdirSync(dirname(path), { recursive: true });
  const connection = await connect();
  await connection.run('SET preserve_insertion_order = false');
  await connection.run(`COPY (SELECT
      (hash(i) % ${groups})::INTEGER AS customer,
      ((hash(i + 1000000000) % 50000)::DOUBLE - 10000) / 100 AS amount,
      make_timestamp(${firstDayUs} + (hash(i + 2000000000) % 31536000)::BIGINT * 1000000) AS date
    FROM range(${rows}) AS numbers(i)) TO '${path}' (FORMAT parquet, COMPRESSION snappy)`);
  const theirs = await answerOf(connection, { key: 'integer', days: 'all' }, `read_parquet('${path}')`);
  connection.closeSync();
  const out = join(folder, `${table}.answer`);
  execFileSync(process.execPath, [fileURLToPath(new URL('one-answer.js', import.meta.url)), folder, table, String(rounds), out], { stdio: 'inherit' });
  const ours = deserialize(readFileSync(out)) as OneAnswer;
  compare(ours.answer, theirs);
  for (const file of [path, out]) rmSync(file);
  return ours;
}

function compare(ours: Answer, theirs: Answer): void {
  assert.equal(ours.counts.length, theirs.counts.length, 'groups');
  const place = new Map<number, number>();
  for (let i = 0; i < theirs.counts.length; i++) place.set(Number(theirs.keys[0]![i]), i);
  for (let i = 0; i < ours.counts.length; i++) {
    const key = Number(ours.keys[0]![i]);
    const other = place.get(key);
    assert.ok(other !== undefined, `a group of its own: ${key}`);
    assert.equal(ours.counts[i], theirs.counts[other], `count of ${key}`);
    assert.equal(ours.newest[i], theirs.newest[other], `maximum of ${key}`);
    const allowed = 1e-9 * Math.max(Math.abs(ours.sums[i]!), Number(ours.counts[i]));
    assert.ok(Math.abs(ours.sums[i]! - theirs.sums[other]!) <= allowed, `sum of ${key}`);
    assert.ok(Math.abs(ours.means[i]! - theirs.means[other]!) <= allowed, `mean of ${key}`);
  }
}
