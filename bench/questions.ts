/**
 * The questions that the benches ask. One place says what they are; what is not said of a question is as in `usual`.
 *
 * Every one asks the same of a table of (key…, amount in cents, date): sum, mean and count of the amount, the newest date.
 * `target` is how many times as fast as native DuckDB with two threads we want to be: the table of issue 3; elsewhere 1,
 * never slower.
 */
export type KeyKind = 'integer' | 'spread' | 'string' | 'dictionary' | 'two-column';
export type Distribution = 'uniform' | 'zipf' | 'giant';
/** `copied`: ours, over an Arrow table that is not resident. */
export type RivalName = 'copied' | 'DuckDB' | 'Polars' | 'duckdb-wasm' | 'arquero';

export interface Question {
  /** `section/what`: filters of `npm run bench` look for a part of it. */
  readonly name: string;
  /** Other names by which a filter finds it. */
  readonly alias?: string;
  readonly rows: number;
  readonly groups: number;
  /** integer: a dense range; spread: over 64 bits; string: 9 to 12 bytes; two-column: such a string and an integer. */
  readonly key: KeyKind;
  /** giant: one group has 99 of 100 rows. */
  readonly distribution: Distribution;
  readonly time: 'shuffled' | 'sorted';
  /** Of a hundred amounts, and of a hundred dates. */
  readonly nullPercent: number;
  /** The last 30 of 365 days, or all of them. */
  readonly days: 'all' | 'last 30';
  /** parquet: a file that DuckDB wrote, snappy. */
  readonly from: 'memory' | 'parquet';
  readonly rivals: readonly RivalName[];
  readonly target: number;
}

const fast: readonly RivalName[] = ['copied', 'DuckDB', 'Polars'];
const all: readonly RivalName[] = [...fast, 'duckdb-wasm', 'arquero'];

const usual: Omit<Question, 'name'> = {
  rows: 10_000_000,
  groups: 100_000,
  key: 'integer',
  distribution: 'uniform',
  time: 'shuffled',
  nullPercent: 0,
  days: 'all',
  from: 'memory',
  rivals: fast,
  target: 1,
};

/** What is read from a file lies in no table to be copied. */
const ask = (name: string, differs: Partial<Question>): Question => {
  const question = { ...usual, ...differs, name };
  return question.from === 'memory' ? question : { ...question, rivals: question.rivals.filter((rival) => rival !== 'copied') };
};

const ladder = [
  ask('ladder/10', { groups: 10, rivals: all }),
  ask('ladder/1k', { groups: 1_000 }),
  ask('ladder/100k', { target: 4, rivals: all, alias: 'group-by' }),
  ask('ladder/1M', { groups: 1_000_000 }),
  ask('ladder/10M', { groups: 10_000_000 }),
  ask('ladder/spread/10', { key: 'spread', groups: 10 }),
  ask('ladder/spread/1M', { key: 'spread', groups: 1_000_000 }),
  ask('ladder/spread/10M', { key: 'spread', groups: 10_000_000 }),
  ask('ladder/string/10', { key: 'string', groups: 10 }),
  ask('ladder/string/1M', { key: 'string', groups: 1_000_000 }),
  ask('ladder/string/10M', { key: 'string', groups: 10_000_000 }),
];

const keys = [
  ask('keys/spread', { key: 'spread', target: 2 }),
  ask('keys/string', { key: 'string', target: 2.5, rivals: all }),
  ask('keys/dictionary', { key: 'dictionary' }),
  ask('keys/two-column', { key: 'two-column', target: 2 }),
];

const time = [
  ask('time/last-30-days', { days: 'last 30', target: 3, rivals: all, alias: 'group-by' }),
  ask('time/last-30-days-sorted', { days: 'last 30', time: 'sorted' }),
  ask('time/all-sorted', { time: 'sorted' }),
  ask('time/last-30-days-string', { days: 'last 30', key: 'string' }),
];

const distributions = (['zipf', 'giant'] as const).flatMap((distribution) =>
  (['integer', 'spread', 'string', 'dictionary', 'two-column'] as const).map((key) =>
    ask(`distributions/${distribution}/${key}`, { distribution, key }),
  ),
);

const nulls = [5, 95].flatMap((nullPercent) =>
  (['integer', 'spread', 'string'] as const).map((key) => ask(`nulls/${nullPercent}/${key}`, { nullPercent, key })),
);

const parquet = [
  ask('parquet/integer', { from: 'parquet', target: 2 }),
  ask('parquet/string', { from: 'parquet', key: 'string', target: 1.5 }),
  ask('parquet/last-30-days-sorted', { from: 'parquet', time: 'sorted', days: 'last 30', target: 2 }),
  ask('parquet/integer-sorted', { from: 'parquet', time: 'sorted' }),
  ask('parquet/last-30-days', { from: 'parquet', days: 'last 30' }),
  ask('parquet/string-last-30-days-sorted', { from: 'parquet', key: 'string', time: 'sorted', days: 'last 30' }),
  ask('parquet/two-column', { from: 'parquet', key: 'two-column' }),
  ask('parquet/spread', { from: 'parquet', key: 'spread' }),
  ask('parquet/nulls', { from: 'parquet', nullPercent: 5 }),
];

export const questions: readonly Question[] = [...ladder, ...keys, ...time, ...distributions, ...nulls, ...parquet];

/** The same question of few rows. As many groups as rows where it asks for that, else at most a tenth. */
export function asToy(question: Question, rows: number): Question {
  const groups = question.groups === question.rows ? rows : Math.min(question.groups, rows / 10);
  return { ...question, rows, groups };
}

/** What a question is about, in words. */
export function describe({ rows, groups, key, distribution, time, nullPercent, days, from }: Question): string {
  const words = { uniform: '', zipf: ', Zipf', giant: ', one giant group' };
  return [
    `${count(rows)} rows, ${count(groups)} ${key} keys${words[distribution]}`,
    days === 'all' ? '' : 'last 30 of 365 days',
    time === 'sorted' ? 'sorted by time' : '',
    nullPercent > 0 ? `${nullPercent} % nulls` : '',
    from === 'parquet' ? 'from Parquet' : 'in memory',
  ].filter((text) => text !== '').join(', ');
}

export function count(value: number): string {
  if (value >= 1_000_000 && value % 1_000_000 === 0) return `${value / 1_000_000} M`;
  if (value >= 1_000 && value % 1_000 === 0) return `${value / 1_000} k`;
  return String(value);
}
