/**
 * Our ORC files read by Apache ORC's C++ library, through pyarrow.
 *
 * The Python to use is named by TAURO_PYTHON, else `python3`. Where it has no pyarrow, these tests are left out and say so.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { type RecordBatch, Type } from '../../src/arrow/arrow.ts';
import { encodeOrc } from '../../src/store/orc/encode.ts';
import { batchFrom, type Cell, writable } from '../store/parquet/support.ts';

const python = process.env.TAURO_PYTHON ?? 'python3';
const hasPyarrow = spawnSync(python, ['-c', 'import pyarrow.orc'], { timeout: 60_000 }).status === 0;
const skip = hasPyarrow ? false : `${python} has no pyarrow: set TAURO_PYTHON to a Python that has`;

/** Prints the type and values of each column: instants as nanoseconds, decimals unscaled, bytes in hex, floats by repr. */
const reader = `
import json, sys
from decimal import Context
import pyarrow as pa, pyarrow.orc as orc
def cell(value, kind):
    if value is None: return None
    if pa.types.is_decimal(kind): return str(int(value.scaleb(kind.scale, Context(prec=60))))
    if pa.types.is_binary(kind): return 'b:' + value.hex()
    if pa.types.is_floating(kind): return repr(value)
    return value if isinstance(value, (str, bool)) else str(value)
result = []
for path in sys.argv[1:]:
    file = orc.ORCFile(path)
    table = file.read()
    columns = {}
    for name in table.column_names:
        column = table.column(name)
        kind = column.type
        if pa.types.is_timestamp(kind): column = column.cast(pa.int64())
        if pa.types.is_date32(kind): column = column.cast(pa.int32())
        columns[name] = {'type': str(kind), 'cells': [cell(value, kind) for value in column.to_pylist()]}
    result.append({'rows': file.nrows, 'stripes': file.nstripes, 'columns': columns})
print(json.dumps(result))
`;

interface Read {
  readonly rows: number;
  readonly stripes: number;
  readonly columns: Readonly<Record<string, { readonly type: string; readonly cells: readonly (string | boolean | null)[] }>>;
}

function readByPyarrow(files: readonly Uint8Array[]): Read[] {
  const folder = mkdtempSync(join(tmpdir(), 'tauro-orc-'));
  try {
    const paths = files.map((bytes, i) => {
      const path = join(folder, `${i}.orc`);
      writeFileSync(path, bytes);
      return path;
    });
    const { status, stdout, stderr } = spawnSync(python, ['-c', reader, ...paths], { encoding: 'utf8', timeout: 120_000, maxBuffer: 1 << 28 });
    assert.equal(status, 0, stderr);
    return JSON.parse(stdout) as Read[];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const int64 = fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.bigInt({ min: -1_000n, max: 1_000n }));
/** pyarrow has them in nanoseconds; the last second before 1970 is what ORC cannot say. */
const instants = (perSecond: bigint): fc.Arbitrary<bigint> =>
  fc.bigInt({ min: -9_000_000_000n * perSecond, max: 9_000_000_000n * perSecond }).filter((value) => value <= -perSecond || value >= 0n);
const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 40 }), fc.constantFrom('', 'a', 'b', 'ž'));
const hex = fc.uint8Array({ maxLength: 20 }).map((bytes) => `b:${Buffer.from(bytes).toString('hex')}`);
const float = fc.oneof(fc.float({ noNaN: true }), fc.constantFrom(0, -0));
const decimal = (digits: bigint): fc.Arbitrary<bigint> => fc.bigInt({ min: 1n - 10n ** digits, max: 10n ** digits - 1n });

/** Of each type: its values, the type that pyarrow shall see, and its values as that. */
const types: Readonly<Record<keyof typeof writable, readonly [fc.Arbitrary<Cell>, string, ((cell: never) => string | boolean)?]>> = {
  bool: [fc.boolean(), 'bool', (cell: boolean) => cell],
  int8: [fc.integer({ min: -128, max: 127 }), 'int8'], int16: [fc.integer({ min: -32_768, max: 32_767 }), 'int16'], int32: [int32, 'int32'], int64: [int64, 'int64'],
  uint8: [fc.integer({ min: 0, max: 255 }), 'int16'], uint16: [fc.integer({ min: 0, max: 65_535 }), 'int32'],
  uint32: [fc.integer({ min: 0, max: 2 ** 32 - 1 }), 'int64'], uint64: [fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }), 'int64'],
  // 0x3c00 is 1, 0xc000 is −2, 1 is the least above zero.
  half: [fc.constantFrom(0x3c00, 0xc000, 1), 'float', (cell: number) => new Map([[0x3c00, '1.0'], [0xc000, '-2.0'], [1, '5.960464477539063e-08']]).get(cell)!],
  float: [float, 'float', pythonFloat], double: [fc.oneof(fc.double({ noNaN: true }), float), 'double', pythonFloat],
  utf8: [text, 'string'], largeUtf8: [text, 'string'], binary: [hex, 'binary'], largeBinary: [hex, 'binary'], day: [int32, 'date32[day]'],
  date64: [instants(1_000n), 'timestamp[ns]', nanos(1_000_000n)],
  s: [instants(1n), 'timestamp[ns]', nanos(1_000_000_000n)], ms: [instants(1_000n), 'timestamp[ns]', nanos(1_000_000n)],
  us: [instants(1_000_000n), 'timestamp[ns]', nanos(1_000n)], ns: [instants(1_000_000_000n), 'timestamp[ns]'],
  sZone: [instants(1n), 'timestamp[ns, tz=UTC]', nanos(1_000_000_000n)], msZone: [instants(1_000n), 'timestamp[ns, tz=UTC]', nanos(1_000_000n)],
  usZone: [instants(1_000_000n), 'timestamp[ns, tz=UTC]', nanos(1_000n)], nsZone: [instants(1_000_000_000n), 'timestamp[ns, tz=UTC]'],
  decimal: [decimal(38n), 'decimal128(38, 2)'], smallDecimal: [decimal(9n), 'decimal128(9, 3)'],
};

function nanos(perUnit: bigint): (cell: bigint) => string {
  return (cell) => String(cell * perUnit);
}

/** A number as Python's repr has it, which has other exponents: by way of the value. */
function pythonFloat(cell: number): string {
  return Object.is(cell, -0) ? '-0' : String(cell);
}

function javaScriptFloat(text: string): string {
  return pythonFloat(text === 'inf' ? Number.POSITIVE_INFINITY : text === '-inf' ? Number.NEGATIVE_INFINITY : Number(text));
}

function checkRead(read: Read, batch: RecordBatch, cellsOf: (name: string) => readonly Cell[]): void {
  assert.equal(read.rows, batch.numRows);
  for (const { name, type } of batch.schema.fields) {
    const [, expectedType, shown = String] = types[name]!;
    const column = read.columns[name]!;
    assert.equal(column.type, expectedType, name);
    const isNumber = type.typeId === Type.Float && name !== 'half';
    const found = column.cells.map((cell) => (isNumber && cell !== null ? javaScriptFloat(cell as string) : cell));
    assert.deepEqual(found, cellsOf(name).map((cell) => (cell === null ? null : shown(cell as never))), name);
  }
}

test('pyarrow reads every type, with nulls, in every compression, from many stripes', { skip }, () => {
  const compressions = ['zlib', 'snappy', 'none'] as const;
  const cases = compressions.flatMap((compression, i) =>
    [1, 0.5, 0].map((nullWeight, k) => {
      const columns = Object.fromEntries(
        Object.entries(types).map(([name, [cells]], seed) => {
          const some = fc.sample(cells, { numRuns: 400, seed: 1_000 * i + 100 * k + seed });
          return [name, { type: writable[name]!, cells: some.map((cell, row) => ((row * 7) % 10 < 10 * nullWeight ? null : cell)) }];
        }),
      );
      return { columns, batch: batchFrom(columns), compression };
    }),
  );
  const files = cases.map(({ batch, compression }) => encodeOrc(batch.schema, [batch], { compression, stripeRows: 150 }));
  readByPyarrow(files).forEach((read, i) => {
    assert.equal(read.stripes, 3);
    checkRead(read, cases[i]!.batch, (name) => cases[i]!.columns[name]!.cells);
  });
});

test('pyarrow reads integers in runs of every form, in more rows than a row group has', { skip }, () => {
  const rows = 25_000;
  const shapes: Readonly<Record<string, (row: number) => bigint>> = {
    int64: (row) => BigInt(row % 1_000 < 500 ? row : row * 7_919) * (row % 97 === 0 ? 2n ** 30n : 1n),
    us: (row) => 1_700_000_000_000_000n + BigInt(row) * 1_000_000n + (row % 3 === 0 ? 0n : BigInt(row)),
    uint64: (row) => BigInt(row >> 6),
  };
  for (const every of [0, 3]) {
    const columns = Object.fromEntries(
      Object.entries(shapes).map(([name, value]) => [name, { type: writable[name]!, cells: Array.from({ length: rows }, (_, row) => (every > 0 && row % every === 0 ? null : value(row))) }]),
    );
    const batch = batchFrom(columns);
    checkRead(readByPyarrow([encodeOrc(batch.schema, [batch])])[0]!, batch, (name) => columns[name]!.cells);
  }
});

test('pyarrow reads a file of no rows', { skip }, () => {
  const batch = batchFrom(Object.fromEntries(Object.entries(writable).map(([name, type]) => [name, { type, cells: [] }])));
  const [read] = readByPyarrow([encodeOrc(batch.schema, [batch])]);
  checkRead(read!, batch, () => []);
});
