/**
 * Ours: the engine over a table that lives in its memory, with codes for its keys where they have some (src/engine/threads/coded.ts), as those of
 * the rivals live in theirs, or a virtualized feature set over the Parquet file. Two threads, as the rivals. Filling tables is timed for nobody.
 */
import { type AggSpec, FeatureStore, featureSet, groupBy, residentTable, type TimeRangeInput } from '../../src/index.ts';
import type { Table } from '../../src/arrow/arrow.ts';
import { oneBatch } from '../../src/arrow/canonical.ts';
import type { Answer } from '../support/answer.ts';
import { arrowTable, since } from '../support/dataset.ts';
import { keyColumns, type KeyValue } from '../support/keys.ts';
import type { Question } from '../questions.ts';
import type { Contender, Place } from './contender.ts';

const threads = 2;
const aggregations = { amount: ['sum', 'mean', 'count'], date: 'max' } as const satisfies AggSpec;

export async function openTauro(place: Place): Promise<Contender> {
  const { question, dataset, folder, table } = place;
  return contender(place, question.from === 'memory' ? inMemory(question, await residentTable(arrowTable(dataset))) : await fromParquet(question, folder, table));
}

/** Over an Arrow table as it comes: each answer copies the columns that it needs. */
export async function openCopied(place: Place): Promise<Contender> {
  return contender(place, inMemory(place.question, arrowTable(place.dataset)));
}

function contender({ question }: Place, run: () => Promise<Table>): Contender {
  return { run, answer: async () => answerOf(await run(), question), close: async () => undefined };
}

function inMemory(question: Question, table: Table): () => Promise<Table> {
  const keys = keyColumns(question.key).map(({ name }) => name);
  const options = { threads, ...(question.days === 'last 30' && { timestamp: 'date', timeRange: lastDays }) };
  return () => groupBy(table, keys).agg(aggregations, options);
}

const lastDays: TimeRangeInput = { start: { value: since.us, unit: 'us' } };

/** The road of a user: a feature set, computed when it is read. */
export async function fromParquet(question: Pick<Question, 'key' | 'days'>, folder: string, table: string): Promise<() => Promise<Table>> {
  const store = await FeatureStore.open({ feature_store: { mode: 'virtualized' } }, { folder, threads });
  const entityKeys = keyColumns(question.key).map(({ name }) => name);
  store.define(featureSet({ name: 'spend', entityKeys, source: `silver.${table}`, timestamp: 'date', aggregations }));
  const timeRange = question.days === 'last 30' ? lastDays : 'all';
  return async () => (await store.getFeatures('spend', { timeRange })).table;
}

export function answerOf(answer: Table, { key }: Pick<Question, 'key'>): Answer {
  const table = oneBatch(answer);
  const column = (name: string): ArrayLike<never> => {
    const data = table.batches[0]?.data.children[table.schema.fields.findIndex((field) => field.name === name)];
    if (data === undefined) return [];
    if (data.nullCount === 0 && data.valueOffsets === undefined) return data.values as unknown as ArrayLike<never>;
    const values = data.values as ArrayLike<never>;
    const isNull = (row: number): boolean => data.nullCount > 0 && ((data.nullBitmap![(data.offset + row) >> 3]! >> ((data.offset + row) & 7)) & 1) === 0;
    const text = data.valueOffsets === undefined ? undefined : textReader(data.values as Uint8Array, data.valueOffsets);
    return Array.from({ length: data.length }, (_, row) => (isNull(row) ? null : (text?.(row) ?? values[row]))) as never[];
  };
  return {
    keys: keyColumns(key).map(({ name }) => column(name) as ArrayLike<KeyValue>),
    sums: column('amount_sum'),
    means: column('amount_mean'),
    counts: column('amount_count'),
    newest: column('date_max'),
  };
}

/** The keys of the benches are ASCII. */
function textReader(values: Uint8Array, offsets: Int32Array): (row: number) => string {
  const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  return (row) => bytes.toString('latin1', offsets[row], offsets[row + 1]);
}
