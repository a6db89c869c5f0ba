/**
 * ORC files that Apache ORC's C++ library writes, through pyarrow, read by us: every type and codec, nulls, patterns that take
 * each kind of run.
 *
 * The Python to use is named by TAURO_PYTHON, else `python3`. Where it has no pyarrow, this is left out and says so.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ScanOptions } from '../../src/store/table.ts';
import { readOrc } from '../store/orc/support.ts';
import { cellsOf } from '../store/parquet/support.ts';

const python = process.env.TAURO_PYTHON ?? 'python3';
const hasPyarrow = spawnSync(python, ['-c', 'import pyarrow.orc'], { timeout: 60_000 }).status === 0;
const skip = hasPyarrow ? false : `${python} has no pyarrow: set TAURO_PYTHON to a Python that has`;
const codecs = ['uncompressed', 'zlib', 'snappy', 'lz4', 'zstd'] as const;

const writer = `
import random, sys
from decimal import Decimal
import pyarrow as pa, pyarrow.orc as orc
folder, rows = sys.argv[1], 30000
random.seed(7)
def some(make, share=0.1): return [None if random.random() < share else make(i) for i in range(rows)]
ints = {
  'sequence': lambda i: i * 3, 'falling': lambda i: 10**12 - i * 7, 'constant': lambda i: 42, 'small': lambda i: random.randrange(10),
  'spiky': lambda i: random.randrange(100) + (2**40 if random.random() < 0.01 else 0), 'wide': lambda i: random.getrandbits(63) - 2**62, 'steps': lambda i: i // 100 * 17 - 5000,
}
columns = {name: pa.array(some(make, 0 if name in ('sequence', 'wide') else 0.1), pa.int64()) for name, make in ints.items()}
columns['int'] = pa.array(some(lambda i: random.randrange(-2**31, 2**31)), pa.int32())
columns['short'] = pa.array(some(lambda i: random.randrange(-2**15, 2**15)), pa.int16())
columns['byte'] = pa.array(some(lambda i: random.randrange(-128, 128) if i % 50 < 25 else 5), pa.int8())
columns['flag'] = pa.array(some(lambda i: random.random() < 0.3), pa.bool_())
columns['float'] = pa.array(some(lambda i: i / 8), pa.float32())
columns['double'] = pa.array(some(lambda i: random.gauss(0, 1e6)), pa.float64())
columns['few'] = pa.array(some(lambda i: random.choice(['red', 'green', 'blue', ''])), pa.string())
columns['many'] = pa.array(some(lambda i: 'name ' + str(random.getrandbits(40)) + ' é'), pa.string())
columns['bytes'] = pa.array(some(lambda i: random.randbytes(random.randrange(9))), pa.binary())
columns['day'] = pa.array(some(lambda i: random.randrange(-100000, 100000)), pa.date32())
columns['at'] = pa.array(some(lambda i: random.randrange(0, 2**61)), pa.timestamp('ns'))
columns['before'] = pa.array(some(lambda i: -random.randrange(2 * 10**9, 2**61)), pa.timestamp('ns'))
columns['instant'] = pa.array(some(lambda i: random.randrange(0, 2**51) * 1000), pa.timestamp('ns', 'UTC'))
columns['decimal'] = pa.array(some(lambda i: Decimal(random.getrandbits(100) - 2**99).scaleb(-4)), pa.decimal128(38, 4))
columns['nothing'] = pa.array([None] * rows, pa.int32())
table = pa.table(columns)
for codec in sys.argv[2:]: orc.write_table(table, folder + '/' + codec + '.orc', compression=codec, stripe_size=200000, dictionary_key_size_threshold=0.8)
def cell(value, kind):
  if value is None: return None
  if pa.types.is_decimal(kind): return str(int(value.scaleb(kind.scale)))
  if pa.types.is_binary(kind): return 'b:' + value.hex()
  return value if isinstance(value, (str, bool)) else repr(value)
import json
plain = {}
for name in table.column_names:
  column, kind = table.column(name), table.column(name).type
  if pa.types.is_timestamp(kind): column = column.cast(pa.int64())
  if pa.types.is_date32(kind): column = column.cast(pa.int32())
  plain[name] = [cell(value, kind) for value in column.to_pylist()]
print(json.dumps(plain))
`;

test('what pyarrow writes is read value for value, in every codec', { skip }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tauro-orc-'));
  try {
    const { status, stdout, stderr } = spawnSync(python, ['-c', writer, folder, ...codecs], { encoding: 'utf8', timeout: 120_000, maxBuffer: 1 << 28 });
    assert.equal(status, 0, stderr);
    const expected = JSON.parse(stdout) as Readonly<Record<string, readonly (string | boolean | null)[]>>;
    for (const codec of codecs) {
      const bytes = new Uint8Array(readFileSync(join(folder, `${codec}.orc`)));
      const read = await readOrc(bytes);
      for (const [name, wanted] of Object.entries(expected)) {
        const isNumber = name === 'float' || name === 'double';
        const found = cellsOf(read.batches, name).map((cell) => (cell === null || typeof cell === 'boolean' || isNumber ? cell : String(cell)));
        assert.deepEqual(found, isNumber ? wanted.map((cell) => (cell === null ? null : Number(cell))) : wanted, `${codec}: ${name}`);
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

const indexedWriter = `
import random, sys
import pyarrow as pa, pyarrow.orc as orc
folder, rows = sys.argv[1], 60000
random.seed(11)
def some(make, share=0.1): return pa.array([None if random.random() < share else make(i) for i in range(rows)])
table = pa.table({
  'row': pa.array(range(rows), pa.int64()),
  'moment': pa.array([10**18 + i * 10**9 * 60 + random.randrange(10**12) for i in range(rows)], pa.timestamp('ns')),
  'key': some(lambda i: i // 50 * 3),
  'wide': pa.array([random.getrandbits(63) for i in range(rows)], pa.int64()),
  'name': some(lambda i: 'name ' + str(random.getrandbits(60)) * random.choice([1, 1, 20])),
  'few': some(lambda i: random.choice(['red', 'green', ''])),
  'flag': some(lambda i: random.random() < 0.3),
  'amount': some(lambda i: random.gauss(0, 1e6)),
  'spiky': some(lambda i: random.randrange(100) + (2**40 if random.random() < 0.01 else 0)),
})
for codec in sys.argv[2:]:
  orc.write_table(table, folder + '/' + codec + '.orc', compression=codec, row_index_stride=1000, stripe_size=3000000, dictionary_key_size_threshold=0.5,
    bloom_filter_columns=[3, 5])
`;

test('of what pyarrow writes, row groups are left out and the others are as in the full scan, in every codec', { skip }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tauro-orc-'));
  try {
    const { status, stderr } = spawnSync(python, ['-c', indexedWriter, folder, ...codecs], { encoding: 'utf8', timeout: 120_000 });
    assert.equal(status, 0, stderr);
    for (const codec of codecs) {
      const bytes = Uint8Array.from(readFileSync(join(folder, `${codec}.orc`)));
      const { schema, batches, rows } = await readOrc(bytes);
      const columns = schema.fields.map(({ name }) => ({ name, cells: cellsOf(batches, name) }));
      const cellOf = (name: string, row: number) => columns.find((column) => column.name === name)!.cells[row];
      for (const row of [0, 999, 1_000, 17_123, 30_500, 59_999]) {
        const moment = (cellOf('moment', row) as bigint) / 1_000n;
        const [key, name] = [cellOf('key', row), cellOf('name', row)] as [bigint | null, string | null];
        const asked: ScanOptions[] = [
          { timeRange: { column: 'moment', range: { startUs: moment, endUs: moment + 600_000_000n } } },
          ...(key === null ? [] : [{ anyOf: { column: 'key', values: [key, 99n] } }]),
          ...(name === null ? [] : [{ anyOf: { column: 'name', values: [name] } }]),
        ];
        for (const options of asked) {
          const some = await readOrc(bytes, options);
          const found = cellsOf(some.batches, 'row').map(Number);
          // Of sixty bloom filters, some say yes by chance.
          assert.ok(found.includes(row) && some.rows < rows / 4, `${codec}: ${some.rows} rows for row ${row}`);
          for (const { name: column, cells } of columns) assert.deepEqual(cellsOf(some.batches, column), found.map((each) => cells[each]), `${codec}: ${column}`);
        }
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
