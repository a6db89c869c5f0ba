/**
 * Tables on their own, as `index.ts` opens them: whoever asks for a stretch of event time gets its rows and no others, where a scan of the
 * store may bring more.
 */
import { DataType, type RecordBatch, Schema, Table } from '../arrow/arrow.ts';
import { ArgumentError } from '../base/errors.ts';
import { type Instant, parseInstant, resolveTimeRange, type TimeRange, type TimeRangeInput } from '../base/time.ts';
import { filterTimeRange } from '../engine/group-by.ts';
import { openTable as openStored, type OpenedTable as StoredTable, type OpenTableOptions } from '../store/open-table.ts';
import type { ScanOptions, ScanPlan } from '../store/table.ts';

export interface ReadOptions {
  /** Columns to read, in this order; absent: all that are not nested. */
  readonly columns?: readonly string[];
  /** Only rows whose event time lies in it: `'30d'` ends at `asOf`. Null event times are in no range. */
  readonly timeRange?: TimeRangeInput;
  /** The column of the event time; may be left out where only one column has dates or timestamps. */
  readonly timestamp?: string;
  /** By default now. */
  readonly asOf?: Instant;
  readonly signal?: AbortSignal;
}

/** One version of a table. */
export interface OpenedTable {
  readonly schema: Schema;
  readonly version: string;
  readonly format: StoredTable['format'];
  read(options?: ReadOptions): Promise<Table>;
  /** The same rows, a batch at a time. */
  scan(options?: ReadOptions): AsyncGenerator<RecordBatch, void, void>;
  /** What of it a read would open and fetch. */
  plan(options?: ReadOptions): Promise<ScanPlan>;
}

/** `now` is what a length of time ends at where the caller names no `asOf`. */
export async function openTable(path: string, options: OpenTableOptions | undefined, now: () => Date): Promise<OpenedTable> {
  const stored = await openStored(path, options);
  const { schema, version, format } = stored;
  return {
    schema, version, format,
    plan: async (asked = {}) => stored.plan(requestOf(schema, asked, now).scan),
    scan: (asked = {}) => rowsOf(stored, requestOf(schema, asked, now)),
    async read(asked = {}) {
      const request = requestOf(schema, asked, now);
      // By way of the store, which says what is wrong with a name.
      if (request.within === undefined) return stored.read(request.scan);
      const batches: RecordBatch[] = [];
      for await (const batch of rowsOf(stored, request)) batches.push(batch);
      return new Table(new Schema(request.columns.map((name) => schema.fields.find((field) => field.name === name)!), schema.metadata), batches);
    },
  };
}

interface Request {
  /** What the store is asked for: the event time, too, behind the columns that the caller wants. */
  readonly scan: ScanOptions;
  readonly columns: readonly string[];
  readonly within: { readonly column: string; readonly range: TimeRange } | undefined;
}

function requestOf(schema: Schema, { columns, timeRange, timestamp, asOf, signal }: ReadOptions, now: () => Date): Request {
  if (columns !== undefined && !(Array.isArray(columns) && columns.every((name) => typeof name === 'string'))) throw new ArgumentError('columns', 'expected a list of names');
  const wanted = columns ?? schema.fields.map(({ name }) => name);
  const common = { ...(columns !== undefined && { columns }), ...(signal !== undefined && { signal }) };
  if (timeRange === undefined) {
    if (timestamp !== undefined || asOf !== undefined) throw new ArgumentError('timeRange', `without it, ${timestamp !== undefined ? 'timestamp' : 'asOf'} says nothing; give both, or neither`);
    return { scan: common, columns: wanted, within: undefined };
  }
  const within = { column: timestamp ?? eventTimeOf(schema), range: resolveTimeRange(timeRange, parseInstant(asOf ?? now(), 'asOf')) };
  const read = wanted.includes(within.column) ? wanted : [...wanted, within.column];
  return { scan: { ...common, columns: read, timeRange: within }, columns: wanted, within };
}

function eventTimeOf({ fields }: Schema): string {
  const times = fields.filter(({ type }) => DataType.isTimestamp(type) || DataType.isDate(type)).map(({ name }) => name);
  if (times.length === 1) return times[0]!;
  throw new ArgumentError('timestamp', times.length === 0 ? 'the table has no column of dates or timestamps' : `names the column of the event time; there are ${times.join(', ')}`);
}

async function* rowsOf(stored: StoredTable, { scan, columns, within }: Request): AsyncGenerator<RecordBatch, void, void> {
  for await (const batch of stored.scan(scan)) {
    if (within === undefined) yield batch;
    else {
      const { batches } = await filterTimeRange(new Table([batch]), within.column, within.range);
      for (const inside of batches) if (inside.numRows > 0) yield inside.selectAt(columns.map((_, index) => index));
    }
  }
}
