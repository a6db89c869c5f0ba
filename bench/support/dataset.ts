/**
 * The rows that a question is about: made from a fixed seed, as typed arrays, the same in every run.
 *
 *   groups    Int32Array        which group a row is in; its key is made by support/keys.ts
 *   amounts   Float64Array      whole cents, −100.00 to 400.00; NaN: null
 *   seconds   Int32Array        of 365 days from `firstDay`; −1: null
 */
import { type Data, type DataType, Field, Float64, makeData, Schema, type Table, tableToIPC, TimestampMicrosecond } from '../../src/arrow/arrow.ts';
import { tableOfColumns } from '../../src/arrow/canonical.ts';
import type { Question } from '../questions.ts';
import { keyArrow } from './keys.ts';
import { randomOf } from './random.ts';

export interface Dataset {
  readonly question: Question;
  readonly groups: Int32Array;
  readonly amounts: Float64Array;
  readonly seconds: Int32Array;
}

const daySeconds = 86_400;
const days = 365;

/** 2025-01-01, the first of the 365 days, in microseconds. */
export const firstDayUs = BigInt(Date.UTC(2025, 0, 1)) * 1_000n;

/** Where the last 30 days begin: as seconds of the dataset, in microseconds, and in SQL. */
export const since = {
  seconds: (days - 30) * daySeconds,
  us: firstDayUs + BigInt((days - 30) * daySeconds) * 1_000_000n,
  sql: "TIMESTAMP '2025-12-02 00:00:00'",
} as const;

export function makeDataset(question: Question): Dataset {
  const { rows, time, nullPercent } = question;
  const random = randomOf(20260731);
  const groups = groupsOf(question, random);
  const amounts = new Float64Array(rows);
  const seconds = new Int32Array(rows);
  const nulls = nullPercent / 100;
  for (let row = 0; row < rows; row++) {
    amounts[row] = Math.round(random() * 50_000 - 10_000) / 100;
    const share = time === 'sorted' ? row / rows : random();
    seconds[row] = Math.floor(share * days * daySeconds);
    if (nulls > 0 && random() < nulls) amounts[row] = Number.NaN;
    if (nulls > 0 && random() < nulls) seconds[row] = -1;
  }
  return { question, groups, amounts, seconds };
}

function groupsOf({ rows, groups, distribution }: Question, random: () => number): Int32Array {
  const groupOfRow = new Int32Array(rows);
  if (groups === rows) {
    // Every group has one row: a permutation.
    for (let row = 1; row < rows; row++) {
      const other = Math.floor(random() * (row + 1));
      groupOfRow[row] = groupOfRow[other]!;
      groupOfRow[other] = row;
    }
    return groupOfRow;
  }
  const step = 7919; // Prime, and no factor of a round number of groups: the heavy groups are not neighbours.
  const logarithm = Math.log(groups);
  for (let row = 0; row < rows; row++) {
    const luck = random();
    if (distribution === 'uniform') groupOfRow[row] = Math.floor(luck * groups);
    else if (distribution === 'zipf') groupOfRow[row] = (Math.floor(Math.exp(luck * logarithm)) * step) % groups;
    else groupOfRow[row] = luck < 0.99 ? groups >> 1 : Math.floor((luck - 0.99) * 100 * groups);
  }
  return groupOfRow;
}

export function arrowTable({ question, groups, amounts, seconds }: Dataset): Table {
  const key = keyArrow(question.key, groups, question.groups);
  const time = new TimestampMicrosecond();
  const nullable = question.nullPercent > 0;
  const schema = new Schema([...key.fields, new Field('amount', new Float64(), nullable), new Field('date', time, nullable)]);
  const cents = nullable ? amounts.map((amount) => (Number.isNaN(amount) ? 0 : amount)) : amounts;
  const columns = [
    ...key.columns,
    withNulls(new Float64(), cents, amounts, Number.isNaN, nullable),
    withNulls(time, microseconds(seconds), seconds, (second) => second < 0, nullable),
  ];
  return tableOfColumns(schema, columns, groups.length);
}

/** The bytes of an Arrow stream, for rivals with memory of their own. */
export function arrowStream(dataset: Dataset): Uint8Array {
  return tableToIPC(arrowTable(dataset), 'stream');
}

/** Event times in microseconds; the first day where there is none. */
export function microseconds(seconds: Int32Array): BigInt64Array {
  const halves = new Uint32Array(seconds.length * 2);
  const first = Number(firstDayUs);
  for (let row = 0; row < seconds.length; row++) {
    const us = first + Math.max(seconds[row]!, 0) * 1_000_000;
    halves[2 * row] = us % 2 ** 32;
    halves[2 * row + 1] = us / 2 ** 32;
  }
  return new BigInt64Array(halves.buffer);
}

function withNulls(
  type: DataType,
  data: Float64Array | BigInt64Array,
  source: Float64Array | Int32Array,
  isNull: (value: number) => boolean,
  nullable: boolean,
): Data {
  if (!nullable) return makeData({ type, data } as never);
  const nullBitmap = new Uint8Array((source.length + 7) >> 3);
  let nullCount = 0;
  for (let row = 0; row < source.length; row++) {
    if (isNull(source[row]!)) nullCount++;
    else nullBitmap[row >> 3]! |= 1 << (row & 7);
  }
  return makeData({ type, data, nullBitmap, nullCount, length: source.length } as never);
}
