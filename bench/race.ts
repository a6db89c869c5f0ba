/** One question, asked of all: their answers are checked against the rows, then they take turns. */
import { existsSync } from 'node:fs';
import type { Contender, Open, Place } from './contenders/contender.ts';
import { parquetPath } from './contenders/contender.ts';
import { openArquero } from './contenders/arquero.ts';
import { openDuckDb, writeParquet } from './contenders/duckdb.ts';
import { openDuckDbWasm } from './contenders/duckdb-wasm.ts';
import { openPolars } from './contenders/polars.ts';
import { openCopied, openTauro } from './contenders/tauro.ts';
import { describe, type Question, type RivalName } from './questions.ts';
import { check, referenceOf } from './support/answer.ts';
import { makeDataset } from './support/dataset.ts';
import { measure } from './support/measure.ts';
import type { Race } from './support/result.ts';

const rivals: Readonly<Record<RivalName, Open>> = {
  copied: openCopied,
  DuckDB: openDuckDb,
  Polars: openPolars,
  'duckdb-wasm': openDuckDbWasm,
  arquero: openArquero,
};

/** `folder` is for Parquet files; those that are there already are used again. */
export async function race(question: Question, folder: string, rounds: number): Promise<Race> {
  const place: Place = { question, dataset: makeDataset(question), folder, table: tableName(question) };
  if (question.from === 'parquet' && !existsSync(parquetPath(place))) await writeParquet(place);
  const reference = referenceOf(place.dataset);
  const contenders = new Map<string, Contender>([['tauro', await openTauro(place)]]);
  const absent: Record<string, string> = {};
  for (const name of question.rivals) {
    const opened = await rivals[name](place);
    if ('absent' in opened) absent[name] = opened.absent;
    else contenders.set(name, opened);
  }
  for (const [name, contender] of contenders) check(await contender.answer(), reference, name, { exact: name === 'tauro' || name === 'copied' });
  const timings = await measure(contenders, rounds);
  for (const contender of contenders.values()) await contender.close();
  return { kind: 'race', name: question.name, text: describe(question), target: question.target, timings, absent };
}

/** Questions about the same rows share a file. */
function tableName({ rows, groups, key, distribution, time, nullPercent }: Question): string {
  return `${key}-${distribution}-${time}-${nullPercent}-${groups}-${rows}`.replaceAll('-', '_');
}
