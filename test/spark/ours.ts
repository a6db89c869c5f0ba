/** What we write in each format, read by Spark. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import fc from 'fast-check';
import { Table } from '../../src/arrow/arrow.ts';
import { writeTable } from '../../src/store/open-table.ts';
import type { TableFormat } from '../../src/store/tables.ts';
import { range, temporaryFolder } from '../support/store.ts';
import { batchFrom, type Cell, writable } from '../store/parquet/support.ts';
import { type CellText, cellText, type Columns, foundText } from '../interop/python.ts';
import type { Spark } from './spark.ts';

const int = (bits: number): fc.Arbitrary<bigint> => fc.bigInt({ min: -(2n ** BigInt(bits - 1)), max: 2n ** BigInt(bits - 1) - 1n });
const whole = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });
const text = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 40 }), fc.constantFrom('', 'a', 'b'));
const hex = fc.uint8Array({ maxLength: 20 }).map((bytes) => `b:${Buffer.from(bytes).toString('hex')}`);
const decimal = (digits: bigint): fc.Arbitrary<bigint> => fc.bigInt({ min: 1n - 10n ** digits, max: 10n ** digits - 1n });
/** Between the years 1 and 9999; ORC cannot tell the last second before 1970. */
const instants = (perSecond: bigint): fc.Arbitrary<bigint> => fc.bigInt({ min: -62_000_000_000n * perSecond, max: 253_000_000_000n * perSecond }).filter((value) => value <= -perSecond || value >= 0n);
const asMicros = (perSecond: bigint) => (cell: bigint): string => String(perSecond > 1_000_000n ? cell / (perSecond / 1_000_000n) : cell * (1_000_000n / perSecond));

/** Of each type: values, and what Spark shows of them where that is not their own text. Nanoseconds are whole microseconds, as Spark has them. */
const values: Readonly<Record<string, readonly [fc.Arbitrary<Cell>, ((cell: bigint) => CellText)?]>> = {
  bool: [fc.boolean()], int8: [whole(-128, 127)], int16: [whole(-32_768, 32_767)], int32: [whole(-(2 ** 31), 2 ** 31 - 1)], int64: [int(64)],
  uint8: [whole(0, 255)], uint16: [whole(0, 65_535)], uint32: [whole(0, 2 ** 32 - 1)], uint64: [int(64).map((value) => value + 2n ** 63n)],
  float: [fc.float()], double: [fc.double()], utf8: [text], largeUtf8: [text], binary: [hex], largeBinary: [hex], day: [whole(-700_000, 2_900_000)],
  ms: [instants(1_000n), asMicros(1_000n)], us: [instants(1_000_000n)], msZone: [instants(1_000n), asMicros(1_000n)], usZone: [instants(1_000_000n)],
  decimal: [decimal(38n)], smallDecimal: [decimal(9n)],
};

/** ORC has no unsigned 64-bit integers beyond the signed ones. */
function valuesFor(format: TableFormat): typeof values {
  return format === 'orc' ? { ...values, uint64: [fc.bigInt({ min: 0n, max: 2n ** 63n - 1n })] } : values;
}

export async function checkOurs(t: TestContext, spark: Spark, format: TableFormat): Promise<void> {
  const folder = temporaryFolder(t);
  const columns = Object.entries(valuesFor(format));
  const tables = [[300, 1], [300, 0.5], [300, 0]].map(([rows, nullWeight], i) => ({
    n: { type: writable.int32!, cells: range(0, rows!) },
    ...Object.fromEntries(columns.map(([name, [cells]], seed) => {
      const some = fc.sample(cells, { numRuns: rows!, seed: 100 * i + seed });
      return [name, { type: writable[name]!, cells: some.map((cell, row) => ((row * 7) % 10 < 10 * nullWeight! ? null : cell)) }];
    })),
  }));
  const load = { parquet: `spark.read.parquet(path)`, orc: `spark.read.orc(path)`, delta: `spark.read.format('delta').load(path)` }[format];
  for (const [i, table] of tables.entries()) {
    const path = join(folder, String(i));
    await writeTable(path, new Table([batchFrom(table)]), { format });
    const read = await spark.run<Columns>(`path = paths[0]\nresult = columns(${load})`, path);
    for (const [name, [, shown]] of columns) {
      const { type, cells } = table[name as 'n'];
      assert.deepEqual(foundText(read[name]!), cells.map((cell) => (cell === null ? null : (shown?.(cell as never) ?? cellText(cell, type)))), `${format}, ${name}, table ${i}`);
    }
  }
  // Partitions, and the rows that are there no more: a folder shows the newest version only.
  const path = join(folder, 'parts');
  const shops = ['red', 'a b', 'ü/%', null];
  const rows = (first: number, count: number): Table => new Table([batchFrom({ n: { type: writable.int64!, cells: range(first, count).map(BigInt) }, shop: { type: writable.utf8!, cells: range(first, count).map((n) => shops[n % 4]!) } })]);
  await writeTable(path, rows(0, 60), { format, partitionBy: 'shop' });
  await writeTable(path, rows(100, 40), { mode: 'overwrite' });
  await writeTable(path, rows(140, 9), { mode: 'append' });
  const read = await spark.run<Columns>(`path = paths[0]\nresult = columns(${load})`, path);
  assert.deepEqual(read.n!.cells, range(100, 49).map(String));
  assert.deepEqual(read.shop!.cells, range(100, 49).map((n) => shops[n % 4]));
}
