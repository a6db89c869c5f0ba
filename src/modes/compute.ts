/**
 * From rows to an answer: the base aggregation and one per window over one pass of the rows, joined by key.
 *
 * The same functions finish an answer from source rows (virtualized, materialize) and from tiles (materialized,
 * hybrid): the runs differ, what is asked of them does not. That is why the answers are the same bits.
 *
 * Many rows are worked on by several threads, which read them too where the snapshot can be read by others.
 */
import { Field, type RecordBatch, Schema, type Table } from '../arrow/arrow.ts';
import { oneBatch, tableOfColumns } from '../arrow/canonical.ts';
import { columnsOf, type Expression } from '../arrow/expression.ts';
import { alignByKey, columnOf, pickRows } from '../arrow/rows.ts';
import type { TimeRange } from '../base/time.ts';
import { throwIfCancelled } from '../base/errors.ts';
import type { FeatureSetDefinition } from '../config/definition.ts';
import { bothOf } from '../config/frame.ts';
import { type GroupByPlan, isByTime, type OutputColumn } from '../engine/plan.ts';
import { type AggregationsRun, createAggregations } from '../engine/run.ts';
import type { RowUnit, ScanOptions, Snapshot } from '../store/table.ts';
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
  /** Only rows that had arrived before it count, where the definition says when rows arrived; undefined: all. */
  readonly arrivedBeforeUs?: bigint | undefined;
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
  /** Rows that were read. */
  readonly sourceRows: number;
}

/** A pass over the rows of a scan. */
export interface Pass {
  readonly snapshot: Snapshot;
  readonly scan: ScanOptions;
  readonly phase: Progress['phase'];
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** Computes an answer from the rows of a source. */
export async function answerFromSource(
  snapshot: Snapshot,
  plan: AnswerPlan,
  options: RunOptions,
  onProgress?: (progress: Progress) => void,
): Promise<Answered> {
  const filter = bothOf(plan.definition.filter, plan.entities);
  const plans = plan.parts.map((part) => groupByPlan(plan.definition, part, filter));
  const scan = sourceScan(snapshot, plan, filter, options.signal);
  return aggregateRows({ snapshot, scan, phase: 'reading the source', onProgress }, plans, options, async (run, sourceRows) => {
    const tables = (await run.finish()).map(oneBatch);
    return { table: joinParts(tables, plan), rowsWithNullKey: run.counters[0]!.rowsDroppedNullKey, sourceRows };
  });
}

/** Aggregates the rows of a pass by all plans at once; gives what `answer` makes of it and of the number of rows. */
export async function aggregateRows<Answer>(
  pass: Pass,
  plans: readonly GroupByPlan[],
  options: RunOptions,
  answer: (run: AggregationsRun, rows: number) => Promise<Answer>,
): Promise<Answer> {
  const { snapshot, scan } = pass;
  const rowsExpected = (await snapshot.plan(scan)).rows;
  const run = createAggregations(plans, snapshot.schema, { ...defined(options), rowsExpected, ...(snapshot.table && { table: snapshot.table }) });
  try {
    const units = run.threads > 1 ? await snapshot.units?.(scan) : undefined;
    // A single unit would leave all but one thread idle; batches are decoded here and shared out.
    const shared = units !== undefined && units.length > 1;
    const fed = shared ? feedUnits(pass, run, units) : feed(pass, (batch) => run.add(batch));
    const rows = await fed.catch((error: unknown) => {
      // Whoever met the signal, and in the middle of what: it is this read that was cancelled.
      throwIfCancelled(scan.signal, pass.phase);
      throw error;
    });
    return await answer(run, rows);
  } finally {
    await run.close();
  }
}

export interface StatesPass {
  readonly snapshot: Snapshot;
  readonly definition: FeatureSetDefinition;
  readonly parts: readonly Part[];
  /** The first part is grouped by it, too. */
  readonly tile: GroupByPlan['tile'];
  readonly run: RunOptions;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** The partial states of each part, by one pass over the rows. */
export async function aggregatePass(
  { snapshot, definition, parts, tile, run, onProgress }: StatesPass,
): Promise<{ readonly states: Table[]; readonly rows: number; readonly rowsWithNullKey: number }> {
  const plans = parts.map((part, i) => ({ ...groupByPlan(definition, part, definition.filter), ...(i === 0 && tile !== undefined && { tile }) }));
  const scan = sourceScan(snapshot, { definition, parts }, definition.filter, run.signal);
  return aggregateRows({ snapshot, scan, phase: 'reading the source', onProgress }, plans, run, async (aggregations, rows) => ({
    states: (await aggregations.states()).map(oneBatch),
    rows,
    rowsWithNullKey: aggregations.counters[0]!.rowsDroppedNullKey,
  }));
}

/** The plan of one part over source rows. */
export function groupByPlan(definition: FeatureSetDefinition, part: Part, filter: Expression | undefined): GroupByPlan {
  return {
    keys: definition.entityKeys,
    outputs: part.outputs,
    ...(definition.timestamp !== undefined && { timestamp: definition.timestamp }),
    ...(part.range !== undefined && { range: part.range }),
    ...(definition.tieBreaker !== undefined && { tieBreaker: definition.tieBreaker }),
    ...(definition.arrival !== undefined && part.arrivedBeforeUs !== undefined && { arrival: { column: definition.arrival, beforeUs: part.arrivedBeforeUs } }),
    ...(filter !== undefined && { filter }),
  };
}

/** Runs a scan to its end, a batch at a time; returns how many rows there were. */
export async function feed(pass: Pass, take: (batch: RecordBatch) => Promise<unknown>): Promise<number> {
  const { snapshot, scan, phase } = pass;
  const count = await countOf(pass);
  for await (const batch of snapshot.scan(scan)) {
    throwIfCancelled(scan.signal, phase);
    await take(batch);
    count.add(batch.numRows);
  }
  return count.rows;
}

/** The same, read by the threads that work on the rows. */
async function feedUnits(pass: Pass, run: AggregationsRun, units: readonly RowUnit[]): Promise<number> {
  const count = await countOf(pass);
  await run.addUnits(units, (rows) => count.add(rows));
  return count.rows;
}

/** Counts the rows of a pass, and tells whoever wants to know. */
class RowCount {
  rows = 0;

  constructor(
    private readonly pass: Pass,
    private readonly rowsTotal: number,
  ) {
    this.add(0);
  }

  add(rows: number): void {
    const { phase, onProgress } = this.pass;
    this.rows += rows;
    onProgress?.({ phase, rows: this.rows, rowsTotal: this.rowsTotal });
  }
}

async function countOf(pass: Pass): Promise<RowCount> {
  return new RowCount(pass, pass.onProgress === undefined ? 0 : (await pass.snapshot.plan(pass.scan)).rows);
}

/** The columns and the stretch of time that a plan needs of its source. */
export function sourceScan(
  snapshot: Snapshot,
  plan: Pick<AnswerPlan, 'definition' | 'parts'>,
  filter: Expression | undefined,
  signal: AbortSignal | undefined,
): ScanOptions {
  const { timestamp, entityKeys, tieBreaker, arrival } = plan.definition;
  const isTied = tieBreaker !== undefined && plan.parts.some(({ outputs }) => outputs.some(isByTime));
  const asksArrival = arrival !== undefined && plan.parts.some(({ arrivedBeforeUs }) => arrivedBeforeUs !== undefined);
  const needed = new Set([
    ...entityKeys,
    ...plan.parts.flatMap((part) => part.outputs.map((output) => output.column)),
    ...(timestamp === undefined ? [] : [timestamp]),
    ...(isTied ? [tieBreaker] : []),
    ...(asksArrival ? [arrival] : []),
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

/** The tables of all parts as one, a row for each entity of the first. */
export function joinParts(parts: readonly Table[], plan: Pick<AnswerPlan, 'definition' | 'columns'>): Table {
  const keys = plan.definition.entityKeys;
  const [base, ...windows] = parts as readonly [Table, ...Table[]];
  const tables = [base];
  for (const windowed of windows) tables.push(pickRows(windowed, alignByKey(base, windowed, keys), countColumns(windowed)));
  // The keys are the base table's: those of a window may be missing some. What a window has, it is asked for.
  const columns = new Map(tables.flatMap((table) => table.schema.fields.filter(({ name }) => table === base || !keys.includes(name)).map((field) => [field.name, { table, field }] as const)));
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
    return columnOf(table, field.name);
  });
  return tableOfColumns(new Schema(fields.map((field) => new Field(field.name, field.type, field.nullable))), data, base.numRows);
}

/** The options that are set, as the engine takes them. */
export function defined(options: RunOptions): { threads?: number; memoryLimit?: number; signal?: AbortSignal } {
  return {
    ...(options.threads !== undefined && { threads: options.threads }),
    ...(options.memoryLimit !== undefined && { memoryLimit: options.memoryLimit }),
    ...(options.signal !== undefined && { signal: options.signal }),
  };
}
