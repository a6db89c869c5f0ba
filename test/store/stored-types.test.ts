import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type DataType, Decimal, Field, makeData, type RecordBatch, Schema, Table, Timestamp } from '../../src/arrow/arrow.ts';
import { plainSchema, tableOfColumns, tablesEqual } from '../../src/arrow/canonical.ts';
import { OverflowError } from '../../src/base/errors.ts';
import { conformBatch, mightConform } from '../../src/store/conform.ts';
import { storedBatch, storedSchema, storedType } from '../../src/store/stored-types.ts';
import { batchFrom, type Cell, writable } from './parquet/support.ts';

const typeNamed = (name: string): DataType => writable[name]!;
const big = (bits: number): fc.Arbitrary<bigint> => fc.bigInt({ min: -(2n ** BigInt(bits - 1)), max: 2n ** BigInt(bits - 1) - 1n });
const whole = (bits: number): fc.Arbitrary<number> => fc.integer({ min: 0, max: 2 ** bits - 1 });

/** Values of each type that another has to stand for, and that other. */
const types: Readonly<Record<string, readonly [fc.Arbitrary<Cell>, string]>> = {
  uint8: [whole(8), 'Int16'], uint16: [whole(16), 'Int32'], uint32: [whole(32), 'Int64'],
  uint64: [fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), 'Decimal[20e0]'],
  // Bits of numbers, not of NaN, which has many.
  half: [whole(16).filter((bits) => (bits & 0x7c00) !== 0x7c00), 'Float32'],
  s: [big(43), 'Timestamp<MICROSECOND>'], ms: [big(53), 'Timestamp<MICROSECOND>'], date64: [big(53), 'Timestamp<MICROSECOND>'],
  ns: [big(53).map((value) => value * 1_000n), 'Timestamp<MICROSECOND>'],
  largeUtf8: [fc.string({ unit: 'binary' }), 'Utf8'],
};

it('what another type stands for is stored as that, and comes back', () => {
  for (const [type, [cells, stands]] of Object.entries(types)) {
    const wanted = typeNamed(type);
    assert.equal(String(storedType(wanted)), stands, type);
    assert.ok(mightConform(storedType(wanted), wanted));
    fc.assert(
      fc.property(fc.array(fc.option(cells), { maxLength: 20 }), (column) => {
        const batch = batchFrom({ [type]: { type: wanted, cells: column } });
        const stored = storedBatch(batch, storedSchema(batch.schema));
        const back = conformBatch(stored, plainSchema(batch.schema));
        assert.ok(tablesEqual(new Table([back]), new Table([batch])));
        const part = conformBatch(stored.slice(1, 5), plainSchema(batch.schema));
        assert.ok(tablesEqual(new Table([part]), new Table([batch.slice(1, 5)])));
      }),
      { numRuns: 50 },
    );
  }
});

describe('a value that does not fit is refused', () => {
  const column = (type: DataType, values: ArrayBufferView, length: number): RecordBatch => {
    const schema = new Schema([new Field('x', type, true)]);
    return tableOfColumns(schema, [makeData({ type, length, nullCount: 0, data: values } as never)], length).batches[0]!;
  };
  const stored = (type: DataType, ...values: bigint[]): RecordBatch => {
    const batch = column(type, BigInt64Array.from(values), values.length);
    return storedBatch(batch, storedSchema(batch.schema));
  };

  it('when it is written', () => {
    assert.throws(() => stored(new Timestamp(3), 1_000n, 1_001n), (thrown) => thrown instanceof OverflowError && /column x, key row 1: 1001 ns is finer than a microsecond/.test(thrown.message));
    assert.throws(() => stored(new Timestamp(3), -1n), OverflowError);
    assert.throws(() => stored(new Timestamp(0), 2n ** 62n), OverflowError);
    assert.throws(() => stored(new Timestamp(1, 'UTC'), -(2n ** 62n)), OverflowError);
  });

  it('when another engine has written it', () => {
    const cases: readonly [wanted: string, values: ArrayBufferView][] = [
      ['uint8', Int16Array.of(-1)], ['uint8', Int16Array.of(256)], ['uint16', Int32Array.of(65_536)], ['uint32', BigInt64Array.of(-1n)],
      ['uint32', BigInt64Array.of(2n ** 32n)], ['uint64', Uint32Array.of(0, 0, 1, 0)], ['uint64', Uint32Array.of(0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff)],
      ['half', Float32Array.of(0.1)], ['half', Float32Array.of(1e6)], ['s', BigInt64Array.of(1n)], ['ms', BigInt64Array.of(-1n)], ['date64', BigInt64Array.of(1_500n)],
    ];
    for (const [type, values] of cases) {
      const found = column(storedType(typeNamed(type)), values, 1);
      assert.throws(() => conformBatch(found, new Schema([new Field('x', typeNamed(type), true)])), (error) => error instanceof OverflowError && /take its property tauro.arrowSchema off/.test(error.message), type);
    }
  });

  it('and what stands for no type of the table does not become it', () => {
    assert.equal(mightConform(new Decimal(0, 38, 128), typeNamed('uint64')), false);
    assert.equal(mightConform(typeNamed('int64'), typeNamed('uint64')), false);
    assert.equal(mightConform(typeNamed('int32'), typeNamed('uint8')), false);
    assert.equal(mightConform(new Timestamp(1), new Timestamp(0)), false);
  });
});
