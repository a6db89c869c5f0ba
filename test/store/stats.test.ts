import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  type DataType, DateDay, DateMillisecond, Dictionary, Field, Float64, Int32, Int64, makeData, RecordBatch, Schema, Struct, Timestamp, Uint64, Utf8, vectorFromArray,
} from '../../src/arrow/arrow.ts';
import { mightContainTime, parseStats, StatsBuilder } from '../../src/store/stats.ts';

function statsOf(type: DataType, ...batches: readonly (readonly unknown[])[]): string {
  const schema = new Schema([new Field('x', type, true)]);
  const builder = new StatsBuilder(schema);
  for (const values of batches) {
    const data = vectorFromArray(values, type as never).data[0] ?? makeData({ type, length: 0 } as never);
    builder.add(new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length: values.length, nullCount: 0, children: [data] })));
  }
  return builder.finish();
}

it('statistics of a file, in the words of Delta', () => {
  const text = statsOf(new Int32(), [3, null, -1], [7]);
  assert.equal(text, '{"numRecords":4,"minValues":{"x":-1},"maxValues":{"x":7},"nullCount":{"x":1}}');
  assert.deepEqual({ ...parseStats(text).minValues }, { x: -1 });
});

describe('statistics', () => {
  it('keep all digits of integers', () => {
    const parsed = parseStats(statsOf(new Int64(), [-(2n ** 63n), 2n ** 63n - 1n, 0n]));
    assert.deepEqual([parsed.minValues.x, parsed.maxValues.x], [-(2n ** 63n), 2n ** 63n - 1n]);
    assert.equal(parseStats(statsOf(new Uint64(), [2n ** 64n - 1n])).minValues.x, 2n ** 64n - 1n);
    assert.equal(parseStats(statsOf(new Float64(), [0.12345678901234568])).minValues.x, 0.12345678901234568);
    assert.equal(parseStats(statsOf(new Utf8(), ['1234567890123456789'])).minValues.x, '1234567890123456789');
  });

  it('have no bounds where there are none: nothing, all null, NaN, infinity', () => {
    for (const text of [statsOf(new Int32(), []), statsOf(new Int32(), [null, null]), statsOf(new Float64(), [1, Number.NaN])]) {
      assert.deepEqual([{ ...parseStats(text).minValues }, { ...parseStats(text).maxValues }], [{}, {}], text);
    }
    const infinite = parseStats(statsOf(new Float64(), [1, Number.POSITIVE_INFINITY]));
    assert.deepEqual([infinite.minValues.x, infinite.maxValues.x], [1, undefined]);
  });

  it('cut long strings on the safe side', () => {
    const bounds = (...values: string[]): unknown[] => {
      const parsed = parseStats(statsOf(new Utf8(), values));
      return [parsed.minValues.x, parsed.maxValues.x];
    };
    assert.deepEqual(bounds('b', 'a', 'ä'), ['a', 'ä']);
    const [min, max] = bounds('x'.repeat(40)) as [string, string];
    assert.deepEqual([min, max], ['x'.repeat(32), `${'x'.repeat(31)}y`]);
    assert.deepEqual(bounds('\u{10ffff}'.repeat(40))[1], undefined);
    assert.deepEqual(bounds(`a${'\u{10ffff}'.repeat(40)}`)[1], 'b');
    assert.deepEqual(bounds('\u{d7ff}'.repeat(33))[1], `${'\u{d7ff}'.repeat(31)}\u{e000}`);
  });

  it('bound every string, by the order of its bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme', maxLength: 50 }), { minLength: 1 }), (values) => {
        const { minValues, maxValues } = parseStats(statsOf(new Utf8(), values));
        for (const value of values) {
          assert.ok(Buffer.compare(Buffer.from(minValues.x as string), Buffer.from(value)) <= 0);
          if (maxValues.x !== undefined) assert.ok(Buffer.compare(Buffer.from(value), Buffer.from(maxValues.x as string)) <= 0);
        }
      }),
    );
  });

  it('bound every integer', () => {
    fc.assert(
      fc.property(fc.array(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), { minLength: 1 }), (values) => {
        const parsed = parseStats(statsOf(new Int64(), values));
        const sorted = [...values].sort((a, b) => (a < b ? -1 : 1));
        assert.deepEqual([BigInt(parsed.minValues.x as bigint), BigInt(parsed.maxValues.x as bigint)], [sorted[0], sorted.at(-1)]);
      }),
    );
  });

  it('see through dictionaries', () => {
    const { minValues, maxValues } = parseStats(statsOf(new Dictionary(new Utf8(), new Int32()), ['b', null, 'a', 'b']));
    assert.deepEqual([minValues.x, maxValues.x], ['a', 'b']);
  });
});

it('a file is left out of a time range only when none of its rows is in it', () => {
  const units: [DataType, bigint][] = [[new Timestamp(0), 1_000_000n], [new Timestamp(1, 'UTC'), 1000n], [new Timestamp(2), 1n], [new DateDay(), 86_400_000_000n], [new DateMillisecond(), 1000n]];
  fc.assert(
    fc.property(
      fc.nat(units.length - 1), fc.array(fc.option(fc.integer({ min: -1_000_000, max: 1_000_000 }), { nil: null }), { maxLength: 5 }),
      fc.integer({ min: -1_000_000, max: 1_000_000 }), fc.integer({ min: 0, max: 1000 }),
      (unit, values, first, length) => {
        const [type, unitUs] = units[unit]!;
        const schema = new Schema([new Field('x', type, true)]);
        const days = type instanceof DateDay;
        const bitmap = new Uint8Array((values.length + 7) >> 3);
        values.forEach((value, i) => {
          if (value !== null) bitmap[i >> 3]! |= 1 << (i & 7);
        });
        const data = days ? Int32Array.from(values, (value) => value ?? 0) : BigInt64Array.from(values, (value) => BigInt(value ?? 0));
        const column = makeData({ type, length: values.length, nullCount: values.filter((value) => value === null).length, nullBitmap: bitmap, data } as never);
        const builder = new StatsBuilder(schema);
        builder.add(new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length: values.length, nullCount: 0, children: [column] })));
        const range = { startUs: BigInt(first) * unitUs, endUs: BigInt(first + length) * unitUs };
        const inRange = values.some((value) => value !== null && value >= first && value < first + length);
        const might = mightContainTime(parseStats(builder.finish()), 'x', range);
        if (inRange) assert.ok(might);
        // Days before the year 1 have no text that the log's statistics could keep, so nothing is known of such a file.
        const known = !days || values.every((value) => value === null || value > -719_000);
        if (known && values.every((value) => value === null || value < first)) assert.ok(!might || length === 0 || values.length === 0);
      },
    ),
  );
});

it('nanoseconds are rounded outwards', () => {
  const { minValues, maxValues } = parseStats(statsOf(new Timestamp(3), [])); 
  assert.deepEqual([minValues.x, maxValues.x], [undefined, undefined]);
  const schema = new Schema([new Field('x', new Timestamp(3), true)]);
  const builder = new StatsBuilder(schema);
  const column = makeData({ type: new Timestamp(3), length: 2, nullCount: 0, data: BigInt64Array.of(-1n, 1001n) } as never);
  builder.add(new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length: 2, nullCount: 0, children: [column] })));
  const parsed = parseStats(builder.finish());
  assert.deepEqual([parsed.minValues.x, parsed.maxValues.x], ['1969-12-31T23:59:59.999999', '1970-01-01T00:00:00.000002']);
});
