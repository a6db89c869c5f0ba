/**
 * Aggregations as the modes use them: several over one pass of rows, asynchronous, on one thread or several.
 *
 * Few rows are added where they are, with a turn for the event loop and an ear for the signal in between; many are shared
 * out to the threads of a pool (threads/team.ts). The answer is the same, bit for bit.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RecordBatch, Schema, Table } from '../arrow/arrow.ts';
import type { ColumnMemory } from '../arrow/column-memory.ts';
import { ArgumentError, throwIfCancelled } from '../base/errors.ts';
import { Aggregation, type Answered, type AggregationOptions, type Counters, type StateOptions } from './aggregation.ts';
import type { Answers, Question } from './as-of/answers.ts';
import { joinedBeside } from './beside-columns.ts';
import { coarseScales } from './coarse.ts';
import { makeRoomFor } from './heap-room.ts';
import { answerHere, PartReader } from './parts.ts';
import { asideRowsLeast } from './cut.ts';
import type { GroupByPlan } from './plan.ts';
import { type CommonMemory, giveBackMemory, leaseMemory } from './threads/common-memory.ts';
import { threadsByDefault, threadsMax, workersListening } from './threads/pool.ts';
import { homeOf } from './threads/resident.ts';
import { TeamRun } from './threads/team.ts';

/**
 * Rows that whoever works on them fetches for themselves, on whatever thread that is: a module whose export `rowsOf` is
 * called with `argument`, plain data that can be cloned, and gives batches of the run's schema (`RowsOf`), each of which need
 * only be good until the next is asked for.
 */
export interface RowUnit {
  /** The module's URL. */
  readonly module: string;
  readonly argument: unknown;
  /** About how many rows there are, for sharing the work out. */
  readonly rows: number;
}

/** Batches whose columns lie in `memory` are added without being copied; what was taken of it is given back when the rows end. */
export type RowsOf = (argument: unknown, signal?: AbortSignal, memory?: ColumnMemory) => AsyncIterable<RecordBatch>;

/** Several aggregations over the same rows; tables and options stand in the order of the plans. */
export interface AggregationsRun {
  add(batch: RecordBatch): Promise<void>;
  /** Adds the rows of many units, in any order. `onRows` hears of rows as they are done with. */
  addUnits(units: readonly RowUnit[], onRows?: (rows: number) => void): Promise<void>;
  addStates(batch: RecordBatch, options?: readonly (StateOptions | undefined)[]): Promise<void>;
  states(): Promise<readonly Table[]>;
  finish(): Promise<readonly Table[]>;
  /** All that was added, an aggregation of each plan on this thread, good until `close`. Nothing can be added any more. */
  intoAggregations(): Promise<readonly Aggregation[]>;
  /** Of a plan with moments the answers of labels, by all threads; undefined where one has to bring all together first. Nothing can be added any more. */
  answerLabels(questions: readonly Question[]): Promise<Answers | undefined>;
  /** Gives the memory back; may be called again. */
  close(): Promise<void>;
  /** Of each plan, as of the last answer. */
  readonly counters: readonly Counters[];
  /** How many threads work on it; units are worth more than batches from two on. */
  readonly threads: number;
}

/** One aggregation. */
export interface AggregationRun extends Counters {
  add(batch: RecordBatch): Promise<void>;
  addUnits(units: readonly RowUnit[], onRows?: (rows: number) => void): Promise<void>;
  addStates(batch: RecordBatch, options?: StateOptions): Promise<void>;
  states(): Promise<Table>;
  finish(): Promise<Table>;
  close(): Promise<void>;
}

export interface RunOptions extends AggregationOptions {
  readonly signal?: AbortSignal;
  /** Threads to work on, by default as many as the machine runs at once. Fewer rows than are worth it stay on this one. */
  readonly threads?: number;
  /** The table whose rows will be added: one that is resident is read in place. */
  readonly table?: Table;
}

/** Rows after which others get their turn. */
const rowsPerTurn = 1 << 20;
/** Rows from which on threads are worth it. */
const rowsForThreads = 1 << 18;
/** Rows that are done here in the time that it takes until threads listen, and then some. */
const rowsForStart = 1 << 22;
/** Rows that threads would have been worth, had some listened. */
let rowsMissed = 0;

/** Begins aggregations over one pass of rows. Throws as `Aggregation.create` does. */
export function createAggregations(plans: readonly GroupByPlan[], schema: Schema, options: RunOptions = {}): AggregationsRun {
  const { signal, threads = threadsByDefault(), table, ...given } = options;
  const rest: AggregationOptions = table === undefined ? given : { ...given, coarse: coarseScales(table) };
  const home = table && homeOf(table);
  if (!Number.isInteger(threads) || threads < 1 || threads > threadsMax) {
    throw new ArgumentError('threads', `expected a whole number from 1 to ${threadsMax}, found ${threads}`);
  }
  if (rest.rare?.stretchRows !== undefined || (threads > 1 && areWorthThreads(rest.rowsExpected ?? 0))) {
    const run = onThreads(plans, schema, threads, rest, signal, home);
    if (run !== undefined) return run;
  }
  return inline(plans, schema, rest, signal, home);
}

/** Threads are started once as many rows were met as starting them costs: rent until you would have bought. */
function areWorthThreads(rows: number): boolean {
  if (rows < rowsForThreads) return false;
  if (workersListening().length > 0) return true;
  rowsMissed += rows;
  return rowsMissed >= rowsForStart;
}

/** Answers that the caller gets. */
async function given(answers: Promise<readonly Table[]>): Promise<readonly Table[]> {
  const tables = await answers;
  for (const { numRows, numCols } of tables) makeRoomFor(numRows * numCols * 8);
  return tables;
}

/** Begins one aggregation. */
export function createAggregation(plan: GroupByPlan, schema: Schema, options: RunOptions = {}): AggregationRun {
  const run = createAggregations([plan], schema, options);
  return {
    add: (batch) => run.add(batch),
    addUnits: (units, onRows) => run.addUnits(units, onRows),
    addStates: (batch, stateOptions) => run.addStates(batch, [stateOptions]),
    states: async () => (await run.states())[0]!,
    finish: async () => (await run.finish())[0]!,
    close: () => run.close(),
    get rowsSeen() {
      return run.counters[0]!.rowsSeen;
    },
    get rowsDroppedNullKey() {
      return run.counters[0]!.rowsDroppedNullKey;
    },
    get rowsInRange() {
      return run.counters[0]!.rowsInRange;
    },
  };
}

/** The rows of units, one after the other, on this thread. */
async function fetchUnits(
  units: readonly RowUnit[],
  signal: AbortSignal | undefined,
  add: (batch: RecordBatch) => Promise<void>,
  onRows: ((rows: number) => void) | undefined,
): Promise<void> {
  for (const unit of units) {
    const { rowsOf } = (await import(unit.module)) as { readonly rowsOf: RowsOf };
    for await (const batch of rowsOf(unit.argument, signal)) {
      await add(batch);
      onRows?.(batch.numRows);
    }
  }
}

function inline(
  plans: readonly GroupByPlan[],
  schema: Schema,
  options: AggregationOptions,
  signal: AbortSignal | undefined,
  home: CommonMemory | undefined,
): AggregationsRun {
  const aggregations: Aggregation[] = [];
  const isMuch = options.rare?.asideParts !== undefined || (options.rowsExpected ?? 0) >= asideRowsLeast;
  let leased = isMuch || (home !== undefined && !home.isTaken) ? tryLease(options.memoryLimit, home) : undefined;
  const close = async (): Promise<void> => {
    for (const aggregation of aggregations) aggregation.close();
    if (leased !== undefined) giveBackMemory(leased, true);
    leased = undefined;
  };
  try {
    const cells = leased === undefined ? undefined : leased.instance.kernels.allocZeroed(plans.length * 4) >>> 0;
    for (const [i, plan] of plans.entries()) aggregations.push(Aggregation.create(plan, schema, options, leased?.instance, cells && cells + i * 4));
  } catch (error) {
    void close();
    throw error;
  }
  let sinceTurn = 0;
  const inTurns = async (batch: RecordBatch, work: (aggregation: Aggregation, start: number, end: number, plan: number) => void): Promise<void> => {
    for (let start = 0; start < batch.numRows || start === 0; start += rowsPerTurn) {
      throwIfCancelled(signal, 'group by');
      const end = Math.min(start + rowsPerTurn, batch.numRows);
      for (const [i, aggregation] of aggregations.entries()) work(aggregation, start, end, i);
      sinceTurn += end - start;
      if (sinceTurn >= rowsPerTurn) {
        sinceTurn = 0;
        await nextTurn();
      }
    }
  };
  const answers = (what: Answered): Promise<Table[]> =>
    Promise.all(
      aggregations.map((aggregation, i) => {
        if (leased === undefined) return aggregation[what]();
        const turn = async (): Promise<void> => {
          await nextTurn();
          throwIfCancelled(signal, 'group by');
        };
        return answerHere(aggregation, new PartReader(leased.instance, plans[i]!, schema, options), what, turn);
      }),
    );
  const joined = joinedBeside(plans);
  const add = (batch: RecordBatch): Promise<void> => {
    const rows = joined(batch);
    return inTurns(rows, (aggregation, start, end) => aggregation.add(rows, start, end));
  };
  return {
    add,
    addUnits: (units, onRows) => fetchUnits(units, signal, add, onRows),
    addStates: (batch, stateOptions) => inTurns(batch, (aggregation, start, end, i) => aggregation.addStates(batch, stateOptions?.[i], start, end)),
    states: () => answers('states'),
    finish: () => given(answers('finish')),
    intoAggregations: async () => aggregations,
    answerLabels: async () => undefined,
    close,
    threads: 1,
    get counters() {
      return aggregations;
    },
  };
}

/** A memory that is kept across its own growth, as rows that are put aside need it; undefined where there is no room for one. */
function tryLease(memoryLimit: number | undefined, home: CommonMemory | undefined): CommonMemory | undefined {
  try {
    return leaseMemory(memoryLimit, home);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Undefined where there is no room for a memory that threads can share. */
function onThreads(
  plans: readonly GroupByPlan[],
  schema: Schema,
  threads: number,
  options: AggregationOptions,
  signal: AbortSignal | undefined,
  home: CommonMemory | undefined,
): AggregationsRun | undefined {
  let team: TeamRun;
  try {
    team = new TeamRun(plans, schema, threads, options, signal, home);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
  const add = (batch: RecordBatch): Promise<void> => team.add(batch);
  return {
    add,
    addUnits: (units, onRows) => team.addUnits(units, onRows, (unit) => fetchUnits([unit], signal, add, onRows)),
    addStates: (batch, stateOptions) => team.addStates(batch, plans.map((_, i) => stateOptions?.[i])),
    states: () => team.answers('states'),
    finish: () => given(team.answers('finish')),
    intoAggregations: () => team.intoAggregations(),
    answerLabels: (questions) => team.answerLabels(questions),
    close: () => team.close(),
    threads,
    get counters() {
      return team.counters;
    },
  };
}
