/**
 * Asks for a training set in a process of its own, and prints how many bytes it held at most, beside what Node.js had before there was any data, as a
 * part of the bytes of the columns used: `node training-child.js <events> <labels> <entities> last|windows <shape>`.
 *
 * The peak is the system's, from when the events lie in a resident table, as they do in the bench of the time. Of shapes, `zipf` has entities of very
 * different sizes, `few` labels of one entity in a hundred, and `text` keys of 12 characters; the time is printed, too.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as after } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Data, type DataType, Field, Float64, Int64, makeData, Schema, type Table, TimestampMicrosecond, Utf8 } from '../../src/arrow/arrow.ts';
import { tableOfColumns } from '../../src/arrow/canonical.ts';
import type { Agg } from '../../src/engine/plan.ts';
import { FeatureStore, featureSet, residentTable } from '../../src/index.ts';
import { firstDayUs } from '../support/dataset.ts';
import { median } from '../support/measure.ts';
import { randomOf } from '../support/random.ts';

const [events, labels, entities] = process.argv.slice(2, 5).map(Number) as [number, number, number];
const [kind, shape] = process.argv.slice(5) as ['last' | 'windows', 'uniform' | 'zipf' | 'few' | 'text'];
const yearUs = 365 * 86_400 * 1_000_000;
const random = randomOf(7);

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const entityOf = (): number => (shape === 'zipf' ? Math.floor(entities ** random()) - 1 : Math.floor(random() * entities));

function keysOf(rows: number, among: () => number): Data<DataType> {
  if (shape !== 'text') {
    const values = new BigInt64Array(rows);
    const low = new Int32Array(values.buffer);
    for (let row = 0; row < rows; row++) low[row * 2] = among();
    return makeData({ type: new Int64(), length: rows, nullCount: 0, data: values });
  }
  const [values, valueOffsets] = [new Uint8Array(rows * 12), new Int32Array(rows + 1)];
  for (let row = 0; row < rows; row++) {
    Buffer.from(values.buffer).write(`id-${String(among()).padStart(9, '0')}`, row * 12, 'latin1');
    valueOffsets[row + 1] = (row + 1) * 12;
  }
  return makeData({ type: new Utf8(), length: rows, nullCount: 0, valueOffsets, data: values });
}

function tableFor(rows: number, among: () => number, withAmount: boolean): Table {
  const moments = BigInt64Array.from({ length: rows }, () => BigInt(Math.floor(Number(firstDayUs) + random() * yearUs)));
  const key = keysOf(rows, among);
  const columns: [string, Data<DataType>][] = [['customer', key], ['moment', makeData({ type: new TimestampMicrosecond(), length: rows, nullCount: 0, data: moments })]];
  if (withAmount) columns.push(['amount', makeData({ type: new Float64(), length: rows, nullCount: 0, data: Float64Array.from({ length: rows }, () => Math.floor(random() * 50_000) / 100) })]);
  return tableOfColumns(new Schema(columns.map(([name, { type }]) => new Field(name, type, false))), columns.map(([, data]) => data), rows);
}

const bytesOf = (table: Table): number => table.batches[0]!.data.children.reduce((sum, { values, valueOffsets }) => sum + (values as Uint8Array).byteLength + (valueOffsets?.byteLength ?? 0), 0);
/** Bytes in memory now, or at most since the last `writeFileSync` below. */
const heldBytes = (what: 'VmRSS' | 'VmHWM'): number => Number(new RegExp(`${what}:\\s+(\\d+) kB`).exec(readFileSync('/proc/self/status', 'utf8'))![1]) * 1024;

collect();
const before = heldBytes('VmRSS');
const store = await FeatureStore.open({}, { threads: 2 });
const asked = tableFor(labels, shape === 'few' ? () => Math.floor((random() * entities) / 100) : entityOf, false);
const resident = await residentTable(tableFor(events, entityOf, true));
store.registerSource('events', resident);
const amount: Agg[] = kind === 'last' ? ['last'] : ['sum', 'count', 'mean', 'max'];
store.define(featureSet({ name: 'spend', entityKeys: 'customer', source: 'events', timestamp: 'moment', aggregations: { amount } }));
collect();
await after(50);
collect();
writeFileSync('/proc/self/clear_refs', '5');
const times: number[] = [];
for (let round = 0; round < 5; round++) {
  const start = performance.now();
  await store.getTrainingSet(asked, { features: ['spend'], timestamp: 'moment', ...(kind === 'windows' && { timeRange: '30d' }) });
  if (round > 1) times.push(performance.now() - start);
}
console.log(`${(heldBytes('VmHWM') - before) / (bytesOf(resident) + bytesOf(asked))} ${median(times)}`);
await store.close();
