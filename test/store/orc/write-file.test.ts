/** ORC files as they are written: layout, statistics, row indexes and what is refused, read by a decoder that is slow and obvious. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type DataType, Dictionary, Field, Float64, Int32, Int64, Null, Schema, Struct, TimestampMicrosecond, Utf8 } from '../../../src/arrow/arrow.ts';
import { ArgumentError, OverflowError, UnsupportedError } from '../../../src/base/errors.ts';
import { encodeOrc } from '../../../src/store/orc/encode.ts';
import { encodingKind, typeKind } from '../../../src/store/orc/metadata.ts';
import { decodeBits, decodeByteRuns, decodeIntegers, inflateBlocks, openOracle, type OracleStripe } from '../../oracle/orc-streams.ts';
import { batchFrom, batchOf, type Cell, columnOf, dictionaryOf, writable } from '../parquet/support.ts';

function encoded(type: DataType, cells: readonly Cell[], stripeRows?: number): ReturnType<typeof openOracle> {
  const batch = batchFrom({ c: { type, cells } });
  return openOracle(encodeOrc(batch.schema, [batch], stripeRows === undefined ? {} : { stripeRows }));
}

const integersOf = (stripe: OracleStripe, kind: 'data' | 'length' | 'secondary', isSigned = true): bigint[] => decodeIntegers(inflateBlocks(stripe.stored(1, kind)!), isSigned);

test('a column of integers with a null: streams, types and statistics', () => {
  const { footer, stripes } = encoded(new Int64(), [10n, null, -7n, 2n ** 63n - 1n]);
  assert.equal(footer.numberOfRows, 4);
  assert.deepEqual(footer.types.map(({ kind }) => kind), [typeKind.struct, typeKind.long]);
  assert.deepEqual(footer.types[0]!.fieldNames, ['c']);
  assert.deepEqual(footer.statistics, [
    { numberOfValues: 4, hasNull: false },
    { numberOfValues: 3, hasNull: true, integers: { minimum: -7n, maximum: 2n ** 63n - 1n } },
  ]);
  const [stripe] = stripes;
  assert.deepEqual(decodeBits(inflateBlocks(stripe!.stored(1, 'present')!)).slice(0, 4), [true, false, true, true]);
  assert.deepEqual(integersOf(stripe!, 'data'), [10n, -7n, 2n ** 63n - 1n]);
  assert.equal(stripe!.footer.writerTimezone, 'UTC');
});

test('no rows make a file without stripes, of every type', () => {
  const schema = new Schema(Object.entries(writable).map(([name, type]) => new Field(name, type, true)));
  for (const batches of [[], [batchOf(schema, schema.fields.map(({ type }) => columnOf(type, [])), 0)]]) {
    const { footer } = openOracle(encodeOrc(schema, batches));
    assert.equal(footer.stripes.length, 0);
    assert.equal(footer.types.length, schema.fields.length + 1);
    assert.ok(footer.statistics.every(({ numberOfValues, hasNull }) => numberOfValues === 0 && !hasNull));
  }
});

test('statistics of each kind', () => {
  const big = 10n ** 38n - 1n;
  const cases: readonly (readonly [keyof typeof writable, readonly Cell[], object])[] = [
    ['bool', [true, false, null, true], { buckets: { count: [2] } }],
    ['int8', [-128, 127, 3], { integers: { minimum: -128n, maximum: 127n, sum: 2n } }],
    ['uint8', [255, 0], { integers: { minimum: 0n, maximum: 255n, sum: 255n } }],
    ['uint32', [2 ** 32 - 1, 2 ** 31], { integers: { minimum: 2n ** 31n, maximum: 2n ** 32n - 1n, sum: 2n ** 32n - 1n + 2n ** 31n } }],
    ['half', [0x3c00, 0xc000], { doubles: { minimum: -2, maximum: 1, sum: -1 } }],
    ['float', [1.5, null, -0.25], { doubles: { minimum: -0.25, maximum: 1.5, sum: 1.25 } }],
    ['double', [1, Number.NaN, -1], { doubles: { sum: Number.NaN } }],
    ['double', [Number.NEGATIVE_INFINITY, 1], { doubles: { minimum: Number.NEGATIVE_INFINITY, maximum: 1, sum: Number.NEGATIVE_INFINITY } }],
    ['utf8', ['\u{1f40e}', '\ufb01', null, ''], { strings: { minimum: '', maximum: '\u{1f40e}', sum: 7n } }],
    ['binary', ['b:00ff', 'b:', null], { binaries: { sum: 2n } }],
    ['day', [-719_162, 19_000], { dates: { minimum: -719_162, maximum: 19_000 } }],
    ['us', [-1_000_001n, 1_999_999n].map((us) => us - 5_000_000n), { timestamps: { minimum: -6_001n, maximum: -3_001n, minimumUtc: -6_001n, maximumUtc: -3_001n, minimumNanos: 999_001, maximumNanos: 999_001 } }],
    ['s', [7n, 9n], { timestamps: { minimum: 7_000n, maximum: 9_000n, minimumUtc: 7_000n, maximumUtc: 9_000n, maximumNanos: 1 } }],
    ['decimal', [-5n, big, 0n], { decimals: { minimum: '-0.05', maximum: `${'9'.repeat(36)}.99`, sum: `${'9'.repeat(36)}.94` } }],
    ['decimal', [big, big], { decimals: { minimum: `${'9'.repeat(36)}.99`, maximum: `${'9'.repeat(36)}.99` } }],
  ];
  for (const [name, cells, expected] of cases) {
    const { footer, stripes } = encoded(writable[name]!, cells);
    const values = cells.filter((cell) => cell !== null).length;
    const statistics = { numberOfValues: values, hasNull: values < cells.length, ...expected };
    assert.deepEqual(footer.statistics[1], statistics, name);
    assert.deepEqual(stripes[0]!.rowIndexes[1]!.entries[0]!.statistics, statistics, name);
  }
});

test('what stands in one row group only is in the statistics of the whole', () => {
  const cells = <Value>(usual: Value, rare: Value): Value[] => Array.from({ length: 20_001 }, (_, row) => (row === 10_000 ? rare : usual));
  const whole = (name: keyof typeof writable, values: readonly Cell[]): object => encoded(writable[name]!, values, 20_000).footer.statistics[1]!;
  assert.deepEqual(whole('double', cells(1, Number.NaN)), { numberOfValues: 20_001, hasNull: false, doubles: { sum: Number.NaN } });
  assert.deepEqual(whole('utf8', cells('d', 'c')), { numberOfValues: 20_001, hasNull: false, strings: { minimum: 'c', maximum: 'd', sum: 20_001n } });
  assert.deepEqual(whole('int16', cells<number | null>(-1, null)), { numberOfValues: 20_000, hasNull: true, integers: { minimum: -1n, maximum: -1n, sum: -20_000n } });
  assert.deepEqual(whole('int64', cells(2n ** 62n, -(2n ** 63n))), { numberOfValues: 20_001, hasNull: false, integers: { minimum: -(2n ** 63n), maximum: 2n ** 62n } });
});

test('integers of every width keep their values', () => {
  const cases: readonly (readonly [keyof typeof writable, readonly number[]])[] = [
    ['int16', [-1, 0, -32_768, 32_767]], ['int32', [-1, 2 ** 31 - 1, -(2 ** 31)]], ['uint8', [255, 0]], ['uint16', [65_535, 0]], ['uint32', [2 ** 32 - 1, 2 ** 31]], ['day', [-1, 1]],
  ];
  for (const [name, cells] of cases) assert.deepEqual(integersOf(stripeOf(encoded(writable[name]!, [null, ...cells])), 'data'), cells.map(BigInt), name);
});

test('bounds of long text are short and on the safe side', () => {
  const long = `b${'\u{10ffff}'.repeat(400)}`;
  const { strings } = encoded(new Utf8(), [long]).footer.statistics[1]!;
  assert.equal(strings!.minimum, undefined);
  assert.ok(Buffer.byteLength(strings!.lowerBound!) <= 1_024 && Buffer.compare(Buffer.from(strings!.lowerBound!), Buffer.from(long)) <= 0);
  assert.equal(strings!.upperBound, 'c');
  assert.equal(encoded(new Utf8(), ['\u{10ffff}'.repeat(400)]).footer.statistics[1]!.strings!.upperBound, undefined);
});

test('instants say by an attribute what they are to Spark, which does not know their type', () => {
  const { footer } = encoded(writable.usZone!, [0n]);
  assert.deepEqual(footer.types[1], { kind: typeKind.timestampInstant, subtypes: [], fieldNames: [], attributes: [{ key: 'spark.sql.catalyst.type', value: 'timestamp' }] });
  assert.deepEqual(encoded(writable.us!, [0n]).footer.types[1]!.attributes, []);
});

const stripeOf = ({ stripes }: ReturnType<typeof openOracle>): OracleStripe => stripes[0]!;

test('text of few values is kept by a sorted dictionary, text of many as it stands', () => {
  const few = stripeOf(encoded(new Utf8(), Array.from({ length: 100 }, (_, i) => ['pear', 'apple', null][i % 3]!)));
  assert.deepEqual(few.footer.columns[1], { kind: encodingKind.dictionaryV2, dictionarySize: 2 });
  assert.equal(Buffer.from(inflateBlocks(few.stored(1, 'dictionaryData')!)).toString(), 'applepear');
  assert.deepEqual(integersOf(few, 'length', false), [5n, 4n]);
  assert.deepEqual(integersOf(few, 'data', false).slice(0, 4), [1n, 0n, 1n, 0n]);
  const many = stripeOf(encoded(new Utf8(), ['b', null, 'a', 'cc']));
  assert.equal(many.footer.columns[1]!.kind, encodingKind.directV2);
  assert.equal(Buffer.from(inflateBlocks(many.stored(1, 'data')!)).toString(), 'bacc');
  assert.deepEqual(integersOf(many, 'length', false), [1n, 1n, 2n]);
});

test('timestamps are seconds since 2015 and nanoseconds without their zeros, and random ones come back', () => {
  const decoded = (cells: readonly Cell[]): bigint[] => {
    const stripe = stripeOf(encoded(new TimestampMicrosecond(), cells));
    const nanos = integersOf(stripe, 'secondary', false).map((code) => (code >> 3n) * 10n ** ((code & 7n) === 0n ? 0n : (code & 7n) + 1n));
    return integersOf(stripe, 'data').map((second, i) => {
      const seconds = second + 1_420_070_400n;
      return (seconds - (seconds < 0n && nanos[i]! > 999_999n ? 1n : 0n)) * 1_000_000n + nanos[i]! / 1_000n;
    });
  };
  const edges = [0n, 1n, -1_000_000n, -999_001n, -1_000_001n, -1_999_999n, -1_001_000n, 1_420_070_400_000_000n, 100_000n, 120_000n, 2n ** 63n / 1_000n, -(2n ** 53n)];
  assert.deepEqual(decoded(edges), edges);
  const instants = fc.array(fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }).filter((us) => us < -999_000n || us >= 0n), { minLength: 1 });
  fc.assert(fc.property(instants, (cells) => assert.deepEqual(decoded(cells), cells)), { numRuns: 100 });
});

test('a fraction of the last second before 1970 is refused, and so is what has no room', () => {
  for (const value of [-1n, -500_000n, -999_000n + 1n, -998_999n]) {
    assert.throws(() => encoded(new TimestampMicrosecond(), [0n, null, value]), (thrown) => {
      assert.ok(thrown instanceof UnsupportedError);
      assert.match(thrown.message, /column c, row 2: 1969-12-31T23:59:59.*cannot be stored in ORC/);
      return true;
    });
  }
  // Under a null it may stand.
  const batch = batchOf(new Schema([new Field('c', new TimestampMicrosecond(), true)]), [columnOf(new TimestampMicrosecond(), [null, 1n])]);
  (batch.data.children[0]!.values as BigInt64Array)[0] = -1n;
  assert.deepEqual(integersOf(stripeOf(openOracle(encodeOrc(batch.schema, [batch]))), 'data'), [-1_420_070_400n]);
  assert.throws(() => encoded(writable.s!, [2n ** 62n]), OverflowError);
  assert.throws(() => encoded(writable.uint64!, [1n, 2n ** 63n]), (thrown) => {
    assert.ok(thrown instanceof OverflowError);
    assert.match(thrown.message, /column c, key row 1: 9223372036854775808 does not fit bigint/);
    return true;
  });
});

test('decimals are varints of any length, scales stand beside them', () => {
  const cells = [0n, -1n, 63n, -64n, 64n, 10n ** 38n - 1n, -(10n ** 38n) + 1n, 2n ** 64n, -(2n ** 63n)];
  const stripe = stripeOf(encoded(writable.decimal!, cells));
  const values: bigint[] = [];
  let [value, shift] = [0n, 0n];
  for (const byte of inflateBlocks(stripe.stored(1, 'data')!)) {
    value |= BigInt(byte & 0x7f) << shift;
    shift += 7n;
    if (byte >= 0x80) continue;
    values.push((value >> 1n) ^ -(value & 1n));
    [value, shift] = [0n, 0n];
  }
  assert.deepEqual(values, cells);
  assert.deepEqual(integersOf(stripe, 'secondary'), cells.map(() => 2n));
});

test('bytes and booleans in runs', () => {
  const bytes = fc.array(fc.tuple(fc.integer({ min: -128, max: 127 }), fc.integer({ min: 1, max: 300 })), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(bytes, (runs) => {
      const cells = runs.flatMap(([value, count]) => Array.from({ length: count }, (_, i) => (count > 200 ? value : (value ^ i) << 24 >> 24)));
      assert.deepEqual(decodeByteRuns(inflateBlocks(stripeOf(encoded(writable.int8!, cells)).stored(1, 'data')!)), cells.map((cell) => cell & 255));
      const flags = cells.map((cell) => cell > 0);
      assert.deepEqual(decodeBits(inflateBlocks(stripeOf(encoded(writable.bool!, flags)).stored(1, 'data')!)).slice(0, flags.length), flags);
    }),
    { numRuns: 40 },
  );
});

test('a reader can begin at every row group, whatever the type and the nulls', () => {
  const rows = 65_000;
  const random = (row: number): bigint => (BigInt(row + 1) * 0x9e37_79b9_7f4a_7c15n) % 2n ** 61n;
  for (const nullEvery of [0, 3]) {
    const cellsBy = (cell: (row: number) => Cell): Cell[] => Array.from({ length: rows }, (_, row) => (nullEvery > 0 && row % nullEvery === 1 ? null : cell(row)));
    const columns = {
      int: { type: new Int64(), cells: cellsBy(random) },
      bool: { type: writable.bool!, cells: cellsBy((row) => random(row) % 3n === 0n) },
      text: { type: new Utf8(), cells: cellsBy((row) => String(random(row))) },
      time: { type: new TimestampMicrosecond(), cells: cellsBy((row) => random(row) / 64n) },
    };
    const batch = batchFrom(columns);
    const [stripe] = openOracle(encodeOrc(batch.schema, [batch])).stripes;
    const perGroup = nullEvery === 0 ? 1 : 3;
    for (let group = 0; group < 7; group++) {
      const first = (row: number): number => (nullEvery > 0 && row % nullEvery === 1 ? row + 1 : row);
      const row = first(group * 10_000);
      const positions = [1, 2, 3, 4].map((column) => [...stripe!.rowIndexes[column]!.entries[group]!.positions]);
      const from = (column: number, kind: 'present' | 'data' | 'length' | 'secondary'): Uint8Array => {
        const [block, byte] = positions[column - 1]!.splice(0, 2);
        return inflateBlocks(stripe!.stored(column, kind)!.subarray(block!), 2).subarray(byte!);
      };
      const skip = (column: number): number => positions[column - 1]!.shift()!;
      for (const column of nullEvery === 0 ? [] : [1, 2, 3, 4]) {
        const bits = decodeBits(from(column, 'present').subarray(0, 4));
        assert.deepEqual([skip(column), skip(column)], [0, 0]);
        assert.deepEqual(bits.slice(0, 3), [0, 1, 2].map((i) => (group * 10_000 + i) % perGroup !== 1));
      }
      assert.deepEqual(decodeIntegers(from(1, 'data'), true, skip(1), 1), [columns.int.cells[row]]);
      const flags = decodeBits(from(2, 'data').subarray(0, 64));
      assert.equal(skip(2), 0);
      assert.equal(flags[skip(2)], columns.bool.cells[row]);
      const text = from(3, 'data');
      const [size] = decodeIntegers(from(3, 'length'), false, skip(3), 1);
      assert.equal(Buffer.from(text.subarray(0, Number(size))).toString(), columns.text.cells[row]);
      const [second] = decodeIntegers(from(4, 'data'), true, skip(4), 1);
      assert.equal(second! + 1_420_070_400n, (columns.time.cells[row] as bigint) / 1_000_000n);
      assert.ok(decodeIntegers(from(4, 'secondary'), false, skip(4), 1).length === 1);
      assert.deepEqual(positions, [[], [], [], []]);
    }
  }
});

test('stripes, batches, slices and dictionaries do not matter', () => {
  const cells = Array.from({ length: 500 }, (_, i) => (i % 7 === 2 ? null : `v${i % 40}`));
  const schema = new Schema([new Field('c', new Dictionary(new Utf8(), new Int32()), true)]);
  const whole = batchOf(schema, [dictionaryOf(new Utf8(), cells)]);
  const text = (stripes: readonly OracleStripe[]): string[] =>
    stripes.flatMap((stripe) => {
      const lengths = integersOf(stripe, 'length', false).map(Number);
      const bytes = Buffer.from(inflateBlocks(stripe.stored(1, 'dictionaryData') ?? stripe.stored(1, 'data')!));
      let at = 0;
      const entries = lengths.map((length) => bytes.toString('utf8', at, (at += length)));
      return stripe.stored(1, 'dictionaryData') === undefined ? entries : integersOf(stripe, 'data', false).map((code) => entries[Number(code)]!);
    });
  const expected = cells.filter((cell) => cell !== null);
  for (const stripeRows of [1, 99, 500, 10_000]) {
    const { footer, stripes } = openOracle(encodeOrc(schema, [whole.slice(0, 101), whole.slice(101, 101), whole.slice(101)], { stripeRows }));
    assert.equal(stripes.length, Math.ceil(500 / stripeRows));
    assert.equal(footer.stripes.reduce((sum, stripe) => sum + stripe.numberOfRows!, 0), 500);
    assert.deepEqual(text(stripes), expected);
  }
});

test('a column of nulls only has no values, and Null is one', () => {
  for (const type of [new Null(), ...Object.values(writable)]) {
    const { footer, stripes } = encoded(type, [null, null, null]);
    assert.deepEqual(footer.statistics[1], { numberOfValues: 0, hasNull: true });
    assert.deepEqual(decodeBits(inflateBlocks(stripes[0]!.stored(1, 'present')!)).slice(0, 3), [false, false, false]);
  }
});

test('what cannot be written is refused by name', () => {
  const nested = new Schema([new Field('s', new Struct([new Field('x', new Float64(), true)]), true)]);
  assert.throws(() => encodeOrc(nested, []), UnsupportedError);
  const twice = new Schema([new Field('a', new Int64(), true), new Field('a', new Int64(), true)]);
  assert.throws(() => encodeOrc(twice, []), ArgumentError);
  assert.throws(() => encodeOrc(new Schema([]), []), ArgumentError);
  const one = new Schema([new Field('a', new Int64(), true)]);
  for (const stripeRows of [0, -1, 1.5, Number.NaN, 2 ** 40]) assert.throws(() => encodeOrc(one, [], { stripeRows }), ArgumentError);
  if (!('zstdCompressSync' in process.getBuiltinModule('node:zlib'))) {
    assert.throws(() => encodeOrc(one, [], { compression: 'zstd' }), /zstd needs Node\.js 22\.15 or later/);
  }
});
