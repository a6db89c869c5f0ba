/**
 * Native DuckDB, two threads. Its answer is kept in a temporary table, the faster of its ways. It also writes the Parquet
 * files that all read: snappy, its own row groups.
 */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { BIGINT, DOUBLE, type DuckDBConnection, DuckDBDataChunk, DuckDBInstance, INTEGER, VARCHAR } from '@duckdb/node-api';
import type { Question } from '../questions.ts';
import type { Answer } from '../support/answer.ts';
import { type Dataset, firstDayUs } from '../support/dataset.ts';
import { keyColumns, keySql, type KeyValue, spreadKeys } from '../support/keys.ts';
import { type Contender, parquetPath, type Place } from './contender.ts';
import { answerSql, questionSql } from './sql.ts';

export async function openDuckDb(place: Place): Promise<Contender> {
  const { question } = place;
  const connection = await connect();
  if (question.from === 'memory') await load(connection, place.dataset);
  const from = question.from === 'memory' ? 't' : `read_parquet('${parquetPath(place)}')`;
  return {
    run: () => connection.run(`CREATE OR REPLACE TEMP TABLE r AS ${questionSql(question, from)}`),
    answer: () => answerOf(connection, question, from),
    close: async () => connection.closeSync(),
  };
}

export async function connect(): Promise<DuckDBConnection> {
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  await connection.run('SET threads = 2');
  return connection;
}

export async function writeParquet(place: Place): Promise<void> {
  const connection = await connect();
  const path = parquetPath(place);
  mkdirSync(dirname(path), { recursive: true });
  await load(connection, place.dataset);
  await connection.run(`COPY t TO '${path}' (FORMAT parquet, COMPRESSION snappy)`);
  connection.closeSync();
}

/** Table t: groups, amounts and dates go over as numbers, SQL makes keys and nulls of them. */
async function load(connection: DuckDBConnection, dataset: Dataset): Promise<void> {
  const { question, amounts, seconds } = dataset;
  const isSpread = question.key === 'spread';
  const keys = isSpread ? spreadKeys(dataset.groups) : dataset.groups;
  await connection.run(`CREATE TEMP TABLE staged (k ${isSpread ? 'BIGINT' : 'INTEGER'}, amount DOUBLE, second INTEGER)`);
  const appender = await connection.createAppender('staged', undefined, 'temp');
  const size = 2048;
  for (let start = 0; start < amounts.length; start += size) {
    const end = Math.min(start + size, amounts.length);
    const chunk = DuckDBDataChunk.create([isSpread ? BIGINT : INTEGER, DOUBLE, INTEGER], end - start);
    [keys, amounts, seconds].forEach((column, i) => {
      const vector = chunk.getColumnVector(i);
      itemsOf(vector).set(column.subarray(start, end) as never);
      vector.flush();
    });
    appender.appendDataChunk(chunk);
  }
  appender.closeSync();
  if (question.key === 'dictionary') {
    await connection.run(`CREATE TYPE customer_names AS ENUM (SELECT ${keySql('dictionary').replace(' AS customer', '')} FROM (SELECT DISTINCT k FROM staged) ORDER BY k)`);
  }
  const casts = keyColumns(question.key).map(({ name, sqlType }) => `${name}::${sqlType} AS ${name}`).join(', ');
  await connection.run(
    `CREATE TABLE t AS SELECT ${casts}, amount, date FROM (SELECT ${keySql(question.key)},
      CASE WHEN NOT isnan(amount) THEN amount END AS amount, CASE WHEN second >= 0 THEN make_timestamp(${firstDayUs} + second::BIGINT * 1000000) END AS date FROM staged)`,
  );
  await connection.run('DROP TABLE staged');
}

export async function answerOf(connection: DuckDBConnection, question: Pick<Question, 'key' | 'days'>, from: string): Promise<Answer> {
  const result = await connection.run(answerSql(question, from));
  const chunks = await result.fetchAllChunks();
  const columns = result.columnTypes().map((type, column) => {
    if (type.typeId !== VARCHAR.typeId && !chunks.some((chunk) => hasNulls(chunk, column))) {
      const parts = chunks.map((chunk) => itemsOf(chunk.getColumnVector(column)));
      return joined(parts);
    }
    return chunks.flatMap((chunk) => chunk.getColumnValues(column));
  });
  const [newest, counts, means, sums] = columns.slice(-4).reverse();
  return { keys: columns.slice(0, -4) as ArrayLike<KeyValue>[], sums, means, counts, newest } as Answer;
}

type Items = Int32Array | Float64Array | BigInt64Array;

/** The array behind a vector of numbers, which the API keeps to itself: value by value takes too long for a bench. */
function itemsOf(vector: unknown): Items {
  return (vector as { readonly items: Items }).items;
}

function hasNulls(chunk: DuckDBDataChunk, column: number): boolean {
  const { validity } = chunk.getColumnVector(column) as unknown as { readonly validity: { itemValid(row: number): boolean } };
  for (let row = 0; row < chunk.rowCount; row++) if (!validity.itemValid(row)) return true;
  return false;
}

function joined(parts: readonly Items[]): Items {
  const Type = (parts[0]?.constructor ?? Float64Array) as new (length: number) => Items;
  const all = new Type(parts.reduce((sum, part) => sum + part.length, 0));
  let start = 0;
  for (const part of parts) {
    all.set(part as never, start);
    start += part.length;
  }
  return all;
}
