/** Generated shop transactions, a project in a temporary folder, and an exact sum to compare with. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Field, Float64, Int64, makeData, Schema, type Table, TimestampMicrosecond } from '../../src/arrow/arrow.ts';
import { tableOfColumns } from '../../src/arrow/canonical.ts';
import { dayUs } from '../../src/base/time.ts';

export interface Transaction {
  readonly customer: bigint | null;
  readonly amount: number | null;
  readonly dateUs: bigint | null;
}

/** The same numbers in every run: a small generator with a fixed seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Cents, negative amounts, null customers, null amounts, null times and equal times, over days 0 to `days`. */
export function transactions(rows: number, seed = 1, days = 90): Transaction[] {
  const random = randomOf(seed);
  return Array.from({ length: rows }, () => ({
    customer: random() < 0.03 ? null : BigInt(Math.floor(random() * 40)),
    amount: random() < 0.05 ? null : Math.round((random() * 400 - 100) * 100) / 100,
    dateUs: random() < 0.02 ? null : BigInt(Math.floor(random() * days * 48)) * (dayUs / 48n),
  }));
}

export function transactionTable(rows: readonly Transaction[]): Table {
  const schema = new Schema([
    new Field('customer_id', new Int64(), true),
    new Field('amount', new Float64(), true),
    new Field('date', new TimestampMicrosecond('UTC'), true),
  ]);
  const bitmap = (present: (row: Transaction) => boolean) => {
    const nullBitmap = new Uint8Array((rows.length + 7) >> 3);
    rows.forEach((row, i) => {
      if (present(row)) nullBitmap[i >> 3]! |= 1 << (i & 7);
    });
    return { nullBitmap, nullCount: rows.filter((row) => !present(row)).length, length: rows.length };
  };
  const columns = [
    makeData({ type: new Int64(), data: BigInt64Array.from(rows, (row) => row.customer ?? 0n), ...bitmap((row) => row.customer !== null) }),
    makeData({ type: new Float64(), data: Float64Array.from(rows, (row) => row.amount ?? 0), ...bitmap((row) => row.amount !== null) }),
    makeData({ type: new TimestampMicrosecond('UTC'), data: BigInt64Array.from(rows, (row) => row.dateUs ?? 0n), ...bitmap((row) => row.dateUs !== null) }),
  ];
  return tableOfColumns(schema, columns, rows.length);
}

/** A project folder that goes when the test ends. `files` are paths below it with their text. */
export function projectFolder(t: TestContext, files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'tauro-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

export const customerSet = `feature_sets:
  customer_demographics:
    entity_keys: customer_id
    source: transactions
    timestamp: date
    aggregations:
      amount: [sum, mean, count, min, max]
      date: max
    tile: 1d
    windows: [7d, 30d]
`;

/** The correctly rounded sum of doubles that are whole numbers of 2^-1074, by plain rational arithmetic on bigints. */
export function exactSum(values: readonly number[]): number {
  let sum = 0n;
  for (const value of values) sum += scaled(value);
  return fromScaled(sum);
}

const view = new DataView(new ArrayBuffer(8));

function scaled(value: number): bigint {
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const exponent = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & 0xfffffffffffffn;
  const magnitude = exponent === 0 ? fraction : (fraction | 0x10000000000000n) << BigInt(exponent - 1);
  return bits >> 63n === 1n ? -magnitude : magnitude;
}

function fromScaled(sum: bigint): number {
  const magnitude = sum < 0n ? -sum : sum;
  const extra = Math.max(0, magnitude.toString(2).length - 53);
  let kept = magnitude >> BigInt(extra);
  const rest = magnitude - (kept << BigInt(extra));
  const half = extra === 0 ? 1n : 1n << BigInt(extra - 1);
  if (extra > 0 && (rest > half || (rest === half && (kept & 1n) === 1n))) kept += 1n;
  // Two steps keep the power of two within the range of a double.
  const result = Number(kept) * 2 ** Math.max(-1074, extra - 1074 > 971 ? 971 : extra - 1074);
  return sum < 0n ? -result : result;
}
