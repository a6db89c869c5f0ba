/**
 * The answers of some labels, by whichever thread: what the threads of a run have of stretches lies in their common memory, and to answer is but to read it.
 *
 *   labels ─▶ | some | some | some | …      whoever has time takes the next; columns of all, one after the other, are the answers
 *
 * Where only a few stretches lie in the range of each label, what each thread has of them is merged into it as it stands, so that it need not be brought
 * together before. Laws are those of answers.ts.
 */
import { type Data, Field, makeData, Schema, type Table } from '../../arrow/arrow.ts';
import { tableOfColumns } from '../../arrow/canonical.ts';
import type { AccumulatorMemory, Accumulators } from '../accumulator.ts';
import { answerBuffer, freeNow } from '../answer-memory.ts';
import type { Instance } from '../instance.ts';
import { isByTime, type OutputColumn } from '../plan.ts';
import { countsValues } from '../types.ts';
import { type Answers, labelsOf, type Question } from './answers.ts';
import { keyText, numbered } from './levels.ts';
import type { AscendingLabels } from './spans.ts';

/** A question, and where in memory the spans of all labels are. */
export interface PlacedQuestion {
  readonly outputs: readonly OutputColumn[];
  readonly first: number;
  readonly end: number;
}

/** Labels [from, from + count). */
export interface SomeLabels {
  readonly questions: readonly PlacedQuestion[];
  readonly from: number;
  readonly count: number;
}

export interface SomeAnswers {
  /** A column for each output of each question in turn. */
  readonly columns: readonly Data[];
  readonly labelsKnown: number;
}

/** Labels in the order of their moments, and where in memory their answers come to stand. */
export interface PlacedAscending {
  /** Where the nearest values of stretches are that each thread has: addresses in memory. */
  readonly arrays: { readonly pointer: number; readonly count: number };
  /** Where the stretches of each entity begin. */
  readonly starts: number;
  readonly entities: number;
  readonly order: number;
  /** How many labels are anybody's, and how many there are. */
  readonly asked: number;
  readonly count: number;
  /** 64 bits for each label, and a byte. */
  readonly out: number;
  readonly known: number;
}

/** What labels are answered by: the nearest values of stretches (nearest.ts), read in order or by each label's span, or what each thread has of them in the rows of groups. */
export type LabelSource =
  | { readonly kind: 'ascending'; readonly labels: PlacedAscending }
  | { readonly kind: 'nearest'; readonly pointer: number }
  | { readonly kind: 'rows'; readonly memories: readonly AccumulatorMemory[] };

/** Up to so many stretches a label are merged as they are. */
const stretchesEach = 4;
/** And at a time: what is copied for it should stay in the cache. */
const nodesAtOnce = 1 << 14;

/** Whether the ranges of labels have few stretches each, whose states are merged. */
export function areNarrow({ kernels }: Instance, { questions, count }: SomeLabels): boolean {
  return questions.every(({ outputs, first, end }) => !outputs.some(isByTime) && kernels.lengthOfRanges(first, end, count) <= count * stretchesEach);
}

/** All labels, their spans in memory. */
export function placeLabels(instance: Instance, questions: readonly Question[]): SomeLabels {
  const placed = questions.map(({ outputs, spans: { first, end } }) => ({ outputs, first: instance.placed(first), end: instance.placed(end) }));
  return { questions: placed, from: 0, count: labelsOf(questions[0]!) };
}

/** Labels in the order of their moments, with room for their answers. */
export function placeAscending(instance: Instance, { order, asked }: AscendingLabels, arrays: readonly number[], starts: number, entities: number): PlacedAscending {
  const { length: count } = order;
  const known = instance.alloc(count + 8);
  // Bits beyond the end are zero.
  instance.view8(known + count, 8).fill(0);
  return {
    arrays: { pointer: instance.placed(Uint32Array.from(arrays)), count: arrays.length },
    starts, entities, order: instance.placed(order), asked, count, out: instance.alloc(count * 8), known,
  };
}

/** All labels in pieces of at most so many, and of whole bytes of a bitmap. */
export function someAtATime({ questions, count }: SomeLabels, most: number): SomeLabels[] {
  const each = Math.max(64, Math.ceil(most / 64) * 64);
  return Array.from({ length: Math.max(1, Math.ceil(count / each)) }, (_, i) => ({ questions, from: i * each, count: Math.min(each, count - i * each) }));
}

/** From the states of groups that threads have, `fresh` being others of the same columns. */
export function answersOfRows(instance: Instance, fresh: () => Accumulators, memories: readonly AccumulatorMemory[], { questions, from, count }: SomeLabels): SomeAnswers {
  const { kernels } = instance;
  const known = instance.alloc(count);
  const all = new Uint32Array(numbered(count).buffer);
  const columns: Data[] = [];
  let found: { readonly bytes: Uint8Array; readonly labels: number } | undefined;
  for (const { outputs, first, end } of questions) {
    const labels = fresh();
    labels.grow(count);
    const spans = { first: first + from * 4, end: end + from * 4, known: found === undefined ? 0 : known, count };
    mergeSpans(instance, labels, memories, spans);
    if (found === undefined) {
      const { rows, stride } = labels.counted;
      const labelsKnown = kernels.knownGroups(rows, stride, count, known);
      found = { bytes: instance.view8(known, count).slice(), labels: labelsKnown };
    }
    const data = labels.outputs(outputs, all, (label) => keyText(from + label));
    const answers = new Map(outputs.map(({ name }, i) => [name, data[i]!]));
    const ofKnown = countsOfKnown(answers, outputs, found.bytes);
    columns.push(...outputs.map(({ name }) => ofKnown.get(name)!));
  }
  instance.free(known, count);
  return { columns, labelsKnown: found!.labels };
}

/** Merges into each label the stretches of its span, of all threads. */
function mergeSpans(
  instance: Instance, labels: Accumulators, memories: readonly AccumulatorMemory[],
  { first, end, known, count }: { readonly first: number; readonly end: number; readonly known: number; readonly count: number },
): void {
  const bytes = nodesAtOnce * 4;
  const [nodes, ids, place] = [instance.alloc(bytes), instance.alloc(bytes), instance.alloc(8)];
  instance.view32(place, 2).fill(0);
  for (let merged = nodesAtOnce; merged === nodesAtOnce; ) {
    merged = instance.kernels.nodesOfSpans(first, end, known, count, place, nodesAtOnce, nodes, ids);
    if (merged > 0) for (const memory of memories) labels.mergeSome(memory, nodes, ids, merged);
  }
  instance.free(nodes, bytes);
  instance.free(ids, bytes);
  instance.free(place, 8);
}

/** Answers of all labels from those of some, in order, which are used up. */
export function joinedAnswers(questions: readonly Question[], some: readonly SomeAnswers[]): Answers {
  let next = 0;
  const columns = questions.map(({ outputs }) => outputs.map((output) => {
    const column = next++;
    return { output, data: joined(some.map(({ columns: each }) => each[column]!)) };
  }));
  if (some.length > 1) freeNow(some.flatMap(({ columns: each }) => each.flatMap(({ values, nullBitmap }) => [values, nullBitmap].flatMap((array) => (array ? [(array as Uint8Array).buffer] : [])))));
  return { columns, labelsKnown: some.reduce((sum, { labelsKnown }) => sum + labelsKnown, 0) };
}

/** Columns of words or bits, one after the other; of all but the last the rows fill whole bytes of a bitmap. */
function joined(parts: readonly Data[]): Data {
  if (parts.length === 1) return parts[0]!;
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const nullCount = parts.reduce((sum, part) => sum + part.nullCount, 0);
  const arrays = parts.map(({ values }) => values as Uint8Array);
  const bytes = arrays.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const data = new (arrays[0]!.constructor as new (buffer: ArrayBufferLike) => Uint8Array)(answerBuffer(bytes).buffer);
  const nullBitmap = new Uint8Array((length + 7) >> 3).fill(255);
  let [element, row] = [0, 0];
  for (const [i, part] of parts.entries()) {
    data.set(arrays[i]!, element);
    if (part.nullCount > 0) nullBitmap.set(part.nullBitmap!.subarray(0, (part.length + 7) >> 3), row >> 3);
    element += arrays[i]!.length;
    row += part.length;
  }
  if ((length & 7) !== 0) nullBitmap[length >> 3]! &= (1 << (length & 7)) - 1;
  return makeData({ type: parts[0]!.type, length, nullCount, ...(nullCount > 0 && { nullBitmap }), data } as never);
}

/** Columns as they travel between threads. */
export function tableOfAnswers(columns: readonly Data[], count: number): Table {
  return tableOfColumns(new Schema(columns.map(({ type }, i) => new Field(String(i), type, true))), columns, count);
}

/** The same answers. Known, but without an event in this range: counts are 0. Not known: they are null, too. */
export function countsOfKnown(answers: ReadonlyMap<string, Data>, outputs: readonly OutputColumn[], known: Uint8Array): ReadonlyMap<string, Data> {
  const dataOf = ({ name, aggregation }: OutputColumn): Data => (countsValues(aggregation) ? onlyKnown(answers.get(name)!, known) : answers.get(name)!);
  return new Map(outputs.map((output) => [output.name, dataOf(output)]));
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
