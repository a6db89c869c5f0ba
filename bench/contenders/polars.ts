/** Polars, lazily, with as many threads as POLARS_MAX_THREADS says: it must be in the environment before it is loaded. */
import { arrowStream, since } from '../support/dataset.ts';
import { keyColumns, type KeyValue } from '../support/keys.ts';
import { type Contender, type Open, parquetPath } from './contender.ts';
import { importRival, notInstalled } from './rivals.ts';

interface Expression {
  sum(): Expression;
  mean(): Expression;
  count(): Expression;
  max(): Expression;
  alias(name: string): Expression;
  gtEq(other: Expression): Expression;
  cast(type: unknown): Expression;
}

interface Series {
  readonly nullCount: () => number;
  cast(type: unknown): Series;
  toArray(): unknown[];
  toTypedArray(): ArrayLike<never>;
}

interface Frame {
  lazy(): LazyFrame;
  getColumn(name: string): Series;
}

interface LazyFrame {
  filter(condition: Expression): LazyFrame;
  groupBy(keys: readonly string[]): { agg(...columns: Expression[]): LazyFrame };
  collect(): Promise<Frame>;
}

interface Polars {
  readonly default: {
    readIPCStream(bytes: Buffer): Frame;
    scanParquet(path: string): LazyFrame;
    col(name: string): Expression;
    lit(value: unknown): Expression;
    readonly Utf8: unknown;
    readonly Int64: unknown;
  };
}

export const openPolars: Open = async (place) => {
  const { question } = place;
  const polars = (await importRival<Polars>('nodejs-polars'))?.default;
  if (polars === undefined) return notInstalled;
  const { col, lit } = polars;
  const frame = question.from === 'memory' ? polars.readIPCStream(Buffer.from(arrowStream(place.dataset))) : undefined;
  const keys = keyColumns(question.key).map(({ name }) => name);
  const run = (): Promise<Frame> => {
    let rows = frame?.lazy() ?? polars.scanParquet(parquetPath(place));
    if (question.days === 'last 30') rows = rows.filter(col('date').gtEq(lit(new Date(Number(since.us / 1000n)))));
    const amount = col('amount');
    return rows.groupBy(keys).agg(amount.sum().alias('total'), amount.mean().alias('average'), amount.count().alias('counted'), col('date').max().alias('newest')).collect();
  };
  const contender: Contender = {
    run,
    close: async () => undefined,
    async answer() {
      const result = await run();
      const numbers = (name: string, type?: unknown): ArrayLike<never> => {
        const series = type === undefined ? result.getColumn(name) : result.getColumn(name).cast(type);
        return series.nullCount() === 0 ? series.toTypedArray() : (series.toArray() as never[]);
      };
      const counts = numbers('counted') as ArrayLike<number>;
      const sums = numbers('total') as ArrayLike<number>;
      return {
        keys: keyColumns(question.key).map(({ name, sqlType }) =>
          sqlType === 'INTEGER' || sqlType === 'BIGINT' ? numbers(name) : (result.getColumn(name).cast(polars.Utf8).toArray() as KeyValue[]),
        ),
        // Its sum of nothing is 0, ours and DuckDB's null.
        sums: question.nullPercent === 0 ? sums : Array.from(sums, (sum, i) => (counts[i] === 0 ? null : sum)),
        means: numbers('average'),
        counts,
        newest: numbers('newest', polars.Int64),
      };
    },
  };
  return contender;
};
