/**
 * Row groups that a scan leaves out: whatever the range and the keys, every wanted row comes, each as the full scan has it, and what
 * is not wanted is mostly not decoded. Files of ours, and small ones of Apache ORC's C++ library (golden/README.md).
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'node:test';
import fc from 'fast-check';
import { DataType } from '../../../src/arrow/arrow.ts';
import { DamagedFileError, FeatureStoreError } from '../../../src/base/errors.ts';
import { hashOf, mightHold } from '../../../src/store/orc/bloom-filter.ts';
import { decodeColumn, type StripeColumn } from '../../../src/store/orc/decode-column.ts';
import { encodeOrc } from '../../../src/store/orc/encode.ts';
import { openOrc } from '../../../src/store/orc/footer.ts';
import { streamKind, typeKind } from '../../../src/store/orc/metadata.ts';
import { mightHave } from '../../../src/store/orc/statistics.ts';
import { WallClock } from '../../../src/store/orc/wall-clock.ts';
import type { ScanOptions } from '../../../src/store/table.ts';
import { batchFrom, type Cell, cellsOf, MemoryFile, writable } from '../parquet/support.ts';
import { fixtures, readOrc } from './support.ts';

const golden = join(dirname(fileURLToPath(import.meta.url)), '../../../../test/store/orc/golden');
const codecs = ['zlib', 'snappy', 'none'] as const;

/** Of the cells of a row, those that decide whether it is wanted. */
interface Whole {
  readonly bytes: Uint8Array;
  readonly rows: number;
  readonly columns: ReadonlyMap<string, readonly Cell[]>;
  /** In nanoseconds. */
  readonly momentNs: readonly bigint[];
}

async function wholeOf(bytes: Uint8Array, nsPerUnit: bigint): Promise<Whole> {
  const { schema, batches, rows } = await readOrc(bytes);
  const columns = new Map(schema.fields.map(({ name }) => [name, cellsOf(batches, name)]));
  return { bytes, rows, columns, momentNs: columns.get('moment')!.map((cell) => (cell as bigint) * nsPerUnit) };
}

/** Reads with the options and compares with the full scan; answers how many rows were decoded. */
async function check({ bytes, columns, momentNs }: Whole, options: ScanOptions, label: string): Promise<number> {
  const wanted = options.columns ?? [...columns.keys()];
  const { batches, rows } = await readOrc(bytes, { ...options, columns: ['row', ...wanted.filter((name) => name !== 'row')] });
  const found = cellsOf(batches, 'row').map(Number);
  for (const name of wanted) {
    const cells = columns.get(name)!;
    assert.deepEqual(cellsOf(batches, name), found.map((row) => cells[row]), `${label}: ${name}`);
  }
  assert.ok(found.every((row, i) => i === 0 || row > found[i - 1]!), `${label}: rows in order, each once`);
  const there = new Set(found);
  const { timeRange, anyOf } = options;
  const keys = anyOf && new Set(anyOf.values.map(String));
  momentNs.forEach((ns, row) => {
    if (timeRange !== undefined && (ns < timeRange.range.startUs! * 1_000n || ns >= timeRange.range.endUs! * 1_000n)) return;
    if (keys !== undefined && !keys.has(String(columns.get(anyOf!.column)![row]))) return;
    assert.ok(there.has(row), `${label}: row ${row} is wanted and did not come`);
  });
  return rows;
}

const rows = 34_567;
const minute = 60_000_000n;

/** Times that rise with some disorder, keys in stretches, every type with nulls; some values repeat so that runs of every kind cross row groups. */
function ours(compression: (typeof codecs)[number], stripeRows?: number): Uint8Array {
  const cells = (make: (i: number) => Cell, nulls = 9): Cell[] => Array.from({ length: rows }, (_, i) => ((i * 7) % 11 < nulls ? make(i) : null));
  const all = 11;
  const batch = batchFrom({
    row: { type: writable.int64!, cells: cells(BigInt, all) },
    moment: { type: writable.us!, cells: cells((i) => BigInt(i - 5_000 + ((i * 31) % 50)) * minute, all) },
    key: { type: writable.int64!, cells: cells((i) => BigInt(Math.floor(i / 100)) * 1_000_003n - 10n ** 7n) },
    name: { type: writable.utf8!, cells: cells((i) => `näme ${String(i).padStart(7, '0')}`) },
    few: { type: writable.utf8!, cells: cells((i) => ['red', 'green', ''][i % 3]!, 7) },
    none: { type: writable.int32!, cells: cells(() => null) },
    flag: { type: writable.bool!, cells: cells((i) => i % 3 === 0, 5) },
    byte: { type: writable.int8!, cells: cells((i) => i % 5) },
    small: { type: writable.uint16!, cells: cells((i) => i % 60_000) },
    amount: { type: writable.double!, cells: cells((i) => i / 8) },
    half: { type: writable.float!, cells: cells((i) => i / 4) },
    bytes: { type: writable.binary!, cells: cells((i) => `b:${(i % 256).toString(16).padStart(2, '0')}`) },
    price: { type: writable.decimal!, cells: cells((i) => BigInt(i) ** 5n - 10n ** 18n) },
    day: { type: writable.day!, cells: cells((i) => i - 9_000) },
  });
  return encodeOrc(batch.schema, [batch], { compression, ...(stripeRows !== undefined && { stripeRows }) });
}

const columnNames = ['row', 'moment', 'key', 'name', 'few', 'none', 'flag', 'byte', 'small', 'amount', 'half', 'bytes', 'price', 'day'];

test('an hour of a month and one key are read from the row groups that have them', async () => {
  const whole = await wholeOf(ours('zlib'), 1_000n);
  const hour = { column: 'moment', range: { startUs: 12_000n * minute, endUs: 12_060n * minute } };
  assert.equal(await check(whole, { timeRange: hour }, 'an hour'), 10_000);
  assert.equal(await check(whole, { anyOf: { column: 'key', values: [200n * 1_000_003n - 10n ** 7n] } }, 'a key'), 10_000);
  assert.equal(await check(whole, { anyOf: { column: 'name', values: ['näme 0034560', 'nobody'] } }, 'a name'), 4_567);
  assert.equal(await check(whole, { anyOf: { column: 'name', values: [] } }, 'no name'), 0);
  // One group has it by the time, the other by the key.
  assert.equal(await check(whole, { timeRange: hour, anyOf: { column: 'name', values: ['näme 0034560'] } }, 'both'), 0);
});

test('property: in files of ours any range, keys and columns give the rows of the full scan', async () => {
  for (const compression of codecs) {
    const whole = await wholeOf(ours(compression, 25_000), 1_000n);
    let decoded = 0;
    const instants = fc.integer({ min: -6_000, max: 31_000 });
    const asked = fc.record({
      start: instants, length: fc.integer({ min: 0, max: 9_000 }), row: fc.option(fc.nat({ max: rows - 1 })), by: fc.constantFrom('key', 'name', 'row'), columns: fc.subarray(columnNames, { minLength: 1 }),
    });
    await fc.assert(
      fc.asyncProperty(asked, async ({ start, length, row, by, columns }) => {
        const value = row === null ? null : (whole.columns.get(by)![row] as bigint | string | null);
        decoded += await check(whole, {
          columns,
          timeRange: { column: 'moment', range: { startUs: BigInt(start) * minute, endUs: BigInt(start + length) * minute } },
          ...(value !== null && { anyOf: { column: by, values: [value] } }),
        }, compression);
      }),
      { numRuns: 25 },
    );
    assert.ok(decoded < 0.7 * 25 * rows, `${decoded} rows were decoded in 25 scans of ${rows}`);
  }
});

test('property: in files of the C++ library, too; its bloom filters leave out what the bounds do not', async () => {
  for (const codec of ['uncompressed', 'zlib']) {
    const whole = await wholeOf(readFileSync(join(golden, `indexed-${codec}.orc`)), 1n);
    const names = whole.columns.get('name')!;
    let decoded = 0;
    for (let row = 0; row < whole.rows; row += 31) {
      if (names[row] !== null) decoded += await check(whole, { anyOf: { column: 'name', values: [names[row] as string] } }, codec);
    }
    // Names are in no order: by bounds nearly all groups would have them.
    assert.ok(decoded < 100 * (whole.rows / 31), `${decoded} rows were decoded`);
    const absent = { anyOf: { column: 'key', values: [500_000n] } };
    assert.equal(await check(whole, absent, codec), 0);
    const us = 60_000_000n;
    const asked = fc.record({ start: fc.integer({ min: -600, max: 600 }), length: fc.nat({ max: 300 }), row: fc.option(fc.nat({ max: whole.rows - 1 })), columns: fc.oneof(fc.constant([...whole.columns.keys()]), fc.subarray([...whole.columns.keys()], { minLength: 1 })) });
    await fc.assert(
      fc.asyncProperty(asked, async ({ start, length, row, columns }) => {
        const key = row === null ? null : (whole.columns.get('key')![row] as bigint | null);
        const range = { startUs: BigInt(start) * us, endUs: BigInt(start + length) * us };
        const some = await check(whole, { columns, timeRange: { column: 'moment', range }, ...(key !== null && { anyOf: { column: 'key', values: [key, key + 1n] } }) }, codec);
        // Of few columns the index is larger than what it would save.
        if (columns.length === whole.columns.size) assert.ok(some <= length + 100, `${some} rows for ${length} minutes`);
      }),
      { numRuns: 40 },
    );
  }
});

const indexedFixtures = ['TestOrcFile.testPredicatePushdown', 'orc_split_elim_new', 'orc_split_elim_cpp', 'bad_bloom_filter_1.6.11', 'TestOrcFile.testStringAndBinaryStatistics', 'TestOrcFile.testStripeLevelStats'];

test('in files of Apache ORC’s own tests, keys are found as in the full scan', { skip: fixtures === undefined ? 'the fixtures are not beside the project' : false }, async () => {
  for (const name of indexedFixtures) {
    const bytes = Uint8Array.from(readFileSync(join(fixtures!, `${name}.orc`)));
    const { schema, batches } = await readOrc(bytes);
    const names = schema.fields.map((field) => field.name);
    const all = names.map((column) => cellsOf(batches, column));
    let [decoded, scans] = [0, 0];
    for (const { name: column, type } of schema.fields) {
      if (!DataType.isInt(type) && !DataType.isUtf8(type)) continue;
      const cells = all[names.indexOf(column)]!;
      for (const row of [0, cells.length >> 1, cells.length - 1]) {
        const cell = cells[row]!;
        if (cell === null || typeof cell === 'boolean') continue;
        const value = typeof cell === 'number' ? BigInt(cell) : cell;
        const some = await readOrc(bytes, { anyOf: { column, values: [value] } });
        const rowsWith = (columns: readonly (readonly Cell[])[]): (readonly Cell[])[] => columns[names.indexOf(column)]!.flatMap((each, i) => (each === cell ? [columns.map((values) => values[i]!)] : []));
        assert.deepEqual(rowsWith(names.map((each) => cellsOf(some.batches, each))), rowsWith(all), `${name}: ${column} = ${value}`);
        [decoded, scans] = [decoded + some.rows, scans + 1];
      }
    }
    assert.ok(scans > 0, name);
    // Texts of neighbouring groups overlap.
    if (name.includes('Pushdown')) assert.ok(decoded <= scans * 1_500, `${name}: ${decoded} rows in ${scans} scans`);
  }
});

test('rows that are told by their positions all come', async () => {
  const bytes = ours('snappy');
  const timeRange = { column: 'moment', range: { startUs: 0n, endUs: minute } };
  assert.ok((await readOrc(bytes, { columns: ['row', 'name'], timeRange })).rows < rows);
  assert.equal((await readOrc(bytes, { columns: ['row', 'name'], timeRange }, { pruned: false })).rows, rows);
});

test('property: an index that was damaged gives the rows all the same, or an error of ours', async () => {
  const whole = await wholeOf(readFileSync(join(golden, 'indexed-uncompressed.orc')), 1n);
  const file = await openOrc(new MemoryFile('t.orc', whole.bytes));
  const [{ offset, indexLength }] = file.stripes as [(typeof file.stripes)[number]];
  const timeRange = { column: 'moment', range: { startUs: 0n, endUs: 100n * minute } };
  let pruned = 0;
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: offset, max: offset + indexLength - 1 }), fc.integer({ min: 1, max: 255 }), async (at, mask) => {
      const bytes = Uint8Array.from(whole.bytes);
      bytes[at]! ^= mask;
      try {
        const { batches, rows } = await readOrc(bytes, { timeRange });
        const found = cellsOf(batches, 'row').map(Number);
        for (const [name, cells] of whole.columns) assert.deepEqual(cellsOf(batches, name), found.map((row) => cells[row]), `byte ${at}: ${name}`);
        if (rows < whole.rows) pruned++;
      } catch (thrown) {
        assert.ok(thrown instanceof FeatureStoreError && thrown.tag !== 'Invariant', (thrown as Error).stack);
      }
    }),
    { numRuns: 400 },
  );
  assert.ok(pruned > 0);
});

test('the examples of bloom filters: what is there might be, what is not is mostly told', () => {
  const filter = { hashFunctions: 3, bits: [], utf8Bits: new Uint8Array(64) };
  assert.equal(mightHold({ bits: [], hashFunctions: 3 }, 7n), true, 'a filter of no bits');
  assert.equal(mightHold(filter, hashOf(7n)), false);
  assert.equal(mightHold({ ...filter, utf8Bits: filter.utf8Bits.fill(255) }, hashOf(7n)), true);
});

test('a row group without values has nothing that is wanted', () => {
  const column = { name: 'at', id: 1, orcType: { kind: typeKind.timestamp, subtypes: [], fieldNames: [], attributes: [] }, type: writable.us!, isHybrid: false };
  const filter = { column, range: { startUs: 0n, endUs: 1n } };
  assert.equal(mightHave(filter, { numberOfValues: 0 }), false);
  assert.equal(mightHave(filter, { numberOfValues: 1 }), true, 'bounds are missing');
  assert.equal(mightHave(filter, undefined), true);
});

test('doubles that do not end where the next row group begins are damage', () => {
  const column = (at: number): StripeColumn => ({
    file: 't.orc', name: 'amount', stripe: 0, rows: 2, orcType: { kind: typeKind.double, subtypes: [], fieldNames: [], attributes: [] }, type: writable.double!, isHybrid: false, encoding: 0, dictionarySize: 0,
    dictionary: (make) => make(), streams: new Map([[streamKind.data, { bytes: new Uint8Array(32), skip: 0, end: { at, skip: 0 } }]]), wallClock: new WallClock('t.orc', undefined, false),
  });
  assert.equal(decodeColumn(column(16)).length, 2);
  assert.throws(() => decodeColumn(column(24)), DamagedFileError);
});
