/**
 * Parquet and Delta of DuckDB, Polars and Arrow's C++ read by us, and ours read by them, value for value.
 *
 * What an engine holds is told by Arrow, straight from its memory; what stands in its file is read by us. DuckDB's own reader of
 * Delta is an extension that it fetches from the network, so Delta is Polars' alone.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { Table, tableFromIPC } from '../../src/arrow/arrow.ts';
import { canonicalTable, tablesEqual } from '../../src/arrow/canonical.ts';
import { toRows } from '../../src/arrow/values.ts';
import { openTable, writeTable } from '../../src/store/open-table.ts';
import { range, temporaryFolder } from '../support/store.ts';
import { batchFrom, type Cell, writable } from '../store/parquet/support.ts';
import { cellText, type CellText, type Columns, columnText, foundText, runPython, skipWithout } from './python.ts';

const skip = skipWithout('pyarrow', 'deltalake', 'duckdb', 'polars');

/** A table of every type that DuckDB stores in columns of values, `t`; a third of the values null, or none, or all. */
const duckdb = `
import duckdb
con = duckdb.connect()
con.execute("set timezone = 'UTC'")
types = {
    'flag': ('boolean', 'i % 3 = 0'), 'tiny': ('tinyint', 'i % 256 - 128'), 'small': ('smallint', 'i * 331 % 65536 - 32768'),
    'int': ('integer', 'hash(i)::int128 % 2147483648 - 1073741824'), 'big': ('bigint', 'hash(i)::int128 - 9223372036854775808'),
    'utiny': ('utinyint', 'i % 256'), 'usmall': ('usmallint', 'i * 331 % 65536'), 'uint': ('uinteger', 'hash(i) % 4294967296'), 'ubig': ('ubigint', 'hash(i)'),
    'real': ('real', "case i % 50 when 1 then 'nan' when 2 then 'inf' when 3 then '-inf' when 4 then -0.0 else sin(i) * 10 ** (i % 60 - 30) end"),
    'double': ('double', "case i % 50 when 1 then 'nan' when 2 then 'inf' when 3 then '-inf' when 4 then -0.0 else sin(i) * 10 ** (i % 600 - 300) end"),
    'decimal4': ('decimal(4,2)', '(hash(i)::int128 % 19999 - 9999) / 100'), 'decimal9': ('decimal(9,0)', 'hash(i)::int128 % 1999999999 - 999999999'),
    'decimal18': ('decimal(18,3)', "((hash(i)::int128 % 1999999999999999 - 999999999999999)::varchar || '.' || lpad((hash(i) % 1000)::varchar, 3, '0'))::decimal(18,3)"),
    'decimal38': ('decimal(38,10)', "((hash(i)::int128 - 9223372036854775808)::varchar || '.' || lpad((hash(i) % 10000000000)::varchar, 10, '0'))::decimal(38,10)"),
    'text': ('varchar', "case i % 7 when 0 then '' when 1 then 'ünïcödé 😀' else repeat('x', (i % 40)::int) || i end"), 'word': ('varchar', "['red', 'green', 'blue'][1 + i % 3]"),
    'blob': ('blob', "unhex(case i % 5 when 0 then '' else md5(i::varchar) end)"), 'day': ('date', "date '1970-01-01' + (hash(i) % 2000000)::int - 1000000"),
    'us': ('timestamp', 'make_timestamp((hash(i) % 400000000000000000)::bigint - 200000000000000000)'), 's': ('timestamp_s', 'make_timestamp(((hash(i) % 40000000000)::bigint - 20000000000) * 1000000)'),
    'ms': ('timestamp_ms', 'make_timestamp(((hash(i) % 40000000000000)::bigint - 20000000000000) * 1000)'), 'ns': ('timestamp_ns', 'make_timestamp_ns((hash(i) // 2)::bigint - 4611686018427387904)'),
    'zoned': ('timestamptz', 'to_timestamp(((hash(i) % 400000000000000000)::bigint - 200000000000000000) / 1000000)'),
    'choice': ("enum('a', 'b', 'c')", "['a', 'b', 'c'][1 + i % 3]"), 'json': ('json', "'{\\"a\\": ' || i || '}'"), 'uuid': ('uuid', "md5(i::varchar)::uuid"),
    'time': ('time', "make_time((i % 24)::bigint, (i % 60)::bigint, (i % 59)::double)"),
}
def make(rows, nulls):
    con.execute(f"create or replace table t as select " + ", ".join(f"case when (i * 7) % 10 < {nulls * 10} then null else ({value})::{kind} end as \\"{name}\\"" for name, (kind, value) in types.items()) + f" from range({rows}) r(i)")
def save(path, *options): con.execute(f"copy t to '{path}' (" + ", ".join(('format parquet',) + options) + ")")
`;

interface Saved {
  readonly columns: Columns;
  readonly names: readonly string[];
}

/** Reads files and compares each with what its engine had in memory. */
async function checkRead(saved: readonly Saved[], folder: string, shown: (column: string, cell: CellText) => CellText = (_, cell) => cell): Promise<void> {
  for (const { columns, names } of saved) {
    for (const name of names) {
      const table = await (await openTable(join(folder, name))).read();
      assert.deepEqual(table.schema.fields.map((field) => field.name), Object.keys(columns), name);
      for (const [column, text] of Object.entries(columns)) {
        assert.deepEqual(columnText(table, column), foundText(text).map((cell) => (cell === null ? null : shown(column, cell))), `${name}, column ${column}`);
      }
    }
  }
}

test('DuckDB writes every type, in every codec and both versions, and we read it', { skip }, async (t) => {
  const folder = temporaryFolder(t);
  const saved = runPython<Saved[]>(
    `${duckdb}
result = []
codecs = ['uncompressed', 'snappy', 'gzip', 'zstd', 'brotli', 'lz4', 'lz4_raw']
for rows, nulls in [(0, 0), (1, 0), (2500, 0), (2500, 0.3), (2500, 1)]:
    make(rows, nulls)
    names = []
    for version in ['v1', 'v2']:
        for codec in codecs:
            names.append(f'{rows}-{nulls}-{version}-{codec}.parquet')
            save(f'{paths[0]}/{names[-1]}', f'codec {codec}', f'parquet_version {version}', 'row_group_size 2048')
    result.append({'columns': columns(con.sql('from t').to_arrow_table()), 'names': names})`,
    folder,
  );
  // Parquet has UUIDs as their bytes, and no seconds.
  const stored: Readonly<Record<string, (cell: CellText) => string>> = { uuid: (cell) => `b:${String(cell).replaceAll('-', '')}`, s: (cell) => String(BigInt(cell as string) * 1_000_000n) };
  await checkRead(saved, folder, (column, cell) => stored[column]?.(cell) ?? cell);
});

test('DuckDB packs steps of 32-bit integers in more than 32 bits, which we read and Arrow does not', { skip }, async (t) => {
  const folder = temporaryFolder(t);
  runPython(`import duckdb
duckdb.sql("create table t as select i as n, (case when i % 2 = 0 then 2147483647 - i else i - 2147483648 end)::integer as i, (4294967295 - 7 * i)::uinteger as u, case when i % 3 = 0 then null else (hash(i)::int128 % 4294967296 - 2147483648)::integer end as h from range(5000) r(i)")
for name in ['v1-snappy'] + ['v2-' + codec for codec in ['snappy', 'uncompressed', 'zstd', 'gzip', 'brotli', 'lz4', 'lz4_raw']]: duckdb.sql(f"copy t to '{paths[0]}/{name}.parquet' (format parquet, parquet_version {name.split('-')[0]}, codec {name.split('-')[1]}, row_group_size 2048)")`, folder);
  const table = async (name: string): Promise<Table> => (await openTable(join(folder, `${name}.parquet`))).read();
  const wanted = await table('v1-snappy');
  assert.deepEqual(toRows(wanted).slice(0, 2).map(({ i, u }) => [i, u]), [[2_147_483_647, 4_294_967_295], [-2_147_483_647, 4_294_967_288]]);
  for (const codec of ['snappy', 'uncompressed', 'zstd', 'gzip', 'brotli', 'lz4', 'lz4_raw']) assert.ok(tablesEqual(await table(`v2-${codec}`), wanted), codec);
});

test('DuckDB: integers that Parquet lacks are doubles, as it writes them; intervals and nested columns are passed over by name', { skip }, async (t) => {
  const path = join(temporaryFolder(t), 'x.parquet');
  runPython(`import duckdb
duckdb.sql(f"copy (select 170141183460469231731687303715884105727::hugeint h, 5::uhugeint u, interval 1 day v, [1, 2] l, {{'a': 1}} s, map {{'k': 1}} m, '101'::bit b) to '{paths[0]}' (format parquet)")`, path);
  const opened = await openTable(path);
  const table = await opened.read();
  assert.deepEqual(toRows(table), [{ h: 2 ** 127, u: 5, b: '101' }]);
  for (const column of ['v', 'l', 's', 'm']) await assert.rejects(opened.read({ columns: [column] }), new RegExp(`${column}\\b`));
});

/** A frame of every type that Polars has, `frame(rows, nulls)`. */
const polars = `
import polars as pl, random
from datetime import datetime, date, time, timedelta
from decimal import Decimal
def frame(rows, nulls):
    random.seed(7)
    some = lambda value: [None if i * 7 % 10 < nulls * 10 else value(i) for i in range(rows)]
    whole = lambda bits, signed: some(lambda i: random.getrandbits(bits) - (1 << (bits - 1) if signed else 0))
    special = [float('nan'), float('inf'), float('-inf'), -0.0]
    floating = lambda: some(lambda i: special[i % 50] if i % 50 < 4 else random.gauss(0, 1) * 10.0 ** (i % 60 - 30))
    series = lambda values, kind: pl.Series(values, dtype=kind, strict=False)
    digits = lambda p, s: series(some(lambda i: Decimal(random.randint(1 - 10 ** p, 10 ** p - 1)).scaleb(-s, Context(prec=60))), pl.Decimal(p, s))
    return pl.DataFrame({
        'flag': series(some(lambda i: i % 3 == 0), pl.Boolean),
        **{f'i{bits}': series(whole(bits, True), kind) for bits, kind in [(8, pl.Int8), (16, pl.Int16), (32, pl.Int32), (64, pl.Int64)]},
        **{f'u{bits}': series(whole(bits, False), kind) for bits, kind in [(8, pl.UInt8), (16, pl.UInt16), (32, pl.UInt32), (64, pl.UInt64)]},
        'f32': series(floating(), pl.Float32), 'f64': series(floating(), pl.Float64),
        'd4': digits(4, 2), 'd9': digits(9, 0), 'd18': digits(18, 3), 'd38': digits(38, 10),
        'text': series(some(lambda i: '' if i % 7 == 0 else 'ünïcödé 😀' if i % 7 == 1 else 'x' * (i % 40) + str(i)), pl.String),
        'word': series(some(lambda i: ['red', 'green', 'blue'][i % 3]), pl.Categorical), 'choice': series(some(lambda i: 'abc'[i % 3]), pl.Enum(['a', 'b', 'c'])),
        'blob': series(some(lambda i: random.randbytes(i % 20)), pl.Binary), 'day': series(whole(20, True), pl.Int32).cast(pl.Date),
        'ms': series(whole(44, True), pl.Int64).cast(pl.Datetime('ms')), 'us': series(whole(56, True), pl.Int64).cast(pl.Datetime('us')), 'ns': series(whole(63, True), pl.Int64).cast(pl.Datetime('ns')),
        'zoned': series(whole(56, True), pl.Int64).cast(pl.Datetime('us', 'Europe/Berlin')), 'time': series(some(lambda i: random.randrange(86_400_000_000_000)), pl.Int64).cast(pl.Time),
    })
`;

test('Polars writes every type, in every codec, and we read it', { skip }, async (t) => {
  const folder = temporaryFolder(t);
  const saved = runPython<Saved[]>(
    `${polars}
result = []
for rows, nulls in [(0, 0), (1, 0), (2500, 0), (2500, 0.3), (2500, 1)]:
    df = frame(rows, nulls)
    names = []
    for codec in ['uncompressed', 'snappy', 'gzip', 'brotli', 'lz4', 'zstd']:
        for pages in [None, 2000]:
            names.append(f'{rows}-{nulls}-{codec}-{pages}.parquet')
            df.write_parquet(f'{paths[0]}/{names[-1]}', compression=codec, data_page_size=pages, row_group_size=1000, statistics='full')
    result.append({'columns': columns(df.to_arrow()), 'names': names})`,
    folder,
  );
  await checkRead(saved, folder);
});

test('Arrow writes what both have in memory, in both kinds of pages and every codec, and we read it', { skip }, async (t) => {
  const folder = temporaryFolder(t);
  const saved = runPython<Saved[]>(
    `${polars}
import pyarrow.parquet as pq
result = []
for rows, nulls in [(0, 0), (2500, 0.3), (2500, 1)]:
    table = frame(rows, nulls).to_arrow()
    names = []
    for codec in ['none', 'snappy', 'gzip', 'brotli', 'lz4', 'zstd']:
        for pages in ['1.0', '2.0']:
            for dictionary in [True, False]:
                names.append(f'{rows}-{nulls}-{codec}-{pages}-{dictionary}.parquet')
                pq.write_table(table, f'{paths[0]}/{names[-1]}', compression=codec, data_page_version=pages, use_dictionary=dictionary, row_group_size=1000, data_page_size=2000,
                    write_page_index=True, write_page_checksum=True, store_schema=dictionary, store_decimal_as_integer=pages == '2.0')
    result.append({'columns': columns(table), 'names': names})`,
    folder,
  );
  await checkRead(saved, folder);
});

test('a million rows of DuckDB and of Polars are the rows that they had', { skip }, async (t) => {
  const folder = temporaryFolder(t);
  runPython(
    `import duckdb, polars as pl, pyarrow as pa
con = duckdb.connect()
con.execute("""create table t as select i, hash(i)::double / 7 as x, case when i % 11 = 0 then null else (hash(i) % 100000)::int end as k, case when i % 3 = 0 then null else 'name ' || (hash(i) % 5000) end as name,
    make_timestamp(i * 1000003) as at, (hash(i) % 1000000000000)::decimal(18,2) as amount, md5(i::varchar) as text, i % 5 = 0 as flag from range(1000000) r(i)""")
for version in ['v1', 'v2']: con.execute(f"copy t to '{paths[0]}/duckdb-{version}.parquet' (format parquet, codec zstd, parquet_version {version})")
table = con.sql('from t').to_arrow_table()
df = pl.from_arrow(table)
for codec in ['zstd', 'snappy']: df.write_parquet(f'{paths[0]}/polars-{codec}.parquet', compression=codec)
with pa.ipc.new_stream(f'{paths[0]}/expected.arrow', table.schema) as out: out.write_table(table)`,
    folder,
  );
  const expected = tableFromIPC(readFileSync(join(folder, 'expected.arrow')));
  for (const name of ['duckdb-v1', 'duckdb-v2', 'polars-zstd', 'polars-snappy']) {
    const found = await (await openTable(join(folder, `${name}.parquet`))).read();
    assert.equal(found.numRows, 1_000_000);
    assert.ok(tablesEqual(canonicalTable(found.schema, found.batches), canonicalTable(found.schema, expected.batches as never)), name);
  }
});

test('folders with a partition in each name, as both write them, are one table', { skip }, async (t) => {
  const folder = temporaryFolder(t);
  runPython(
    `import duckdb, polars as pl
con = duckdb.connect()
con.execute(f"copy (select i, ['red', 'a b', 'ü/%'][1 + i % 3] as shop, (i % 2)::int as half from range(60) r(i)) to '{paths[0]}/duckdb' (format parquet, partition_by (shop, half))")
pl.DataFrame({'i': list(range(60)), 'shop': [['red', 'a b', 'ü/%'][i % 3] for i in range(60)], 'half': [i % 2 for i in range(60)]}).write_parquet(f'{paths[0]}/polars/', partition_by=['shop', 'half'], mkdir=True)`,
    folder,
  );
  const wanted = range(0, 60).map((i) => ({ i, shop: ['red', 'a b', 'ü/%'][i % 3], half: i % 2 }));
  for (const engine of ['duckdb', 'polars']) {
    const rows = toRows(await (await openTable(join(folder, engine))).read());
    assert.deepEqual(rows.sort((a, b) => Number(a.i) - Number(b.i)).map(({ i, shop, half }) => ({ i, shop, half: Number(half) })), wanted, engine);
  }
});

// ---- ours, read by them

/** `read(path)` of each engine gives an Arrow table. */
const readers = `
import duckdb, polars as pl, pyarrow.parquet as pq
con = duckdb.connect()
con.execute("set timezone = 'UTC'")
read = {
    'duckdb': lambda path: con.sql(f"from read_parquet('{path}')").to_arrow_table(),
    'polars': lambda path: pl.read_parquet(path).to_arrow(),
    'pyarrow': lambda path: pq.read_table(path),
}
`;

const int = (bits: number): fc.Arbitrary<bigint> => fc.bigInt({ min: -(2n ** BigInt(bits - 1)), max: 2n ** BigInt(bits - 1) - 1n });
const small = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });
const text = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 40 }), fc.constantFrom('', 'a', 'b'));
const hex = fc.uint8Array({ maxLength: 20 }).map((bytes) => `b:${Buffer.from(bytes).toString('hex')}`);
const decimal = (digits: bigint): fc.Arbitrary<bigint> => fc.bigInt({ min: 1n - 10n ** digits, max: 10n ** digits - 1n });

const values: Readonly<Record<keyof typeof writable, fc.Arbitrary<Cell>>> = {
  bool: fc.boolean(), int8: small(-128, 127), int16: small(-32_768, 32_767), int32: small(-(2 ** 31), 2 ** 31 - 1), int64: int(64), uint8: small(0, 255), uint16: small(0, 65_535),
  uint32: small(0, 2 ** 32 - 1), uint64: int(64).map((value) => value + 2n ** 63n), half: fc.constantFrom(0x3c00, 0xc000, 1, 0x7e00, 0x8000), float: fc.float(), double: fc.double(),
  utf8: text, largeUtf8: text, binary: hex, largeBinary: hex, day: small(-700_000, 2_900_000), date64: small(-700_000, 2_900_000).map((day) => BigInt(day) * 86_400_000n),
  s: int(43), ms: int(52), us: int(60), ns: int(63), sZone: int(38), msZone: int(48), usZone: int(58), nsZone: int(63), decimal: decimal(38n), smallDecimal: decimal(9n),
};

/** Instants in the unit that an engine has them in, as microseconds, or nanoseconds where those are ours. */
function inUnit(name: string, cell: bigint, type: string): string {
  const perSecond: Readonly<Record<string, bigint>> = { s: 1n, ms: 1_000n, us: 1_000_000n, ns: 1_000_000_000n };
  const own = name === 'date64' ? 'ms' : name.replace('Zone', '');
  const found = /^timestamp\[(s|ms|us|ns)/.exec(type)![1]!;
  return String((cell * perSecond[found]!) / perSecond[own]!);
}

test('DuckDB, Polars and pyarrow read every type of ours, with nulls, and none', { skip }, async (t) => {
  const folder = temporaryFolder(t);
  const tables = [[300, 1], [300, 0.5], [300, 0], [0, 0]].map(([rows, nullWeight], i) =>
    Object.fromEntries(Object.entries(values).map(([name, cells], seed) => {
      const some = rows === 0 ? [] : fc.sample(cells, { numRuns: rows!, seed: 100 * i + seed });
      return [name, { type: writable[name]!, cells: some.map((cell, row) => ((row * 7) % 10 < 10 * nullWeight! ? null : cell)) }];
    })));
  const paths = tables.map((_, i) => join(folder, `${i}`));
  for (const [i, path] of paths.entries()) await writeTable(path, new Table([batchFrom(tables[i]!)]), { format: 'parquet' });
  const read = runPython<Record<string, Columns>[]>(`${readers}\nimport glob\nresult = [{engine: columns(each(glob.glob(path + '/*.parquet')[0])) for engine, each in read.items()} for path in paths if glob.glob(path + '/*.parquet')]`, ...paths);
  for (const [i, engines] of read.entries()) {
    for (const [engine, columns] of Object.entries(engines)) {
      for (const [name, { type, cells }] of Object.entries(tables[i]!)) {
        const found = columns[name]!;
        const isInstant = found.type.startsWith('timestamp');
        const wanted = cells.map((cell) => (cell !== null && isInstant ? inUnit(name, cell as bigint, found.type) : cellText(cell, type)));
        const asDays = name === 'date64' && found.type.startsWith('date32');
        assert.deepEqual(foundText(found), asDays ? wanted.map((cell) => cell && String(BigInt(cell as string) / 86_400_000n)) : wanted, `${engine}, ${name}, table ${i}`);
      }
    }
  }
});

test('DuckDB and Polars read the folder of a partitioned table of ours, and a million rows', { skip }, async (t) => {
  const folder = temporaryFolder(t);
  const rows = 1_000_000;
  const batch = batchFrom({
    n: { type: writable.int64!, cells: Array.from({ length: rows }, (_, i) => BigInt(i) * 7_919n) }, x: { type: writable.double!, cells: Array.from({ length: rows }, (_, i) => (i % 13 === 0 ? null : i / 7)) },
    name: { type: writable.utf8!, cells: Array.from({ length: rows }, (_, i) => `name ${i % 977}`) }, shop: { type: writable.utf8!, cells: Array.from({ length: rows }, (_, i) => ['red', 'a b', 'blue'][i % 3]!) },
  });
  await writeTable(join(folder, 't'), new Table([batch]), { format: 'parquet', partitionBy: 'shop' });
  // Both sums are of whole numbers below 2^53, so they are the same in any order.
  const ask = "count(*)::bigint, sum(n)::bigint, sum(floor(x))::bigint, count(x)::bigint, count(distinct name)::bigint";
  const found = runPython<{ duckdb: (string | number)[][]; polars: (string | number)[][] }>(
    `import duckdb, polars as pl
path = paths[0] + '/t/shop=*/*.parquet'
polars = pl.scan_parquet(path, hive_partitioning=True).group_by('shop').agg(pl.len(), pl.col('n').sum(), pl.col('x').floor().sum().cast(pl.Int64), pl.col('x').count().alias('xs'), pl.col('name').n_unique()).sort('shop')
result = {'duckdb': duckdb.sql(f"select shop, ${ask} from read_parquet('{path}', hive_partitioning = true) group by shop order by shop").fetchall(), 'polars': polars.collect().rows()}`,
    folder,
  );
  const wanted = ['a b', 'blue', 'red'].map((shop) => {
    const mine = range(0, rows).filter((i) => ['red', 'a b', 'blue'][i % 3] === shop);
    const valid = mine.filter((i) => i % 13 !== 0);
    return [shop, mine.length, mine.reduce((sum, i) => sum + i * 7_919, 0), valid.reduce((sum, i) => sum + Math.floor(i / 7), 0), valid.length, new Set(mine.map((i) => i % 977)).size];
  });
  assert.deepEqual(found.duckdb, wanted);
  assert.deepEqual(found.polars, wanted);
});

// ---- Delta

test('Polars writes Delta of every type that Delta has, in partitions too, and we read it', { skip }, async (t) => {
  const folder = temporaryFolder(t);
  const saved = runPython<Saved[]>(
    `${polars}
result = []
for i, (rows, nulls) in enumerate([(0, 0), (2500, 0), (2500, 0.3), (2500, 1)]):
    # Delta has neither times nor unsigned integers, and delta-rs cannot write the dictionaries of Polars.
    df = frame(rows, nulls).drop('time', 'u8', 'u16', 'u32', 'u64', 'word', 'choice')
    path = f'{paths[0]}/{i}'
    df.write_delta(path)
    result.append({'columns': columns(pl.read_delta(path).to_arrow()), 'names': [str(i)]})`,
    folder,
  );
  await checkRead(saved, folder);
  const rows = runPython<{ i: number; shop: string | null; day: string | null }[]>(
    `import polars as pl
from datetime import date
df = pl.DataFrame({'i': list(range(60)), 'shop': [['red', 'a b', 'ü/%', None][i % 4] for i in range(60)], 'day': [[date(2024, 2, 29), None, date(1969, 12, 31)][i % 3] for i in range(60)]})
df.head(40).write_delta(paths[0], delta_write_options={'partition_by': ['shop', 'day']})
df.tail(20).write_delta(paths[0], mode='append')
result = [{**row, 'day': row['day'] and row['day'].isoformat()} for row in df.rows(named=True)]`,
    join(folder, 'parts'),
  );
  const found = toRows(await (await openTable(join(folder, 'parts'))).read());
  assert.deepEqual(found.sort((a, b) => Number(a.i) - Number(b.i)), rows);
});

test('Polars reads Delta of ours: by version, in partitions, behind checkpoints', { skip }, async (t) => {
  const path = join(temporaryFolder(t), 't');
  const rowsFrom = (first: number, count: number): Table => new Table([batchFrom({
    n: { type: writable.int32!, cells: range(first, count) }, shop: { type: writable.utf8!, cells: range(first, count).map((n) => ['a b', 'ü/%', null][n % 3]!) },
    amount: { type: writable.decimal!, cells: range(first, count).map((n) => (n % 5 === 0 ? null : 10n ** 37n - BigInt(n))) }, at: { type: writable.usZone!, cells: range(first, count).map((n) => BigInt(n) * 1_000_003n) },
  })]);
  for (let i = 0; i < 12; i++) await writeTable(path, rowsFrom(10 * i, 10), { format: 'delta', mode: 'append', partitionBy: 'shop' });
  await writeTable(path, rowsFrom(900, 3), { mode: 'overwrite' });
  const read = runPython<{ n: number[]; shop: (string | null)[]; amount: (string | null)[]; at: number[] }[]>(
    `import polars as pl
result = []
for version in [0, 5, 11, 12]:
    df = pl.scan_delta(paths[0], version=version).sort('n').collect()
    result.append({'n': df['n'].to_list(), 'shop': df['shop'].to_list(), 'amount': [None if v is None else str(v) for v in df['amount']], 'at': df['at'].dt.epoch('us').to_list()})`,
    path,
  );
  for (const [i, version] of [0, 5, 11, 12].entries()) {
    const rows = toRows(await (await openTable(path, { version })).read({ columns: ['n', 'shop', 'amount'] })).sort((a, b) => Number(a.n) - Number(b.n));
    const { n, shop, amount, at } = read[i]!;
    assert.deepEqual(n.map((each, k) => ({ n: each, shop: shop[k], amount: amount[k] })), rows, `version ${version}`);
    assert.deepEqual(at, n.map((each) => each * 1_000_003));
  }
});
