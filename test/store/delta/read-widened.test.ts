/** Columns that were given wider types: every change that Delta's protocol lists, and no other. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type DataType, Decimal, Field, RecordBatch, Schema, Struct, Table, makeData } from '../../../src/arrow/arrow.ts';
import { OverflowError, SchemaMismatchError, UnsupportedError } from '../../../src/base/errors.ts';
import type { Bytes } from '../../../src/store/bytes.ts';
import { conformBatch, mightConform } from '../../../src/store/conform.ts';
import { tableSchemaOf } from '../../../src/store/delta/read-schema.ts';
import type { AddFile, Metadata } from '../../../src/store/delta/write-actions.ts';
import { memoryBytes } from '../../../src/store/memory-bytes.ts';
import { openStored } from '../../../src/store/source.ts';
import { readTable } from '../../support/store.ts';
import { batchFrom, type Cell, cellsOf, columnOf, writable } from '../parquet/support.ts';
import { addFile, commit } from './foreign.ts';

const decimal = (precision: number, scale: number): Decimal => new Decimal(scale, precision, 128);
const dayUs = 86_400_000_000n;

const metaDataOf = (fields: readonly object[], partitionColumns: readonly string[] = []): Metadata => ({
  id: 'w1', format: { provider: 'parquet', options: {} }, partitionColumns, configuration: {}, schemaString: JSON.stringify({ type: 'struct', fields }),
});
const fieldOf = (name: string, from: string, to: string) => ({ name, type: to, nullable: true, metadata: { 'delta.typeChanges': [{ fromType: from, toType: to }] } });
const protocol = { minReaderVersion: 3, minWriterVersion: 7, readerFeatures: ['typeWidening', 'timestampNtz'], writerFeatures: ['typeWidening', 'timestampNtz'] };

async function read(bytes: Bytes, options = {}) {
  return readTable(await openStored(bytes, 't').snapshot(), options);
}

it('rows from before a change come as the type of now', async () => {
  const bytes = memoryBytes();
  const old = new Table([batchFrom({ n: { type: writable.int32!, cells: [1, null, -7] }, day: { type: writable.day!, cells: [0, 19_782, null] }, price: { type: decimal(5, 2), cells: [125n, null, -99_999n] } })]);
  const young = new Table([batchFrom({ n: { type: decimal(14, 2), cells: [50n] }, day: { type: writable.us!, cells: [1n] }, price: { type: decimal(9, 4), cells: [3n] } })]);
  const metaData = metaDataOf([fieldOf('n', 'integer', 'decimal(14,2)'), fieldOf('day', 'date', 'timestamp_ntz'), fieldOf('price', 'decimal(5,2)', 'decimal(9,4)')]);
  await commit(bytes, 0, [{ protocol }, { metaData }, { add: await addFile(bytes, 'old.parquet', old) }, { add: await addFile(bytes, 'young.parquet', young) }]);
  const table = await read(bytes);
  assert.deepEqual(table.schema.fields.map(({ type }) => String(type)), ['Decimal[14e+2]', 'Timestamp<MICROSECOND>', 'Decimal[9e+4]']);
  assert.deepEqual(cellsOf(table.batches, 'n'), [100n, null, -700n, 50n]);
  assert.deepEqual(cellsOf(table.batches, 'day'), [0n, 19_782n * dayUs, null, 1n]);
  assert.deepEqual(cellsOf(table.batches, 'price'), [12_500n, null, -9_999_900n, 3n]);
});

it('what is left out by statistics, of the log, of the file, or by keys, has no wanted row', async () => {
  const bytes = memoryBytes();
  const days = [0, 10, 20];
  const old = new Table([batchFrom({ k: { type: writable.int32!, cells: [1, 2, 3] }, day: { type: writable.day!, cells: days } })]);
  const stats = JSON.stringify({ numRecords: 3, minValues: { k: 1, day: '1970-01-01' }, maxValues: { k: 3, day: '1970-01-21' }, nullCount: { k: 0, day: 0 } });
  await commit(bytes, 0, [{ protocol }, { metaData: metaDataOf([fieldOf('k', 'integer', 'decimal(12,2)'), fieldOf('day', 'date', 'timestamp_ntz')]) }, { add: await addFile(bytes, 'old.parquet', old, { stats }) }]);
  const between = async (startUs: bigint, endUs: bigint): Promise<readonly Cell[]> => cellsOf((await read(bytes, { timeRange: { column: 'day', range: { startUs, endUs } } })).batches, 'day');
  for (const day of days) assert.ok((await between(BigInt(day) * dayUs, BigInt(day) * dayUs + 1n)).includes(BigInt(day) * dayUs), `day ${day}`);
  assert.deepEqual(await between(20n * dayUs + 1n, 30n * dayUs), []);
  assert.deepEqual(await between(-5n, 0n), []);
  // Keys of the table are whole numbers of its last digit, those of the file are not.
  const keyed = await read(bytes, { anyOf: { column: 'k', values: [300n] } });
  assert.ok(cellsOf(keyed.batches, 'k').includes(300n));
});

it('partition values written before a change are of the type of now', async () => {
  const bytes = memoryBytes();
  const rows = new Table([batchFrom({ n: { type: writable.int32!, cells: [1] } })]);
  const partition = (values: Record<string, string>): Partial<AddFile> => ({ partitionValues: values });
  const fields = [{ name: 'n', type: 'integer', nullable: true, metadata: {} }, fieldOf('d', 'date', 'timestamp_ntz'), fieldOf('i', 'integer', 'decimal(12,2)'), fieldOf('x', 'short', 'double')];
  await commit(bytes, 0, [{ protocol }, { metaData: metaDataOf(fields, ['d', 'i', 'x']) }, { add: await addFile(bytes, 'a.parquet', rows, partition({ d: '2024-02-29', i: '-7', x: '5' })) }, { add: await addFile(bytes, 'b.parquet', rows, partition({ d: '2024-03-01 12:00:00', i: '7.25', x: '0.5' })) }]);
  const { batches } = await read(bytes);
  assert.deepEqual(cellsOf(batches, 'd'), [19_782n * dayUs, 19_783n * dayUs + dayUs / 2n]);
  assert.deepEqual(cellsOf(batches, 'i'), [-700n, 725n]);
  assert.deepEqual(cellsOf(batches, 'x'), [5, 0.5]);
});

describe('each change', () => {
  const integers = { byte: writable.int8!, short: writable.int16!, integer: writable.int32!, long: writable.int64! };
  const bits = { byte: 8n, short: 16n, integer: 32n, long: 64n };
  const cellOf = (kind: keyof typeof integers): fc.Arbitrary<Cell> => fc.bigInt({ min: -(2n ** (bits[kind] - 1n)), max: 2n ** (bits[kind] - 1n) - 1n }).map((value) => (kind === 'long' ? value : Number(value)));
  /** A type, a wider one, values, and what they become. */
  const change: fc.Arbitrary<{ from: DataType; to: DataType; cells: Cell[]; become: (cell: Cell) => Cell }> = fc.oneof(
    fc.record({ kind: fc.constantFrom('byte', 'short', 'integer', 'long'), k1: fc.nat(28), k2: fc.nat(28) }).chain(({ kind, k1, k2 }) => {
      const whole = kind === 'long' ? 20 : 10;
      const scale = Math.min(k1, k2, 38 - whole);
      const to = decimal(Math.min(38, whole + Math.max(k1, scale)), scale);
      return fc.array(fc.option(cellOf(kind)), { maxLength: 30 }).map((cells) => ({ from: integers[kind], to, cells, become: (cell: Cell) => BigInt(cell as number) * 10n ** BigInt(scale) }));
    }),
    fc.constantFrom('byte', 'short', 'integer').chain((kind) => fc.array(fc.option(cellOf(kind)), { maxLength: 30 }).map((cells) => ({ from: integers[kind], to: writable.double!, cells, become: (cell: Cell) => Number(cell) }))),
    fc.array(fc.option(fc.integer({ min: -100_000_000, max: 100_000_000 })), { maxLength: 30 }).map((cells) => ({ from: writable.day!, to: writable.us!, cells, become: (cell: Cell) => BigInt(cell as number) * dayUs })),
    fc.record({ precision: fc.integer({ min: 1, max: 38 }), scale: fc.nat(38), k1: fc.nat(37), k2: fc.nat(37) }).filter(({ precision, scale, k1, k2 }) => scale <= precision && k1 >= k2 && precision + k1 <= 38)
      .chain(({ precision, scale, k1, k2 }) => fc.array(fc.option(fc.bigInt({ min: 1n - 10n ** BigInt(precision), max: 10n ** BigInt(precision) - 1n })), { maxLength: 30 })
        .map((cells) => ({ from: decimal(precision, scale), to: decimal(precision + k1, scale + k2), cells, become: (cell: Cell) => (cell as bigint) * 10n ** BigInt(k2) }))),
  );

  it('property: values stay what they are, wherever a batch was cut', () => {
    fc.assert(
      fc.property(change, fc.nat(40), ({ from, to, cells, become }, cut) => {
        assert.ok(mightConform(from, to), `${from} to ${to}`);
        const start = Math.min(cut, cells.length);
        const column = columnOf(from, cells).slice(start, cells.length - start);
        const schema = new Schema([new Field('c', from, true)]);
        const batch = new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length: column.length, nullCount: 0, children: [column] }));
        const target = new Schema([new Field('c', to, true)]);
        const found = conformBatch(batch, target);
        assert.equal(String(found.schema.fields[0]!.type), String(to));
        assert.deepEqual(cellsOf([found], 'c'), cells.slice(start).map((cell) => (cell === null ? null : become(cell))));
      }),
      { numRuns: 500 },
    );
  });

  it('what is not listed is refused, in a file and in the history of a column', async () => {
    const types: Readonly<Record<string, DataType>> = {
      ...integers, float: writable.float!, double: writable.double!, date: writable.day!, timestamp: writable.usZone!, timestamp_ntz: writable.us!, string: writable.utf8!, boolean: writable.bool!,
      'decimal(9,2)': decimal(9, 2), 'decimal(10,0)': decimal(10, 0), 'decimal(12,3)': decimal(12, 3), 'decimal(11,4)': decimal(11, 4), 'decimal(20,0)': decimal(20, 0), 'decimal(38,18)': decimal(38, 18), 'decimal(38,19)': decimal(38, 19),
    };
    const listed: Readonly<Record<string, readonly string[]>> = {
      byte: ['short', 'integer', 'long', 'double', 'decimal(10,0)', 'decimal(20,0)', 'decimal(38,18)', 'decimal(38,19)'], short: ['integer', 'long', 'double', 'decimal(10,0)', 'decimal(20,0)', 'decimal(38,18)', 'decimal(38,19)'],
      integer: ['long', 'double', 'decimal(10,0)', 'decimal(20,0)', 'decimal(38,18)', 'decimal(38,19)'], long: ['decimal(20,0)', 'decimal(38,18)'], float: ['double'], date: ['timestamp_ntz'],
      'decimal(9,2)': ['decimal(12,3)', 'decimal(11,4)', 'decimal(38,18)', 'decimal(38,19)'], 'decimal(10,0)': ['decimal(20,0)', 'decimal(38,18)', 'decimal(38,19)'], 'decimal(12,3)': ['decimal(38,18)', 'decimal(38,19)'],
      'decimal(11,4)': ['decimal(38,18)', 'decimal(38,19)'], 'decimal(20,0)': ['decimal(38,18)'], 'decimal(38,18)': [],
    };
    for (const from of Object.keys(types)) {
      for (const to of Object.keys(types)) {
        if (from === to) continue;
        const history = () => tableSchemaOf('t', metaDataOf([fieldOf('c', from, to)]));
        if (listed[from]?.includes(to)) history();
        else assert.throws(history, (thrown) => thrown instanceof UnsupportedError && thrown.message.includes('column c'), `${from} to ${to}`);
        // A log may lie, and files of foreign hands may say less of their instants.
        if (from.startsWith('timestamp') && to.startsWith('timestamp')) continue;
        const bytes = memoryBytes();
        const rows = new Table([batchFrom({ c: { type: types[from]!, cells: [null] } })]);
        await commit(bytes, 0, [{ protocol }, { metaData: metaDataOf([{ name: 'c', type: to, nullable: true, metadata: {} }]) }, { add: await addFile(bytes, 'a.parquet', rows) }]);
        if (listed[from]?.includes(to)) assert.deepEqual(cellsOf((await read(bytes)).batches, 'c'), [null], `${from} to ${to}`);
        else await assert.rejects(read(bytes), SchemaMismatchError, `${from} to ${to}`);
      }
    }
  });

  it('a day whose midnight does not fit 64 bits is refused', () => {
    const batch = batchFrom({ c: { type: writable.day!, cells: [2 ** 31 - 1] } });
    assert.throws(() => conformBatch(batch, new Schema([new Field('c', writable.us!, true)])), OverflowError);
  });
});
