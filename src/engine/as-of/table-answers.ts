/**
 * From the states of stretches, as a table, to the answers of labels: as answers.ts, where states come from several places.
 *
 *   states   | s₀ | s₁ | s₂ | s₃ | s₄ | s₅ | …      one a stretch that has events, in order of entity and time
 *   level 1  |  s₀s₁   |  s₂s₃   |  s₄s₅   | …
 *   level 2  |       s₀…s₃       | …                 [1, 6) is s₁ · s₂s₃ · s₄s₅
 *
 * A range of n states is at most 2 log₂ n nodes, so that no order of labels makes it quadratic, and every aggregation whose
 * states merge is served. `first` and `last` need no merging: stretches ascend in time, so it is the nearest state that has a
 * value. Pure.
 */
import { type Data, Field, Int32, makeData, RecordBatch, Schema, Struct, type Table } from '../../arrow/arrow.ts';
import { oneBatch } from '../../arrow/canonical.ts';
import { pickColumns, pickRows } from '../../arrow/rows.ts';
import { OverflowError } from '../../base/errors.ts';
import { Aggregation, type AggregationOptions } from '../aggregation.ts';
import type { GroupByPlan, OutputColumn } from '../plan.ts';
import { countsValues, fieldOf, stretchKey } from '../types.ts';
import type { Answers, Question } from './answers.ts';
import type { Spans } from './moments.ts';

/** What the rows of labels are grouped by. No column of a source is called so. */
const labelColumn = '\0label';
/** So few nodes are taken as they are: to merge all neighbours for the next level costs more. */
const nodesAtOnce = 3;
/** Labels whose states are brought together at a time. */
const labelsAtOnce = 1 << 18;

/**
 * `states`: what a plan with moments and all outputs gave. `schema` and `timestamp` are those of the events, `stretches` is how
 * many there are. The first question says whether an entity is known to a label.
 */
export async function answerLabelsOf(
  states: Table, schema: Schema, timestamp: string, stretches: number, questions: readonly Question[], turn: () => Promise<void>, memoryLimit?: number,
): Promise<Answers> {
  const table = oneBatch(states);
  const rowsBefore = rowsBeforeStretches(table, stretches);
  const inRows = questions.map(({ spans: { first, end } }): Spans => ({ first: taken(rowsBefore, first), end: taken(rowsBefore, end) }));
  const { known, labelsKnown } = knownLabels(inRows[0]!);
  const columns: { output: OutputColumn; data: Data }[][] = [];
  for (const [i, { outputs }] of questions.entries()) {
    const merged = outputs.filter(({ aggregation }) => !isPick(aggregation));
    const plan = { outputs: merged, timestamp, schema: labelSchema(schema, merged, timestamp), memoryLimit };
    const byMerging = merged.length === 0 ? new Map<string, Data>() : await mergedAnswers(table, plan, inRows[i]!, known, turn);
    columns.push(outputs.map((output) => ({ output, data: byMerging.get(output.name) ?? pickedAnswer(table, output, inRows[i]!, known) })));
  }
  return { columns, labelsKnown };
}

export function taken(words: Uint32Array, places: Uint32Array): Uint32Array {
  const found = new Uint32Array(places.length);
  for (let i = 0; i < places.length; i++) found[i] = words[places[i]!]!;
  return found;
}

const isPick = (aggregation: string): aggregation is 'first' | 'last' => aggregation === 'first' || aggregation === 'last';

/** How many states there are before each stretch, and in all. The upper half of a key does not count (see late.ts). */
export function rowsBeforeStretches(states: Table, stretches: number): Uint32Array {
  const before = new Uint32Array(stretches + 1);
  if (states.numRows > 0) {
    const keys = states.getChild(stretchKey.name)!.data[0]!.values as BigInt64Array;
    const halves = new Uint32Array(keys.buffer, keys.byteOffset, keys.length * 2);
    for (let row = 0; row < keys.length; row++) before[halves[row * 2]! + 1] = 1;
  }
  for (let stretch = 0; stretch < stretches; stretch++) before[stretch + 1]! += before[stretch]!;
  return before;
}

function knownLabels({ first, end }: Spans): { readonly known: Uint8Array; readonly labelsKnown: number } {
  const known = new Uint8Array(first.length);
  let labelsKnown = 0;
  for (let label = 0; label < first.length; label++) {
    if (first[label]! >= end[label]!) continue;
    known[label] = 1;
    labelsKnown++;
  }
  return { known, labelsKnown };
}

/** The first or last value in each range. */
function pickedAnswer(states: Table, { column, aggregation }: OutputColumn, { first, end }: Spans, known: Uint8Array): Data {
  const name = `${column}__${aggregation}`;
  const data = states.getChild(name)!.data[0];
  const near = nearestValid(data, states.numRows, aggregation === 'last');
  const positions = new Int32Array(first.length).fill(-1);
  for (let label = 0; label < first.length; label++) {
    if (known[label] === 0 || first[label]! >= end[label]!) continue;
    const row = near[aggregation === 'last' ? end[label]! - 1 : first[label]!]!;
    if (row >= first[label]! && row < end[label]!) positions[label] = row;
  }
  return pickRows(pickColumns(states, [name]), positions).getChildAt(0)!.data[0]!;
}

/** The nearest row with a value, at or before each row, or at or after it; −1 and `rows` where there is none. */
function nearestValid(data: Data | undefined, rows: number, before: boolean): Int32Array {
  const near = new Int32Array(rows);
  let nearest = before ? -1 : rows;
  for (let i = 0; i < rows; i++) {
    const row = before ? i : rows - 1 - i;
    if (data!.getValid(row)) nearest = row;
    near[row] = nearest;
  }
  return near;
}

/** Outputs whose states are merged by label. */
export interface MergePlan {
  readonly outputs: readonly OutputColumn[];
  readonly timestamp: string;
  readonly tieBreaker?: string | undefined;
  readonly schema: Schema;
  /** Bytes that what is merged may take. */
  readonly memoryLimit?: number | undefined;
}

/** The schema of rows by label, of the columns that outputs go by. */
export function labelSchema(schema: Schema, outputs: readonly OutputColumn[], timestamp: string, tieBreaker?: string): Schema {
  const names = new Set([timestamp, ...(tieBreaker === undefined ? [] : [tieBreaker]), ...outputs.map(({ column }) => column)]);
  return new Schema([new Field(labelColumn, new Int32(), false), ...[...names].map((name) => fieldOf(schema, name))]);
}

/** The answers of outputs whose states are merged, by name. */
async function mergedAnswers(states: Table, plan: MergePlan, spans: Spans, known: Uint8Array, turn: () => Promise<void>): Promise<ReadonlyMap<string, Data>> {
  const run = beginLabels(plan, known.length);
  try {
    await addSpans(run, states, plan, spans, turn);
    return columnsOfLabels(finishLabels(run), plan, known);
  } finally {
    run.close();
  }
}

/** Which label each row of a merged table is of. */
export function labelsOf(table: Table): Int32Array {
  return table.numRows === 0 ? new Int32Array(0) : (table.getChild(labelColumn)!.data[0]!.values as Int32Array);
}

/** The columns of a merged table, a row for each label: of those that are known and not in the table, counts are 0. */
export function columnsOfLabels(table: Table, plan: Pick<MergePlan, 'outputs'>, known: Uint8Array): ReadonlyMap<string, Data> {
  const positions = new Int32Array(known.length).fill(-1);
  labelsOf(table).forEach((label, row) => {
    if (known[label] === 1) positions[label] = row;
  });
  // Known, but without an event in this range: counts are 0.
  const counts = new Set(plan.outputs.filter(({ aggregation }) => countsValues(aggregation)).map(({ name }) => name));
  const picked = pickRows(pickColumns(table, plan.outputs.map(({ name }) => name)), positions, counts);
  return new Map(plan.outputs.map(({ name }) => {
    const data = picked.getChild(name)!.data[0]!;
    return [name, counts.has(name) ? onlyKnown(data, known) : data];
  }));
}

/** The same values, null where nothing is known. */
function onlyKnown(data: Data, known: Uint8Array): Data {
  const nullBitmap = new Uint8Array((known.length + 7) >> 3);
  let nullCount = 0;
  for (let row = 0; row < known.length; row++) {
    if (known[row] === 1) nullBitmap[row >> 3]! |= 1 << (row & 7);
    else nullCount++;
  }
  if (nullCount === 0) return data;
  return makeData({ type: data.type, length: data.length, nullCount, nullBitmap, data: data.values } as never);
}

/** Begins to merge states by label. Close it when done. */
export function beginLabels(plan: MergePlan, labels: number): Aggregation {
  return Aggregation.create(groupPlan(plan), plan.schema, optionsOf(plan, labels));
}

/** Adds to each label the states of its span. */
export async function addSpans(run: Aggregation, states: Table, plan: MergePlan, { first, end }: Spans, turn: () => Promise<void>): Promise<void> {
  const [starts, ends] = [Int32Array.from(first), Int32Array.from(end)];
  let open = Int32Array.from(starts.keys()).filter((label) => starts[label]! < ends[label]!);
  for (let level = states; open.length > 0; ) {
    for (let from = 0; from < open.length; from += labelsAtOnce) {
      const { labels, nodes } = takeNodes(open.subarray(from, from + labelsAtOnce), starts, ends);
      run.addStates(keyed(pickRows(level, nodes), labels));
      await turn();
    }
    open = open.filter((label) => starts[label]! < ends[label]!);
    if (open.length > 0) level = mergePairs(level, plan);
  }
}

/** A row for each label that has states: its number, and the outputs. Ascends by the number. */
export function finishLabels(run: Aggregation): Table {
  try {
    return oneBatch(run.finish());
  } catch (error) {
    if (error instanceof OverflowError) {
      const { column, key, message } = error;
      throw new OverflowError(column, `of the label in row ${key}`, message.slice(`column ${column}, key ${key}: `.length));
    }
    throw error;
  }
}

export function optionsOf({ memoryLimit }: MergePlan, rowsExpected: number): AggregationOptions {
  return { rowsExpected, ...(memoryLimit !== undefined && { memoryLimit }) };
}

const groupPlan = ({ outputs, timestamp, tieBreaker }: MergePlan): GroupByPlan => ({ keys: [labelColumn], outputs, timestamp, ...(tieBreaker !== undefined && { tieBreaker }) });

/** What this level gives to the ranges of labels: all of few nodes; of more, a node at an odd start, and one before an odd end. The rest is halved, for the next. */
function takeNodes(open: Int32Array, starts: Int32Array, ends: Int32Array): { readonly labels: Int32Array; readonly nodes: Int32Array } {
  const room = open.length * Math.max(2, nodesAtOnce);
  const [labels, nodes] = [new Int32Array(room), new Int32Array(room)];
  let count = 0;
  const take = (label: number, node: number): void => {
    labels[count] = label;
    nodes[count++] = node;
  };
  for (const label of open) {
    let [start, end] = [starts[label]!, ends[label]!];
    if (end - start <= nodesAtOnce) while (start < end) take(label, start++);
    if (start & 1 && start < end) take(label, start++);
    if (start < end && end & 1) take(label, --end);
    starts[label] = start >> 1;
    ends[label] = end >> 1;
  }
  return { labels: labels.subarray(0, count), nodes: nodes.subarray(0, count) };
}

/** The next level: each two neighbours merged. */
function mergePairs(level: Table, plan: MergePlan): Table {
  const run = Aggregation.create(groupPlan(plan), plan.schema, optionsOf(plan, level.numRows));
  try {
    run.addStates(keyed(level, Int32Array.from({ length: level.numRows }, (_, row) => row >> 1)));
    return oneBatch(run.states());
  } finally {
    run.close();
  }
}

/** States with what they are grouped by. */
function keyed(states: Table, labels: Int32Array): RecordBatch {
  const names = states.schema.fields.map(({ name }) => name);
  const columns = states.batches[0]!.data.children.filter((_, i) => names[i] !== stretchKey.name && names[i] !== labelColumn);
  const fields = states.schema.fields.filter(({ name }) => name !== stretchKey.name && name !== labelColumn);
  const key = makeData({ type: new Int32(), length: labels.length, nullCount: 0, data: labels });
  const schema = new Schema([new Field(labelColumn, new Int32(), false), ...fields]);
  return new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length: labels.length, nullCount: 0, children: [key, ...columns] }));
}
