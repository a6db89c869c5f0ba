/**
 * The answers of labels where events are known only once they have arrived: of the cells (arrivals.ts) that lie in a label's range
 * and were known before its moment, the states merged.
 *
 *   known in │ · · · · ·        a cell has the events of one stretch that became known in another, the same or a later one
 *   stretch  │ · · x x ·
 *            │ · x x           a label sees an interval of stretches, as far as they were known before its own:
 *            │ · x             those on the diagonal as usual (table-answers.ts), and of late ones a prefix
 *            └───────────▶ happened in
 *
 * Late cells are grouped by blocks of 1, 2, 4, … stretches in which they became known. A label's prefix is some two blocks of each
 * size; within a block cells ascend by when they happened, so the label's interval is a span of rows, which is merged as
 * spans are. So n late cells cost n log n, and a label log² n, whatever its range. Pure.
 */
import { Field, type Schema, type Table } from '../../arrow/arrow.ts';
import { oneBatch } from '../../arrow/canonical.ts';
import { columnOf, pickRows } from '../../arrow/rows.ts';
import { Aggregation } from '../aggregation.ts';
import { stretchKey } from '../types.ts';
import { type Answers, mergeSpans, type Question } from './answers.ts';
import { keyed, keyedSchema, LabelsAsTable, mergePlan, optionsOf, TableLevel, type TablePlan } from './levels.ts';
import type { Spans } from './spans.ts';
import { countsOfKnown } from './shared-answers.ts';
import { rowsBeforeStretches, taken } from './table-answers.ts';

export interface LateQuestions {
  readonly timestamp: string;
  readonly tieBreaker: string | undefined;
  /** How many stretches there are. */
  readonly stretches: number;
  /** The first says whether an entity is known to a label. */
  readonly questions: readonly Question[];
  /** Of each label, the stretch behind the last that it sees: what became known in an earlier one was known before its moment. */
  readonly seen: Uint32Array;
  /** Bytes that what is merged may take. */
  readonly memoryLimit?: number | undefined;
}

/** `states`: what a plan with moments, an arrival and all outputs gave; `schema` is that of the events. */
export async function answerLateLabels(
  states: Table, schema: Schema, { timestamp, tieBreaker, stretches, questions, seen, memoryLimit }: LateQuestions, turn: () => Promise<void>,
): Promise<Answers> {
  const table = oneBatch(states);
  const { prompt, late } = split(table);
  const before = rowsBeforeStretches(prompt, stretches);
  const asked = questions.map(({ outputs, spans }) => {
    const plan: TablePlan = { outputs, timestamp, tieBreaker, schema, memoryLimit };
    return { plan, spans, labels: new LabelsAsTable(plan, seen.length) };
  });
  try {
    for (const each of asked) {
      const { first, end } = each.spans;
      await addSpans(each, prompt, { first: taken(before, first), end: taken(before, end) }, turn);
    }
    if (late.numRows > 0) await addLate(late, asked, seen, allOutputs(asked.map(({ plan }) => plan)), turn);
    const known = asked[0]!.labels.known();
    const columns = asked.map(({ plan: { outputs }, labels }) => {
      const byName = countsOfKnown(labels.finishSome(outputs, known), outputs, known);
      return outputs.map((output) => ({ output, data: byName.get(output.name)! }));
    });
    return { columns, labelsKnown: known.reduce((sum, each) => sum + each, 0) };
  } finally {
    for (const { labels } of asked) labels.close();
  }
}

/** Adds to each label the states of its span. */
function addSpans({ plan, labels }: Asked, states: Table, { first, end }: Spans, turn: () => Promise<void>): Promise<void> {
  return mergeSpans(new TableLevel(states, plan), labels, Int32Array.from(first), Int32Array.from(end), turn, (work) => work());
}

interface Asked {
  readonly plan: TablePlan;
  readonly spans: Spans;
  readonly labels: LabelsAsTable;
}

/** Everything that any plan merges. */
function allOutputs(plans: readonly TablePlan[]): TablePlan {
  const outputs = [...new Map(plans.flatMap((plan) => plan.outputs).map((output) => [`${output.column}\0${output.aggregation}`, output])).values()];
  return { ...plans[0]!, outputs };
}

/** Cells whose events were known when they happened, and the others; ascending by when they became known, then by when they happened. */
function split(states: Table): { readonly prompt: Table; readonly late: Table } {
  const halves = halvesOf(states);
  const [prompt, late] = [new Int32Array(states.numRows), new Int32Array(states.numRows)];
  let [prompts, lates] = [0, 0];
  for (let row = 0; row < states.numRows; row++) {
    if (halves[row * 2] === halves[row * 2 + 1]) prompt[prompts++] = row;
    else late[lates++] = row;
  }
  return { prompt: lates === 0 ? states : pickRows(states, prompt.subarray(0, prompts)), late: pickRows(states, late.subarray(0, lates)) };
}

/** The keys of states as halves: in which stretch the events happened, and in which they became known. */
function halvesOf(states: Table): Uint32Array {
  if (states.numRows === 0) return new Uint32Array(0);
  const keys = columnOf(states, stretchKey.name).values as BigInt64Array;
  return new Uint32Array(keys.buffer, keys.byteOffset, states.numRows * 2);
}

/** Adds late cells, a size of blocks at a time. */
async function addLate(late: Table, asked: readonly Asked[], seen: Uint32Array, every: TablePlan, turn: () => Promise<void>): Promise<void> {
  // The blocks that are still to be taken: what happens in a stretch and is late becomes known in a later one.
  const open = asked.map(({ spans: { first, end } }) => {
    const low = Uint32Array.from(first, (stretch, label) => (stretch < end[label]! ? stretch + 1 : 1));
    return { low, high: Uint32Array.from(seen, (stretch, label) => (first[label]! < end[label]! ? Math.max(stretch, low[label]!) : 1)) };
  });
  for (let level = late; ; ) {
    const halves = halvesOf(level);
    for (const [i, each] of asked.entries()) {
      const { low, high } = open[i]!;
      for (const blocks of takeBlocks(low, high)) await addSpans(each, level, spansInBlocks(halves, blocks, each.spans), turn);
    }
    if (open.every(({ low, high }) => low.every((block, label) => block >= high[label]!))) return;
    level = joinBlocks(level, every);
    await turn();
  }
}

const noBlock = 0xffffffff;

/** Of each label's blocks [low, high) the one at an odd start, and the one before an odd end; the rest is halved, for blocks of twice the size. */
function takeBlocks(low: Uint32Array, high: Uint32Array): Uint32Array[] {
  const taken = [new Uint32Array(low.length).fill(noBlock), new Uint32Array(low.length).fill(noBlock)];
  for (let label = 0; label < low.length; label++) {
    let [first, end] = [low[label]!, high[label]!];
    if (first < end && first & 1) taken[0]![label] = first++;
    if (first < end && end & 1) taken[1]![label] = --end;
    low[label] = first >>> 1;
    high[label] = end >>> 1;
  }
  return taken.filter((blocks) => blocks.some((block) => block !== noBlock));
}

/** The rows of each label's block that happened in its span. */
function spansInBlocks(halves: Uint32Array, blocks: Uint32Array, { first, end }: Spans): Spans {
  const [starts, ends] = [new Uint32Array(blocks.length), new Uint32Array(blocks.length)];
  for (let label = 0; label < blocks.length; label++) {
    const block = blocks[label]!;
    if (block === noBlock) continue;
    starts[label] = rowsBefore(halves, block, first[label]!);
    ends[label] = rowsBefore(halves, block, end[label]!);
  }
  return { first: starts, end: ends };
}

/** How many rows come before a block's first that happened in a stretch or after. */
function rowsBefore(halves: Uint32Array, block: number, stretch: number): number {
  let [low, high] = [0, halves.length / 2];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const own = halves[middle * 2 + 1]!;
    if (own < block || (own === block && halves[middle * 2]! < stretch)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Each two neighbouring blocks as one. */
function joinBlocks(level: Table, every: TablePlan): Table {
  const halves = halvesOf(level);
  const keys = new BigInt64Array(level.numRows);
  const joined = new Uint32Array(keys.buffer);
  for (let i = 0; i < joined.length; i += 2) {
    joined[i] = halves[i]!;
    joined[i + 1] = halves[i + 1]! >>> 1;
  }
  const key = new Field(stretchKey.name, stretchKey.type, false);
  const run = Aggregation.create(mergePlan(every, stretchKey.name), keyedSchema(every, key), optionsOf(every, level.numRows));
  try {
    run.addStates(keyed(level, key, keys));
    return oneBatch(run.states());
  } finally {
    run.close();
  }
}
