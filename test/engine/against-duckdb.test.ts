/**
 * The engine against DuckDB, on random tables of every type that go to it as Parquet. Integers, decimals, times, strings and
 * whatever picks a value are compared exactly, floats that DuckDB rounds on the way to 1e-9.
 *
 *   FUZZ_RUNS=500 node scripts/test.mjs against-duckdb
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { DuckDBInstance } from '@duckdb/node-api';
import { writeTable } from '../../src/index.ts';
import { Aggregation } from '../../src/engine/aggregation.ts';
import type { Agg, OutputColumn } from '../../src/engine/plan.ts';
import { aggregationsOf } from '../../src/engine/types.ts';
import { plainType } from '../../src/arrow/canonical.ts';
import { batchesOf, type Cell, cellsOf, type TestColumn, types } from '../support/arrow.ts';
import { randomOf } from '../modes/support.ts';

const runs = Number(process.env.FUZZ_RUNS ?? 12);
const firstSeed = Number(process.env.FUZZ_SEED ?? 1);

type Random = () => number;

/** A type, its values, and what makes of DuckDB's value the text that ours has. */
interface Kind {
  readonly type: TestColumn['type'];
  readonly value: (random: Random) => Exclude<Cell, null>;
  readonly text?: (sql: string) => string;
  readonly isFloat?: boolean;
  readonly isKey?: boolean;
}

const whole = (random: Random, below: number): number => Math.floor(random() * below);
const signed = (bits: number) => (random: Random): bigint => BigInt.asIntN(bits, BigInt(whole(random, 2 ** 52)) >> BigInt(random() < 0.5 ? 48 : 0));
const unsigned = (bits: number) => (random: Random): bigint => BigInt.asUintN(bits, signed(64)(random));
const word = (random: Random): string => ['', 'a', 'b', 'Łódź', 'a word of more than two words', 'zz', '\u{1F600}'][whole(random, 7)]! + (random() < 0.3 ? whole(random, 9) : '');
const number = (random: Random): number => (random() < 0.1 ? -0 : random() < 0.5 ? whole(random, 20) / 4 : Math.fround((random() - 0.5) * 10 ** whole(random, 6)));
const day = (random: Random): bigint => BigInt(whole(random, 400) - 50);
const instant = (perDay: bigint) => (random: Random): bigint => day(random) * perDay + BigInt(whole(random, 1000));
const days = (sql: string): string => `date_diff('day', DATE '1970-01-01', ${sql})`;
const bytes = (sql: string): string => `hex(${sql})`;

const kinds: Readonly<Record<string, Kind>> = {
  int8: { type: types.int8, value: signed(8), isKey: true },
  int16: { type: types.int16, value: signed(16), isKey: true },
  int32: { type: types.int32, value: signed(32), isKey: true },
  int64: { type: types.int64, value: signed(64), isKey: true },
  uint8: { type: types.uint8, value: unsigned(8), isKey: true },
  uint16: { type: types.uint16, value: unsigned(16), isKey: true },
  uint32: { type: types.uint32, value: unsigned(32), isKey: true },
  uint64: { type: types.uint64, value: (random) => BigInt(whole(random, 2 ** 50)), isKey: true },
  half: { type: types.half, value: (random) => whole(random, 64) - 32, isFloat: true },
  float: { type: types.float, value: number, isFloat: true },
  double: { type: types.double, value: number, isFloat: true },
  bool: { type: types.bool, value: (random) => random() < 0.5, isKey: true },
  utf8: { type: types.utf8, value: word, isKey: true },
  largeUtf8: { type: types.largeUtf8, value: word, isKey: true },
  dictionary: { type: types.dictionary, value: word, isKey: true },
  binary: { type: types.binary, value: word, text: bytes, isKey: true },
  decimal: { type: types.decimal, value: (random) => signed(60)(random) * 10n ** BigInt(whole(random, 15)), isKey: true },
  money: { type: types.money, value: (random) => BigInt(whole(random, 100_000) - 50_000), isKey: true },
  date: { type: types.date, value: day, text: days, isKey: true },
  dateMs: { type: types.dateMs, value: (random) => day(random) * 86_400_000n, text: (sql) => `epoch_ms(${sql}::TIMESTAMP)`, isKey: true },
  seconds: { type: types.seconds, value: instant(86_400n), text: (sql) => `epoch_ms(${sql}::TIMESTAMP) // 1000`, isKey: true },
  millis: { type: types.millis, value: instant(86_400_000n), text: (sql) => `epoch_ms(${sql})`, isKey: true },
  micros: { type: types.micros, value: instant(86_400_000_000n), text: (sql) => `epoch_us(${sql})`, isKey: true },
  nanos: { type: types.nanos, value: instant(86_400_000_000_000n), text: (sql) => `epoch_ns(${sql})`, isKey: true },
};
const keyNames = Object.keys(kinds).filter((name) => kinds[name]!.isKey);

function columnsOf(random: Random): Readonly<Record<string, TestColumn>> {
  const rows = whole(random, 400);
  const column = (kind: Kind, distinct: number, nulls: number): TestColumn => {
    const pool = Array.from({ length: distinct }, () => kind.value(random));
    return { type: kind.type, values: Array.from({ length: rows }, () => (random() < nulls ? null : pool[whole(random, distinct)]!)) };
  };
  const keys = Array.from({ length: 1 + whole(random, 2) }, (_, i) => [`k${i}_${keyNames[whole(random, keyNames.length)]!}`] as const);
  return {
    ...Object.fromEntries(keys.map(([name]) => [name, column(kinds[name.slice(3)]!, 4, 0.05)])),
    t: column(kinds.micros!, 30, 0.1),
    ...Object.fromEntries(Object.entries(kinds).map(([name, kind]) => [name, column(kind, 1 + whole(random, 60), random() < 0.3 ? 0 : 0.3)])),
  };
}

function sqlOf(kind: Kind, column: string, aggregation: Agg): string {
  const picked = (sql: string): string => {
    if (kind.isFloat) return `(${sql})::DOUBLE`;
    return `(${kind.text === undefined ? sql : kind.text(sql)})::VARCHAR`;
  };
  const timed = `FILTER (WHERE "${column}" IS NOT NULL AND t IS NOT NULL)`;
  switch (aggregation) {
    case 'sum':
      return kind.isFloat ? `sum("${column}"::DOUBLE)` : `sum("${column}")::VARCHAR`;
    case 'mean':
      return `avg("${column}"::DOUBLE)`;
    case 'var':
      return `var_samp("${column}"::DOUBLE)`;
    case 'std':
      return `stddev_samp("${column}"::DOUBLE)`;
    case 'count':
      return `count("${column}")::VARCHAR`;
    case 'count_distinct':
    case 'approx_distinct':
      return `count(DISTINCT "${column}")::VARCHAR`;
    case 'any':
      return `bool_or("${column}")::VARCHAR`;
    case 'all':
      return `bool_and("${column}")::VARCHAR`;
    case 'first':
      return picked(`(list("${column}" ORDER BY t ASC, "${column}" DESC) ${timed})[1]`);
    case 'last':
      return picked(`(list("${column}" ORDER BY t DESC, "${column}" DESC) ${timed})[1]`);
    default:
      return picked(`${aggregation}("${column}")`);
  }
}

/** Our cell as DuckDB's text; decimals without their point. */
function textOf(kind: Kind, cell: Cell): string | null {
  if (cell === null) return null;
  return kind.type === types.binary && typeof cell === 'string' ? Buffer.from(cell).toString('hex').toUpperCase() : String(cell);
}

const exact: readonly Agg[] = ['count', 'min', 'max', 'first', 'last', 'any', 'all', 'count_distinct'];

function expectSame(kind: Kind, aggregation: Agg, ours: Cell, theirs: unknown, where: string): void {
  const told = `${where}: ${String(ours)}, DuckDB ${String(theirs)}`;
  if (theirs === null || ours === null) {
    assert.equal(ours, theirs, told);
  } else if (typeof theirs === 'number') {
    const bound = exact.includes(aggregation) ? 0 : Math.max(1e-9 * Math.abs(theirs), 1e-6);
    assert.ok(Math.abs(Number(ours) - theirs) <= bound, told);
  } else {
    const counts = aggregation === 'count' || aggregation === 'count_distinct' || aggregation === 'approx_distinct';
    const isDecimal = kind.type === types.decimal || kind.type === types.money;
    assert.equal(counts ? String(ours) : textOf(kind, ours), isDecimal ? String(BigInt(String(theirs).replace('.', ''))) : theirs, told);
  }
}

test(`${runs} random tables of every type, as DuckDB has it`, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tauro-duckdb-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  await connection.run("SET threads = 1; SET TimeZone = 'UTC'");
  for (let run = 0; run < runs; run++) {
    const seed = firstSeed + run;
    const random = randomOf(seed);
    const columns = columnsOf(random);
    const keys = Object.keys(columns).filter((name) => /^k\d_/.test(name));
    const rows = columns.t!.values.length;
    const table = batchesOf(columns, [whole(random, rows + 1), whole(random, rows + 1)]);
    const outputs = Object.entries(kinds).flatMap(([column, { type }]) =>
      aggregationsOf(plainType(type)).map((aggregation): OutputColumn => ({ column, aggregation, name: `${column}_${aggregation}` })),
    );
    const plan = { keys, outputs, timestamp: 't' };
    const aggregation = Aggregation.create(plan, table.schema, { batchSize: [1, 3, 100, 16_384][whole(random, 4)]! });
    for (const batch of table.batches) aggregation.add(batch);
    const answer = aggregation.finish();
    aggregation.close();

    const path = join(folder, `${seed}.parquet`);
    await writeTable(path, table, { format: 'parquet', mode: 'error' });
    const quoted = keys.map((key) => `"${key}"`);
    const reader = await connection.runAndReadAll(
      `SELECT ${outputs.map(({ column, aggregation: each }) => sqlOf(kinds[column]!, column, each)).join(', ')}
       FROM read_parquet('${path}/*.parquet') WHERE ${quoted.map((key) => `${key} IS NOT NULL`).join(' AND ')}
       GROUP BY ${quoted.join(', ')} ORDER BY ${quoted.join(', ')}`,
    );
    const theirs = reader.getRows();
    assert.equal(answer.numRows, theirs.length, `seed ${seed}: groups`);
    outputs.forEach(({ column, aggregation: each, name }, i) => {
      for (const [row, cell] of cellsOf(answer, name).entries()) expectSame(kinds[column]!, each, cell, theirs[row]![i], `seed ${seed}, row ${row}, ${name}`);
    });
  }
});
