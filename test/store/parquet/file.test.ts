/** Open, plan, scan: what is read, what is left out, what it costs in bytes, and what is refused. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { type DataType as AnyType, Binary, DataType, Field, makeData, Schema } from '../../../src/arrow/arrow.ts';
import type { TimeRange } from '../../../src/base/time.ts';
import { encodeParquet } from '../../../src/store/parquet/encode.ts';
import { columnBounds, openParquet, planParquet, scanParquet } from '../../../src/store/parquet/file.ts';
import { type ThriftStruct, thriftType } from '../../../src/store/parquet/thrift.ts';
import { batchFrom, batchOf, type Cell, cellsOf, columnOf, flights, MemoryFile, readAll, withFooter, writable } from './support.ts';

/** Ten row groups of a hundred rows; `at` is the row's number in hours. */
function events(): MemoryFile {
  const rows = 1_000;
  const batch = batchFrom({
    id: { type: writable.int64!, cells: Array.from({ length: rows }, (_, row) => BigInt(row)) },
    at: { type: writable.usZone!, cells: Array.from({ length: rows }, (_, row) => BigInt(row) * 3_600_000_000n) },
    note: { type: writable.utf8!, cells: Array.from({ length: rows }, (_, row) => `a note that is long enough to be worth not reading, number ${row}`) },
  });
  return new MemoryFile('events.parquet', encodeParquet(batch.schema, [batch], { rowGroupRows: 100 }));
}

test('two columns of a stretch of time', async () => {
  const source = events();
  const file = await openParquet(source);
  const hour = 3_600_000_000n;
  const plan = planParquet(file, { columns: ['id'], timeRange: { column: 'at', range: { startUs: 250n * hour, endUs: 400n * hour } } });
  assert.deepEqual({ rowGroups: plan.rowGroups, rows: plan.rows, columns: plan.columns }, { rowGroups: [2, 3], rows: 200, columns: ['id'] });
  const ids: Cell[] = [];
  for await (const batch of scanParquet(source, file, plan)) ids.push(...cellsOf([batch], 'id'));
  assert.deepEqual([ids.length, ids[0], ids.at(-1)], [200, 200n, 399n]);
});

test('only the bytes of the plan are read', async () => {
  for (const columns of [['id'], ['note', 'id'], ['at'], []]) {
    const source = flights();
    const names = columns.map((name) => ({ id: 'delay', note: 'destination', at: 'date' })[name]!);
    const file = await openParquet(source);
    const opened = source.bytesRead;
    assert.ok(opened <= 64 * 1024 + 4);
    const plan = planParquet(file, { columns: names });
    for await (const batch of scanParquet(source, file, plan)) assert.equal(batch.numCols, names.length);
    assert.equal(source.bytesRead - opened, plan.bytes);
    const stored = file.rowGroups.reduce((sum, group) => sum + names.reduce((part, name) => part + group.columns.get(name)!.end - group.columns.get(name)!.start, 0), 0);
    assert.equal(plan.bytes, stored);
  }
});

test('chunks that are near each other are read at once', async () => {
  const source = events();
  const file = await openParquet(source);
  const before = source.reads;
  let rows = 0;
  for await (const batch of scanParquet(source, file, planParquet(file, { columns: ['id', 'note'] }))) rows += batch.numRows;
  assert.equal(rows, 1_000);
  assert.equal(source.reads - before, 10);
});

test('no columns: a count of rows without reading any', async () => {
  const source = flights();
  const file = await openParquet(source);
  const before = source.bytesRead;
  let rows = 0;
  for await (const batch of scanParquet(source, file, planParquet(file, { columns: [] }))) {
    assert.equal(batch.numCols, 0);
    rows += batch.numRows;
  }
  assert.deepEqual([rows, source.bytesRead - before], [3_000_000, 0]);
});

test('columns come in the order asked for, also twice', async () => {
  const { batches } = await readAll(events(), { columns: ['note', 'id', 'note'] });
  assert.deepEqual(batches[0]!.schema.fields.map(({ name }) => name), ['note', 'id', 'note']);
  assert.equal(cellsOf(batches, 'id')[999], 999n);
});

test('a name that several columns have tells of none of them', async () => {
  const { name, bytes } = events();
  const file = new MemoryFile(name, withFooter(bytes, (meta) => meta.structs(2)![2]!.set(4, thriftType.binary, Buffer.from('id'))));
  assert.deepEqual((await readAll(file)).batches[0]!.schema.fields.map((field) => field.name), ['note']);
  await assert.rejects(readAll(file, { columns: ['id'] }), /column id cannot be read: several columns have this name/);
});

const timeKinds = ['day', 'date64', 's', 'ms', 'us', 'ns', 'sZone', 'msZone', 'usZone', 'nsZone'];

/** What makes a value of the type a time, times a thousand, so that nanoseconds are whole. */
function nanoseconds(type: AnyType, value: bigint): bigint {
  if (DataType.isDate(type)) return value * (type.unit === 0 ? 86_400_000_000_000n : 1_000_000n);
  return value * [1_000_000_000n, 1_000_000n, 1_000n, 1n][(type as { unit: number } & AnyType).unit]!;
}

test('pruning changes what is read, never what is in the range', async () => {
  const value = fc.bigInt({ min: -40n, max: 40n });
  const bound = fc.option(fc.bigInt({ min: -50n, max: 50n }), { nil: undefined });
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...timeKinds), fc.array(fc.option(value, { freq: 6 }), { maxLength: 60 }), bound, bound, fc.constantFrom(-1n, 0n, 1n), async (kind, values, first, last, nudge) => {
      const type = writable[kind]!;
      const cells = values.map((cell) => (cell === null ? null : kind === 'day' ? Number(cell) : cell)).sort((a, b) => Number(a ?? 0) - Number(b ?? 0));
      const batch = batchFrom({ t: { type, cells } });
      const source = new MemoryFile('t', encodeParquet(batch.schema, [batch], { rowGroupRows: 4 }));
      // Bounds at, just before and just after values of the column; microseconds cannot tell nanoseconds apart.
      const us = (at: bigint): bigint => nanoseconds(type, at) / 1_000n + nudge;
      const range: TimeRange = { ...(first !== undefined && { startUs: us(first) }), ...(last !== undefined && { endUs: us(last) }) };
      const inRange = (cell: Cell): boolean => {
        if (cell === null) return false;
        const ns = nanoseconds(type, BigInt(cell as bigint));
        return (range.startUs === undefined || ns >= range.startUs * 1_000n) && (range.endUs === undefined || ns < range.endUs * 1_000n);
      };
      const pruned = await readAll(source, { timeRange: { column: 't', range } });
      assert.deepEqual(cellsOf(pruned.batches, 't').filter(inRange), cells.filter(inRange));
      // Nor is more read than has to be: a group is only read if it has a value in the span of its bounds.
      const file = await openParquet(source);
      for (const group of planParquet(file, { timeRange: { column: 't', range } }).rowGroups) {
        const held = cells.slice(4 * group, 4 * group + 4).filter((cell) => cell !== null);
        const times = held.map((cell) => nanoseconds(type, BigInt(cell as bigint))).sort((a, b) => Number(a - b));
        assert.ok(times.length > 0 && (range.endUs === undefined || times[0]! < range.endUs * 1_000n) && (range.startUs === undefined || times.at(-1)! >= range.startUs * 1_000n));
      }
    }),
    { numRuns: 300 },
  );
});

test('a row group whose last time is the start is read, one whose first is the end is not', async () => {
  for (const kind of timeKinds) {
    const type = writable[kind]!;
    const cells = [1n, 2n, 3n, 4n].map((time) => (kind === 'day' ? Number(time) : kind === 'ns' || kind === 'nsZone' ? time * 1_000n : time));
    const batch = batchFrom({ t: { type, cells } });
    const file = await openParquet(new MemoryFile('t', encodeParquet(batch.schema, [batch], { rowGroupRows: 2 })));
    const us = (row: number): bigint => nanoseconds(type, BigInt(cells[row]!)) / 1_000n;
    const groups = (range: TimeRange): readonly number[] => planParquet(file, { timeRange: { column: 't', range } }).rowGroups;
    assert.deepEqual(groups({}), [0, 1], kind);
    assert.deepEqual([groups({ startUs: us(1) }), groups({ startUs: us(1) + 1n })], [[0, 1], [1]], kind);
    assert.deepEqual([groups({ endUs: us(2) }), groups({ endUs: us(2) + 1n })], [[0], [0, 1]], kind);
  }
});

test('statistics are trusted only where their order is known', async () => {
  const batch = batchFrom({ t: { type: writable.us!, cells: [5n, 9n] }, text: { type: writable.utf8!, cells: ['a', 'b'] }, u: { type: writable.uint64!, cells: [1n, 2n] } });
  const bytes = encodeParquet(batch.schema, [batch]);
  const statistics = (meta: ThriftStruct): ThriftStruct[] => meta.structs(4)![0]!.structs(1)!.map((chunk) => chunk.struct(3)!.struct(12)!);
  const bounds = async (change: (meta: ThriftStruct) => void): Promise<unknown[]> => {
    const file = await openParquet(new MemoryFile('t', withFooter(bytes, change)));
    return ['t', 'text', 'u'].map((column) => columnBounds(file, 0, column)!.min !== undefined);
  };
  assert.deepEqual(await bounds(() => undefined), [true, true, true]);
  assert.deepEqual(await bounds((meta) => meta.delete(7)), [true, false, false]);
  const old = (meta: ThriftStruct): void => {
    for (const of of statistics(meta)) of.set(1, thriftType.binary, of.binary(5)!).set(2, thriftType.binary, of.binary(6)!).delete(5).delete(6);
  };
  assert.deepEqual(await bounds(old), [true, false, false]);
  const swapped = (meta: ThriftStruct): void => {
    for (const of of statistics(meta)) {
      const [max, min] = [of.binary(5)!, of.binary(6)!];
      of.set(5, thriftType.binary, min).set(6, thriftType.binary, max);
    }
  };
  assert.deepEqual(await bounds(swapped), [false, false, false]);
  const short = (meta: ThriftStruct): void => {
    for (const of of statistics(meta)) of.set(6, thriftType.binary, Uint8Array.of(1, 2, 3));
  };
  assert.deepEqual(await bounds(short), [false, true, false]);
});

test('bounds of a column, in its own values', async () => {
  const batch = batchFrom({
    i: { type: writable.int64!, cells: [3n, null, -(2n ** 63n)] },
    u: { type: writable.uint64!, cells: [2n ** 64n - 1n, 0n, 1n] },
    u32: { type: writable.uint32!, cells: [4_000_000_000, 1, null] },
    f: { type: writable.double!, cells: [0, -1.5, null] },
    zero: { type: writable.float!, cells: [0, 0, 1] },
    text: { type: writable.utf8!, cells: ['b', 'a', 'é'] },
    flag: { type: writable.bool!, cells: [true, false, true] },
    s: { type: writable.s!, cells: [-7n, 5n, null] },
    ns: { type: writable.ns!, cells: [-1n, 1n, 0n] },
    dec: { type: writable.decimal!, cells: [-(10n ** 30n), 5n, null] },
    none: { type: writable.int32!, cells: [null, null, null] },
  });
  const file = await openParquet(new MemoryFile('t', encodeParquet(batch.schema, [batch])));
  const bounds = (column: string): unknown[] => {
    const { min, max, nullCount } = columnBounds(file, 0, column)!;
    return [min, max, nullCount].map((value) => (value instanceof Uint8Array ? Buffer.from(value).toString() : value));
  };
  assert.deepEqual(bounds('i'), [-(2n ** 63n), 3n, 1n]);
  assert.deepEqual(bounds('u'), [0n, 2n ** 64n - 1n, 0n]);
  assert.deepEqual(bounds('u32'), [1, 4_000_000_000, 1n]);
  assert.deepEqual(bounds('f'), [-1.5, 0, 1n]);
  // A zero may stand for the other one.
  assert.deepEqual(bounds('zero'), [-0, 1, 0n]);
  assert.deepEqual(bounds('text'), ['a', 'é', 0n]);
  assert.deepEqual(bounds('flag'), [false, true, 0n]);
  assert.deepEqual(bounds('s'), [-7n, 5n, 1n]);
  assert.deepEqual(bounds('ns'), [-1n, 1n, 0n]);
  assert.deepEqual(bounds('dec'), [-(10n ** 30n), 5n, 1n]);
  assert.deepEqual(bounds('none'), [undefined, undefined, 3n]);
  assert.equal(columnBounds(file, 0, 'missing'), undefined);
  assert.equal(columnBounds(file, 1, 'i'), undefined);
});

test('statistics that say less than they seem to', async () => {
  const batch = batchFrom({
    t: { type: writable.us!, cells: [5n, 9n, null] }, f: { type: writable.double!, cells: [1, 2, Number.NaN] }, text: { type: writable.utf8!, cells: ['a', 'z', null] },
    u8: { type: writable.uint8!, cells: [1, 200, null] },
  });
  const bytes = encodeParquet(batch.schema, [batch]);
  const changed = (index: number, change: (statistics: ThriftStruct) => void): Promise<Awaited<ReturnType<typeof openParquet>>> =>
    openParquet(new MemoryFile('t', withFooter(bytes, (meta) => change(meta.structs(4)![0]!.structs(1)![index]!.struct(3)!.struct(12)!))));
  const isRead = (file: Awaited<ReturnType<typeof openParquet>>, range: TimeRange): boolean => planParquet(file, { timeRange: { column: 't', range } }).rowGroups.length > 0;
  const later: TimeRange = { startUs: 100n };
  assert.equal(isRead(await changed(0, () => undefined), later), false);
  // One bound alone, more nulls than rows, an empty bound: nothing is left out by them.
  assert.equal(isRead(await changed(0, (statistics) => statistics.delete(6)), later), true);
  assert.equal(isRead(await changed(0, (statistics) => statistics.set(5, thriftType.binary, new Uint8Array())), later), true);
  const withNulls = (nulls: bigint) => changed(0, (statistics) => statistics.set(3, thriftType.i64, nulls).delete(1).delete(2).delete(5).delete(6));
  assert.deepEqual([isRead(await withNulls(3n), later), isRead(await withNulls(2n), later), isRead(await withNulls(4n), later), isRead(await withNulls(-1n), later)], [false, true, true, true]);
  // NaN as a bound is none; text cut short stays a bound; 200 is greater than 1 although its byte is negative.
  const nan = new Uint8Array(Float64Array.of(Number.NaN).buffer);
  assert.deepEqual(columnBounds(await changed(1, (statistics) => statistics.set(5, thriftType.binary, nan)), 0, 'f')!.max, undefined);
  const cut = columnBounds(await changed(2, (statistics) => statistics.set(6, thriftType.binary, new Uint8Array()).set(5, thriftType.binary, Uint8Array.of(0x7b))), 0, 'text')!;
  assert.deepEqual([cut.min, cut.max].map((bytes) => Buffer.from(bytes as Uint8Array).toString()), ['', '{']);
  assert.deepEqual([columnBounds(await changed(3, () => undefined), 0, 'u8')!.min, columnBounds(await changed(3, () => undefined), 0, 'u8')!.max], [1, 200]);
});

test('a column that is not there, or is no time, is named', async () => {
  const file = await openParquet(events());
  assert.throws(() => planParquet(file, { columns: ['nte'] }), { tag: 'SchemaMismatch', column: 'nte', message: /did you mean 'note'/ });
  const range = { startUs: 0n };
  assert.throws(() => planParquet(file, { timeRange: { column: 'id', range } }), { tag: 'SchemaMismatch', message: /it is Int64, but event time/ });
  assert.throws(() => planParquet(file, { timeRange: { column: 'when', range } }), { tag: 'SchemaMismatch', column: 'when' });
});

test('what is not Parquet is said to be so', async () => {
  const open = (text: string): Promise<unknown> => openParquet(new MemoryFile('x.parquet', Buffer.from(text, 'latin1')));
  await assert.rejects(open(''), { tag: 'DamagedFile', file: 'x.parquet', message: /it has 0 bytes/ });
  await assert.rejects(open('id,amount\n1,2\n3,4\n'), { tag: 'DamagedFile', message: /should end with PAR1, but ends with "3,4\\n"/ });
  await assert.rejects(open('ORC and then some PAR1'), { tag: 'DamagedFile', message: /should start with PAR1/ });
  await assert.rejects(open('PAR1PAR1\xff\xff\xff\x00PAR1'), { tag: 'DamagedFile', message: /its footer should be 16777215 bytes long/ });
  await assert.rejects(open('PAR1abcdefgh\x08\x00\x00\x00PARE'), { tag: 'Unsupported', feature: 'encryption' });
});

test('a file that became shorter while it was read', async () => {
  const source = events();
  const file = await openParquet(source);
  source.read = async () => new Uint8Array(3);
  const scan = scanParquet(source, file, planParquet(file));
  await assert.rejects(scan.next(), { tag: 'DamagedFile', message: /events\.parquet: expected \d+ bytes from 4 on, found 3/ });
});

test('an error of the source comes through, and a caller may stop at any time', async () => {
  const source = flights();
  const file = await openParquet(source);
  const read = source.read.bind(source);
  const first = file.rowGroups[0]!.columns.get('destination')!.end;
  source.read = async (start, end) => (start < first ? read(start, end) : Promise.reject(new Error('the disk is gone')));
  for await (const batch of scanParquet(source, file, planParquet(file))) {
    assert.equal(batch.numRows, 65_536);
    // The next row group is being fetched, and fails, but nobody asks for it any more.
    break;
  }
  await new Promise(setImmediate);
  let rows = 0;
  const failing = async (): Promise<void> => {
    for await (const batch of scanParquet(source, file, planParquet(file))) rows += batch.numRows;
  };
  await assert.rejects(failing(), /the disk is gone/);
  assert.equal(rows, file.rowGroups[0]!.rows);
  source.read = read;
  const controller = new AbortController();
  const scan = scanParquet(source, file, planParquet(file), { signal: controller.signal });
  await scan.next();
  controller.abort();
  await assert.rejects(scan.next(), { tag: 'Cancelled' });
});

test('values so large that a row group is decoded in windows of rows', async () => {
  const rows = 2_500;
  const size = 131_072;
  const schema = new Schema([new Field('row', writable.int32!, false), new Field('blob', new Binary(), true)]);
  // Every value is its row's number, over and over, and every seventh is null.
  const batches = Array.from({ length: 10 }, (_, part) => {
    const numbers = Array.from({ length: rows / 10 }, (_, i) => (part * rows) / 10 + i);
    const offsets = [0];
    for (const row of numbers) offsets.push(offsets.at(-1)! + (row % 7 === 0 ? 0 : size));
    const values = new Uint8Array(offsets.at(-1)!);
    for (const [i, row] of numbers.entries()) values.fill(row, offsets[i], offsets[i + 1]);
    const { nullBitmap } = columnOf(writable.int32!, numbers.map((row) => (row % 7 === 0 ? null : row)));
    const blobs = makeData({ type: new Binary(), length: numbers.length, nullCount: -1, nullBitmap, valueOffsets: Int32Array.from(offsets), data: values });
    return batchOf(schema, [columnOf(writable.int32!, numbers), blobs]);
  });
  const source = new MemoryFile('t', encodeParquet(schema, batches));
  const file = await openParquet(source);
  assert.equal(file.rowGroups.length, 1);
  let row = 0;
  for await (const batch of scanParquet(source, file, planParquet(file))) {
    assert.ok(batch.numRows < rows);
    const [numbers, blobs] = batch.data.children;
    const offsets = blobs!.valueOffsets as Int32Array;
    for (let i = 0; i < batch.numRows; i++, row++) {
      assert.equal((numbers!.values as Int32Array)[i], row);
      const found = (blobs!.values as Uint8Array).subarray(offsets[i], offsets[i + 1]);
      assert.equal(blobs!.getValid(i), row % 7 !== 0);
      assert.equal(Buffer.compare(found, Buffer.alloc(row % 7 === 0 ? 0 : size, row)), 0);
    }
  }
  assert.equal(row, rows);
});
