/**
 * Point-in-time training sets: the labels, and beside each what was known at its moment.
 *
 * The law: the features of a label at T are the row that `getFeatures` with `asOf: T` has for its entity, bit for bit; null
 * where it has none. So nothing that happened at T or after changes them. The labels keep their order and number.
 */
import { type Data, DataType, Field, Schema, type Table } from '../arrow/arrow.ts';
import { canonicalTable, tableOfColumns } from '../arrow/canonical.ts';
import { ArgumentError, SchemaMismatchError } from '../base/errors.ts';
import type { FeatureSetDefinition } from '../config/definition.ts';
import type { ReadableTable } from '../store/table.ts';
import type { RunOptions } from './compute.ts';
import type { StoredContext, TrainingRoad } from './training/roads.ts';
import { checkNames, planTrainingSet, type TrainingRequest, type TrainingSetOptions } from './training/request.ts';
import { answerSlices, type SlicedSet, sliceSet } from './training/slices.ts';

/** An Arrow table, and what it was made of. */
export interface TrainingSet {
  /** The columns of the labels, then the features; a row for each label, in their order. */
  readonly table: Table;
  /** One for each feature set that was asked. */
  readonly sources: readonly TrainingSource[];
  readonly computedAt: Date;
  /** One line each, for a person. */
  readonly reasons: readonly string[];
}

export interface TrainingSource {
  readonly featureSet: string;
  /** The source's name, and the version that this is an answer to. */
  readonly source: string;
  readonly sourceVersion: string;
  /** Rows that were read of it. */
  readonly sourceRows: number;
  /** Labels whose entity had any event in the range of time that was asked about. */
  readonly labelsKnown: number;
  /** `merged`: from stored tiles, and rows of the source where those do not do. */
  readonly road: TrainingRoad;
}

export interface TrainingContext {
  readonly definitionOf: (name: string) => FeatureSetDefinition;
  readonly sourceOf: (definition: FeatureSetDefinition) => ReadableTable;
  readonly storedOf: (definition: FeatureSetDefinition) => Promise<StoredContext>;
  readonly run: RunOptions;
  readonly now: () => Date;
}

/** A request whose labels and sources were looked at; nothing was read yet. */
export interface PlannedTrainingSet {
  readonly request: TrainingRequest;
  readonly labels: Table;
  readonly sets: readonly SlicedSet[];
}

/** Checks everything that can be wrong, and finds the labels' moments. */
export async function planOf(labels: Table, options: TrainingSetOptions, context: TrainingContext): Promise<PlannedTrainingSet> {
  const request = planTrainingSet(options, context.definitionOf);
  const rows = canonicalLabels(labels);
  checkNames(rows.schema.fields.map((field) => field.name), request.columns);
  const sets: SlicedSet[] = [];
  for (const set of request.sets) {
    const source = await context.sourceOf(set.definition).snapshot(context.run.signal === undefined ? {} : { signal: context.run.signal });
    sets.push(await sliceSet(request, set, rows, source, await context.storedOf(set.definition), context.run));
  }
  return { request, labels: rows, sets };
}

/** Joins features to labels as of each label's moment. */
export async function trainingSet({ request, labels, sets }: PlannedTrainingSet, context: TrainingContext, onProgress?: TrainingSetOptions['onProgress']): Promise<TrainingSet> {
  const found = new Map<string, ReadonlyMap<string, Data>>();
  const sources: TrainingSource[] = [];
  const reasons: string[] = [];
  let labelsWithNull = 0;
  for (const sliced of sets) {
    const answer = await answerSlices(sliced, onProgress);
    const { set: { definition: { name } }, source } = sliced;
    found.set(name, answer.columns);
    labelsWithNull = Math.max(labelsWithNull, answer.labelsWithNull);
    sources.push({ featureSet: name, source: source.name, sourceVersion: source.version, sourceRows: answer.sourceRows, labelsKnown: answer.labelsKnown, road: answer.road });
    reasons.push(...reasonsOf(labels.numRows, sources.at(-1)!, answer.reasons));
  }
  if (labelsWithNull > 0) reasons.push(`${labelsWithNull} labels have a null in an entity key or in their time, and null features`);
  const table = joined(labels, request, found);
  return { table, sources, computedAt: context.now(), reasons };
}

function canonicalLabels(labels: Table): Table {
  if (!Array.isArray(labels?.batches)) throw new ArgumentError('labels', 'expected an Arrow table');
  const nested = labels.schema.fields.find(({ type }) => DataType.isStruct(type) || DataType.isList(type) || DataType.isMap(type) || DataType.isUnion(type) || DataType.isFixedSizeList(type));
  if (nested !== undefined) throw new SchemaMismatchError('the labels', nested.name, `${nested.type} is nested; leave the column out, or join it by a key afterwards`);
  return canonicalTable(labels.schema, labels.batches);
}

function joined(labels: Table, request: TrainingRequest, found: ReadonlyMap<string, ReadonlyMap<string, Data>>): Table {
  const columns = request.columns.map(({ name, featureSet, feature }) => {
    const data = found.get(featureSet)!.get(feature)!;
    return { field: new Field(name, data.type, true), data };
  });
  const schema = new Schema([...labels.schema.fields, ...columns.map(({ field }) => field)]);
  return tableOfColumns(schema, [...labels.batches[0]!.data.children, ...columns.map(({ data }) => data)], labels.numRows);
}

function reasonsOf(labels: number, { featureSet, source, sourceVersion, labelsKnown, road }: TrainingSource, reasons: readonly string[]): string[] {
  const from = road === 'merged' ? `from stored tiles, merged with ${source}` : `from ${source}`;
  return [`${featureSet}: of ${labels} labels ${labelsKnown} had events before their moment; computed ${from}, version ${sourceVersion} (${reasons.join('; ')})`];
}
