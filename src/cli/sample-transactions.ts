/**
 * Generated shop transactions: the data of the project that `init` writes.
 *
 * The same instant gives the same rows. They have what real ones have: cents, refunds (negative amounts), guests (a null
 * customer), purchases at the very same instant, a few customers who buy a lot and many who seldom do.
 */
import {
  Field, Float64, Int64, makeData, RecordBatch, Schema, Struct, Table, TimestampMicrosecond, Utf8, vectorFromArray,
} from '../arrow/arrow.ts';
import { dayUs } from '../base/time.ts';

export const transactionCount = 50_000;
export const periodDays = 120;

const customerCount = 2_000;
const merchants = ['Alder & Ash', 'Bäckerei Korn', 'Casa Verde', 'Delta Books', 'El Molino', 'Fjord Outdoor', 'Green Grocer', 'Harbour Café', 'Ink & Paper', 'Juniper', 'Kiosk 24', 'Lumen'];
const countries = ['AT', 'CH', 'DE', 'DK', 'ES', 'FR', 'GB', 'IT', 'NL', 'PL', 'PT', 'SE'];

interface Transaction {
  readonly customerId: number | null;
  readonly amount: number;
  readonly dateUs: bigint;
  readonly merchant: string;
  readonly country: string;
}

/** Transactions of the 120 days before `now`, in order of time, as one table per 30 days: the oldest first. */
export function sampleTransactions(now: Date): Table[] {
  const endUs = BigInt(Math.floor(now.getTime() / 60_000)) * 60_000_000n;
  const transactions = generate(endUs);
  const monthUs = 30n * dayUs;
  const startUs = endUs - BigInt(periodDays) * dayUs;
  return Array.from({ length: periodDays / 30 }, (_, month) => {
    const from = startUs + BigInt(month) * monthUs;
    return tableOf(transactions.filter(({ dateUs }) => dateUs >= from && dateUs < from + monthUs));
  });
}

function generate(endUs: bigint): Transaction[] {
  const random = randomNumbers(20_010_701);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
  const periodSeconds = periodDays * 86_400;
  const seconds = Array.from({ length: transactionCount }, () => Math.floor(random() * periodSeconds)).sort((a, b) => a - b);
  return seconds.map((second, row): Transaction => {
    const isTie = row > 0 && random() < 0.05;
    const customerId = random() < 0.01 ? null : 1 + Math.floor(customerCount * random() ** 2);
    const cents = Math.round(Math.exp(2 + 1.4 * random() + 1.4 * random()) * 100);
    const isRefund = random() < 0.04;
    return {
      customerId,
      amount: (isRefund ? -cents : cents) / 100,
      dateUs: endUs - BigInt(periodSeconds - (isTie ? seconds[row - 1]! : second)) * 1_000_000n,
      merchant: pick(merchants),
      country: customerId === null ? pick(countries) : countries[customerId % countries.length]!,
    };
  });
}

/** Numbers in [0, 1): mulberry32, small and the same everywhere. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

function tableOf(rows: readonly Transaction[]): Table {
  const length = rows.length;
  const customers = BigInt64Array.from(rows, (row) => BigInt(row.customerId ?? 0));
  const validity = new Uint8Array((length + 7) >> 3);
  rows.forEach((row, i) => {
    if (row.customerId !== null) validity[i >> 3]! |= 1 << (i & 7);
  });
  const nullCount = rows.filter((row) => row.customerId === null).length;
  const schema = new Schema([
    new Field('customer_id', new Int64(), true),
    new Field('amount', new Float64(), false),
    new Field('date', new TimestampMicrosecond('UTC'), false),
    new Field('merchant', new Utf8(), false),
    new Field('country', new Utf8(), false),
  ]);
  const children = [
    makeData({ type: new Int64(), length, nullCount, data: customers, nullBitmap: validity }),
    makeData({ type: new Float64(), length, data: Float64Array.from(rows, (row) => row.amount) }),
    makeData({ type: new TimestampMicrosecond('UTC'), length, data: BigInt64Array.from(rows, (row) => row.dateUs) }),
    vectorFromArray(rows.map((row) => row.merchant), new Utf8()).data[0]!,
    vectorFromArray(rows.map((row) => row.country), new Utf8()).data[0]!,
  ];
  return new Table(schema, [new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length, nullCount: 0, children }))]);
}
