/** Values of every type, and random questions about tables of them. */
import fc from 'fast-check';
import type { Agg, GroupByPlan, OutputColumn } from '../../src/engine/plan.ts';
import { type Cell, type TestColumn, types } from './arrow.ts';

const doubles = fc.oneof(
  fc.double(),
  fc.constantFrom(0, -0, NaN, Infinity, -Infinity, 5e-324, -5e-324, 1.7976931348623157e308, -1.7976931348623157e308, 1e308, 1e-308, 1, 2 ** 53),
  fc.integer({ min: -100_000, max: 100_000 }).map((cents) => cents / 100),
);
export const finite = doubles.filter(Number.isFinite);

export const integers = (bits: number, signed: boolean) => {
  const [min, max] = signed ? [-(1n << BigInt(bits - 1)), (1n << BigInt(bits - 1)) - 1n] : [0n, (1n << BigInt(bits)) - 1n];
  return fc.oneof(fc.bigInt({ min, max }), fc.constantFrom(min, max, 0n, 1n), fc.bigInt({ min: 0n, max: 5n }));
};

/** Per type: values, whether cells are bigints in the oracle, and what the aggregations are. */
interface Kind {
  readonly type: TestColumn['type'];
  readonly values: fc.Arbitrary<Exclude<Cell, null>>;
  readonly aggregations: readonly Agg[];
}
const extremes: readonly Agg[] = ['count', 'min', 'max', 'first', 'last', 'count_distinct', 'approx_distinct'];
const all: readonly Agg[] = ['sum', 'mean', 'std', 'var', ...extremes];
const logical: readonly Agg[] = [...extremes, 'any', 'all'];
const words = fc.oneof(fc.constantFrom('', 'a', 'ab', 'abcdefgh', 'abcdefghi', 'abcdefgh\0', 'é', '\u{1F600}'), fc.string({ maxLength: 20 }));
const halves = fc.oneof(fc.integer({ min: -2048, max: 2048 }), fc.integer({ min: -1023, max: 1023 }).map((n) => n * 2 ** -24), fc.constantFrom(NaN, Infinity, -Infinity, 65504, -0));
const few = (values: fc.Arbitrary<bigint>) => fc.oneof(fc.bigInt({ min: 0n, max: 3n }), values);

const kinds: Readonly<Record<string, Kind>> = {
  int8: { type: types.int8, values: integers(8, true), aggregations: all },
  int16: { type: types.int16, values: integers(16, true), aggregations: all },
  int32: { type: types.int32, values: integers(32, true), aggregations: all },
  int64: { type: types.int64, values: few(integers(60, true)), aggregations: all },
  uint8: { type: types.uint8, values: integers(8, false), aggregations: all },
  uint16: { type: types.uint16, values: integers(16, false), aggregations: all },
  uint32: { type: types.uint32, values: integers(32, false), aggregations: all },
  uint64: { type: types.uint64, values: few(integers(60, false)), aggregations: all },
  half: { type: types.half, values: halves, aggregations: all },
  float: { type: types.float, values: fc.oneof(fc.float(), fc.constantFrom(NaN, -0, Infinity, -Infinity)), aggregations: all },
  double: { type: types.double, values: doubles, aggregations: all },
  date: { type: types.date, values: integers(32, true), aggregations: extremes },
  dateMs: { type: types.dateMs, values: integers(64, true), aggregations: extremes },
  seconds: { type: types.seconds, values: integers(64, true), aggregations: extremes },
  nanos: { type: types.nanos, values: integers(64, true), aggregations: extremes },
  bool: { type: types.bool, values: fc.boolean(), aggregations: logical },
  utf8: { type: types.utf8, values: words, aggregations: extremes },
  largeUtf8: { type: types.largeUtf8, values: words, aggregations: extremes },
  binary: { type: types.binary, values: words, aggregations: extremes },
  largeBinary: { type: types.largeBinary, values: words, aggregations: extremes },
  decimal: { type: types.decimal, values: fc.oneof(fc.bigInt({ min: -5n, max: 5n }), fc.bigInt({ min: -(10n ** 36n), max: 10n ** 36n })), aggregations: all },
  dictionary: { type: types.dictionary, values: words, aggregations: extremes },
  dictionaryBool: { type: types.dictionaryBool, values: fc.boolean(), aggregations: logical },
  dictionaryBinary: { type: types.dictionaryBinary, values: words, aggregations: extremes },
  dictionaryDecimal: { type: types.dictionaryDecimal, values: fc.bigInt({ min: -(10n ** 36n), max: 10n ** 36n }), aggregations: all },
  dictionaryDouble: { type: types.dictionaryDouble, values: fc.double({ noNaN: true }).filter((value) => !Object.is(value, -0)), aggregations: all },
  dictionaryInt: { type: types.dictionaryInt, values: few(integers(60, true)), aggregations: all },
};
const keyKinds: Readonly<Record<string, Kind>> = {
  ...Object.fromEntries(Object.entries(kinds).filter(([name]) => !['half', 'float', 'double', 'dictionaryDouble'].includes(name))),
  decimal: { type: types.decimal, values: fc.bigInt({ min: 1n - 10n ** 38n, max: 10n ** 38n - 1n }), aggregations: [] },
  uint64: { type: types.uint64, values: integers(64, false), aggregations: [] },
  int64: { type: types.int64, values: few(integers(64, true)), aggregations: [] },
  largeUtf8: { type: types.largeUtf8, values: words, aggregations: [] },
  dictionary: { type: types.dictionary, values: words, aggregations: [] },
  dictionary8: { type: types.dictionary8, values: fc.constantFrom('a', 'b', 'long enough to be two words'), aggregations: [] },
};

const timeKinds = [types.date, types.dateMs, types.micros, types.nanos].map((type) => ({ type, values: integers(32, true), aggregations: [] }));

export interface Case {
  readonly columns: Readonly<Record<string, TestColumn>>;
  readonly plan: GroupByPlan & { readonly scales: Readonly<Record<string, number>> };
  readonly cuts: readonly number[];
}

const rowsMax = 40;
/** A table of some keys and values of any type, cut into batches, and every aggregation that their types have. */
export const caseOf = fc
  .record({
    keys: fc.array(fc.constantFrom(...Object.keys(keyKinds)), { minLength: 1, maxLength: 3 }),
    values: fc.array(fc.constantFrom(...Object.keys(kinds)), { minLength: 0, maxLength: 3 }),
    rows: fc.integer({ min: 0, max: rowsMax }),
  })
  .chain(({ keys, values, rows }) => {
    const column = (kind: Kind, distinct: number): fc.Arbitrary<TestColumn> => {
      const pool = fc.array(kind.values, { minLength: distinct, maxLength: distinct });
      const picks = fc.array(fc.option(fc.nat(distinct - 1), { freq: 8 }), { minLength: rows, maxLength: rows });
      return fc.tuple(pool, picks).map(([cells, chosen]) => ({ type: kind.type, values: chosen.map((i) => (i === null ? null : cells[i]!)) }));
    };
    const columns: Record<string, fc.Arbitrary<TestColumn>> = {};
    for (const [i, name] of keys.entries()) columns[`k${i}`] = column(keyKinds[name]!, 3);
    for (const [i, name] of values.entries()) columns[`v${i}`] = column(kinds[name]!, 12);
    columns.t = fc.constantFrom<Kind>(timeKinds[0]!, ...timeKinds).chain((kind) => column(kind, 6));
    const scales = Object.fromEntries(values.flatMap((name, i) => (name.toLowerCase().includes('decimal') ? [[`v${i}`, 4]] : [])));
    const outputs = values.flatMap((name, i) =>
      kinds[name]!.aggregations.map((aggregation): OutputColumn => ({ column: `v${i}`, aggregation, name: `v${i}_${aggregation}` })),
    );
    return fc.record({
      columns: fc.record(columns),
      plan: fc.constant({ keys: keys.map((_, i) => `k${i}`), outputs, timestamp: 't', scales }),
      cuts: fc.array(fc.nat(rowsMax), { maxLength: 5 }),
    });
  })
  .map((random) => Object.assign(random, { [fc.toStringMethod]: () => textOf(random as Case) })) as fc.Arbitrary<Case>;

/** For messages: fast-check stumbles over Arrow's types, whose tags say Date and Map. */
function textOf({ columns, plan, cuts }: Case): string {
  const json = (value: unknown): string => JSON.stringify(value, (_, cell) => (typeof cell === 'bigint' ? `${cell}n` : Object.is(cell, -0) ? '-0' : cell));
  const cells = Object.entries(columns).map(([name, { type, values }]) => `${name} ${type}: ${json(values)}`);
  return [...cells, `plan: ${json(plan)}`, `cuts: ${json(cuts)}`].join('\n');
}
