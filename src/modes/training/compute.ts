/**
 * The features of labels: events, or tiles that no moment cuts, are dropped into the stretches between the labels' moments, and
 * the stretches merged into each label's ranges (engine/as-of/). Events are neither sorted nor kept.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Data, type DataType, Field, Schema, type Table } from '../../arrow/arrow.ts';
import { oneBatch } from '../../arrow/canonical.ts';
import { throwIfCancelled } from '../../base/errors.ts';
import { statesSchema } from '../../engine/aggregation.ts';
import { type Answers, answerLabels, type Question } from '../../engine/as-of/answers.ts';
import { answerLateLabels } from '../../engine/as-of/late.ts';
import { planMoments } from '../../engine/as-of/moments.ts';
import type { Spans } from '../../engine/as-of/spans.ts';
import { answerLabelsOf } from '../../engine/as-of/table-answers.ts';
import type { GroupByPlan, OutputColumn } from '../../engine/plan.ts';
import { createAggregations } from '../../engine/run.ts';
import { bindTime, fieldOf, momentType, stretchKey } from '../../engine/types.ts';
import type { ScanOptions, Snapshot } from '../../store/table.ts';
import { aggregateRows, defined, type Progress, type RunOptions, sourceScan, tileColumn } from '../compute.ts';
import { damageText, isDamage, isOfStored } from '../damage.ts';
import { labelsFor } from './labels.ts';
import { atLabel, type SetRequest, type TrainingRequest } from './request.ts';
import { type Merge, type RoadChoice, rowPasses, type TrainingRoad } from './roads.ts';

/** The features of one set, a row for each label. */
export interface SetAnswer {
  /** By the name that the set has for it. */
  readonly columns: ReadonlyMap<string, Data>;
  readonly labelsWithNull: number;
  /** Labels whose entity had any event in the range. */
  readonly labelsKnown: number;
  readonly sourceRows: number;
  readonly road: TrainingRoad;
  readonly reasons: readonly string[];
}

/** What is to be done for one set, known before a row of the source is read. */
export interface SetPlan {
  readonly set: SetRequest;
  readonly source: Snapshot;
  readonly groupBy: GroupByPlan;
  readonly scan: ScanOptions;
  /** The moments of all entities. */
  readonly points: BigInt64Array;
  /** The type in whose unit they are. */
  readonly momentType: DataType;
  /** One for each part. */
  readonly spans: readonly Spans[];
  /** Where it is asked what had arrived: of each label, the stretch behind the last that it sees. */
  readonly seen: Uint32Array | undefined;
  readonly labelsWithNull: number;
  readonly entities: number;
  /** What holds the moments and the spans. */
  readonly buffers: readonly ArrayBufferLike[];
  /** Bytes of the moments, which each thread has, and of the states of a stretch. */
  readonly bytes: { readonly moments: number; readonly state: number };
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
  const { moments, spans, range, labelsWithNull, entities, buffers } = planMoments(ours, ranges, unit, run.memoryLimit);
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
  const { points, cells, wanted } = moments.at;
  const keyBytes = moments.entities.kind === 'listed' ? moments.entities.stream.byteLength : 0;
  return {
    set, source, groupBy, scan, labelsWithNull, momentType: unit, points, buffers,
    spans: spans.slice(0, parts.length),
    seen: arrival === undefined ? undefined : spans[parts.length]!.end,
    entities,
    bytes: {
      moments: keyBytes + moments.starts.byteLength + points.byteLength + cells.byteLength + (wanted?.byteLength ?? 0),
      state: 8 * (1 + statesSchema(groupBy, source.schema).fields.length),
    },
  };
}

/** Reads once what the road says, and answers. Where stored tiles turn out to be damaged, the source answers, and it is said. */
export async function featuresOfLabels(plan: SetPlan, choice: RoadChoice, run: RunOptions, onProgress?: (progress: Progress) => void): Promise<SetAnswer> {
  const { answers, rows, road, reasons } = await answersByRoad(plan, choice, run, onProgress);
  const columns = new Map(answers.columns.flat().map(({ output, data }) => [output.name, data]));
  return { columns, labelsWithNull: plan.labelsWithNull, labelsKnown: answers.labelsKnown, sourceRows: rows, road, reasons };
}

interface Answered {
  readonly answers: Answers;
  /** Rows of the source that were read. */
  readonly rows: number;
}

async function answersByRoad(
  plan: SetPlan, { road, merge, reasons }: RoadChoice, run: RunOptions, onProgress: ((progress: Progress) => void) | undefined,
): Promise<Answered & Pick<RoadChoice, 'road' | 'reasons'>> {
  if (road === 'merged') {
    try {
      return { ...(await answersMerged(plan, merge!, run, onProgress)), road, reasons };
    } catch (error) {
      if (!isDamage(error) || !isOfStored(error, merge!.tables)) throw error;
      return { ...(await answersOfSource(plan, run, onProgress)), road: 'source', reasons: [damageText(error)] };
    }
  }
  return { ...(await answersOfSource(plan, run, onProgress)), road, reasons };
}

async function answersOfSource(plan: SetPlan, run: RunOptions, onProgress: ((progress: Progress) => void) | undefined): Promise<Answered> {
  const { set: { definition }, source, groupBy, scan, seen } = plan;
  const pass = { snapshot: source, scan, phase: 'reading the source', onProgress } as const;
  const [questions, turn, timestamp] = [questionsOf(plan), turnOf(run), definition.timestamp!];
  if (seen === undefined) {
    return aggregateRows(pass, [{ ...groupBy, isAnswered: true }], run, async (aggregations, rows) => {
      const byAll = await aggregations.answerLabels(questions);
      if (byAll !== undefined) return { answers: byAll, rows };
      const [aggregation] = await aggregations.intoAggregations();
      return { answers: await answerLabels(aggregation!, source.schema, timestamp, questions, turn, run.memoryLimit), rows };
    });
  }
  const { states, rows } = await aggregateRows(pass, [groupBy], await threadsFor(plan, run), async (aggregations, read) => ({ states: oneBatch((await aggregations.states())[0]!), rows: read }));
  const asked = { timestamp, tieBreaker: definition.tieBreaker, stretches: groupBy.moments!.count, questions, seen, memoryLimit: run.memoryLimit };
  return { answers: await answerLateLabels(states, source.schema, asked, turn), rows };
}

const questionsOf = ({ set: { parts }, spans }: SetPlan): Question[] => parts.map((part, i) => ({ outputs: part.outputs, spans: spans[i]! }));

const turnOf = ({ signal }: RunOptions) => async (): Promise<void> => {
  throwIfCancelled(signal, 'training set');
  await nextTurn();
};

/** From tiles, and the rows that they lack. */
async function answersMerged(plan: SetPlan, merge: Merge, run: RunOptions, onProgress: ((progress: Progress) => void) | undefined): Promise<Answered> {
  const pieces = [await statesOfTiles(plan, merge, run)];
  let rows = 0;
  for (const { snapshot, range, scan } of rowPasses(plan, merge)) {
    const pass = { snapshot, scan, phase: 'reading the source', onProgress } as const;
    const piece = await aggregateRows(pass, [{ ...plan.groupBy, range }], run, async (aggregations, read) => ({ states: oneBatch((await aggregations.states())[0]!), read }));
    pieces.push(piece.states);
    rows += piece.read;
  }
  const states = pieces.length === 1 ? pieces[0]! : await mergedStretches(plan, pieces, run);
  const { source, groupBy: { timestamp, moments } } = plan;
  return { answers: await answerLabelsOf(states, source.schema, timestamp!, moments!.count, questionsOf(plan), turnOf(run), run.memoryLimit), rows };
}

async function statesOfTiles({ groupBy }: SetPlan, { tables, snapshot, facts, tiles }: Merge, run: RunOptions): Promise<Table> {
  // The rows behind tiles were filtered when they were stored, and which tiles count is said of each range.
  const { keys, outputs, timestamp, tieBreaker } = groupBy;
  const ofTiles: GroupByPlan = { keys, outputs, timestamp: timestamp!, ...(tieBreaker !== undefined && { tieBreaker }) };
  const columns = [...statesSchema(ofTiles, facts.sourceSchema).fields.map(({ name }) => name), tileColumn];
  const signal = run.signal === undefined ? {} : { signal: run.signal };
  const found = [];
  for (const range of tiles) found.push({ range, ...(await tables.cache.batches(snapshot, { columns, timeRange: { column: tileColumn, range }, ...signal })) });
  const states = createAggregations([{ ...ofTiles, moments: groupBy.moments! }], facts.sourceSchema, { ...defined(run), rowsExpected: found.reduce((sum, { rows }) => sum + rows, 0) });
  try {
    for (const { range, batches } of found) for await (const batch of batches) await states.addStates(batch, [{ tileColumn, tileRange: range }]);
    return oneBatch((await states.states())[0]!);
  } finally {
    await states.close();
  }
}

/** The states of stretches that come from several places. */
async function mergedStretches({ groupBy: { outputs, timestamp, tieBreaker }, source }: SetPlan, pieces: readonly Table[], run: RunOptions): Promise<Table> {
  const plan: GroupByPlan = { keys: [stretchKey.name], outputs, timestamp: timestamp!, ...(tieBreaker !== undefined && { tieBreaker }) };
  const schema = new Schema([new Field(stretchKey.name, stretchKey.type, false), ...source.schema.fields]);
  const merged = createAggregations([plan], schema, { ...defined(run), rowsExpected: pieces.reduce((sum, { numRows }) => sum + numRows, 0) });
  try {
    for (const piece of pieces) for (const batch of piece.batches) await merged.addStates(batch);
    return oneBatch((await merged.states())[0]!);
  } finally {
    await merged.close();
  }
}

/**
 * Rows in memory whose arrival is asked about are left to one thread where there are many stretches for them: every thread would have states of
 * them all, and
 * to bring those together takes longer than what is won (10 M rows, 1 M stretches: 1.3 s of work on one thread, 2.5 s on two).
 */
async function threadsFor({ source, scan, groupBy }: SetPlan, run: RunOptions): Promise<RunOptions> {
  const isShared = source.format !== 'memory' || groupBy.moments!.count * rowsPerStretch <= (await source.plan(scan)).rows;
  return isShared ? run : { ...run, threads: 1 };
}

/** Rows that are worth a state of their own in every thread. */
const rowsPerStretch = 16;

/** What each stretch is aggregated by: everything that any part asks for, once. */
function stretchOutputs(asked: readonly OutputColumn[]): OutputColumn[] {
  const outputs = new Map(asked.map(({ column, aggregation }) => [`${column}\0${aggregation}`, { column, aggregation }]));
  return [...outputs].map(([name, output]) => ({ ...output, name }));
}
