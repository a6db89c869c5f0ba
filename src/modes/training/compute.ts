/**
 * The features of labels from the events of one source: one pass of the events, dropped into the stretches between the labels'
 * moments, and the stretches merged into each label's ranges (engine/as-of/). Events are neither sorted nor kept.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Data, Table } from '../../arrow/arrow.ts';
import { throwIfCancelled } from '../../base/errors.ts';
import { statesSchema } from '../../engine/aggregation.ts';
import { answerLabels } from '../../engine/as-of/answers.ts';
import { answerLateLabels } from '../../engine/as-of/late.ts';
import { planMoments, type Spans } from '../../engine/as-of/moments.ts';
import type { GroupByPlan, OutputColumn } from '../../engine/plan.ts';
import { bindTime, fieldOf, momentType } from '../../engine/types.ts';
import type { ScanOptions, Snapshot } from '../../store/table.ts';
import { aggregateRows, type Progress, type RunOptions, sourceScan } from '../compute.ts';
import { labelsFor } from './labels.ts';
import { atLabel, type SetRequest, type TrainingRequest } from './request.ts';

/** The features of one set, a row for each label. */
export interface SetAnswer {
  /** By the name that the set has for it. */
  readonly columns: ReadonlyMap<string, Data>;
  readonly labelsWithNull: number;
  /** Labels whose entity had any event in the range. */
  readonly labelsKnown: number;
  readonly sourceRows: number;
}

/** What is to be done for one set, known before a row of the source is read. */
export interface SetPlan {
  readonly set: SetRequest;
  readonly source: Snapshot;
  readonly groupBy: GroupByPlan;
  readonly scan: ScanOptions;
  /** One for each part. */
  readonly spans: readonly Spans[];
  /** Where it is asked what had arrived: of each label, the stretch behind the last that it sees. */
  readonly seen: Uint32Array | undefined;
  readonly labelsWithNull: number;
  readonly entities: number;
  /** Bytes of the moments, and at most of the stretches' states. */
  readonly bytes: { readonly moments: number; readonly states: number };
}

/** Checks the labels against the source, and finds their moments. */
export function planSet(request: TrainingRequest, set: SetRequest, labels: Table, source: Snapshot, run: RunOptions): SetPlan {
  const { definition, parts } = set;
  const { arrival, tieBreaker } = definition;
  const timestamp = definition.timestamp!;
  const time = bindTime(fieldOf(source.schema, timestamp));
  const unit = momentType(time.type, arrival === undefined ? undefined : bindTime(fieldOf(source.schema, arrival), 'the time of arrival').type);
  const ours = labelsFor(definition, labels, source.schema, request);
  // The last range has nothing in it but where the label's own moment is.
  const ranges = [...parts.map((part) => part.range), ...(arrival === undefined ? [] : [{ start: atLabel, end: atLabel }])];
  const { moments, spans, range, labelsWithNull } = planMoments(ours, ranges, unit, run.memoryLimit);
  const outputs = stretchOutputs(parts.flatMap((part) => part.outputs));
  // Labels that are nobody's ask for nothing.
  const asked = { outputs, range: range ?? { startUs: 0n, endUs: 0n } };
  const groupBy: GroupByPlan = {
    keys: definition.entityKeys, outputs, timestamp, range: asked.range, moments,
    ...(tieBreaker !== undefined && { tieBreaker }),
    ...(arrival !== undefined && { arrival: { column: arrival } }),
    ...(definition.filter !== undefined && { filter: definition.filter }),
  };
  const scan = sourceScan(source, { definition, parts: [{ ...asked, arrivedBeforeUs: asked.range.endUs }] }, definition.filter, run.signal);
  const { entities, starts, points, wanted } = moments;
  const stateBytes = 8 * (1 + statesSchema(groupBy, source.schema).fields.length);
  return {
    set, source, groupBy, scan, labelsWithNull,
    spans: spans.slice(0, parts.length),
    seen: arrival === undefined ? undefined : spans[parts.length]!.end,
    entities: starts.length - 1,
    bytes: { moments: entities.byteLength + starts.byteLength + points.byteLength + wanted.byteLength, states: points.length * stateBytes },
  };
}

/** Reads the source once and answers. */
export async function featuresOfLabels(plan: SetPlan, run: RunOptions, onProgress?: (progress: Progress) => void): Promise<SetAnswer> {
  const { set: { definition, parts }, source, groupBy, scan, spans, seen, labelsWithNull } = plan;
  const pass = { snapshot: source, scan, phase: 'reading the source', onProgress } as const;
  const turn = async (): Promise<void> => {
    throwIfCancelled(run.signal, 'training set');
    await nextTurn();
  };
  const questions = parts.map((part, i) => ({ outputs: part.outputs, spans: spans[i]! }));
  const stretches = groupBy.moments!.points.length;
  const { answers, sourceRows } = await aggregateRows(pass, [groupBy], await threadsFor(plan, run), async (aggregations, rows) => {
    const states = (await aggregations.states())[0]!;
    await aggregations.close();
    const { timestamp, tieBreaker } = definition;
    const answers = seen === undefined
      ? await answerLabels(states, source.schema, timestamp!, stretches, questions, turn)
      : await answerLateLabels(states, source.schema, { timestamp: timestamp!, tieBreaker, stretches, questions, seen }, turn);
    return { answers, sourceRows: rows };
  });
  const columns = new Map(answers.columns.flat().map(({ output, data }) => [output.name, data]));
  return { columns, labelsWithNull, labelsKnown: answers.labelsKnown, sourceRows };
}

/**
 * Rows in memory are left to one thread where there are many stretches for them: every thread would have states of them all, and
 * to bring those together takes longer than what is won (10 M rows, 1 M stretches: 1.3 s of work on one thread, 2.5 s on two).
 */
async function threadsFor({ source, scan, groupBy }: SetPlan, run: RunOptions): Promise<RunOptions> {
  const isShared = source.format !== 'memory' || groupBy.moments!.points.length * rowsPerStretch <= (await source.plan(scan)).rows;
  return isShared ? run : { ...run, threads: 1 };
}

/** Rows that are worth a state of their own in every thread. */
const rowsPerStretch = 16;

/** What each stretch is aggregated by: everything that any part asks for, once. */
function stretchOutputs(asked: readonly OutputColumn[]): OutputColumn[] {
  const outputs = new Map(asked.map(({ column, aggregation }) => [`${column}\0${aggregation}`, { column, aggregation }]));
  return [...outputs].map(([name, output]) => ({ ...output, name }));
}
