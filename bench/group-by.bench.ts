/**
 * Question: how long does a group-by of 10 million rows take, against native DuckDB with two threads?
 *
 *   100,000 integer keys; sum, mean and count of an amount in cents, max of a timestamp; time unsorted
 *   all rows, and the last 30 of 365 days
 *
 * Both have the data in memory in a layout of their own. DuckDB is given the faster of its ways to keep a result, a
 * temporary table. Ours sums exactly, DuckDB in plain doubles; the answers are compared first: keys, counts and maxima
 * exactly, sums and means to 1e-9, and ours to the exact sum of every hundredth customer.
 *
 *   npm run bench -- group-by [--toy]
 */
import assert from 'node:assert/strict';
import { DOUBLE, type DuckDBConnection, DuckDBDataChunk, DuckDBInstance, INTEGER, TIMESTAMP, DuckDBTimestampValue } from '@duckdb/node-api';
import { Field, Float64, Int32, makeData, Schema, type Table, TimestampMicrosecond } from '../src/arrow/arrow.ts';
import { tableOfColumns } from '../src/arrow/canonical.ts';
import { groupBy, type GroupByOptions } from '../src/engine/group-by.ts';
import { measure, randomOf, report, toy } from './support/measure.ts';

const rows = toy ? 100_000 : 10_000_000;
const customers = toy ? 1_000 : 100_000;
const rounds = toy ? 1 : 7;
const dayUs = 86_400_000_000n;

const keys = new Int32Array(rows);
const amounts = new Float64Array(rows);
const dates = new BigInt64Array(rows);
const random = randomOf(20260731);
for (let i = 0; i < rows; i++) {
  keys[i] = Math.floor(random() * customers);
  amounts[i] = Math.round(random() * 50_000 - 10_000) / 100;
  dates[i] = BigInt(Math.floor(random() * 365 * 86_400)) * 1_000_000n;
}

function arrowTable(): Table {
  const time = new TimestampMicrosecond('UTC');
  const schema = new Schema([
    new Field('customer_id', new Int32(), false),
    new Field('amount', new Float64(), false),
    new Field('date', time, false),
  ]);
  return tableOfColumns(schema, [
    makeData({ type: new Int32(), data: keys }),
    makeData({ type: new Float64(), data: amounts }),
    makeData({ type: time, data: dates }),
  ], rows);
}

async function duckTable(connection: DuckDBConnection): Promise<void> {
  await connection.run('SET threads = 2');
  await connection.run('CREATE TABLE t (customer_id INTEGER, amount DOUBLE, date TIMESTAMP)');
  const appender = await connection.createAppender('t');
  const size = 2048;
  for (let start = 0; start < rows; start += size) {
    const count = Math.min(size, rows - start);
    const chunk = DuckDBDataChunk.create([INTEGER, DOUBLE, TIMESTAMP], count);
    chunk.setColumns([
      Array.from(keys.subarray(start, start + count)),
      Array.from(amounts.subarray(start, start + count)),
      Array.from(dates.subarray(start, start + count), (us) => new DuckDBTimestampValue(us)),
    ]);
    appender.appendDataChunk(chunk);
  }
  appender.closeSync();
}

const table = arrowTable();
const connection = await (await DuckDBInstance.create(':memory:')).connect();
await duckTable(connection);

const since = 335n * dayUs;
const questions: readonly { readonly text: string; readonly where: string; readonly options: GroupByOptions }[] = [
  { text: 'all rows', where: '', options: {} },
  {
    text: 'last 30 of 365 days',
    where: `WHERE epoch_us(date) >= ${since}`,
    options: { timestamp: 'date', timeRange: { start: { value: since, unit: 'us' } } },
  },
];

for (const { text, where, options } of questions) {
  const filter = where === '' ? '' : "WHERE date >= TIMESTAMP '1970-12-02 00:00:00'";
  const sql = `SELECT customer_id, sum(amount) AS s, avg(amount) AS m, count(amount) AS c, max(date) AS d FROM t ${filter} GROUP BY customer_id`;
  const ours = () => groupBy(table, 'customer_id').agg({ amount: ['sum', 'mean', 'count'], date: 'max' }, { ...options, threads: 2 });
  await compare(await ours(), `${sql.replace('max(date)', 'epoch_us(max(date))')} ORDER BY customer_id`, options === questions[0]!.options ? 0n : since);
  const timings = await measure(
    { 'tauro, two threads': ours, 'DuckDB, two threads': () => connection.run(`CREATE OR REPLACE TEMP TABLE r AS ${sql}`) },
    rounds,
  );
  report(`${rows.toLocaleString('en')} rows, ${customers.toLocaleString('en')} integer keys, sum mean count max: ${text}`, timings);
}

async function compare(answer: Table, sql: string, start: bigint): Promise<void> {
  const theirs = (await connection.runAndReadAll(sql)).getColumns() as [number[], number[], number[], bigint[], bigint[]];
  const [keyColumn, sums, means, counts, newest] = answer.batches[0]!.data.children.map((child) => child!.values) as [
    Int32Array, Float64Array, Float64Array, BigInt64Array, BigInt64Array,
  ];
  assert.equal(answer.numRows, theirs[0].length, 'groups');
  const near = (a: number, b: number, what: string): void => assert.ok(Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(a)), `${what}: ${a}, ${b}`);
  for (let i = 0; i < answer.numRows; i++) {
    assert.equal(keyColumn[i], theirs[0][i]);
    near(sums[i]!, theirs[1][i]!, `sum of ${keyColumn[i]}`);
    near(means[i]!, theirs[2][i]!, `mean of ${keyColumn[i]}`);
    assert.equal(counts[i], theirs[3][i]);
    assert.equal(newest[i], theirs[4][i]);
  }
  // Amounts are whole cents: the exact sum of the doubles is a sum of whole multiples of 2^-60.
  const exact = new Map<number, bigint>();
  for (let i = 0; i < rows; i++) {
    const key = keys[i]!;
    if (key % 100 !== 0 || dates[i]! < start) continue;
    exact.set(key, (exact.get(key) ?? 0n) + BigInt(amounts[i]! * 2 ** 60));
  }
  answer.numRows > 0 && keyColumn.forEach((key, i) => {
    if (key % 100 === 0) assert.equal(sums[i], Number(exact.get(key)!) / 2 ** 60, `exact sum of ${key}`);
  });
}
