/**
 * Training sets that are kept: a table each, and with every version what it was made of.
 *
 *   <storage_path>/_training_sets/<name>/     rows in the order of the labels; any engine can query it
 *
 * Law: asked again for the same labels, options, definitions and source versions, the stored bits are the answer.
 */
import { createHash } from 'node:crypto';
import { type RecordBatch, type Table, tableToIPC } from '../../arrow/arrow.ts';
import { canonicalTable } from '../../arrow/canonical.ts';
import { formatExpression } from '../../arrow/expression.ts';
import { CommitConflictError, NotFoundError } from '../../base/errors.ts';
import { formatDuration } from '../../base/time.ts';
import { type FeatureSetDefinition, resultColumns } from '../../config/definition.ts';
import type { OwnSnapshot, OwnTable } from '../../store/table.ts';
import { definitionDigest } from '../storage.ts';
import { type PlannedTrainingSet, type TrainingContext, trainingSet } from '../training-set.ts';
import { thereIs, type TrainingRequest, type TrainingSetOptions, type TrainingWords } from './request.ts';

/** No feature set's tables live here. */
export const trainingFolder = '_training_sets';
const attemptsMax = 5;

/** What a saved training set was made of. */
export interface TrainingMakings {
  readonly timestamp: string;
  /** Features as `set:column`. */
  readonly features: readonly string[];
  readonly options: TrainingWords;
  readonly labels: { readonly rows: number; readonly digest: string };
  readonly sets: readonly {
    readonly featureSet: string;
    readonly source: string;
    readonly sourceVersion: string;
    readonly definition: DefinitionText;
  }[];
  /** Of all that decides the answer: equal requests have equal digests. */
  readonly request: string;
}

/** A definition in words that outlive it. */
interface DefinitionText {
  readonly digest: string;
  readonly entityKeys: readonly string[];
  readonly timestamp: string | null;
  readonly columns: readonly string[];
  readonly filter: string | null;
  readonly windows: readonly string[];
  readonly tolerance: string | null;
  readonly tieBreaker: string | null;
  readonly arrival: string | null;
}

export interface SavedTrainingSet {
  readonly table: Table;
  readonly name: string;
  readonly version: number;
  readonly savedAt: Date;
  /** Whether this call stored it; false: it was there. */
  readonly changed: boolean;
  readonly madeOf: TrainingMakings;
  readonly reasons: readonly string[];
}

export interface TrainingSetStatus {
  readonly trainingSet: string;
  readonly version: number;
  readonly rows: number;
  readonly bytes: number;
  readonly savedAt: Date;
  readonly madeOf: TrainingMakings;
}

/** Gives what is stored where it is the answer; else computes, and commits a new version. */
export async function saveTrainingSet(
  name: string, own: OwnTable, planned: PlannedTrainingSet, context: TrainingContext, onProgress: TrainingSetOptions['onProgress'],
): Promise<SavedTrainingSet> {
  const madeOf = makingsOf(planned);
  let computed: { readonly table: Table; readonly reasons: readonly string[] } | undefined;
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    const current = await own.trySnapshot();
    if (current !== undefined && makingsIn(current)?.request === madeOf.request) return stored(name, current, computed !== undefined);
    computed ??= await trainingSet(planned, context, onProgress);
    const { schema, batches } = computed.table;
    const staged = await own.stage(schema, batches, context.run.signal === undefined ? {} : { signal: context.run.signal });
    const result = await own.commit({ readVersion: current?.versionNumber ?? -1, kind: 'overwrite', schema, add: staged, info: { trainingSet: madeOf } });
    if (result.kind === 'committed') {
      const saved = await stored(name, await own.snapshot({ version: result.version }), true);
      return { ...saved, reasons: [...computed.reasons, ...saved.reasons] };
    }
    await own.discard(staged);
  }
  throw new CommitConflictError(own.name, -1, `other writers were faster ${attemptsMax} times; nothing was saved, try again`);
}

export async function loadTrainingSet(
  name: string, own: OwnTable, version: number | undefined, names: () => Promise<readonly string[]>,
): Promise<SavedTrainingSet> {
  const snapshot = version === undefined ? await own.trySnapshot() : await own.snapshot({ version });
  if (snapshot === undefined || makingsIn(snapshot) === undefined) throw new NotFoundError('training set', name, thereIs(name, await names()));
  return stored(name, snapshot, false);
}

/** Undefined when nothing is saved under the name. */
export async function statusOfTraining(name: string, own: OwnTable): Promise<TrainingSetStatus | undefined> {
  const snapshot = await own.trySnapshot();
  const madeOf = snapshot && makingsIn(snapshot);
  if (snapshot === undefined || madeOf === undefined) return undefined;
  return { trainingSet: name, version: snapshot.versionNumber, rows: snapshot.rows, bytes: snapshot.bytes, savedAt: new Date(snapshot.committedAtMs), madeOf };
}

async function stored(name: string, snapshot: OwnSnapshot, changed: boolean): Promise<SavedTrainingSet> {
  const batches: RecordBatch[] = [];
  for await (const batch of snapshot.scan()) batches.push(batch);
  const table = canonicalTable(snapshot.schema, batches);
  const savedAt = new Date(snapshot.committedAtMs);
  const reasons = [changed ? `saved as version ${snapshot.versionNumber}` : `saved before, at ${savedAt.toISOString()}, as version ${snapshot.versionNumber}`];
  return { table, name, version: snapshot.versionNumber, savedAt, changed, madeOf: makingsIn(snapshot)!, reasons };
}

const makingsIn = ({ info }: OwnSnapshot): TrainingMakings | undefined => info.trainingSet as TrainingMakings | undefined;

function makingsOf({ request, labels, sets }: PlannedTrainingSet): TrainingMakings {
  const made = {
    timestamp: request.timestamp,
    features: request.columns.map(({ featureSet, feature }) => `${featureSet}:${feature}`),
    options: request.options,
    labels: { rows: labels.numRows, digest: digestOf(tableToIPC(labels, 'stream')) },
    sets: sets.map(({ set, source }) => ({
      featureSet: set.definition.name, source: source.name, sourceVersion: source.version, definition: textOf(set.definition),
    })),
  };
  return { ...made, request: digestOf(JSON.stringify([made, meaningOf(request)], (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))) };
}

/** What of a request decides the answer, beside labels, definitions and sources. */
function meaningOf({ columns, sets, timeZone }: TrainingRequest): unknown {
  return [columns, sets.map(({ parts }) => parts), timeZone];
}

function textOf(definition: FeatureSetDefinition): DefinitionText {
  return {
    digest: definitionDigest(definition),
    entityKeys: definition.entityKeys,
    timestamp: definition.timestamp ?? null,
    columns: resultColumns(definition),
    filter: definition.filter === undefined ? null : formatExpression(definition.filter),
    windows: definition.windows.map((window) => window.text),
    tolerance: definition.toleranceUs === undefined ? null : formatDuration(definition.toleranceUs),
    tieBreaker: definition.tieBreaker ?? null,
    arrival: definition.arrival ?? null,
  };
}

function digestOf(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex').slice(0, 32);
}
