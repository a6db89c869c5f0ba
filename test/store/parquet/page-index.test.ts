/** Pages left out by their index and by the times in them: fewer bytes, and the same rows. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import fc from 'fast-check';
import type { RecordBatch } from '../../../src/arrow/arrow.ts';
import { FeatureStoreError } from '../../../src/base/errors.ts';
import type { TimeRange } from '../../../src/base/time.ts';
import { decodeColumns } from '../../../src/store/parquet/decode.ts';
import { encodeParquet } from '../../../src/store/parquet/encode.ts';
import { openParquet, planParquet, scanParquet } from '../../../src/store/parquet/file.ts';
import { pagePlaces, rowsInRange } from '../../../src/store/parquet/page-index.ts';
import { ThriftStruct, thriftType, writeThrift } from '../../../src/store/parquet/thrift.ts';
import { batchFrom, type Cell, cellsOf, golden, MemoryFile, readAll, withFooter, writable } from './support.ts';

const files = ['pages-ordered', 'pages-mixed'] as const;
const hourUs = 3_600_000_000n;
const startUs = BigInt(Date.UTC(2025, 0, 1)) * 1_000n;
const hours = (first: number, last: number): TimeRange => ({ startUs: startUs + BigInt(first) * hourUs, endUs: startUs + BigInt(last) * hourUs });

const bytesOf = (name: string): Uint8Array => new Uint8Array(readFileSync(join(golden, `${name}.parquet`)));

const isIn = (at: Cell, { startUs: start, endUs: end }: TimeRange): boolean =>
  at !== null && (start === undefined || (at as bigint) >= start) && (end === undefined || (at as bigint) < end);

function cellsByColumn(batches: readonly RecordBatch[]): Record<string, Cell[]> {
  return Object.fromEntries((batches[0]?.schema.fields ?? []).map(({ name }) => [name, cellsOf(batches, name)]));
}

/** Whatever was read are rows of the file, each whole and in order, and none in the range is missing. */
function assertRowsOf(all: Record<string, Cell[]>, read: Record<string, Cell[]>, range: TimeRange): void {
  const rows = (read.row ?? []).map(Number);
  assert.ok(rows.every((row, i) => i === 0 || rows[i - 1]! < row), 'rows are out of order');
  for (const [name, cells] of Object.entries(read)) assert.deepEqual(cells, rows.map((row) => all[name]![row]), name);
  const found = new Set(rows);
  const missing = all.at!.findIndex((at, row) => isIn(at, range) && !found.has(row));
  assert.equal(missing, -1, `row ${missing} is missing`);
}

test('a day of a file in the order of time', async () => {
  const source = new MemoryFile('t.parquet', bytesOf('pages-ordered'));
  const file = await openParquet(source);
  const plan = planParquet(file, { columns: ['row', 'note'], timeRange: { column: 'at', range: hours(700, 724) } });
  const rows: Cell[] = [];
  for await (const batch of scanParquet(source, file, plan, { pruned: true })) rows.push(...cellsOf([batch], 'row'));
  assert.ok(rows.length < 150 && rows.includes(700n) && rows.includes(723n), `${rows.length} rows`);
});

const columns = fc.subarray(['at', 'day', 'city', 'note', 'price', 'flag']).map((names) => [...names, 'row']);
const bound = fc.option(fc.integer({ min: -20, max: 1_220 }), { nil: undefined, freq: 5 });
const range = fc.tuple(bound, bound, fc.constantFrom(-1n, 0n, 1n)).map(([first, last, nudge]): TimeRange => ({
  ...(first !== undefined && { startUs: startUs + BigInt(first) * hourUs + nudge }), ...(last !== undefined && { endUs: startUs + BigInt(last) * hourUs + nudge }),
}));

test('whatever the range and the columns, pruned or not, by either decoder', async () => {
  const sources = await Promise.all(files.map(async (name) => ({ bytes: bytesOf(name), all: cellsByColumn((await readAll(bytesOf(name))).batches) })));
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...sources), columns, range, fc.boolean(), fc.boolean(), async ({ bytes, all }, names, wanted, byPages, indexed) => {
      const { batches } = await readAll(indexed ? bytes : withoutIndex(bytes), { columns: names, pruned: true, byPages, timeRange: { column: 'at', range: wanted } });
      if (batches.length > 0) assertRowsOf(all, cellsByColumn(batches), wanted);
      else assert.ok(!all.at!.some((at) => isIn(at, wanted)));
    }),
    { numRuns: 300 },
  );
});

/** The file without its page index. */
function withoutIndex(bytes: Uint8Array): Uint8Array {
  return withFooter(bytes, (meta) => {
    for (const group of meta.structs(4)!) for (const chunk of group.structs(1)!) chunk.delete(4).delete(5).delete(6).delete(7);
  });
}

test('one instant of many: a page of each column is fetched; without an index a batch is decoded', async () => {
  const rows = 200_000;
  const batch = batchFrom({
    at: { type: writable.us!, cells: Array.from({ length: rows }, (_, row) => startUs + BigInt(row)) },
    row: { type: writable.int64!, cells: Array.from({ length: rows }, (_, row) => BigInt(row)) },
  });
  const indexed = encodeParquet(batch.schema, [batch], { rowGroupRows: rows, compression: 'uncompressed' });
  const timeRange = { column: 'at', range: { startUs: startUs + 140_000n, endUs: startUs + 140_001n } };
  const read = async (bytes: Uint8Array): Promise<{ first: Cell; rows: number; share: number }> => {
    const source = new MemoryFile('t.parquet', bytes);
    const file = await openParquet(source);
    const [opened, plan] = [source.bytesRead, planParquet(file, { timeRange })];
    const found: Cell[] = [];
    for await (const part of scanParquet(source, file, plan, { pruned: true })) found.push(...cellsOf([part], 'row'));
    assert.ok(found.includes(140_000n));
    return { first: found[0]!, rows: found.length, share: (source.bytesRead - opened) / plan.bytes };
  };
  const { share, ...pages } = await read(indexed);
  assert.deepEqual(pages, { first: 140_000n, rows: 20_000 });
  assert.ok(share < 0.15, `${share} of the bytes`);
  assert.deepEqual(await read(withoutIndex(indexed)), { first: 131_072n, rows: 65_536, share: 1 });
});

test('an offset index with any bit flipped: an error, or the rows that there are', async () => {
  const source = bytesOf('pages-ordered');
  const all = cellsByColumn((await readAll(source)).batches);
  const { rowGroups } = await openParquet(new MemoryFile('t', source));
  const counts = { data: 0, error: 0 };
  const timeRange = { column: 'at', range: hours(700, 724) };
  for (const name of ['at', 'row']) {
    const { start, end } = rowGroups[1]!.columns.get(name)!.pageIndex!.offsets;
    for (let bit = 8 * start; bit < 8 * end; bit++) {
      const changed = source.slice();
      changed[bit >> 3]! ^= 1 << (bit & 7);
      try {
        const { batches } = await readAll(changed, { columns: ['at', 'row'], pruned: true, timeRange });
        assertRowsOf(all, cellsByColumn(batches), timeRange.range);
        counts.data++;
      } catch (thrown) {
        assert.ok(thrown instanceof FeatureStoreError && thrown.tag === 'DamagedFile', String(thrown));
        counts.error++;
      }
    }
  }
  assert.ok(counts.data > 100 && counts.error > 10, JSON.stringify(counts));
});

test('pages that hold other numbers of rows than their index says are damage', async () => {
  const bytes = bytesOf('pages-ordered');
  const file = await openParquet(new MemoryFile('t.parquet', bytes));
  const [group, column] = [file.rowGroups[0]!, file.columns.get('note')!];
  const chunk = group.columns.get('note')!;
  const { offsets } = chunk.pageIndex!;
  const [first, second] = pagePlaces(bytes.subarray(offsets.start, offsets.end), chunk, group.rows)!;
  const rowsOfPages = (boundary: number): number => {
    const held = [{ start: 0, end: boundary }, { start: boundary, end: second!.rows.end }];
    const part = { rowGroup: 0, rows: group.rows, ranges: [{ start: 0, end: second!.rows.end }] };
    return [...decodeColumns('t.parquet', part, [{ column, chunk, bytes: bytes.subarray(first!.start, second!.end), held }])].reduce((rows, [data]) => rows + data!.length, 0);
  };
  assert.equal(rowsOfPages(first!.rows.end), second!.rows.end);
  assert.throws(() => rowsOfPages(first!.rows.end - 1), { tag: 'DamagedFile', message: /t\.parquet: row group 0, column note: its pages hold .* where the page index says/ });
});

/** A column index of pages of ten rows. */
function indexOf(pages: readonly { min?: bigint; max?: bigint; allNull?: boolean; nulls?: bigint }[]): Uint8Array {
  const bytes = (value: bigint | undefined): Uint8Array => (value === undefined ? new Uint8Array() : new Uint8Array(BigInt64Array.of(value).buffer));
  const list = (elementType: number, elements: readonly (boolean | Uint8Array | bigint)[]) => ({ elementType, elements: [...elements] });
  const index = new ThriftStruct()
    .set(2, thriftType.list, list(thriftType.binary, pages.map(({ min }) => bytes(min))))
    .set(3, thriftType.list, list(thriftType.binary, pages.map(({ max }) => bytes(max))));
  // The writer knows no lists of booleans, so they are written as bytes of 1 and 2, which is what the protocol makes of them.
  index.set(1, thriftType.list, { elementType: thriftType.i8, elements: pages.map(({ allNull }) => (allNull ? 1 : 2)) });
  if (pages.every(({ nulls }) => nulls !== undefined)) index.set(5, thriftType.list, list(thriftType.i64, pages.map(({ nulls }) => nulls!)));
  const written = writeThrift(index);
  written[1] = (written[1]! & 0xf0) | thriftType.true;
  return written;
}

test('bounds of pages are believed only where they agree with themselves', async () => {
  const column = (await openParquet(new MemoryFile('t', bytesOf('pages-ordered')))).columns.get('at')!;
  const wanted: TimeRange = { startUs: 100n, endUs: 200n };
  const isKept = (page: Parameters<typeof indexOf>[0][number]): boolean => {
    // Between two pages that are out of range.
    const index = indexOf([{ min: 1n, max: 2n, nulls: 0n }, page, { min: 900n, max: 901n, nulls: 0n }].map((each) => (page.nulls === undefined ? { ...each, nulls: undefined! } : each)));
    const places = [0, 1, 2].map((at) => ({ rows: { start: 10 * at, end: 10 * at + 10 }, start: 0, end: 1 }));
    const ranges = rowsInRange(column, places, index, wanted, 30)!;
    assert.ok(ranges.length === 0 || (ranges.length === 1 && ranges[0]!.start === 10 && ranges[0]!.end === 20), JSON.stringify(ranges));
    return ranges.length > 0;
  };
  assert.deepEqual([isKept({ min: 50n, max: 99n }), isKept({ min: 50n, max: 100n }), isKept({ min: 199n, max: 300n }), isKept({ min: 200n, max: 300n })], [false, true, true, false]);
  // All null, and some null.
  assert.deepEqual([isKept({ allNull: true }), isKept({ allNull: true, nulls: 10n }), isKept({ min: 150n, max: 150n, nulls: 9n })], [false, false, true]);
  // Said to be all null, but with fewer nulls than rows; without bounds although not all null; bounds the wrong way round.
  assert.deepEqual([isKept({ allNull: true, nulls: 9n }), isKept({}), isKept({ min: 1n }), isKept({ min: 99n, max: 50n })], [true, true, true, true]);
  const places = [{ rows: { start: 0, end: 10 }, start: 0, end: 1 }];
  for (const bytes of [new Uint8Array(), Uint8Array.of(0), indexOf([]), Uint8Array.of(0x19, 0xff, 0xff)]) assert.equal(rowsInRange(column, places, bytes, wanted, 10), undefined);
});

test('places of pages that cannot be are no places', () => {
  const chunk = { start: 100, end: 200, codec: 0, uncompressedBytes: 100, isCodes: false, statistics: {} };
  const placesOf = (...pages: readonly (readonly [start: bigint, size: number, firstRow: bigint])[]) => {
    const elements = pages.map(([start, size, row]) => new ThriftStruct().set(1, thriftType.i64, start).set(2, thriftType.i32, size).set(3, thriftType.i64, row));
    return pagePlaces(writeThrift(new ThriftStruct().set(1, thriftType.list, { elementType: thriftType.struct, elements })), chunk, 20);
  };
  assert.deepEqual(placesOf([110n, 40, 0n], [150n, 50, 12n]), [{ rows: { start: 0, end: 12 }, start: 110, end: 150 }, { rows: { start: 12, end: 20 }, start: 150, end: 200 }]);
  for (const wrong of [
    [], [[99n, 10, 0n]], [[100n, 101, 0n]], [[100n, 0, 0n]], [[100n, -5, 0n]], [[100n, 50, 1n]], [[100n, 50, 0n], [149n, 10, 10n]], [[100n, 50, 0n], [150n, 50, 21n]],
    [[100n, 30, 0n], [130n, 30, 15n], [160n, 30, 10n]], [[100n, 50, 0n], [2n ** 62n, 50, 10n]],
  ] as const) assert.equal(placesOf(...wrong), undefined, String(wrong));
});
