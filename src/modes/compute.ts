/**
 * From rows to an answer: the base aggregation and one per window over one pass of batches, joined by key.
 *
 * The same functions finish an answer from source rows (virtualized, materialize) and from tiles (materialized,
 * hybrid): the runs differ, what is asked of them does not. That is why the answers are the same bits.
 */
import { Field, type RecordBatch, Schema, type Table } from '../arrow/arrow.ts';
import { tableOfColumns } from '../arrow/canonical.ts';
import { columnsOf, type Expression } from '../arrow/expression.ts';
import { alignByKey, pickRows } from '../arrow/rows.ts';
import type { TimeRange } from '../base/time.ts';
import { throwIfCancelled } from '../base/errors.ts';
import type { FeatureSetDefinition } from '../config/definition.ts';
import { bothOf } from '../config/frame.ts';
import type { GroupByPlan, OutputColumn } from '../engine/plan.ts';
import { type AggregationRun, createAggregation } from '../engine/run.ts';
import type { ScanOptions, Snapshot } from '../store/table.ts';
import { rangeOf } from './storage.ts';

/** The column of the tiles table that holds the tile's start. */
export const tileColumn = 'tile_start';

export interface RunOptions {
  readonly threads?: number | undefined;
  readonly memoryLimit?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Progress {
  readonly phase: 'reading the source' | 'reading tiles' | 'writing tiles' | 'writing features';
  readonly rows: number;
  readonly rowsTotal?: number;
}

/** One aggregation of an answer: the base one, or a window's. `range` undefined: every row counts. */
export interface Part {
  readonly outputs: readonly OutputColumn[];
  readonly range: TimeRange | undefined;
}

/** What an answer is made of. The first part decides which entities it has. */
export interface AnswerPlan {
  readonly definition: FeatureSetDefinition;
  readonly parts: readonly Part[];
  /** The columns after the keys, in order. */
  readonly columns: readonly string[];
  readonly entities: Expression | undefined;
}

export interface Answered {
  readonly table: Table;
  readonly rowsWithNullKey: number;
}

/** Computes an answer from the rows of a source. */
export async function answerFromSource(
  snapshot: Snapshot,
  plan: AnswerPlan,
  options: RunOptions,
  onProgress?: (progress: Progress) => void,
): Promise<Answered> {
  const filter = bothOf(plan.definition.filter, plan.entities);
  const runs = plan.parts.map((part) =>
    createAggregation(groupByPlan(plan.definition, part, filter), snapshot.schema, defined(options)),
  );
  try {
    await feed(snapshot, sourceScan(snapshot, plan, filter, options.signal), onProgress, 'reading the source', options.signal, (batch) =>
      all(runs, (run) => run.add(batch)),
    );
    return { table: await finishParts(runs, plan), rowsWithNullKey: runs[0]!.rowsDroppedNullKey };
  } finally {
    await all(runs, (run) => run.close());
  }
}

/** Computes an answer by merging tiles. Every bound of every part lies on the tile grid, or beyond the newest event. */
export async function answerFromTiles(
  tiles: Snapshot,
  sourceSchema: Schema,
  plan: AnswerPlan,
  options: RunOptions,
): Promise<Table> {
  const runs = plan.parts.map((part) =>
    createAggregation(groupByPlan(plan.definition, { ...part, range: undefined }, plan.entities), sourceSchema, defined(options)),
  );
  const whole = spanOf(plan.parts.map((part) => part.range));
  const scan: ScanOptions = {
    ...(whole !== undefined && { timeRange: { column: tileColumn, range: whole } }),
    ...(options.signal !== undefined && { signal: options.signal }),
  };
  try {
    await feed(tiles, scan, undefined, 'reading tiles', options.signal, (batch) =>
      all(runs, (run, i) => run.addStates(batch, tileOptions(plan.parts[i]!.range))),
    );
    return await finishParts(runs, plan);
  } finally {
    await all(runs, (run) => run.close());
  }
}

function tileOptions(range: TimeRange | undefined): { tileColumn: string; tileRange?: TimeRange } {
  return range === undefined ? { tileColumn } : { tileColumn, tileRange: range };
}

/** The plan of one part over source rows. */
export function groupByPlan(definition: FeatureSetDefinition, part: Part, filter: Expression | undefined): GroupByPlan {
  return {
    keys: definition.entityKeys,
    outputs: part.outputs,
    ...(definition.timestamp !== undefined && { timestamp: definition.timestamp }),
    ...(part.range !== undefined && { range: part.range }),
    ...(filter !== undefined && { filter }),
  };
}

/** Runs a scan to its end, a batch at a time. */
export async function feed(
  snapshot: Snapshot,
  scan: ScanOptions,
  onProgress: ((progress: Progress) => void) | undefined,
  phase: Progress['phase'],
  signal: AbortSignal | undefined,
  take: (batch: RecordBatch) => Promise<unknown>,
): Promise<void> {
  const rowsTotal = onProgress === undefined ? 0 : (await snapshot.plan(scan)).rows;
  let rows = 0;
  onProgress?.({ phase, rows, rowsTotal });
  for await (const batch of snapshot.scan(scan)) {
    throwIfCancelled(signal, phase);
    await take(batch);
    rows += batch.numRows;
    onProgress?.({ phase, rows, rowsTotal });
  }
}

/** The columns and the stretch of time that a plan needs of its source. */
export function sourceScan(
  snapshot: Snapshot,
  plan: Pick<AnswerPlan, 'definition' | 'parts'>,
  filter: Expression | undefined,
  signal: AbortSignal | undefined,
): ScanOptions {
  const { timestamp, entityKeys } = plan.definition;
  const needed = new Set([
    ...entityKeys,
    ...plan.parts.flatMap((part) => part.outputs.map((output) => output.column)),
    ...(timestamp === undefined ? [] : [timestamp]),
    ...(filter === undefined ? [] : columnsOf(filter)),
  ]);
  const range = spanOf(plan.parts.map((part) => part.range));
  return {
    columns: snapshot.schema.fields.map((field) => field.name).filter((name) => needed.has(name)),
    ...(range !== undefined && timestamp !== undefined && { timeRange: { column: timestamp, range } }),
    ...(signal !== undefined && { signal }),
  };
}

/** The smallest range that holds all of them; undefined when one of them is everything. */
export function spanOf(ranges: readonly (TimeRange | undefined)[]): TimeRange | undefined {
  if (ranges.length === 0 || ranges.includes(undefined)) return undefined;
  const starts = ranges.map((range) => range!.startUs);
  const ends = ranges.map((range) => range!.endUs);
  return rangeOf(
    starts.includes(undefined) ? undefined : starts.reduce((a, b) => (a! < b! ? a : b)),
    ends.includes(undefined) ? undefined : ends.reduce((a, b) => (a! > b! ? a : b)),
  );
}

export async function finishParts(runs: readonly AggregationRun[], plan: AnswerPlan): Promise<Table> {
  const keys = plan.definition.entityKeys;
  const base = await runs[0]!.finish();
  const tables = [base];
  for (const run of runs.slice(1)) {
    const windowed = await run.finish();
    tables.push(pickRows(windowed, alignByKey(base, windowed, keys), countColumns(windowed)));
  }
  // The base table comes last: its keys are the entities, those of a window may be missing some.
  const columns = new Map(tables.reverse().flatMap((table) => table.schema.fields.map((field) => [field.name, { table, field }] as const)));
  return assemble(base, [...keys, ...plan.columns], columns);
}

/** An entity without an event in the window has count 0 there, and null for the rest. */
function countColumns(table: Table): ReadonlySet<string> {
  return new Set(table.schema.fields.filter((field) => !field.nullable).map((field) => field.name));
}

function assemble(
  base: Table,
  names: readonly string[],
  columns: ReadonlyMap<string, { readonly table: Table; readonly field: Field }>,
): Table {
  const fields = names.map((name) => columns.get(name)!.field);
  const data = names.map((name) => {
    const { table, field } = columns.get(name)!;
    return table.getChildAt(table.schema.fields.indexOf(field))!.data[0]!;
  });
  return tableOfColumns(new Schema(fields.map((field) => new Field(field.name, field.type, field.nullable))), data, base.numRows);
}

async function all<T>(items: readonly T[], work: (item: T, index: number) => Promise<unknown>): Promise<void> {
  for (let i = 0; i < items.length; i++) await work(items[i]!, i);
}

/** The options that are set, as the engine takes them. */
export function defined(options: RunOptions): { threads?: number; memoryLimit?: number; signal?: AbortSignal } {
  return {
    ...(options.threads !== undefined && { threads: options.threads }),
    ...(options.memoryLimit !== undefined && { memoryLimit: options.memoryLimit }),
    ...(options.signal !== undefined && { signal: options.signal }),
  };
}
