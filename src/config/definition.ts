/** A validated project: plain values that the modes work from. Nothing here has read a file or a clock. */
import type { Table } from '../arrow/arrow.ts';
import type { Expression } from '../arrow/expression.ts';
import type { OutputColumn } from '../engine/plan.ts';
import type { Collect } from './frame.ts';

export const modeNames = ['materialized', 'virtualized', 'hybrid'] as const;
export type Mode = (typeof modeNames)[number];

export const storageFormats = ['parquet', 'delta', 'orc'] as const;
export type StorageFormat = (typeof storageFormats)[number];

export const layerNames = ['silver', 'gold'] as const;
export type Layer = (typeof layerNames)[number];

/** A declared window: `text` as written (it becomes the column's ending), and its length. */
export interface Window {
  readonly text: string;
  readonly lengthUs: bigint;
}

/** What a feature set is. */
export interface FeatureSetDefinition {
  readonly name: string;
  readonly entityKeys: readonly string[];
  /** `layer` undefined: the configured `source_schema`, or a table registered in code by that name. */
  readonly source: { readonly layer?: Layer; readonly table: string };
  readonly timestamp?: string;
  /** `aggregated`: the plan below says all. `opaque`: `compute` makes the rows. `written`: rows come by `store.write`. */
  readonly kind: 'aggregated' | 'opaque' | 'written';
  /** The base columns, in the order written; `windowedOutputs` derives those of a window. */
  readonly outputs: readonly OutputColumn[];
  /** Only source rows for which this is true are part of the set. */
  readonly filter?: Expression;
  /**
   * Makes the rows of an opaque set, given what brings the source's rows, filtered and with the columns a plan names. As a
   * string it is the text of the user's own function, so that another function is known as another.
   */
  readonly compute?: (collect: Collect) => Promise<Table>;
  /** The grain of stored partial results. */
  readonly tileUs: bigint;
  readonly windows: readonly Window[];
  /** How far back `last` looks from the moment that is asked about: what was known before is out of date. */
  readonly toleranceUs?: bigint;
  /** What orders values of `first` and `last` at one event time. */
  readonly tieBreaker?: string;
  /** The column that says when a row arrived: a question about an instant sees only rows that had arrived before it. */
  readonly arrival?: string;
  readonly description?: string;
  readonly owner?: string;
  readonly tags: Readonly<Record<string, string>>;
  /** `file:line:column`, or `code`. For messages. */
  readonly where: string;
}

/** An entry of `inputs:`. */
export type InputDefinition =
  | { readonly kind: 'feature_set'; readonly name: string; readonly featureSet: string; readonly timeRange?: string; readonly where: string }
  | { readonly kind: 'source'; readonly name: string; readonly source: string; readonly where: string };

/** An entry of `nodes:`: a function of the project, `path/to/module.js#exportedName`, on inputs, stored as a feature set. */
export interface NodeDefinition {
  readonly name: string;
  readonly function: string;
  readonly inputs: readonly string[];
  readonly output: { readonly featureSet: string };
  readonly where: string;
}

export interface ProjectConfig {
  /** The parent of `config/`, absolute: relative paths start here. */
  readonly folder: string;
  readonly mode: Mode;
  /** Absolute, or a URL. */
  readonly storagePath: string;
  readonly storageFormat: StorageFormat;
  readonly sourceSchema: Layer;
  /** How old a stored answer may be where a fresh one is not to be had; absent: none is allowed. */
  readonly maxStalenessUs?: bigint;
  /** How many bytes stored features may take before hybrid gives some up; absent: as many as there are. */
  readonly storageBudget?: number;
  /** Whether hybrid reads materialize in the background what they keep paying for. */
  readonly backgroundMaterialization: boolean;
  /** Absolute, or URLs. */
  readonly layers: Readonly<Record<Layer, string>>;
  readonly featureSets: readonly FeatureSetDefinition[];
  readonly inputs: readonly InputDefinition[];
  readonly nodes: readonly NodeDefinition[];
}

/** The columns of one window: the base columns over its stretch of time, `<column>_<aggregation>_<window>`. */
export function windowedOutputs(definition: Pick<FeatureSetDefinition, 'outputs'>, window: Window): OutputColumn[] {
  return definition.outputs.map((output) => ({ ...output, name: `${output.name}_${window.text}` }));
}

/** Columns over a stretch of time of this length, up to the moment that is asked about. */
export interface Stretch {
  readonly outputs: readonly OutputColumn[];
  readonly lengthUs: bigint;
}

/**
 * The columns of a set that are about a stretch of time before the moment: those of its windows, and `last` where it has a
 * tolerance, in a window too. The others are about every event that a read counts.
 */
export function stretchesOf(definition: Pick<FeatureSetDefinition, 'outputs' | 'windows' | 'toleranceUs'>): Stretch[] {
  const { toleranceUs, windows } = definition;
  const windowed = windows.map((window) => ({ outputs: windowedOutputs(definition, window), lengthUs: window.lengthUs }));
  if (toleranceUs === undefined) return windowed;
  const isLast = ({ aggregation }: OutputColumn): boolean => aggregation === 'last';
  const split = windowed.flatMap(({ outputs, lengthUs }) => [
    { outputs: outputs.filter((output) => !isLast(output)), lengthUs },
    { outputs: outputs.filter(isLast), lengthUs: lengthUs < toleranceUs ? lengthUs : toleranceUs },
  ]);
  return [...split, { outputs: definition.outputs.filter(isLast), lengthUs: toleranceUs }].filter(({ outputs }) => outputs.length > 0);
}

/** The columns of an aggregated set's answer: the keys, the base columns, then those of each window in turn. */
export function resultColumns(definition: Pick<FeatureSetDefinition, 'entityKeys' | 'outputs' | 'windows'>): string[] {
  const windowed = definition.windows.flatMap((window) => windowedOutputs(definition, window));
  return [...definition.entityKeys, ...[...definition.outputs, ...windowed].map((output) => output.name)];
}
