/**
 * Reading ORC: open → plan → scan, as Parquet is read.
 *
 *   open   footer.ts: what the end of the file says
 *   plan   which stripes; pure
 *   scan   read-stripe.ts, stripe by stripe: row groups that may have wanted rows, decoded, in batches
 */
import { DataType, Field, makeData, RecordBatch, Schema, Struct } from '../../arrow/arrow.ts';
import { SchemaMismatchError, throwIfCancelled, UnsupportedError } from '../../base/errors.ts';
import { didYouMean } from '../../base/names.ts';
import type { FileBytes } from '../bytes.ts';
import type { ScanOptions, TimeSpan } from '../table.ts';
import { joinSpans } from '../time-span.ts';
import type { OrcColumn, OrcFile, OrcStripe } from './footer.ts';
import { readStripe } from './read-stripe.ts';
import { keyFilter, mightHave, type RowFilter, timeSpanOf } from './statistics.ts';

/** What a scan of one file reads. `bytes` is what the stripes have at most. */
export interface OrcPlan {
  readonly columns: readonly string[];
  readonly stripes: readonly number[];
  readonly rows: number;
  readonly bytes: number;
  /** Which rows are wanted, as it was asked. */
  readonly wanted: Wanted;
}

type Wanted = Pick<ScanOptions, 'timeRange' | 'anyOf'>;

export interface OrcScanOptions {
  readonly signal?: AbortSignal;
  /** Whether row groups without wanted rows may be left out. Absent: they may. */
  readonly pruned?: boolean;
}

const batchRows = 65_536;

/** Throws SchemaMismatchError for a column that is not there, UnsupportedError for one that cannot be read. */
export function planOrc(file: OrcFile, options: ScanOptions = {}): OrcPlan {
  const columns = options.columns ?? file.schema.fields.map((field) => field.name);
  for (const column of columns) columnOf(file, column);
  const wanted: Wanted = { ...(options.timeRange && { timeRange: options.timeRange }), ...(options.anyOf && { anyOf: options.anyOf }) };
  const filters = filtersOf(file, wanted);
  const stripes = file.stripes.flatMap(({ rows, statistics }, index) =>
    rows > 0 && filters.every((filter) => mightHave(filter, statistics?.[filter.column.id])) ? [index] : [],
  );
  return planOf(file, columns, stripes, wanted);
}

function filtersOf(file: OrcFile, { timeRange, anyOf }: Wanted): RowFilter[] {
  const time = timeRange && { column: timeColumn(file, timeRange.column), range: timeRange.range };
  const key = anyOf && file.columns.get(anyOf.column);
  return [time, key && keyFilter(key, anyOf!.values, file.writerVersion)].filter((filter) => filter !== undefined);
}

function planOf(file: OrcFile, columns: readonly string[], stripes: readonly number[], wanted: Wanted): OrcPlan {
  const sum = (count: (stripe: OrcStripe) => number): number => stripes.reduce((total, index) => total + count(file.stripes[index]!), 0);
  return {
    columns, stripes, rows: sum(({ rows }) => rows), bytes: columns.length === 0 ? 0 : sum(({ dataLength, footerLength }) => dataLength + footerLength), wanted,
  };
}

/** The plan in parts of neighbouring stripes, `rowsMin` of the rows before each telling how many it has at least. Pure. */
export function cutOrcPlan(file: OrcFile, plan: OrcPlan, rowsMin: (done: number) => number): OrcPlan[] {
  const parts: OrcPlan[] = [];
  let [start, rows, done] = [0, 0, 0];
  plan.stripes.forEach((index, at) => {
    rows += file.stripes[index]!.rows;
    if (rows < rowsMin(done) && at < plan.stripes.length - 1) return;
    parts.push(planOf(file, plan.columns, plan.stripes.slice(start, at + 1), plan.wanted));
    [start, rows, done] = [at + 1, 0, done + rows];
  });
  return parts;
}

/** The rows of the plan, in file order. Text that the file keeps as a dictionary comes as one, in schemas too. */
export async function* scanOrc(bytes: FileBytes, file: OrcFile, plan: OrcPlan, { signal, pruned = true }: OrcScanOptions = {}): AsyncGenerator<RecordBatch, void, void> {
  const columns = plan.columns.map((column) => columnOf(file, column));
  const filters = pruned ? filtersOf(file, plan.wanted) : [];
  for (const index of plan.stripes) {
    throwIfCancelled(signal, `reading ${file.name}`);
    const parts = columns.length === 0 ? [{ rows: file.stripes[index]!.rows, data: [] }] : await readStripe(bytes, file, columns, index, filters);
    for (const { rows, data } of parts) {
      const schema = new Schema(columns.map(({ name }, i) => new Field(name, data[i]!.type, true)));
      for (let start = 0; start < rows; start += batchRows) {
        throwIfCancelled(signal, `reading ${file.name}`);
        const length = Math.min(batchRows, rows - start);
        const children = data.map((column) => (rows === length ? column : column.slice(start, length)));
        yield new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length, nullCount: 0, children }));
      }
    }
  }
}

function columnOf(file: OrcFile, name: string): OrcColumn {
  const column = file.columns.get(name);
  if (column !== undefined) return column;
  const passedOver = file.passedOver.find((candidate) => candidate.column === name);
  if (passedOver !== undefined) throw new UnsupportedError(file.name, `column ${name}`, `column ${name} cannot be read: ${passedOver.why}`);
  const names = [...file.columns.keys()];
  throw new SchemaMismatchError(file.name, name, `there is no such column; there are ${names.join(', ')}${didYouMean(name, names)}`);
}

function timeColumn(file: OrcFile, name: string): OrcColumn {
  const column = columnOf(file, name);
  if (DataType.isTimestamp(column.type) || DataType.isDate(column.type)) return column;
  throw new SchemaMismatchError(file.name, name, `it is ${column.type}, but event time is a timestamp or a date`);
}

/** The event times of the file's rows, as far as the statistics of all its stripes tell. */
export function orcTimeSpan(file: OrcFile, name: string): TimeSpan | undefined {
  const column = timeColumn(file, name);
  return joinSpans(file.stripes.filter(({ rows }) => rows > 0).map(({ rows, statistics }) => timeSpanOf(column, rows, statistics?.[column.id])));
}
