/** Values straight from the buffers: every digit, whatever the type. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { List } from 'apache-arrow';
import * as fc from 'fast-check';
import {
  Binary, Bool, type Data, type DataType, DateDay, DateMillisecond, Decimal, Dictionary, Field, Float16, Float32, Float64, Int32, Int64, makeData,
  RecordBatch, Schema, Struct, Table, Timestamp, Uint64, Utf8, vectorFromArray,
} from '../../src/arrow/arrow.ts';
import { formatDecimal, formatJson, formatValue, toRows, typeName, valueReader } from '../../src/arrow/values.ts';

function tableOf(columns: Record<string, Data>): Table {
  const schema = new Schema(Object.entries(columns).map(([name, data]) => new Field(name, data.type, true)));
  const children = Object.values(columns);
  const length = children[0]!.length;
  return new Table(schema, [new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length, nullCount: 0, children }))]);
}

function only(data: Data): { value: unknown; text: string | undefined; json: string } {
  const value = valueReader(data)(0);
  return { value, text: formatValue(value, data.type), json: formatJson(value, data.type) };
}

const int64 = (...values: bigint[]): Data => makeData({ type: new Int64(), data: BigInt64Array.from(values) });

test('usage: toRows gives plain objects, numbers where they are safe and bigints where they are not', () => {
  const table = tableOf({
    id: int64(7n, 2n ** 53n - 1n, 2n ** 53n, -(2n ** 63n)),
    name: vectorFromArray(['a', null, '', 'ü'], new Utf8()).data[0]!,
    seen: makeData({ type: new Timestamp(2, 'UTC'), data: BigInt64Array.from([0n, 1n, -1n, 993_945_240_000_000n]) }),
  });
  assert.deepEqual(toRows(table), [
    { id: 7, name: 'a', seen: '1970-01-01T00:00:00Z' },
    { id: 9007199254740991, name: null, seen: '1970-01-01T00:00:00.000001Z' },
    { id: 9007199254740992n, name: '', seen: '1969-12-31T23:59:59.999999Z' },
    { id: -9223372036854775808n, name: 'ü', seen: '2001-06-30T23:54:00Z' },
  ]);
});

test('timestamps of every unit keep every digit', () => {
  const at = (unit: number, value: bigint): unknown => only(makeData({ type: new Timestamp(unit), data: BigInt64Array.of(value) })).value;
  assert.equal(at(0, 993_945_240n), '2001-06-30T23:54:00Z');
  assert.equal(at(1, 993_945_240_001n), '2001-06-30T23:54:00.001Z');
  assert.equal(at(2, 993_945_240_000_001n), '2001-06-30T23:54:00.000001Z');
  assert.equal(at(3, 993_945_240_000_000_001n), '2001-06-30T23:54:00.000000001Z');
  assert.equal(at(3, 993_945_240_100_000_000n), '2001-06-30T23:54:00.1Z');
  assert.equal(at(3, 993_945_240_100_000_010n), '2001-06-30T23:54:00.10000001Z');
  assert.equal(at(3, -1n), '1969-12-31T23:59:59.999999999Z');
  assert.equal(at(2, 2n ** 63n - 1n), '9223372036854775807us');
  assert.equal(at(0, 253_402_300_800n), '+010000-01-01T00:00:00Z');
});

test('nanoseconds lose nothing: texts of different instants differ, and sort as the instants do', () => {
  const at = (value: bigint): string => only(makeData({ type: new Timestamp(3), data: BigInt64Array.of(value) })).value as string;
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 4_000_000_000_000_000_000n }), fc.bigInt({ min: 1n, max: 3_000n }), (a, gap) => {
      const digits = (text: string): string => text.replace('Z', '').replace(/(\.\d+)?$/, (fraction) => (fraction || '.').padEnd(10, '0'));
      assert.ok(digits(at(a)) < digits(at(a + gap)));
    }),
  );
});

test('dates of both units; a date in milliseconds that is no midnight shows its time', () => {
  assert.equal(only(makeData({ type: new DateDay(), data: Int32Array.of(-1) })).text, '1969-12-31');
  assert.equal(only(makeData({ type: new DateMillisecond(), data: BigInt64Array.of(86_400_000n) as never })).text, '1970-01-02');
  assert.equal(only(makeData({ type: new DateMillisecond(), data: BigInt64Array.of(86_400_001n) as never })).text, '1970-01-02T00:00:00.001Z');
});

test('decimals keep sign, scale and all 38 digits', () => {
  const decimal = (value: bigint, scale: number): unknown => {
    const words = BigInt.asUintN(128, value);
    const data = Uint32Array.from({ length: 4 }, (_, i) => Number((words >> BigInt(32 * i)) & 0xffffffffn));
    return only(makeData({ type: new Decimal(scale, 38, 128), data })).text;
  };
  assert.equal(decimal(-1230n, 2), '-12.30');
  assert.equal(decimal(-5n, 3), '-0.005');
  assert.equal(decimal(0n, 2), '0.00');
  assert.equal(decimal(10n ** 38n - 1n, 0), '9'.repeat(38));
  assert.equal(decimal(-(10n ** 38n - 1n), 38), `-0.${'9'.repeat(38)}`);
  assert.equal(formatDecimal(12n, -3), '12000');
  fc.assert(
    fc.property(fc.bigInt({ min: -(10n ** 38n) + 1n, max: 10n ** 38n - 1n }), fc.integer({ min: 1, max: 38 }), (value, scale) => {
      const text = decimal(value, scale) as string;
      assert.equal(BigInt(text.replace('.', '').replace(/^(-?)0+(?=\d)/, '$1')), value);
      assert.equal(text.length - text.indexOf('.') - 1, scale);
    }),
  );
});

test('floats: the fewest digits that read back as the same float, of either width', () => {
  const float32 = (value: number): string => only(makeData({ type: new Float32(), data: Float32Array.of(value) })).text!;
  assert.equal(float32(0.1), '0.1');
  assert.equal(float32(16_777_216), '16777216');
  fc.assert(fc.property(fc.float({ noNaN: true }), (value) => Object.is(Math.fround(Number(float32(value))), value)));
  fc.assert(
    fc.property(fc.double({ noNaN: true }), (value) => {
      const { text } = only(makeData({ type: new Float64(), data: Float64Array.of(value) }));
      return Object.is(Number(text), value);
    }),
  );
  const half = (bits: number): unknown => only(makeData({ type: new Float16(), data: Uint16Array.of(bits) })).value;
  assert.deepEqual([0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0x8000].map(half), [1, -2, 2 ** -24, 65504, Number.POSITIVE_INFINITY, -0]);
  assert.ok(Number.isNaN(half(0x7e00)));
});

test('JSON: exact integers, NaN and infinities as strings, −0 with its sign, control characters escaped', () => {
  const float64 = (value: number): string => only(makeData({ type: new Float64(), data: Float64Array.of(value) })).json;
  assert.deepEqual([Number.NaN, Infinity, -Infinity, -0, 1e21].map(float64), ['"NaN"', '"Infinity"', '"-Infinity"', '-0', '1e+21']);
  assert.equal(only(int64(2n ** 63n - 1n)).json, '9223372036854775807');
  assert.equal(only(makeData({ type: new Uint64(), data: BigUint64Array.of(2n ** 64n - 1n) })).json, '18446744073709551615');
  assert.equal(only(makeData({ type: new Decimal(2, 10, 128), data: Uint32Array.of(1230, 0, 0, 0) })).json, '12.30');
  assert.equal(only(vectorFromArray(['a"\n\u0000'], new Utf8()).data[0]!).json, '"a\\"\\n\\u0000"');
});

test('nulls, booleans and dictionaries, also in a slice that starts in the middle of a byte', () => {
  const bits = makeData({ type: new Bool(), length: 16, nullCount: -1, data: Uint8Array.of(0b10101010, 0xff), nullBitmap: Uint8Array.of(0b11110111, 0xff) });
  assert.deepEqual([0, 1, 2, 3].map(valueReader(bits.slice(1, 8))), [true, false, null, false]);
  const words = vectorFromArray(['x', 'y', null, 'x', 'z'], new Dictionary(new Utf8(), new Int32())).data[0]!;
  assert.deepEqual([0, 1, 2, 3].map(valueReader(words.slice(1, 4))), ['y', null, 'x', 'z']);
  assert.equal(typeName(words.type), 'string');
});

test('binary is hexadecimal in text, and bytes in JavaScript', () => {
  const data = makeData({ type: new Binary(), valueOffsets: Int32Array.of(0, 2), data: Uint8Array.of(0, 255), length: 1 });
  assert.deepEqual(only(data), { value: Uint8Array.of(0, 255), text: '0x00ff', json: '"0x00ff"' });
});

test('nested values are arrays and objects, with their children exact too', () => {
  const list = makeData({
    type: new List(new Field('item', new Int64(), true)),
    valueOffsets: Int32Array.of(0, 2, 2, 2),
    nullBitmap: Uint8Array.of(0b011),
    length: 3,
    nullCount: 1,
    child: int64(2n ** 60n, 7n),
  } as never) as Data;
  const read = valueReader(list);
  assert.deepEqual([0, 1, 2].map(read), [[2n ** 60n, 7], [], null]);
  assert.deepEqual([0, 1].map(valueReader(list.slice(1, 2))), [[], null]);
  assert.equal(formatValue(read(0), list.type), '[1152921504606846976, 7]');
  assert.equal(typeName(list.type), 'list<int64>');
  const struct = vectorFromArray([{ a: 1, b: 'x' }]).data[0]!;
  assert.equal(only(struct).json, '{"a": 1, "b": "x"}');
  assert.equal(typeName(struct.type), 'struct<a: float64, b: string>');
});

test('types have short names', () => {
  const types: [DataType, string][] = [
    [new Int64(), 'int64'], [new Uint64(), 'uint64'], [new Float16(), 'float16'], [new Float64(), 'float64'], [new Utf8(), 'string'],
    [new Timestamp(2, 'UTC'), 'timestamp[us]'], [new DateDay(), 'date'], [new Decimal(2, 10, 128), 'decimal(10,2)'], [new Bool(), 'bool'],
  ];
  for (const [type, name] of types) assert.equal(typeName(type), name);
});
