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
import { pickColumns, pickRows } from '../../arrow/rows.ts';
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

const keyText = (label: number): string => `of the label in row ${label}`;

/** Nodes that are merged at a time: what is copied for it should stay in the cache. */
const nodesAtOnce = 1 << 14;

class LabelsInMemory implements LabelStates {
  constructor(
    readonly accumulators: Accumulators,
    private readonly count: number,
  ) {}

  finish(outputs: readonly OutputColumn[]): ReadonlyMap<string, Data> {
    const all = Uint32Array.from({ length: this.count }, (_, label) => label);
    return new Map(outputs.map(({ column, aggregation, name }) => [name, this.accumulators.output(column, aggregation, all, keyText)]));
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
    const nodes = Int32Array.from({ length: this.count }, (_, node) => node);
    this.mergeInto(accumulators, nodes, nodes.map((node) => node >> 1));
    return new MemoryLevel(this.states, accumulators, count, 0);
  }

  private mergeInto(target: Accumulators, nodes: Int32Array, groups: Int32Array): void {
    const { instance } = this.states;
    const { memory } = this.accumulators;
    const bytes = nodesAtOnce * 4;
    const [from, to] = [instance.alloc(bytes), instance.alloc(bytes)];
    const numbers = this.full === 0 ? undefined : instance.view32(this.full, this.count);
    for (let start = 0; start < nodes.length; start += nodesAtOnce) {
      const some = nodes.subarray(start, start + nodesAtOnce);
      instance.put(numbers === undefined ? some : some.map((node) => numbers[node]!), from);
      instance.put(groups.subarray(start, start + nodesAtOnce), to);
      target.mergeSome(memory, from, to, some.length);
    }
    instance.free(from, bytes);
    instance.free(to, bytes);
  }
}

/** What the rows of labels are grouped by. No column of a source is called so. */
const labelColumn = '\0label';

/** What is merged as tables. */
export interface TablePlan {
  readonly outputs: readonly OutputColumn[];
  readonly timestamp: string;
  readonly schema: Schema;
  /** Bytes that what is merged may take. */
  readonly memoryLimit: number | undefined;
}

class LabelsAsTable implements LabelStates {
  private readonly aggregation: Aggregation;

  constructor(
    plan: TablePlan,
    private readonly count: number,
  ) {
    this.aggregation = Aggregation.create(groupPlan(plan), labelSchema(plan), optionsOf(plan, count));
  }

  add(states: Table, labels: Int32Array): void {
    this.aggregation.addStates(keyed(states, labels));
  }

  finish(outputs: readonly OutputColumn[]): ReadonlyMap<string, Data> {
    const table = oneBatch(this.answer());
    const positions = new Int32Array(this.count).fill(-1);
    if (table.numRows > 0) (table.getChild(labelColumn)!.data[0]!.values as Int32Array).forEach((label, row) => void (positions[label] = row));
    const counts = new Set(outputs.filter(({ aggregation }) => countsValues(aggregation)).map(({ name }) => name));
    const picked = pickRows(pickColumns(table, outputs.map(({ name }) => name)), positions, counts);
    return new Map(outputs.map(({ name }) => [name, picked.getChild(name)!.data[0]!]));
  }

  private answer(): Table {
    try {
      return this.aggregation.finish();
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
    const run = Aggregation.create(groupPlan(plan), labelSchema(plan), optionsOf(plan, states.numRows));
    try {
      run.addStates(keyed(states, Int32Array.from({ length: states.numRows }, (_, row) => row >> 1)));
      return new TableLevel(oneBatch(run.states()), plan);
    } finally {
      run.close();
    }
  }
}

const groupPlan = ({ outputs, timestamp }: TablePlan): GroupByPlan => ({ keys: [labelColumn], outputs, timestamp });

function optionsOf({ memoryLimit }: TablePlan, rowsExpected: number): AggregationOptions {
  return { rowsExpected, ...(memoryLimit !== undefined && { memoryLimit }) };
}

function labelSchema({ schema, outputs, timestamp }: TablePlan): Schema {
  const names = new Set([timestamp, ...outputs.map(({ column }) => column)]);
  return new Schema([new Field(labelColumn, new Int32(), false), ...[...names].map((name) => fieldOf(schema, name))]);
}

/** States with what they are grouped by. */
function keyed(states: Table, labels: Int32Array): RecordBatch {
  const names = states.schema.fields.map(({ name }) => name);
  const isKey = (name: string | undefined): boolean => name === stretchKey.name || name === labelColumn;
  const columns = states.batches[0]!.data.children.filter((_, i) => !isKey(names[i]));
  const fields = states.schema.fields.filter(({ name }) => !isKey(name));
  const key = makeData({ type: new Int32(), length: labels.length, nullCount: 0, data: labels });
  const schema = new Schema([new Field(labelColumn, new Int32(), false), ...fields]);
  return new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length: labels.length, nullCount: 0, children: [key, ...columns] }));
}
