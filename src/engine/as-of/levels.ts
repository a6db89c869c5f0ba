/**
 * The states of stretches that have rows, and merged by neighbours, by neighbours of those, and so on: what ranges are made of.
 *
 *   level 0  | s₀ | s₁ | s₂ | s₃ | s₄ | s₅ | …      one a stretch that has rows, in order of entity and time
 *   level 1  |  s₀s₁   |  s₂s₃   |  s₄s₅   | …
 *   level 2  |       s₀…s₃       | …                [1, 6) is s₁ · s₂s₃ · s₄s₅
 *
 * A range of n states is at most 2 log₂ n nodes, so that no order of labels makes it quadratic, and every aggregation whose states merge is
 * served. Where all states lie in the rows of groups they are merged where they are (`MemoryLevel`); others as tables (`TableLevel`).
 */
import { type Data, Field, Int32, makeData, RecordBatch, Schema, Struct, type Table } from '../../arrow/arrow.ts';
import { oneBatch } from '../../arrow/canonical.ts';
import { columnOf, pickColumns, pickRows } from '../../arrow/rows.ts';
import { OverflowError } from '../../base/errors.ts';
import type { Accumulators } from '../accumulator.ts';
import { Aggregation, type AggregationOptions, type StretchStates } from '../aggregation.ts';
import type { GroupByPlan, OutputColumn } from '../plan.ts';
import { countsValues, fieldOf, stretchKey } from '../types.ts';

/** Nodes of a level, brought together by label. */
export interface Nodes {
  readonly labels: Int32Array;
  readonly nodes: Int32Array;
}

/** Where the nodes of labels come together. */
export interface LabelStates {
  /** The answer of each output, a row for each label; null, and 0 where values are counted, for labels without nodes. */
  finish(outputs: readonly OutputColumn[]): ReadonlyMap<string, Data>;
  close(): void;
}

export interface Level<Into extends LabelStates> {
  /** Its nodes. */
  readonly count: number;
  /** Room for so many labels. */
  labels(count: number): Into;
  /** Adds nodes of this level to labels. */
  merge(taken: Nodes, into: Into): void;
  /** Each two neighbours merged. */
  next(): Level<Into>;
}

/** Which label an error is about. */
export const keyText = (label: number): string => `of the label in row ${label}`;

/** Nodes that are merged at a time: what is copied for it should stay in the cache. */
const nodesAtOnce = 1 << 14;

class LabelsInMemory implements LabelStates {
  constructor(
    readonly accumulators: Accumulators,
    private readonly count: number,
  ) {}

  finish(outputs: readonly OutputColumn[]): ReadonlyMap<string, Data> {
    const all = new Uint32Array(numbered(this.count).buffer);
    const data = this.accumulators.outputs(outputs, all, keyText);
    return new Map(outputs.map(({ name }, i) => [name, data[i]!]));
  }

  close(): void {
    // The memory is the run's.
  }
}

/** Nodes are groups of `accumulators`: the `full` of them, in order (0: all). */
export class MemoryLevel implements Level<LabelsInMemory> {
  constructor(
    private readonly states: StretchStates,
    private readonly accumulators: Accumulators,
    readonly count: number,
    private readonly full: number,
  ) {}

  labels(count: number): LabelsInMemory {
    const accumulators = this.states.fresh();
    accumulators.grow(count);
    return new LabelsInMemory(accumulators, count);
  }

  merge({ labels, nodes }: Nodes, { accumulators }: LabelsInMemory): void {
    this.mergeInto(accumulators, nodes, labels);
  }

  next(): MemoryLevel {
    const accumulators = this.states.fresh();
    const count = (this.count + 1) >> 1;
    accumulators.grow(count);
    const nodes = numbered(this.count);
    this.mergeInto(accumulators, nodes, nodes.map((node) => node >> 1));
    return new MemoryLevel(this.states, accumulators, count, 0);
  }

  private mergeInto(target: Accumulators, nodes: Int32Array, groups: Int32Array): void {
    const { instance } = this.states;
    const { memory } = this.accumulators;
    const bytes = nodesAtOnce * 4;
    const [from, to] = [instance.alloc(bytes), instance.alloc(bytes)];
    for (let start = 0; start < nodes.length; start += nodesAtOnce) {
      const some = nodes.subarray(start, start + nodesAtOnce);
      // Views are made anew each time: what is merged may let the memory grow.
      if (this.full === 0) instance.put(some, from);
      else pick(instance.view32(this.full, this.count), some, instance.view32(from, some.length));
      instance.put(groups.subarray(start, start + nodesAtOnce), to);
      target.mergeSome(memory, from, to, some.length);
    }
    instance.free(from, bytes);
    instance.free(to, bytes);
  }
}

function pick(numbers: Uint32Array, nodes: Int32Array, out: Uint32Array): void {
  for (let i = 0; i < nodes.length; i++) out[i] = numbers[nodes[i]!]!;
}

/** 0, 1, 2, … */
export function numbered(count: number): Int32Array {
  const numbers = new Int32Array(count);
  for (let i = 0; i < count; i++) numbers[i] = i;
  return numbers;
}

/** What the rows of labels are grouped by. No column of a source is called so. */
const labelColumn = '\0label';
const labelField = new Field(labelColumn, new Int32(), false);

/** What is merged as tables. */
export interface TablePlan {
  readonly outputs: readonly OutputColumn[];
  readonly timestamp: string;
  readonly tieBreaker?: string | undefined;
  /** Of the events. */
  readonly schema: Schema;
  /** Bytes that what is merged may take. */
  readonly memoryLimit?: number | undefined;
}

export class LabelsAsTable implements LabelStates {
  private readonly aggregation: Aggregation;
  private answered: Table | undefined;

  constructor(
    plan: TablePlan,
    private readonly count: number,
  ) {
    this.aggregation = Aggregation.create(mergePlan(plan, labelColumn), keyedSchema(plan, labelField), optionsOf(plan, count));
  }

  add(states: Table, labels: Int32Array): void {
    this.aggregation.addStates(keyed(states, labelField, labels));
  }

  finish(outputs: readonly OutputColumn[]): ReadonlyMap<string, Data> {
    return this.finishSome(outputs, undefined);
  }

  /** The same, and nothing of labels that are not `known`. */
  finishSome(outputs: readonly OutputColumn[], known: Uint8Array | undefined): ReadonlyMap<string, Data> {
    const table = this.answer();
    const positions = new Int32Array(this.count).fill(-1);
    eachLabel(table, (label, row) => {
      if (known === undefined || known[label] === 1) positions[label] = row;
    });
    const counts = new Set(outputs.filter(({ aggregation }) => countsValues(aggregation)).map(({ name }) => name));
    const picked = pickRows(pickColumns(table, outputs.map(({ name }) => name)), positions, counts);
    return new Map(outputs.map(({ name }) => [name, columnOf(picked, name)]));
  }

  /** Which labels have any nodes, a byte each. */
  known(): Uint8Array {
    const known = new Uint8Array(this.count);
    eachLabel(this.answer(), (label) => void (known[label] = 1));
    return known;
  }

  private answer(): Table {
    try {
      this.answered ??= oneBatch(this.aggregation.finish());
      return this.answered;
    } catch (error) {
      if (!(error instanceof OverflowError)) throw error;
      const { column, key, message } = error;
      throw new OverflowError(column, keyText(Number(key)), message.slice(`column ${column}, key ${key}: `.length));
    }
  }

  close(): void {
    this.aggregation.close();
  }
}

export class TableLevel implements Level<LabelsAsTable> {
  /** `states`: of stretches that have rows, in order. */
  constructor(
    private readonly states: Table,
    private readonly plan: TablePlan,
  ) {}

  get count(): number {
    return this.states.numRows;
  }

  labels(count: number): LabelsAsTable {
    return new LabelsAsTable(this.plan, count);
  }

  merge({ labels, nodes }: Nodes, into: LabelsAsTable): void {
    into.add(pickRows(this.states, nodes), labels);
  }

  next(): TableLevel {
    const { states, plan } = this;
    const run = Aggregation.create(mergePlan(plan, labelColumn), keyedSchema(plan, labelField), optionsOf(plan, states.numRows));
    try {
      run.addStates(keyed(states, labelField, numbered(states.numRows).map((row) => row >> 1)));
      return new TableLevel(oneBatch(run.states()), plan);
    } finally {
      run.close();
    }
  }
}

/** What states of these keys are merged by. */
export const mergePlan = ({ outputs, timestamp, tieBreaker }: TablePlan, key: string): GroupByPlan => ({
  keys: [key], outputs, timestamp, ...(tieBreaker !== undefined && { tieBreaker }),
});

function eachLabel(table: Table, use: (label: number, row: number) => void): void {
  if (table.numRows > 0) (columnOf(table, labelColumn).values as Int32Array).forEach(use);
}

export function optionsOf({ memoryLimit }: TablePlan, rowsExpected: number): AggregationOptions {
  return { rowsExpected, ...(memoryLimit !== undefined && { memoryLimit }) };
}

/** The schema of rows by a key, of the columns that outputs go by. */
export function keyedSchema({ schema, outputs, timestamp, tieBreaker }: TablePlan, key: Field): Schema {
  const names = new Set([timestamp, ...(tieBreaker === undefined ? [] : [tieBreaker]), ...outputs.map(({ column }) => column)]);
  return new Schema([key, ...[...names].map((name) => fieldOf(schema, name))]);
}

/** States with another key. */
export function keyed(states: Table, field: Field, values: Int32Array | BigInt64Array): RecordBatch {
  const names = states.schema.fields.map(({ name }) => name);
  const isKey = (name: string | undefined): boolean => name === stretchKey.name || name === labelColumn;
  const columns = states.batches[0]!.data.children.filter((_, i) => !isKey(names[i]));
  const fields = states.schema.fields.filter(({ name }) => !isKey(name));
  const key = makeData({ type: field.type, length: values.length, nullCount: 0, data: values } as never);
  const schema = new Schema([field, ...fields]);
  return new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length: values.length, nullCount: 0, children: [key, ...columns] }));
}
