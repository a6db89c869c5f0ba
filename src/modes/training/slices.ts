/**
 * Labels in slices, where the moments of all and the states between them would not fit the memory there may be: a slice has its own
 * pass over the source, which is never held. The law that labels can be split in any way makes the answer the same.
 *
 * How many slices is estimated before anything is read; where it was too few, a slice that did not fit is halved.
 */
import type { Data, Table } from '../../arrow/arrow.ts';
import { canonicalTable, concatColumn } from '../../arrow/canonical.ts';
import { MemoryLimitError } from '../../base/errors.ts';
import { freeNow } from '../../engine/answer-memory.ts';
import { memoryMax } from '../../engine/instance.ts';
import type { Snapshot } from '../../store/table.ts';
import type { Progress, RunOptions } from '../compute.ts';
import { featuresOfLabels, planSet, type SetAnswer, type SetPlan } from './compute.ts';
import type { SetRequest, TrainingRequest } from './request.ts';
import { chooseRoad, type RoadChoice, type StoredContext } from './roads.ts';

/** What one set is asked, a slice of the labels at a time. */
export interface SlicedSet {
  readonly request: TrainingRequest;
  readonly set: SetRequest;
  readonly source: Snapshot;
  readonly labels: Table;
  readonly stored: StoredContext;
  readonly run: RunOptions;
  /** The rows of each slice but for the last, which may have fewer. */
  readonly sliceRows: number;
  /** The first slice, planned. */
  readonly first: Slice;
}

export interface Slice {
  readonly start: number;
  readonly end: number;
  readonly plan: SetPlan;
  readonly choice: RoadChoice;
}

/** A table of groups is copied when it grows, and stands beside the tables that find its rows. */
const roomFactor = 3;
/** A slice that asks for so small a part of the memory and does not fit: it is not the labels that are too many. */
const innocentShare = 1 / 16;

/** Checks the labels, and finds slices whose moments and states fit. */
export async function sliceSet(request: TrainingRequest, set: SetRequest, labels: Table, source: Snapshot, stored: StoredContext, run: RunOptions): Promise<SlicedSet> {
  const limit = limitOf(run);
  let sliceRows = Math.max(1, labels.numRows);
  for (;;) {
    try {
      const plan = planSet(request, set, rowsOf(labels, 0, sliceRows), source, run);
      const need = await needOf(plan);
      if (need <= limit || sliceRows === 1) {
        const first = { start: 0, end: Math.min(sliceRows, labels.numRows), plan, choice: await chooseRoad(plan, request.road, stored) };
        return { request, set, source, labels, stored, run, sliceRows, first };
      }
      sliceRows = Math.max(1, Math.floor((sliceRows * limit) / need));
    } catch (error) {
      if (!(error instanceof MemoryLimitError) || sliceRows === 1) throw error;
      sliceRows = Math.ceil(sliceRows / 2);
    }
  }
}

/** Every slice in turn, planned. */
export async function* slicesOf({ request, set, source, labels, stored, run, sliceRows, first }: SlicedSet): AsyncGenerator<Slice, void, void> {
  yield first;
  for (let start = first.end; start < labels.numRows; start += sliceRows) {
    const end = Math.min(start + sliceRows, labels.numRows);
    const plan = planSet(request, set, rowsOf(labels, start, end), source, run);
    yield { start, end, plan, choice: await chooseRoad(plan, request.road, stored) };
  }
}

/** The features of all labels. What was planned is used up. */
export async function answerSlices(sliced: SlicedSet, onProgress?: (progress: Progress) => void): Promise<SetAnswer> {
  const answers: SetAnswer[] = [];
  for await (const slice of slicesOf(sliced)) answers.push(...(await answerSlice(sliced, slice, onProgress)));
  return answers.length === 1 ? answers[0]! : oneAfterTheOther(answers);
}

async function answerSlice(sliced: SlicedSet, { start, end, plan, choice }: Slice, onProgress: ((progress: Progress) => void) | undefined): Promise<SetAnswer[]> {
  const { request, set, source, labels, stored, run } = sliced;
  try {
    const answer = await featuresOfLabels(plan, choice, run, onProgress);
    freeNow(plan.buffers);
    return [answer];
  } catch (error) {
    if (!(error instanceof MemoryLimitError)) throw error;
    if (end - start <= 1 || (await needOf(plan)) < limitOf(run) * innocentShare) throw limitError(plan, run, end - start, error);
    const middle = (start + end) >>> 1;
    const answers: SetAnswer[] = [];
    for (const [from, to] of [[start, middle], [middle, end]] as const) {
      const half = planSet(request, set, rowsOf(labels, from, to), source, run);
      answers.push(...(await answerSlice(sliced, { start: from, end: to, plan: half, choice: await chooseRoad(half, request.road, stored) }, onProgress)));
    }
    return answers;
  }
}

function limitOf({ memoryLimit = memoryMax }: RunOptions): number {
  return Math.min(memoryLimit, memoryMax);
}

/** About how many bytes a plan takes: its moments, and states of all stretches; or, where arrivals are asked about, of no more than there are rows. */
async function needOf({ bytes: { moments, state }, groupBy, source, scan, seen }: SetPlan): Promise<number> {
  const stretches = groupBy.moments!.count;
  return moments + roomFactor * state * (seen === undefined ? stretches : Math.min(stretches, (await source.plan(scan)).rows));
}

function limitError({ set: { definition }, source, entities }: SetPlan, run: RunOptions, labels: number, cause: MemoryLimitError): MemoryLimitError {
  const error = new MemoryLimitError('training set', limitOf(run), `feature set ${definition.name}: ${labels} labels of ${entities} entities, and the keys that ${source.name} has beside theirs, do not fit ${limitOf(run)} bytes; raise memoryLimit (at most 4 GiB), or ask for fewer columns`);
  error.cause = cause;
  return error;
}

function rowsOf(labels: Table, start: number, end: number): Table {
  return start === 0 && end >= labels.numRows ? labels : canonicalTable(labels.schema, labels.slice(start, end).batches);
}

/** The answers of slices as one. */
function oneAfterTheOther(answers: readonly SetAnswer[]): SetAnswer {
  const [first] = answers as readonly [SetAnswer];
  const sum = (count: (answer: SetAnswer) => number): number => answers.reduce((total, answer) => total + count(answer), 0);
  const columns = new Map<string, Data>();
  for (const [name, { type }] of first.columns) {
    const parts = answers.map((answer) => answer.columns.get(name)!);
    columns.set(name, concatColumn(type, parts, parts.reduce((rows, { length }) => rows + length, 0)));
  }
  return {
    columns,
    labelsWithNull: sum(({ labelsWithNull }) => labelsWithNull),
    labelsKnown: sum(({ labelsKnown }) => labelsKnown),
    sourceRows: sum(({ sourceRows }) => sourceRows),
    road: first.road,
    reasons: [`labels in ${answers.length} slices, each with a pass of its own, to keep memoryLimit`, ...new Set(answers.flatMap(({ reasons }) => reasons))],
  };
}
