/**
 * Training sets against native DuckDB, side by side over the same tables in memory, two threads each: the latest value before
 * each label's moment (`ASOF JOIN`), and what happened in the 30 days before it (a join by range, which DuckDB does fastest here;
 * subqueries and window functions take longer). The events are a table of each engine's own: ours a resident one. Every answer is compared.
 * What it holds in memory at most, and other shapes of data, are measured in processes of their own (training-child.ts).
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { platform } from 'node:process';
import { fileURLToPath } from 'node:url';
import { Field, Float64, Int64, makeData, Schema, type Table, TimestampMicrosecond } from '../../src/arrow/arrow.ts';
import { tableOfColumns } from '../../src/arrow/canonical.ts';
import { FeatureStore, featureSet, residentTable } from '../../src/index.ts';
import { connect } from '../contenders/duckdb.ts';
import { count } from '../questions.ts';
import { firstDayUs } from '../support/dataset.ts';
import { measure } from '../support/measure.ts';
import type { Fact } from '../support/result.ts';
import type { Law } from './law.ts';

type Connection = Awaited<ReturnType<typeof connect>>;

interface Shape {
  readonly labels: number;
  readonly events: number;
  readonly entities: number;
}

interface Contest {
  readonly shape: Shape;
  readonly aggregations: readonly ('last' | 'sum' | 'count' | 'mean' | 'max')[];
  readonly timeRange?: string;
  /** What DuckDB is asked: `id`, then the aggregations. */
  readonly sql: string;
}

const yearUs = 365 * 86_400 * 1_000_000;
const toy = ({ entities }: Shape): Shape => ({ labels: 2_000, events: 20_000, entities: entities / 500 });

export const asOfLaw: Law = {
  name: 'training/as-of',
  text: '1 M labels, each with the latest value before it of 10 M rows, 100 k entities, two threads',
  measure: ({ toy: isToy }) => {
    const shape = { labels: 1_000_000, events: 10_000_000, entities: 100_000 };
    return contest({
      shape: isToy ? toy(shape) : shape,
      aggregations: ['last'],
      sql: 'SELECT l.id, e.amount FROM labels l ASOF LEFT JOIN events e ON l.customer = e.customer AND l.moment > e.moment',
    }, isToy);
  },
};

export const windowLaw: Law = {
  name: 'training/windows',
  text: 'sum, count, mean and max of the 30 days before each of 100 k labels, 10 M events, 100 k entities, two threads',
  measure: ({ toy: isToy }) => {
    const shape = { labels: 100_000, events: 10_000_000, entities: 100_000 };
    return contest({
      shape: isToy ? toy(shape) : shape,
      aggregations: ['sum', 'count', 'mean', 'max'],
      timeRange: '30d',
      sql: `SELECT l.id, sum(e.amount), nullif(count(e.amount), 0)::DOUBLE, avg(e.amount), max(e.amount) FROM labels l
        LEFT JOIN events e ON l.customer = e.customer AND e.moment < l.moment AND e.moment >= l.moment - INTERVAL 30 DAY GROUP BY l.id`,
    }, isToy);
  },
};

async function contest({ shape, aggregations, timeRange, sql }: Contest, isToy: boolean): Promise<Fact[]> {
  const connection = await connect();
  await fill(connection, shape);
  const store = await FeatureStore.open({}, { threads: 2 });
  store.registerSource('events', await residentTable(await tableOf(connection, 'SELECT customer, moment, amount FROM events', ['customer', 'moment', 'amount'])));
  store.define(featureSet({ name: 'spend', entityKeys: 'customer', source: 'events', timestamp: 'moment', aggregations: { amount: aggregations } }));
  const labels = await tableOf(connection, 'SELECT customer, moment FROM labels ORDER BY id', ['customer', 'moment']);
  const ask = () => store.getTrainingSet(labels, { features: ['spend'], timestamp: 'moment', ...(timeRange !== undefined && { timeRange }) });
  const timings = await measure(
    new Map([
      ['ours', { run: ask }],
      ['DuckDB', { run: () => connection.run(`CREATE OR REPLACE TEMP TABLE r AS ${sql}`) }],
    ]),
    isToy ? 1 : 5,
  );
  await compare(connection, (await ask()).table, aggregations);
  await store.close();
  connection.closeSync();
  const [ours, theirs] = timings as [(typeof timings)[number], (typeof timings)[number]];
  return [
    { what: `${count(shape.labels)} labels, ours`, unit: 'ms', measured: ours.medianMs },
    { what: `${count(shape.labels)} labels, DuckDB`, unit: 'ms', measured: theirs.medianMs },
    // Of few rows the time is what a start takes.
    { what: 'ours as a part of DuckDB’s', unit: '×', measured: ours.medianMs / theirs.medianMs, ...(!isToy && { most: 0.25 }) },
    ...inProcesses(shape, timeRange === undefined ? 'last' : 'windows', isToy),
  ];
}

/** Memory, and other shapes: of few rows memory is what a start takes. */
function inProcesses({ events, labels, entities }: Shape, kind: 'last' | 'windows', isToy: boolean): Fact[] {
  // Peaks are Linux's to tell.
  if (platform !== 'linux') return [];
  const child = fileURLToPath(new URL('training-child.js', import.meta.url));
  const found = (shape: string): readonly [number, number] => {
    const [memory, ms] = execFileSync(process.execPath, [child, ...[events, labels, entities].map(String), kind, shape], { encoding: 'utf8' }).split(' ').map(Number);
    return [memory!, ms!];
  };
  const others = isToy ? ['text'] : ['zipf', 'few', 'text'];
  return [
    { what: 'memory at most, of the columns used', unit: '×', measured: found('uniform')[0], ...(!isToy && { most: 3 }) },
    ...others.map((shape): Fact => ({ what: `ours where ${shapes[shape as keyof typeof shapes]}`, unit: 'ms', measured: found(shape)[1] })),
  ];
}

const shapes = { zipf: 'entities are of very different sizes', few: 'labels are of one entity in a hundred', text: 'keys are text' } as const;

/** Tables `events` and `labels` of a year, the same in every run. Moments are whole microseconds, so that hardly any are equal. */
async function fill(connection: Connection, { labels, events, entities }: Shape): Promise<void> {
  const momentOf = (seed: number): string => `make_timestamp(${firstDayUs} + (hash(i + ${seed}) % ${yearUs})::BIGINT)`;
  await connection.run(`CREATE TABLE events AS SELECT (hash(i) % ${entities})::BIGINT AS customer, ${momentOf(1e9)} AS moment,
    ((hash(i + 2000000000) % 50000)::DOUBLE - 10000) / 100 AS amount FROM range(${events}) AS numbers(i)`);
  await connection.run(`CREATE TABLE labels AS SELECT i AS id, (hash(i + 7) % ${entities})::BIGINT AS customer, ${momentOf(3e9)} AS moment
    FROM range(${labels}) AS numbers(i)`);
}

/** What DuckDB has, as an Arrow table without nulls. */
async function tableOf(connection: Connection, sql: string, names: readonly string[]): Promise<Table> {
  const types = { customer: new Int64(), moment: new TimestampMicrosecond(), amount: new Float64() } as const;
  const asNumbers = `SELECT ${names.map((name) => (name === 'moment' ? 'epoch_us(moment)::DOUBLE AS moment' : `${name}::DOUBLE AS ${name}`)).join(', ')} FROM (${sql})`;
  const columns = await numbersOf(connection, asNumbers, names.length);
  const fields = names.map((name) => new Field(name, types[name as keyof typeof types], false));
  const data = names.map((name, i) => {
    const values = name === 'amount' ? columns[i]! : BigInt64Array.from(columns[i]!, BigInt);
    return makeData({ type: types[name as keyof typeof types], length: values.length, nullCount: 0, data: values } as never);
  });
  return tableOfColumns(new Schema(fields), data, columns[0]!.length);
}

/** Columns of doubles; NaN: null. */
async function numbersOf(connection: Connection, sql: string, columns: number): Promise<Float64Array[]> {
  const parts: number[][] = Array.from({ length: columns }, () => []);
  const result = await connection.stream(sql);
  for (let chunk = await result.fetchChunk(); chunk !== null && chunk.rowCount > 0; chunk = await result.fetchChunk()) {
    for (let i = 0; i < columns; i++) for (const value of chunk.getColumnValues(i)) parts[i]!.push(value === null ? Number.NaN : (value as number));
  }
  return parts.map((part) => Float64Array.from(part));
}

/** Sums of doubles are exact here and are not there; whatever else there is must be equal. */
async function compare(connection: Connection, table: Table, aggregations: readonly string[]): Promise<void> {
  const theirs = await numbersOf(connection, 'SELECT * EXCLUDE (id) FROM r ORDER BY id', aggregations.length);
  aggregations.forEach((aggregation, i) => {
    const data = table.getChild(`amount_${aggregation}`)!.data[0]!;
    const values = data.values as Float64Array | BigInt64Array;
    assert.equal(data.length, theirs[i]!.length);
    for (let label = 0; label < data.length; label++) {
      const [mine, other] = [data.getValid(label) ? Number(values[label]!) : Number.NaN, theirs[i]![label]!];
      const isNear = Math.abs(mine - other) <= 1e-9 * Math.max(1, Math.abs(other));
      assert.ok(Object.is(mine, other) || mine === other || ((aggregation === 'sum' || aggregation === 'mean') && isNear), `${aggregation} of label ${label}: ${mine}, DuckDB has ${other}`);
    }
  });
}
