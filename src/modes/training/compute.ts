/**
 * The features of labels from the events of one source: one pass of the events, dropped into the stretches between the labels'
 * moments, and the stretches merged into each label's ranges (engine/as-of/). Events are neither sorted nor kept.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Data, Table } from '../../arrow/arrow.ts';
import { throwIfCancelled } from '../../base/errors.ts';
import { statesSchema } from '../../engine/aggregation.ts';
import { answerLabels } from '../../engine/as-of/answers.ts';
import { planMoments, type Spans } from '../../engine/as-of/moments.ts';
import type { GroupByPlan, OutputColumn } from '../../engine/plan.ts';
import { bindTime, fieldOf } from '../../engine/types.ts';
import type { ScanOptions, Snapshot } from '../../store/table.ts';
import { aggregateRows, type Progress, type RunOptions, sourceScan } from '../compute.ts';
import { labelsFor } from './labels.ts';
import type { SetRequest, TrainingRequest } from './request.ts';

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
  readonly labelsWithNull: number;
  readonly entities: number;
  /** Bytes of the moments, and at most of the stretches' states. */
  readonly bytes: { readonly moments: number; readonly states: number };
}

/** Checks the labels against the source, and finds their moments. */
export function planSet(request: TrainingRequest, set: SetRequest, labels: Table, source: Snapshot, run: RunOptions): SetPlan {
  const { definition, parts } = set;
  const timestamp = definition.timestamp!;
  const { type } = bindTime(fieldOf(source.schema, timestamp));
  const ours = labelsFor(definition, labels, source.schema, request);
  const { moments, spans, range, labelsWithNull, entities } = planMoments(ours, parts.map((part) => part.range), type, run.memoryLimit);
  const outputs = stretchOutputs(parts.flatMap((part) => part.outputs));
  // Labels that are nobody's ask for nothing.
  const asked = { outputs, range: range ?? { startUs: 0n, endUs: 0n } };
  const groupBy: GroupByPlan = {
    keys: definition.entityKeys, outputs, timestamp, range: asked.range, moments,
    ...(definition.filter !== undefined && { filter: definition.filter }),
  };
  const scan = sourceScan(source, { definition, parts: [asked] }, definition.filter, run.signal);
  const { starts, points, wanted } = moments;
  const keyBytes = moments.entities.kind === 'listed' ? moments.entities.stream.byteLength : 0;
  const stateBytes = 8 * (1 + statesSchema(groupBy, source.schema).fields.length);
  return {
    set, source, groupBy, scan, spans, labelsWithNull,
    entities,
    bytes: { moments: keyBytes + starts.byteLength + points.byteLength + (wanted?.byteLength ?? 0), states: points.length * stateBytes },
  };
}

/** Reads the source once and answers. */
export async function featuresOfLabels(plan: SetPlan, run: RunOptions, onProgress?: (progress: Progress) => void): Promise<SetAnswer> {
  const { set: { definition, parts }, source, groupBy, scan, spans, labelsWithNull } = plan;
  const pass = { snapshot: source, scan, phase: 'reading the source', onProgress } as const;
  const turn = async (): Promise<void> => {
    throwIfCancelled(run.signal, 'training set');
    await nextTurn();
  };
  const questions = parts.map((part, i) => ({ outputs: part.outputs, spans: spans[i]! }));
  const { answers, sourceRows } = await aggregateRows(pass, [groupBy], run, async (aggregations, rows) => {
    const [aggregation] = await aggregations.intoAggregations();
    return { answers: await answerLabels(aggregation!, source.schema, definition.timestamp!, questions, turn), sourceRows: rows };
  });
  const columns = new Map(answers.columns.flat().map(({ output, data }) => [output.name, data]));
  return { columns, labelsWithNull, labelsKnown: answers.labelsKnown, sourceRows };
}

/** What each stretch is aggregated by: everything that any part asks for, once. */
function stretchOutputs(asked: readonly OutputColumn[]): OutputColumn[] {
  const outputs = new Map(asked.map(({ column, aggregation }) => [`${column}\0${aggregation}`, { column, aggregation }]));
  return [...outputs].map(([name, output]) => ({ ...output, name }));
}
