/**
 * An aggregation as the modes use it: asynchronous, so that where the work is done can change without them.
 *
 * Between batches the event loop gets its turn, and a signal is heard.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RecordBatch, Schema, Table } from '../arrow/arrow.ts';
import { throwIfCancelled } from '../base/errors.ts';
import { Aggregation, type AggregationOptions, type StateOptions } from './aggregation.ts';
import type { GroupByPlan } from './plan.ts';

/**
 * Rows that whoever works on them fetches for themselves, on whatever thread that is: a module whose export `rowsOf` is
 * called with `argument`, plain data that can be cloned, and gives batches of the run's schema (`RowsOf`).
 */
export interface RowUnit {
  /** The module's URL. */
  readonly module: string;
  readonly argument: unknown;
  /** About how many rows there are, for sharing the work out. */
  readonly rows: number;
}

export type RowsOf = (argument: unknown, signal?: AbortSignal) => AsyncIterable<RecordBatch>;

export interface AggregationRun {
  add(batch: RecordBatch): Promise<void>;
  /** Adds the rows of many units, in any order. `onRows` hears of rows as they are done with. */
  addUnits(units: readonly RowUnit[], onRows?: (rows: number) => void): Promise<void>;
  addStates(batch: RecordBatch, options?: StateOptions): Promise<void>;
  states(): Promise<Table>;
  finish(): Promise<Table>;
  /** Gives the memory back; may be called again. */
  close(): Promise<void>;
  readonly rowsSeen: number;
  readonly rowsDroppedNullKey: number;
  readonly rowsInRange: number;
}

export interface RunOptions extends AggregationOptions {
  readonly signal?: AbortSignal;
}

/** Rows after which others get their turn. */
const rowsPerTurn = 1 << 20;

/** Begins an aggregation. Throws as `Aggregation.create` does. */
export function createAggregation(plan: GroupByPlan, schema: Schema, options: RunOptions = {}): AggregationRun {
  const aggregation = Aggregation.create(plan, schema, options);
  let sinceTurn = 0;
  const inTurns = async (batch: RecordBatch, work: (part: RecordBatch) => void): Promise<void> => {
    for (let start = 0; start < batch.numRows || start === 0; start += rowsPerTurn) {
      throwIfCancelled(options.signal, 'group by');
      const part = batch.numRows <= rowsPerTurn ? batch : batch.slice(start, Math.min(start + rowsPerTurn, batch.numRows));
      work(part);
      sinceTurn += part.numRows;
      if (sinceTurn >= rowsPerTurn) {
        sinceTurn = 0;
        await nextTurn();
      }
    }
  };
  const add = (batch: RecordBatch): Promise<void> => inTurns(batch, (part) => aggregation.add(part));
  return {
    add,
    addUnits: async (units, onRows) => {
      for (const unit of units) {
        const { rowsOf } = (await import(unit.module)) as { readonly rowsOf: RowsOf };
        for await (const batch of rowsOf(unit.argument, options.signal)) {
          await add(batch);
          onRows?.(batch.numRows);
        }
      }
    },
    addStates: (batch, stateOptions) => inTurns(batch, (part) => aggregation.addStates(part, stateOptions)),
    states: async () => aggregation.states(),
    finish: async () => aggregation.finish(),
    close: async () => aggregation.close(),
    get rowsSeen() {
      return aggregation.rowsSeen;
    },
    get rowsDroppedNullKey() {
      return aggregation.rowsDroppedNullKey;
    },
    get rowsInRange() {
      return aggregation.rowsInRange;
    },
  };
}
