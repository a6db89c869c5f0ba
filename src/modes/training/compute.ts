/**
 * The features of labels from the events of one source: one pass of the events, dropped into the stretches between the labels'
 * moments, and the stretches merged into each label's ranges (engine/as-of/). Events are neither sorted nor kept.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Data, Table } from '../../arrow/arrow.ts';
import { throwIfCancelled } from '../../base/errors.ts';
import { answerLabels } from '../../engine/as-of/answers.ts';
import { planMoments } from '../../engine/as-of/moments.ts';
import type { GroupByPlan, OutputColumn } from '../../engine/plan.ts';
import { bindTime, fieldOf } from '../../engine/types.ts';
import type { Snapshot } from '../../store/table.ts';
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

export async function featuresOfLabels(
  request: TrainingRequest, { definition, parts }: SetRequest, labels: Table, source: Snapshot, run: RunOptions,
  onProgress?: (progress: Progress) => void,
): Promise<SetAnswer> {
  const timestamp = definition.timestamp!;
  const { type } = bindTime(fieldOf(source.schema, timestamp));
  const ours = labelsFor(definition, labels, source.schema, request);
  const { moments, spans, range, labelsWithNull } = planMoments(ours, parts.map((part) => part.range), type, run.memoryLimit);
  const outputs = stretchOutputs(parts.flatMap((part) => part.outputs));
  const scanned = { outputs, range: range ?? { startUs: 0n, endUs: 0n } };
  const plan: GroupByPlan = {
    keys: definition.entityKeys, outputs, timestamp, range: scanned.range, moments,
    ...(definition.filter !== undefined && { filter: definition.filter }),
  };
  const scan = sourceScan(source, { definition, parts: [scanned] }, definition.filter, run.signal);
  const pass = { snapshot: source, scan, phase: 'reading the source', onProgress } as const;
  const turn = async (): Promise<void> => {
    throwIfCancelled(run.signal, 'training set');
    await nextTurn();
  };
  const questions = parts.map((part, i) => ({ outputs: part.outputs, spans: spans[i]! }));
  const { answers, sourceRows } = await aggregateRows(pass, [plan], run, async (aggregations, rows) => {
    const states = (await aggregations.states())[0]!;
    await aggregations.close();
    return { answers: await answerLabels(states, source.schema, timestamp, moments.points.length, questions, turn), sourceRows: rows };
  });
  const columns = new Map(answers.columns.flat().map(({ output, data }) => [output.name, data]));
  return { columns, labelsWithNull, labelsKnown: answers.labelsKnown, sourceRows };
}

/** What each stretch is aggregated by: everything that any part asks for, once. */
function stretchOutputs(asked: readonly OutputColumn[]): OutputColumn[] {
  const outputs = new Map(asked.map(({ column, aggregation }) => [`${column}\0${aggregation}`, { column, aggregation }]));
  return [...outputs].map(([name, output]) => ({ ...output, name }));
}
