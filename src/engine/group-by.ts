/** The engine on its own: an Arrow table in, an Arrow table out. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RecordBatch, Table } from '../arrow/arrow.ts';
import { canonicalTable } from '../arrow/canonical.ts';
import type { Expression } from '../arrow/expression.ts';
import { takeRows } from '../arrow/rows.ts';
import { ArgumentError, OverflowError } from '../base/errors.ts';
import { inTurns } from '../base/steps.ts';
import { type Instant, parseInstant, resolveTimeRange, type TimeRange, type TimeRangeInput } from '../base/time.ts';
import { type AggSpec, type GroupByPlan, outputsOf } from './plan.ts';
import { type AggregationRun, createAggregation, type RunOptions } from './run.ts';
import { codedTable } from './threads/coded.ts';
import { bindPlan, bindTime, fieldOf, type RangeInUnits, rangeInUnits, resultSchema } from './types.ts';

export interface GroupByOptions {
  /** The event time column; needed by `timeRange`. */
  readonly timestamp?: string;
  /** `'30d'` (which ends at `asOf`), or `{ start?, end? }`. */
  readonly timeRange?: TimeRangeInput;
  readonly asOf?: Instant;
  /** A column that orders values of `first` and `last` at one event time: an integer, a date or a timestamp. */
  readonly tieBreaker?: string;
  /** Only rows for which this is true. */
  readonly filter?: Expression;
  /** Threads to work on, by default as many as the machine runs at once. Changes no answer. */
  readonly threads?: number;
  /** Rows that are worked on at a time. Changes no answer. */
  readonly batchSize?: number;
  /** Bytes that the groups may take. */
  readonly memoryLimit?: number;
  readonly signal?: AbortSignal;
}

/**
 * Groups the rows of a table by one key column or several. The answer has the keys, then the aggregations; rows ascend by
 * key, a large answer in several batches. Rows with a null key are in no group.
 */
export function groupBy(
  input: Table,
  keys: string | readonly string[],
): { agg(spec: AggSpec, options?: GroupByOptions): Promise<Table> } {
  return {
    async agg(spec, options = {}) {
      const plan = planOf(keys, spec, options);
      const coded = codedTable(input, plan);
      if (coded === undefined) return aggregate(input, plan, options);
      const schema = resultSchema(bindPlan(plan, input.schema));
      try {
        return await inTurns(coded.decoding(await aggregate(coded.table, plan, options), schema), nextTurn);
      } catch (error) {
        // It names a key, which is to be the text.
        if (error instanceof OverflowError) return aggregate(input, plan, options);
        throw error;
      }
    },
  };
}

async function aggregate(input: Table, plan: GroupByPlan, options: GroupByOptions): Promise<Table> {
  const run: AggregationRun = createAggregation(plan, input.schema, { ...runOptions(options, input.numRows), table: input });
  try {
    for (const batch of input.batches) await run.add(batch);
    return await run.finish();
  } finally {
    await run.close();
  }
}

function planOf(keys: string | readonly string[], spec: AggSpec, options: GroupByOptions): GroupByPlan {
  return {
    keys: typeof keys === 'string' ? [keys] : keys,
    outputs: outputsOf(spec),
    ...(options.timestamp !== undefined && { timestamp: options.timestamp }),
    ...(options.timeRange !== undefined && { range: rangeOf(options.timeRange, options.asOf) }),
    ...(options.tieBreaker !== undefined && { tieBreaker: options.tieBreaker }),
    ...(options.filter !== undefined && { filter: options.filter }),
  };
}

function rangeOf(timeRange: TimeRangeInput, asOf: Instant | undefined): TimeRange {
  if (typeof timeRange !== 'string') return resolveTimeRange(timeRange, 0n);
  if (asOf === undefined) throw new ArgumentError('asOf', `timeRange '${timeRange}' ends at asOf, which was not given`);
  return resolveTimeRange(timeRange, parseInstant(asOf, 'asOf'));
}

function runOptions({ threads, batchSize, memoryLimit, signal }: GroupByOptions, rowsExpected: number): RunOptions {
  return {
    rowsExpected,
    ...(threads !== undefined && { threads }),
    ...(batchSize !== undefined && { batchSize }),
    ...(memoryLimit !== undefined && { memoryLimit }),
    ...(signal !== undefined && { signal }),
  };
}

/** The rows whose event time lies in a range, with all their columns. Null event times are in no range. */
export async function filterTimeRange(input: Table, column: string, range: TimeRange): Promise<Table> {
  const { type } = bindTime(fieldOf(input.schema, column));
  const bounds = rangeInUnits(range, type);
  const batches: RecordBatch[] = bounds === undefined ? [] : input.batches.map((batch) => takeRows(batch, rowsInside(batch, column, bounds)));
  return canonicalTable(input.schema, batches);
}

function rowsInside(batch: RecordBatch, column: string, { start, end }: RangeInUnits): Uint32Array {
  const data = batch.data.children[batch.schema.fields.findIndex((field) => field.name === column)]!;
  const times = data.values as BigInt64Array | Int32Array;
  const bitmap = data.nullBitmap && data.nullBitmap.length > 0 ? data.nullBitmap : undefined;
  const rows = new Uint32Array(batch.numRows);
  let count = 0;
  for (let row = 0; row < batch.numRows; row++) {
    const time = times[row]!;
    if (time < start || time >= end) continue;
    const bit = data.offset + row;
    if (bitmap === undefined || (bitmap[bit >> 3]! >> (bit & 7)) & 1) rows[count++] = row;
  }
  return rows.subarray(0, count);
}
