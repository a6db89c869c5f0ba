/**
 * What a training set is asked for, once every option has its meaning. Pure.
 *
 *   'spend'               every column of the set
 *   'spend:amount_sum'    one of them
 */
import { ArgumentError } from '../../base/errors.ts';
import { didYouMean } from '../../base/names.ts';
import { formatRange, resolveTimeRange, type TimeRangeInput } from '../../base/time.ts';
import { type FeatureSetDefinition, resultColumns } from '../../config/definition.ts';
import type { OutputColumn } from '../../engine/plan.ts';
import type { LabelRange } from '../../engine/as-of/moments.ts';
import type { Progress } from '../compute.ts';
import { planRead } from '../request.ts';
import type { TrainingRoad } from './roads.ts';

/** The options of `getTrainingSet`. */
export interface TrainingSetOptions {
  /** Features by set, `'spend'`, or by set and column, `'spend:amount_sum'`; their columns come in this order. */
  readonly features: readonly string[];
  /** The column of the labels that has each label's moment: only events before it are seen. */
  readonly timestamp: string;
  /**
   * Which events count, but for declared windows: those of so long before the label (`'30d'`), or between two instants and
   * before the label. By default all before the label.
   */
  readonly timeRange?: TimeRangeInput;
  /** The zone of label times that name none. Needed where those of the source do. */
  readonly timeZone?: 'UTC';
  /** Where the features come from: `merged`, stored tiles and what they lack, or `source`; by default whichever costs less. */
  readonly road?: TrainingRoad;
  /** Names every column `<set>__<column>`, for sets that have columns of the same name. */
  readonly fullNames?: boolean;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

/** A column of the answer: where it comes from, and what it is called there. */
export interface TrainingColumn {
  readonly featureSet: string;
  readonly feature: string;
  readonly name: string;
}

/** An aggregation that is asked about each label. The first of a set decides whether the entity is known to the label. */
export interface TrainingPart {
  readonly outputs: readonly OutputColumn[];
  readonly range: LabelRange;
}

/** What is asked of one set. */
export interface SetRequest {
  readonly definition: FeatureSetDefinition;
  readonly parts: readonly TrainingPart[];
}

export interface TrainingWords {
  readonly timeRange: string | null;
  readonly timeZone: 'UTC' | null;
  readonly fullNames: boolean;
}

export interface TrainingRequest {
  readonly timestamp: string;
  readonly timeZone: 'UTC' | undefined;
  readonly columns: readonly TrainingColumn[];
  readonly road: TrainingRoad | undefined;
  /** The options that decide the answer beside these, in words. */
  readonly options: TrainingWords;
  readonly sets: readonly SetRequest[];
}

export function planTrainingSet(options: TrainingSetOptions, definitionOf: (name: string) => FeatureSetDefinition): TrainingRequest {
  if (typeof options?.timestamp !== 'string' || options.timestamp === '') {
    throw new ArgumentError('timestamp', "name the column of the labels that has each label's moment");
  }
  if (options.timeZone !== undefined && options.timeZone !== 'UTC') {
    throw new ArgumentError('timeZone', `'${String(options.timeZone)}' is not known here; label times are UTC, or have a zone in their type`);
  }
  const columns = chosenColumns(options, definitionOf);
  const names = [...new Set(columns.map(({ featureSet }) => featureSet))];
  const sets = names.map((name) => planSet(definitionOf(name), columns.filter(({ featureSet }) => featureSet === name).map(({ feature }) => feature), options));
  return { timestamp: options.timestamp, timeZone: options.timeZone, columns, road: options.road, options: wordsOf(options), sets };
}

function wordsOf({ timeRange, timeZone, fullNames }: TrainingSetOptions): TrainingWords {
  const range = timeRange === undefined ? null : typeof timeRange === 'string' ? timeRange.trim() : formatRange(resolveTimeRange(timeRange, 0n));
  return { timeRange: range, timeZone: timeZone ?? null, fullNames: fullNames === true };
}

function chosenColumns({ features, fullNames }: TrainingSetOptions, definitionOf: (name: string) => FeatureSetDefinition): TrainingColumn[] {
  if (!Array.isArray(features) || features.length === 0 || !features.every((feature) => typeof feature === 'string')) {
    throw new ArgumentError('features', "expected a list of features: 'set:column', or 'set' for all of its columns");
  }
  const columns = new Map<string, TrainingColumn>();
  for (const text of features as readonly string[]) {
    const colon = text.indexOf(':');
    const featureSet = (colon < 0 ? text : text.slice(0, colon)).trim();
    const definition = definitionOf(featureSet);
    if (definition.kind !== 'aggregated') {
      throw new ArgumentError('features', `feature set ${featureSet} has no aggregations, so it cannot be asked what was known at a moment`);
    }
    const all = resultColumns(definition).slice(definition.entityKeys.length);
    for (const feature of colon < 0 ? all : [text.slice(colon + 1).trim()]) {
      const name = fullNames === true ? `${featureSet}__${feature}` : feature;
      columns.set(`${featureSet}:${feature}`, { featureSet, feature, name });
    }
  }
  return [...columns.values()];
}

function planSet(definition: FeatureSetDefinition, features: readonly string[], { timeRange, signal }: TrainingSetOptions): SetRequest {
  // The columns are chosen, and wrong ones named, as a read of the set does; which instant is asked about makes no difference.
  const defaults = { mode: 'virtualized', nowUs: 0n, maxStalenessUs: undefined } as const;
  const { outputs, windows } = planRead(definition, { features, asOf: new Date(0), ...(signal !== undefined && { signal }) }, defaults);
  const base: TrainingPart = { outputs, range: labelRange(timeRange) };
  const windowed = windows.map((window): TrainingPart => ({ outputs: window.outputs, range: { start: { backUs: window.lengthUs }, end: atLabel } }));
  return { definition, parts: [base, ...windowed] };
}

/** The label's own moment. */
export const atLabel = { backUs: 0n } as const;

function labelRange(timeRange: TimeRangeInput | undefined): LabelRange {
  if (timeRange === undefined) return { end: atLabel };
  if (timeRange === 'all') {
    throw new ArgumentError('timeRange', "'all' counts events after a label's moment too, which a model must not be trained on; leave timeRange out to count all before it");
  }
  const { startUs, endUs } = resolveTimeRange(timeRange, 0n);
  if (typeof timeRange === 'string') return { start: { backUs: -startUs! }, end: atLabel };
  return { ...(startUs !== undefined && { start: { atUs: startUs } }), end: { backUs: 0n, notAfterUs: endUs } };
}

/** Throws where two columns of the answer would have one name. */
export function checkNames(labelColumns: readonly string[], columns: readonly TrainingColumn[]): void {
  const seen = new Map<string, string>(labelColumns.map((name) => [name, 'a column of the labels']));
  for (const { name, featureSet, feature } of columns) {
    const what = `feature ${featureSet}:${feature}`;
    const other = seen.get(name);
    if (other !== undefined) {
      throw new ArgumentError('features', `${other} and ${what} would both be called '${name}'; ask with fullNames: true for ${featureSet}__${feature}, or rename the column`);
    }
    seen.set(name, what);
  }
}

/** For messages: the columns there are, and the nearest to a wrong one. */
export function thereIs(name: string, names: readonly string[]): string {
  return `there is ${names.join(', ') || 'none'}${didYouMean(name, names)}`;
}
