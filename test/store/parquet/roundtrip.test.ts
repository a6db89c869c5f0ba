/** What is written comes back: every type, nulls, slices, dictionaries, many batches, none. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { type DataType as AnyType, DataType, type Decimal, Dictionary, Field, Int32, makeData, Null, type RecordBatch, Schema, Struct, Utf8 } from '../../../src/arrow/arrow.ts';
import { plainType } from '../../../src/arrow/canonical.ts';
import { encodeParquet, type EncodeOptions } from '../../../src/store/parquet/encode.ts';
import { openParquet } from '../../../src/store/parquet/file.ts';
import { thriftType } from '../../../src/store/parquet/thrift.ts';
import { batchFrom, batchOf, type Cell, cellsOf, columnOf, dictionaryOf, MemoryFile, readAll, withFooter, writable } from './support.ts';

test('two columns, written and read', async () => {
  const batch = batchFrom({
    customer: { type: writable.int64!, cells: [1n, 2n, 9_007_199_254_740_993n] },
    city: { type: writable.utf8!, cells: ['Łódź', null, ''] },
  });
  const { schema, batches } = await readAll(encodeParquet(batch.schema, [batch]));
  assert.deepEqual(schema.fields.map(({ name, type }) => `${name} ${type}`), ['customer Int64', 'city Utf8']);
  assert.deepEqual(cellsOf(batches, 'customer'), [1n, 2n, 9_007_199_254_740_993n]);
  assert.deepEqual(cellsOf(batches, 'city'), ['Łódź', null, '']);
});

const float = (value: number): number => Math.fround(value);

/** Any value of the type, edges included. */
function cellArbitrary(type: AnyType): fc.Arbitrary<Cell> {
  if (DataType.isBool(type)) return fc.boolean();
  if (DataType.isInt(type)) {
    if (type.bitWidth === 64) return type.isSigned ? fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }) : fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    const half = 2 ** (type.bitWidth - 1);
    return type.isSigned ? fc.integer({ min: -half, max: half - 1 }) : fc.integer({ min: 0, max: 2 * half - 1 });
  }
  if (DataType.isFloat(type)) {
    if (type.precision === 0) return fc.integer({ min: 0, max: 0xffff });
    return type.precision === 1 ? fc.float().map(float) : fc.double();
  }
  if (DataType.isUtf8(type) || DataType.isLargeUtf8(type)) return fc.string({ unit: 'grapheme', maxLength: 12 });
  if (DataType.isBinary(type) || DataType.isLargeBinary(type)) return fc.uint8Array({ maxLength: 12 }).map((bytes) => `b:${Buffer.from(bytes).toString('hex')}`);
  if (DataType.isDate(type) && type.unit === 0) return fc.integer();
  if (DataType.isTimestamp(type) && type.unit === 0) return fc.bigInt({ min: -(2n ** 53n), max: 2n ** 53n });
  if (DataType.isDecimal(type)) return fc.bigInt({ min: 1n - 10n ** BigInt(type.precision), max: 10n ** BigInt(type.precision) - 1n });
  return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
}

interface Trial {
  readonly kind: string;
  readonly asDictionary: boolean;
  readonly parts: readonly { readonly before: readonly Cell[]; readonly cells: readonly Cell[]; readonly after: readonly Cell[] }[];
}

const columnTrial = (kind: string): fc.Arbitrary<Trial> => {
  const pool = fc.array(cellArbitrary(writable[kind]!), { minLength: 1, maxLength: 6 });
  return pool.chain((values) => {
    const cell = fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...values) }, { weight: 1, arbitrary: fc.constant(null) }, { weight: 2, arbitrary: cellArbitrary(writable[kind]!) });
    const part = fc.record({ before: fc.array(cell, { maxLength: 11 }), cells: fc.array(cell, { maxLength: 40 }), after: fc.array(cell, { maxLength: 11 }) });
    return fc.record({ kind: fc.constant(kind), asDictionary: fc.boolean(), parts: fc.array(part, { minLength: 1, maxLength: 3 }) });
  });
};

const trial = fc.constantFrom(...Object.keys(writable)).chain(columnTrial);

const encodeOptions: fc.Arbitrary<EncodeOptions> = fc.record(
  { rowGroupRows: fc.constantFrom(3, 50, 1_000), compression: fc.constantFrom('snappy', 'lz4_raw', 'zstd', 'uncompressed') },
  { requiredKeys: [] },
);

/** Float bits count: NaN equals NaN and −0 is not 0. */
function assertCells(found: readonly Cell[], expected: readonly Cell[]): void {
  assert.equal(found.length, expected.length);
  for (const [row, cell] of found.entries()) assert.ok(Object.is(cell, expected[row]!), `row ${row}: ${String(cell)} for ${String(expected[row])}`);
}

test('every type comes back with its values, whatever the batches, slices, dictionaries and options', async () => {
  await fc.assert(
    fc.asyncProperty(trial, encodeOptions, async ({ kind, asDictionary, parts }, options) => {
      const type = writable[kind]!;
      // Rows stand before and behind the slice that is written, so bits and offsets start and end in the middle.
      const pieces = parts.map(({ before, cells, after }) => (asDictionary ? dictionaryOf : columnOf)(type, [...before, ...cells, ...after]).slice(before.length, cells.length));
      const schema = new Schema([new Field('x', asDictionary ? new Dictionary(type, new Int32()) : type, true)]);
      const file = encodeParquet(schema, pieces.map((data) => batchOf(schema, [data])), options);
      const read = await readAll(file);
      assert.equal(plainType(read.schema.fields[0]!.type).toString(), type.toString());
      for (const batch of read.batches) assert.equal(batch.data.children[0]!.nullCount, cellsOf([batch], 'x').filter((cell) => cell === null).length);
      const cells = parts.flatMap((part) => part.cells);
      assertCells(cellsOf(read.batches, 'x'), cells);
      assertCells(cellsOf((await readAll(file, { byPages: false })).batches, 'x'), cells);
    }),
    { numRuns: 400 },
  );
});

test('each type at its edges, with all null, no null and no row', async () => {
  for (const [kind, type] of Object.entries(writable)) {
    const [cell] = fc.sample(cellArbitrary(type), { numRuns: 1, seed: 1 });
    for (const cells of [[], [null], [null, null, null, null, null, null, null, null, null], [cell!], Array<Cell>(1_000).fill(cell!)]) {
      const batch = batchFrom({ [kind]: { type, cells } });
      const read = await readAll(encodeParquet(batch.schema, [batch]));
      assert.equal(plainType(read.schema.fields[0]!.type).toString(), type.toString());
      assertCells(cellsOf(read.batches, kind), cells);
    }
  }
});

test('a column of type Null, and nulls in a column that was said to have none', async () => {
  const schema = new Schema([new Field('nothing', new Null(), true), new Field('x', writable.int32!, false)]);
  const batch = batchOf(schema, [makeData({ type: new Null(), length: 3 }), columnOf(writable.int32!, [1, null, 3])]);
  const read = await readAll(encodeParquet(schema, [batch]));
  assert.equal(read.schema.fields[0]!.type.toString(), 'Null');
  assert.deepEqual(cellsOf(read.batches, 'nothing'), [null, null, null]);
  assert.deepEqual(cellsOf(read.batches, 'x'), [1, null, 3]);
  assert.equal(read.schema.fields[1]!.nullable, true);
});

test('no batches at all make a file with a schema and no rows', async () => {
  const schema = new Schema(Object.entries(writable).map(([name, type]) => new Field(name, type, true)));
  const read = await readAll(encodeParquet(schema, []));
  assert.equal(read.rows, 0);
  assert.deepEqual(read.schema.fields.map(({ type }) => plainType(type).toString()), schema.fields.map(({ type }) => type.toString()));
});

test('text of few values comes back as a dictionary, text of many does not', async () => {
  const rows = 10_000;
  const batch = batchFrom({
    few: { type: new Utf8(), cells: Array.from({ length: rows }, (_, row) => `city ${row % 50}`) },
    many: { type: new Utf8(), cells: Array.from({ length: rows }, (_, row) => `id ${row}`) },
  });
  const { schema, batches } = await readAll(encodeParquet(batch.schema, [batch]));
  assert.deepEqual(schema.fields.map(({ type }) => type.toString()), ['Utf8', 'Utf8']);
  for (const read of batches) assert.deepEqual(read.schema.fields.map(({ type }) => type.toString()), ['Dictionary<Int32, Utf8>', 'Utf8']);
  assert.equal(cellsOf(batches, 'few')[9_999], 'city 49');
  assert.equal(cellsOf(batches, 'many')[9_999], 'id 9999');
  assert.ok(batches.every((read) => read.data.children[0]!.dictionary!.length === 50));
});

test('text that becomes too various for its dictionary comes as codes in the first row group only', async () => {
  const rows = 160_000;
  const cells = Array.from({ length: rows }, (_, row) => (row < 140_000 ? `city ${row % 50}` : `a text of its own, and a rather long one too, number ${row}`));
  const batch = batchFrom({ x: { type: new Utf8(), cells } });
  const { schema, batches } = await readAll(encodeParquet(batch.schema, [batch], { rowGroupRows: rows / 2 }));
  assert.equal(String(schema.fields[0]!.type), 'Utf8');
  assert.deepEqual([...new Set(batches.map((read) => String(read.schema.fields[0]!.type)))], ['Dictionary<Int32, Utf8>', 'Utf8']);
  assertCells(cellsOf(batches, 'x'), cells);
});

test('decimals stored as integers or as bytes of any length', async () => {
  const bytesOf = (value: bigint, length: number): string => {
    const hex = BigInt.asUintN(8 * length, value).toString(16).padStart(2 * length, '0');
    return `b:${hex}`;
  };
  const values = [0n, 1n, -1n, 127n, -128n, 128n, 99_999_999n, -99_999_999n, null];
  const batch = batchFrom({
    i32: { type: writable.int32!, cells: values.map((value) => (value === null ? null : Number(value))) },
    i64: { type: writable.int64!, cells: values },
    bytes: { type: writable.binary!, cells: values.map((value, row) => (value === null ? null : bytesOf(value, row < 5 ? 1 : 4 + row))) },
  });
  const bytes = withFooter(encodeParquet(batch.schema, [batch]), (meta) => {
    meta.delete(5);
    // As old writers say it: the converted type, scale and precision.
    for (const [i, element] of meta.structs(2)!.slice(1).entries()) {
      element.delete(10).set(6, thriftType.i32, 5).set(7, thriftType.i32, 2).set(8, thriftType.i32, [8, 18, 38][i]!);
    }
  });
  const { schema, batches } = await readAll(bytes);
  for (const [i, column] of ['i32', 'i64', 'bytes'].entries()) {
    const type = schema.fields[i]!.type as Decimal;
    assert.deepEqual([type.precision, type.scale, type.bitWidth], [[8, 18, 38][i]!, 2, 128]);
    assertCells(cellsOf(batches, column), values);
  }
});

test('a dictionary that changes from batch to batch', async () => {
  const type = new Dictionary(new Utf8(), new Int32());
  const schema = new Schema([new Field('x', type, true)]);
  const cells = [['a', 'b', null, 'a'], ['c', 'a'], ['b', null, 'd', 'e', 'f']];
  const read = await readAll(encodeParquet(schema, cells.map((part) => batchOf(schema, [dictionaryOf(new Utf8(), part)]))));
  assert.deepEqual(cellsOf(read.batches, 'x'), cells.flat());
});

test('row groups are of the size asked for, and rows of many groups and batches keep their order', async () => {
  const rows = 200_000;
  const values = BigInt64Array.from({ length: rows }, (_, row) => BigInt(row) * 3n);
  const column = columnOf(writable.int64!, [...values]);
  const schema = new Schema([new Field('x', writable.int64!, false)]);
  const bytes = encodeParquet(schema, [batchOf(schema, [column.slice(0, 70_001)]), batchOf(schema, [column.slice(70_001, rows - 70_001)])], { rowGroupRows: 90_000 });
  const file = await openParquet(new MemoryFile('t', bytes));
  assert.deepEqual(file.rowGroups.map((group) => group.rows), [90_000, 90_000, 20_000]);
  assert.equal(file.schema.fields[0]!.nullable, false);
  const { batches } = await readAll(bytes);
  assert.deepEqual(cellsOf(batches, 'x'), [...values]);
});

test('names of any kind', async () => {
  const names = ['a.b', 'with space', '', 'ü', '"quoted"', 'x'.repeat(300), '0', '\u{feff}id'];
  const batch = batchFrom(Object.fromEntries(names.map((name, i) => [name, { type: writable.int32!, cells: [i] }])));
  const { schema, batches } = await readAll(encodeParquet(batch.schema, [batch]));
  assert.deepEqual(new Set(schema.fields.map(({ name }) => name)), new Set(names));
  for (const [i, name] of names.entries()) assert.deepEqual(cellsOf(batches, name), [i]);
});

test('what stands under a null does not matter', async () => {
  const type = writable.s!;
  const schema = new Schema([new Field('t', type, true)]);
  const data = makeData({ type, length: 2, nullCount: 1, nullBitmap: Uint8Array.of(2), data: BigInt64Array.of(2n ** 62n, 7n) } as never);
  const read = await readAll(encodeParquet(schema, [batchOf(schema, [data])]));
  assert.deepEqual(cellsOf(read.batches, 't'), [null, 7n]);
});

test('what cannot be written is refused by name', () => {
  const refuse = (schema: Schema, batches: RecordBatch[], expected: object): void => {
    assert.throws(() => encodeParquet(schema, batches), expected);
  };
  refuse(new Schema([]), [], { tag: 'Argument' });
  refuse(new Schema([new Field('x', new Int32()), new Field('x', new Utf8())]), [], { tag: 'Argument', message: /two columns are called x/ });
  refuse(new Schema([new Field('tags', new Struct([new Field('item', new Utf8())]))]), [], { tag: 'Unsupported', message: /column tags/ });
  const tooLate = batchFrom({ t: { type: writable.s!, cells: [2n ** 62n] } });
  refuse(tooLate.schema, [tooLate], { tag: 'Overflow', column: 't' });
  assert.throws(() => encodeParquet(tooLate.schema, [], { rowGroupRows: 0 }), { tag: 'Argument' });
});
