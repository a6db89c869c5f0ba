/**
 * From the states of stretches to the answers of labels: merged (levels.ts), never subtracted. `first` and `last` need no merging: stretches
 * ascend in time, so it is the nearest state that has a value. All of it where the states lie, by kernels (kernel/spans.ts).
 */
import type { Data, Schema } from '../../arrow/arrow.ts';
import { oneBatch } from '../../arrow/canonical.ts';
import type { Aggregation, AskedLabels, StretchStates } from '../aggregation.ts';
import type { Instance } from '../instance.ts';
import { isByTime, type OutputColumn } from '../plan.ts';
import { type LabelStates, type Level, MemoryLevel, type Nodes, numbered, TableLevel } from './levels.ts';
import type { Spans } from './spans.ts';
import { countsOfKnown, type SomeAnswers, someAtATime } from './shared-answers.ts';

/** What is asked of each label's range. */
export interface Question {
  readonly outputs: readonly OutputColumn[];
  readonly spans: Spans;
}

/** How many labels are asked about. */
export const labelsOf = ({ spans }: Question): number => (spans.ascending?.order ?? spans.first).length;

export interface Answers {
  /** Of each question a column for each output, a row for each label. */
  readonly columns: readonly (readonly { readonly output: OutputColumn; readonly data: Data }[])[];
  readonly labelsKnown: number;
}

/** Of a level all nodes are taken as they are where that is at most so many for each it has: to merge all neighbours for the next costs more. */
const takenEach = 2;
/** Labels whose states are brought together at a time. */
const labelsAtOnce = 1 << 18;

/** Spans of labels in memory, u32 each. */
interface PlacedSpans {
  readonly first: number;
  readonly end: number;
}

/** Which labels have any rows in the first question's range: a byte each, here and in memory. */
interface Known {
  readonly pointer: number;
  readonly bytes: Uint8Array;
  readonly labels: number;
}

/**
 * `aggregation`: of a plan with moments and all outputs, with all rows. `schema` and `timestamp` are those of the events. The first question
 * says whether an entity is known to a label: one that is not has null in every column.
 */
export async function answerLabels(
  aggregation: Aggregation, schema: Schema, timestamp: string, questions: readonly Question[], turn: () => Promise<void>, memoryLimit?: number,
): Promise<Answers> {
  const nearest = aggregation.askedOfNearest([], questions);
  if (nearest !== undefined) return nearestAnswers(aggregation, nearest, questions, turn);
  const states = aggregation.stretchStates();
  const known = states.instance.guard(() => knownLabels(states, questions[0]!.spans));
  const columns: { output: OutputColumn; data: Data }[][] = [];
  for (const { outputs, spans } of questions) {
    await turn();
    const answers = states.instance.guard(() => pickedAnswers(states, outputs, spans, known));
    const merged = outputs.filter(({ name }) => !answers.has(name));
    if (merged.length > 0) {
      const merging = { known, turn, spans: states.instance.guard(() => spansOfFull(states, spans, known)) };
      const { isInRows, instance, full } = states;
      const byMerging = isInRows(merged)
        ? await mergedAnswers(new MemoryLevel(states, states.accumulators, full.count, full.pointer), merged, merging, (work) => instance.guard(work))
        : await mergedAnswers(new TableLevel(oneBatch(aggregation.states()), { outputs: merged, timestamp, schema, memoryLimit }), merged, merging, (work) => work());
      for (const [name, data] of byMerging) answers.set(name, data);
    }
    columns.push(outputs.map((output) => ({ output, data: answers.get(output.name)! })));
  }
  return { columns, labelsKnown: known.labels };
}

/** The answers of labels where the only output is the first value or the last. */
async function nearestAnswers(aggregation: Aggregation, { source, labels }: AskedLabels, questions: readonly Question[], turn: () => Promise<void>): Promise<Answers> {
  const answers: SomeAnswers[] = [];
  for (const some of someAtATime(labels, labelsAtOnce)) {
    await turn();
    answers.push(aggregation.answerSome(source, some));
  }
  return aggregation.allAnswers(source, questions, answers);
}

/** Calls `work` with spans in memory, which are given back. */
function withSpans<Result>(instance: Instance, { first, end }: Spans, work: (placed: PlacedSpans) => Result): Result {
  const placed = { first: instance.alloc(first.byteLength), end: instance.alloc(end.byteLength) };
  instance.put(first, placed.first);
  instance.put(end, placed.end);
  const result = work(placed);
  instance.free(placed.first, first.byteLength);
  instance.free(placed.end, end.byteLength);
  return result;
}

function knownLabels({ instance, full }: StretchStates, spans: Spans): Known {
  const count = spans.first.length;
  const pointer = instance.alloc(count);
  const labels = withSpans(instance, spans, ({ first, end }) => instance.kernels.knownSpans(first, end, count, full.before, pointer));
  return { pointer, bytes: instance.view8(pointer, count).slice(), labels };
}

/** Spans of stretches that have rows, empty where a label is not known. */
function spansOfFull({ instance, full }: StretchStates, spans: Spans, { pointer }: Known): { readonly starts: Int32Array; readonly ends: Int32Array } {
  const count = spans.first.length;
  return withSpans(instance, spans, ({ first, end }) => {
    instance.kernels.fullSpans(first, end, count, full.before, pointer);
    const copy = (words: number): Int32Array => Int32Array.from(instance.view32(words, count));
    return { starts: copy(first), ends: copy(end) };
  });
}

/** The first or last values in each range, of outputs that ask for those. */
function pickedAnswers(states: StretchStates, outputs: readonly OutputColumn[], spans: Spans, known: Known): Map<string, Data> {
  const { instance, stretches, accumulators } = states;
  const labels = spans.first.length;
  const picked = outputs.filter(isByTime);
  if (picked.length === 0) return new Map();
  const bytes = { near: stretches * 4, found: labels * 4 };
  const [near, found] = [instance.alloc(bytes.near), instance.alloc(bytes.found)];
  const answers = withSpans(instance, spans, ({ first, end }) => new Map(picked.map(({ column, aggregation, name }) => {
    const isLast = aggregation === 'last' ? 1 : 0;
    const { pointer, stride } = accumulators.stateAt(column, aggregation);
    instance.kernels.nearStretches(pointer, stride, stretches, isLast, near);
    instance.kernels.pickStretches(first, end, known.pointer, labels, near, isLast, stretches, found);
    return [name, accumulators.outputs([{ column, aggregation }], instance.view32(found, labels).slice(), String)[0]!];
  })));
  instance.free(near, bytes.near);
  instance.free(found, bytes.found);
  return answers;
}

interface Merging {
  readonly known: Pick<Known, 'bytes'>;
  readonly spans: { readonly starts: Int32Array; readonly ends: Int32Array };
  readonly turn: () => Promise<void>;
}

/** The answers of outputs whose states are merged, by name. `guard` calls work on this level. */
export async function mergedAnswers<Into extends LabelStates>(
  lowest: Level<Into>, outputs: readonly OutputColumn[], { known, spans: { starts, ends }, turn }: Merging, guard: <Result>(work: () => Result) => Result,
): Promise<ReadonlyMap<string, Data>> {
  const labels = guard(() => lowest.labels(known.bytes.length));
  try {
    await mergeSpans(lowest, labels, starts, ends, turn, guard);
    return countsOfKnown(guard(() => labels.finish(outputs)), outputs, known.bytes);
  } finally {
    labels.close();
  }
}

/** Merges into each label the nodes of its span. What `starts` and `ends` say is used up. */
export async function mergeSpans<Into extends LabelStates>(
  lowest: Level<Into>, labels: Into, starts: Int32Array, ends: Int32Array, turn: () => Promise<void>, guard: <Result>(work: () => Result) => Result,
): Promise<void> {
  let open = numbered(starts.length);
  for (let level = lowest; ; level = guard(() => level.next())) {
    const left = stillOpen(open, starts, ends);
    open = left.labels;
    const isLast = left.nodes <= level.count * takenEach;
    for (let from = 0; from < open.length; from += labelsAtOnce) {
      const some = open.subarray(from, from + labelsAtOnce);
      const taken = isLast ? takeAll(some, starts, ends) : takeNodes(some, starts, ends);
      guard(() => level.merge(taken, labels));
      await turn();
    }
    if (isLast) return;
  }
}

/** The labels whose ranges are not yet taken, in place of `open`, and how many nodes those are. */
function stillOpen(open: Int32Array, starts: Int32Array, ends: Int32Array): { readonly labels: Int32Array; readonly nodes: number } {
  let [kept, nodes] = [0, 0];
  for (let i = 0; i < open.length; i++) {
    const label = open[i]!;
    const width = ends[label]! - starts[label]!;
    open[kept] = label;
    nodes += width;
    if (width > 0) kept++;
  }
  return { labels: open.subarray(0, kept), nodes };
}

/** All nodes of the ranges of labels. */
function takeAll(open: Int32Array, starts: Int32Array, ends: Int32Array): Nodes {
  let count = 0;
  for (const label of open) count += ends[label]! - starts[label]!;
  const [labels, nodes] = [new Int32Array(count), new Int32Array(count)];
  let next = 0;
  for (const label of open) {
    for (let node = starts[label]!; node < ends[label]!; node++) {
      labels[next] = label;
      nodes[next++] = node;
    }
  }
  return { labels, nodes };
}

/** What this level gives to the ranges of labels: a node at an odd start, and one before an odd end. The rest is halved, for the next. */
function takeNodes(open: Int32Array, starts: Int32Array, ends: Int32Array): Nodes {
  const [labels, nodes] = [new Int32Array(open.length * 2), new Int32Array(open.length * 2)];
  let count = 0;
  for (const label of open) {
    let [start, end] = [starts[label]!, ends[label]!];
    if (start & 1) {
      labels[count] = label;
      nodes[count++] = start++;
    }
    if (start < end && end & 1) {
      labels[count] = label;
      nodes[count++] = --end;
    }
    starts[label] = start >> 1;
    ends[label] = end >> 1;
  }
  return { labels: labels.subarray(0, count), nodes: nodes.subarray(0, count) };
}
