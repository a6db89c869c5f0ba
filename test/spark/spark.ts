/**
 * Spark with Delta, as tests use it: one session for a test file, which runs scripts and gives back what they set `result` to.
 *
 * The Python that has pyspark and delta-spark is named by TAURO_SPARK; `npm run test:spark` installs both and says so. Without it
 * these tests are left out.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import type { Table } from '../../src/arrow/arrow.ts';
import { type Columns, columnText, type ColumnText, foundText } from '../interop/python.ts';

export const sparkPython = process.env.TAURO_SPARK;

export const skip = sparkPython === undefined ? 'TAURO_SPARK names no Python with pyspark and delta-spark: run `npm run test:spark`' : false;

/** Lines of JSON in, `{"script":…,"paths":[…]}`, and out, behind a mark: other lines are Spark's own. */
const server = `
import sys, json, traceback
from datetime import date, datetime, timezone, timedelta
from decimal import Decimal
from delta import DeltaTable, configure_spark_with_delta_pip
from pyspark.sql import SparkSession, functions as F, types as T
builder = SparkSession.builder.master('local[2]').config('spark.ui.enabled', 'false').config('spark.driver.memory', '2g')
settings = {
    'spark.sql.extensions': 'io.delta.sql.DeltaSparkSessionExtension', 'spark.sql.catalog.spark_catalog': 'org.apache.spark.sql.delta.catalog.DeltaCatalog',
    'spark.sql.shuffle.partitions': '2', 'spark.databricks.delta.snapshotPartitions': '2', 'spark.sql.session.timeZone': sys.argv[1], 'spark.ui.showConsoleProgress': 'false',
    'spark.driver.extraJavaOptions': '-Duser.timezone=' + sys.argv[1], 'spark.databricks.delta.retentionDurationCheck.enabled': 'false', 'spark.databricks.delta.allowArbitraryProperties.enabled': 'true',
    # Times before 1900 as they are, not as old calendars had them.
    'spark.sql.parquet.int96RebaseModeInWrite': 'CORRECTED', 'spark.sql.parquet.datetimeRebaseModeInWrite': 'CORRECTED',
}
for key, value in settings.items(): builder = builder.config(key, value)
spark = configure_spark_with_delta_pip(builder).getOrCreate()
spark.sparkContext.setLogLevel('ERROR')

def columns(df):
    """Each column's type and its values as text, in the order of n, as test/interop/python.ts has them."""
    def text(field):
        column, kind = F.col('\`' + field.name + '\`'), field.dataType.typeName()
        if kind == 'timestamp': return F.unix_micros(column).cast('string')
        if kind == 'timestamp_ntz': return F.unix_micros(column.cast('timestamp')).cast('string')
        if kind == 'date': return F.unix_date(column).cast('string')
        if kind == 'binary': return F.concat(F.lit('b:'), F.lower(F.hex(column)))
        if kind == 'float': return column.cast('double').cast('string')
        return column if kind == 'boolean' else column.cast('string')
    rows = df.orderBy('n').select(*[text(field).alias(field.name) for field in df.schema.fields]).collect()
    def cells(i, field):
        whole = field.dataType.typeName() == 'decimal'
        return [str(int(row[i].replace('.', ''))) if whole and row[i] is not None else row[i] for row in rows]
    return {field.name: {'type': field.dataType.simpleString(), 'cells': cells(i, field)} for i, field in enumerate(df.schema.fields)}

def frame(rows, nulls, extra={}):
    """Every type that Spark has in columns of values; n counts the rows."""
    h = "abs(xxhash64(id))"
    special = lambda value: f"case id % 50 when 1 then double('NaN') when 2 then double('Infinity') when 3 then double('-Infinity') when 4 then double(-0.0) else {value} end"
    values = {
        'flag': ('boolean', 'id % 3 = 0'), 'tiny': ('tinyint', 'id % 256 - 128'), 'small': ('smallint', 'id * 331 % 65536 - 32768'), 'int': ('int', 'xxhash64(id) % 2147483648'), 'big': ('bigint', 'xxhash64(id)'),
        'real': ('float', special('sin(id) * pow(10, id % 60 - 30)')), 'double': ('double', special('sin(id) * pow(10, id % 600 - 300)')),
        'decimal4': ('decimal(4,2)', '(xxhash64(id) % 9999) / 100'), 'decimal9': ('decimal(9,0)', 'xxhash64(id) % 999999999'), 'decimal18': ('decimal(18,3)', "concat(xxhash64(id) % 999999999999999, '.', lpad(id % 1000, 3, '0'))"),
        'decimal38': ('decimal(38,10)', "concat(xxhash64(id), lpad(id % 100000, 5, '0'), '.', lpad(id % 10000, 10, '0'))"),
        'text': ('string', "case id % 7 when 0 then '' when 1 then 'ünïcödé 😀' else concat(repeat('x', int(id % 40)), id) end"), 'word': ('string', "element_at(array('red', 'green', 'blue'), int(1 + id % 3))"),
        'blob': ('binary', "case id % 5 when 0 then binary('') else unhex(md5(string(id))) end"), 'day': ('date', f"date_from_unix_date(int({h} % 1500000 - 500000))"),
        'at': ('timestamp', f"timestamp_micros({h} % 100000000000000000 - 30000000000000000)"), 'local': ('timestamp_ntz', f"cast(timestamp_micros({h} % 100000000000000000 - 30000000000000000) as timestamp_ntz)"),
        **extra,
    }
    null = f"(id * 7) % 10 < {nulls * 10}"
    return spark.range(0, rows, 1, 2).selectExpr('id as n', *[f"case when {null} then null else cast({value} as {kind}) end as {name}" for name, (kind, value) in values.items()])

print('<<<', json.dumps('ready'), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    try:
        names = {**globals(), 'paths': request['paths'], 'result': None}
        exec(request['script'], names)
        print('<<<', json.dumps({'result': names['result']}), flush=True)
    except BaseException as thrown:
        print('<<<', json.dumps({'failure': str(thrown)[:1500] + traceback.format_exc()[-3000:]}), flush=True)
`;

export class Spark {
  private constructor(
    private readonly child: ChildProcess,
    private readonly lines: Interface,
  ) {}

  static async start(zone = 'UTC'): Promise<Spark> {
    const child = spawn(sparkPython!, ['-c', server, zone], { stdio: ['pipe', 'pipe', process.env.TAURO_SPARK_LOG === undefined ? 'ignore' : 'inherit'] });
    const spark = new Spark(child, createInterface({ input: child.stdout! }));
    await spark.answer();
    return spark;
  }

  /** Scripts have `spark`, `F`, `T`, `paths` and `columns`. */
  async run<Result>(script: string, ...paths: readonly string[]): Promise<Result> {
    this.child.stdin!.write(`${JSON.stringify({ script, paths })}\n`);
    const { failure, result } = (await this.answer()) as { readonly failure?: string; readonly result?: Result };
    assert.equal(failure, undefined, failure);
    return result as Result;
  }

  async stop(): Promise<void> {
    this.child.stdin!.end();
    if (this.child.exitCode === null) await once(this.child, 'exit');
  }

  private answer(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const end = (work: () => void): void => {
        this.lines.off('line', read);
        this.child.off('exit', ended);
        work();
      };
      const read = (line: string): void => {
        if (line.startsWith('<<< ')) end(() => resolve(JSON.parse(line.slice(4))));
      };
      const ended = (): void => end(() => reject(new Error('Spark has ended; TAURO_SPARK_LOG=1 shows why')));
      this.lines.on('line', read);
      this.child.on('exit', ended);
    });
  }
}

/** Asserts that a table of ours has the columns that Spark has, in the order of their column `n`. */
export function checkColumns(table: Table, columns: Columns, where: string, shown: (column: string, found: ColumnText) => readonly unknown[] = (_, found) => foundText(found)): void {
  assert.deepEqual(table.schema.fields.map(({ name }) => name).sort(), Object.keys(columns).sort(), where);
  const n = columnText(table, 'n').map(Number);
  const order = n.map((_, row) => row).sort((a, b) => n[a]! - n[b]!);
  for (const [column, found] of Object.entries(columns)) {
    const ours = columnText(table, column);
    assert.deepEqual(order.map((row) => ours[row]), shown(column, found), `${where}, column ${column}`);
  }
}
