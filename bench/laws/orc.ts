/**
 * ORC against native pyarrow with one thread, on the same rows and files: at most three times as long, reading and writing.
 *
 *   our rows ─▶ our file ─▶ pyarrow's table ─▶ pyarrow's file ─▶ our rows again, compared value for value
 *
 * so an answer that is wrong anywhere on the way is found. Each is timed on both files: who wrote a file decides how it reads.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type Data, Field, Float64, Int64, makeData, RecordBatch, Schema, Struct, TimestampMicrosecond, Utf8 } from '../../src/arrow/arrow.ts';
import { encodeOrc } from '../../src/store/orc/encode.ts';
import { planOrc, scanOrc } from '../../src/store/orc/file.ts';
import { openOrc } from '../../src/store/orc/footer.ts';
import { localBytes } from '../../src/store/local-bytes.ts';
import { firstDayUs } from '../support/dataset.ts';
import { measure } from '../support/measure.ts';
import { randomOf } from '../support/random.ts';
import type { Fact } from '../support/result.ts';
import type { Law } from './law.ts';

const timesMost = 3;
const batchRows = 1_000_000;

type Codec = 'zlib' | 'snappy' | 'none';

export const orcLaws: readonly Law[] = (['zlib', 'snappy', 'none'] as const).map((codec) => ({
  name: `orc/${codec}`,
  text: `10 M rows of ORC (${codec}) read and written: an integer key, a double, a time and one of 100 k strings; against pyarrow with one thread`,
  measure: ({ toy, folder }) => contest(codec, toy ? 20_000 : 10_000_000, toy ? 200 : 100_000, toy ? 1 : 2, folder, toy),
}));

async function contest(codec: Codec, rows: number, names: number, rounds: number, folder: string, toy: boolean): Promise<Fact[]> {
  const batches = makeBatches(rows, names);
  const { schema } = batches[0]!;
  const write = async (): Promise<Uint8Array> => encodeOrc(schema, batches, { compression: codec });
  const [ours, theirs] = [`ours-${codec}.orc`, `theirs-${codec}.orc`];
  writeFileSync(join(folder, ours), await write());
  const python = pythonWithPyarrow();
  const rival = python === undefined ? undefined : pyarrow(python, join(folder, ours), join(folder, theirs), codec, rounds);
  if (rival !== undefined) await compare(batches, folder, theirs);
  // Millions of rows take seconds, in which code becomes warm.
  const timings = await measure(
    new Map([
      ['write', { run: write, isSlow: true }],
      ['read ours', { run: () => readAll(folder, ours), isSlow: true }],
      ...(rival === undefined ? [] : [['read theirs', { run: () => readAll(folder, theirs), isSlow: true }] as const]),
    ]),
    rounds,
  );
  for (const file of [ours, theirs]) rmSync(join(folder, file), { force: true });
  return timings.flatMap(({ name, medianMs }): Fact[] => {
    const what = { write: 'writing', 'read ours': 'reading our file', 'read theirs': 'reading pyarrow’s file' }[name]!;
    const other = rival?.[name];
    if (other === undefined) return [{ what: `${what} (no Python with pyarrow, see TAURO_PYTHON: left out)`, unit: 'ms', measured: medianMs }];
    return [
      { what: `${what}, ours`, unit: 'ms', measured: medianMs },
      { what: `${what}, pyarrow`, unit: 'ms', measured: other },
      // Of few rows the time is what a start takes.
      { what: `${what}, ours as a multiple of pyarrow’s`, unit: '×', measured: medianMs / other, ...(!toy && { most: timesMost }) },
    ];
  });
}

/** The columns of a table of events, in any order; no nulls. */
function makeBatches(rows: number, names: number): RecordBatch[] {
  const schema = new Schema([
    new Field('key', new Int64(), true), new Field('amount', new Float64(), true), new Field('moment', new TimestampMicrosecond(), true), new Field('name', new Utf8(), true),
  ]);
  const random = randomOf(20260731);
  const batches: RecordBatch[] = [];
  for (let first = 0; first < rows; first += batchRows) {
    const count = Math.min(batchRows, rows - first);
    const [keys, amounts, moments, offsets] = [new BigInt64Array(count), new Float64Array(count), new BigInt64Array(count), new Int32Array(count + 1)];
    const text = Buffer.alloc(count * 11);
    for (let row = 0; row < count; row++) {
      keys[row] = BigInt(Math.floor(random() * 1_000_000));
      amounts[row] = Math.round(random() * 50_000 - 10_000) / 100;
      moments[row] = firstDayUs + BigInt(Math.floor(random() * 365 * 86_400_000)) * 1_000n;
      offsets[row + 1] = offsets[row]! + text.write(`user-${Math.floor(random() * names)}`, offsets[row]!, 'latin1');
    }
    const column = (index: number, part: object): Data => makeData({ type: schema.fields[index]!.type, length: count, nullCount: 0, ...part } as never);
    const children = [
      column(0, { data: keys }), column(1, { data: amounts }), column(2, { data: moments }), column(3, { valueOffsets: offsets, data: text.subarray(0, offsets[count]!) }),
    ];
    batches.push(new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length: count, nullCount: 0, children })));
  }
  return batches;
}

async function* batchesOf(folder: string, name: string): AsyncGenerator<RecordBatch, void, void> {
  const file = await localBytes(folder).open(name);
  assert.ok(file !== undefined, name);
  try {
    const orc = await openOrc(file);
    yield* scanOrc(file, orc, planOrc(orc));
  } finally {
    await file.close();
  }
}

async function readAll(folder: string, name: string): Promise<number> {
  let rows = 0;
  for await (const batch of batchesOf(folder, name)) rows += batch.numRows;
  return rows;
}

/** What pyarrow wrote of the table that it read from our file is what we began with. Its times are nanoseconds. */
async function compare(batches: readonly RecordBatch[], folder: string, name: string): Promise<void> {
  const expected = rowsOf(batches);
  let row = 0;
  for await (const batch of batchesOf(folder, name)) {
    const [key, amount, moment, text] = batch.schema.fields.map((_, i) => batch.getChildAt(i)!);
    for (let i = 0; i < batch.numRows; i++, row++) {
      const wanted = expected.next().value!;
      const isSame = key!.get(i) === wanted[0] && amount!.get(i) === wanted[1] && (moment!.data[0]!.values as BigInt64Array)[i] === wanted[2] * 1_000n && text!.get(i) === wanted[3];
      assert.ok(isSame, `row ${row} is not as it was written`);
    }
  }
  assert.ok(expected.next().done, `there are ${row} rows`);
}

function* rowsOf(batches: readonly RecordBatch[]): Generator<readonly [bigint, number, bigint, string], undefined, void> {
  for (const batch of batches) {
    const [keys, amounts, moments] = batch.data.children.map(({ values }) => values) as [BigInt64Array, Float64Array, BigInt64Array];
    const names = batch.getChildAt(3)!;
    for (let row = 0; row < batch.numRows; row++) yield [keys[row]!, amounts[row]!, moments[row]!, names.get(row) as string];
  }
  return undefined;
}

const script = `
import json, statistics, sys, time
import pyarrow as pa, pyarrow.orc as orc
ours, theirs, codec, rounds = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
pa.set_cpu_count(1); pa.set_io_thread_count(1)
def median(work):
  times = []
  for _ in range(rounds + 1):
    start = time.perf_counter(); work(); times.append((time.perf_counter() - start) * 1000)
  return statistics.median(times[1:])
table = orc.ORCFile(ours).read()
write = lambda: orc.write_table(table, theirs, compression=codec)
result = {'write': median(write), 'read ours': median(lambda: orc.ORCFile(ours).read()), 'read theirs': median(lambda: orc.ORCFile(theirs).read())}
assert orc.ORCFile(theirs).read().equals(table)
print(json.dumps(result))
`;

/** Medians in ms, by what was done. */
function pyarrow(python: string, ours: string, theirs: string, codec: Codec, rounds: number): Readonly<Record<string, number>> {
  const compression = codec === 'none' ? 'uncompressed' : codec;
  return JSON.parse(execFileSync(python, ['-c', script, ours, theirs, compression, String(rounds)], { encoding: 'utf8' })) as Record<string, number>;
}

function pythonWithPyarrow(): string | undefined {
  const candidates = [process.env.TAURO_PYTHON, join(homedir(), '.cache/tauro-feature-store/interop/bin/python')];
  return candidates.find((python) => python !== undefined && spawnSync(python, ['-c', 'import pyarrow.orc'], { timeout: 60_000 }).status === 0);
}
