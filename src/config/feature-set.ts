/**
 * From what a user wrote of a feature set to its definition. YAML and code come through here, so both mean the same and
 * fail alike; whoever calls says where a mistake stands.
 */
import { asExpression, columnsOf, type Condition, type Expression } from '../arrow/expression.ts';
import { checkName, didYouMean } from '../base/names.ts';
import { parseDuration } from '../base/time.ts';
import { type AggSpec, isByTime, type OutputColumn, outputsOf } from '../engine/plan.ts';
import { type FeatureSetDefinition, type Layer, layerNames, resultColumns, type Window, windowedOutputs } from './definition.ts';
import { type AggregatedColumns, type AggregatedFrame, bothOf, type ComputeFunction, opaqueCompute, tracePlan } from './frame.ts';
import { describe, detailOf, MistakeList, type Origin, type Path, shapeMistakes } from './mistakes.ts';
import { defaults, type FeatureSetShape, shapes } from './schema.ts';
import { withZod } from './zod.ts';

/** A feature set as it is written in code. Give `aggregations` or `compute`, or neither: then rows come by `store.write`. */
export interface FeatureSetInput<
  Spec extends AggSpec = AggSpec,
  Windows extends readonly string[] = readonly string[],
  Columns extends string = string,
> {
  readonly name: string;
  /** May be left out where a compute function says them. */
  readonly entityKeys?: string | readonly string[];
  /** `transactions`, `silver.transactions` or `gold.transactions`, or the name of a registered table. */
  readonly source?: string;
  /** The event time column. */
  readonly timestamp?: string;
  readonly aggregations?: Spec;
  readonly compute?: ComputeFunction<Columns>;
  readonly filter?: Condition | Expression;
  /** The grain of stored partial results; `1d` by default. */
  readonly tile?: string;
  readonly windows?: Windows;
  /** How old the value of `last` may be at the moment that is asked about: `90d`. */
  readonly tolerance?: string;
  /** The column that orders values of `first` and `last` at one event time: an integer, a date or a timestamp. */
  readonly tieBreaker?: string;
  /**
   * The column that says when a row arrived, a date or a timestamp. A question about an instant (`asOf`, `timeRange`, a label) sees
   * only rows that had arrived before it.
   */
  readonly arrival?: string;
  readonly description?: string;
  readonly owner?: string;
  readonly tags?: Readonly<Record<string, string>>;
}

/** A definition that knows the names of its feature columns as a type. */
export interface TypedFeatureSet<Columns extends string = string> extends FeatureSetDefinition {
  /** Only for the types. */
  readonly columnNames?: Columns;
}

/** The feature columns of a set that was typed in code: `'amount_sum' | 'date_max' | 'amount_sum_7d' | …`. */
export type FeatureColumns<Set> = Set extends TypedFeatureSet<infer Columns> ? Columns : never;

type WithWindows<Columns extends string, Window extends string> = [Columns] extends [never] ? string : Columns | `${Columns}_${Window}`;

/**
 * Defines a feature set in code. Throws ConfigurationError naming the key.
 *
 *   featureSet({ name: 'spend', entityKeys: 'customer_id', source: 'transactions', timestamp: 'date',
 *                aggregations: { amount: ['sum', 'mean'], date: 'max' } })
 */
export function featureSet<
  const Spec extends AggSpec = Record<never, never>,
  const Windows extends readonly string[] = readonly [],
  Columns extends string = never,
>(input: FeatureSetInput<Spec, Windows, Columns>): TypedFeatureSet<WithWindows<AggregatedColumns<Spec> | Columns, Windows[number]>> {
  const mistakes = new MistakeList();
  const name: unknown = input?.name;
  const add: Report = (path, detail, { at = 'value', cause } = {}) =>
    mistakes.add(code, { path: [typeof name === 'string' && name !== '' ? name : 'feature set', ...path], at, detail, cause });
  const isSound = checkInput(input as AnyInput, add);
  const definition = isSound ? defineFeatureSet(partsOf(input as AnyInput), 'code', inWordsOfCode(add)) : undefined;
  mistakes.throwIfAny();
  return definition!;
}

/** The keys that code spells otherwise. */
const spelledInCode: Readonly<Record<string, string>> = { entity_keys: 'entityKeys', tie_breaker: 'tieBreaker' };

function inWordsOfCode(report: Report): Report {
  const inWords = (detail: string): string => Object.entries(spelledInCode).reduce((text, [yaml, own]) => text.replaceAll(`'${yaml}'`, `'${own}'`), detail);
  return (path, detail, more) => report(path.map((step, i) => (i === 0 ? (spelledInCode[step] ?? step) : step)), inWords(detail), more);
}

/** An input of whose types nothing more is asked. */
type AnyInput = FeatureSetInput<AggSpec, readonly string[]>;

const code: Origin = { label: 'code', position: () => undefined };

/** The shape of a feature set in code: as in YAML, but for the spelling of some keys and the values that only code has. */
const inputShape = withZod((z) => {
  const { featureSet } = shapes();
  return z.strictObject({
    name: z.string().min(1),
    entityKeys: featureSet.shape.entity_keys,
    tieBreaker: featureSet.shape.tie_breaker,
    ...featureSet.omit({ entity_keys: true, tie_breaker: true }).shape,
    compute: z.unknown().optional(),
    filter: z.unknown().optional(),
  });
});

/** Reports what TypeScript would have refused; true when there is nothing of the kind. */
function checkInput(input: AnyInput, report: Report): boolean {
  const mistakes = shapeMistakes(inputShape(), input);
  for (const { path, at, detail } of mistakes) report(path, detail, { at });
  if (mistakes.length > 0 || input.compute === undefined || typeof input.compute === 'function') return mistakes.length === 0;
  report(['compute'], `expected a function of a frame, found ${describe(input.compute)}`);
  return false;
}

function partsOf({ name, entityKeys, tieBreaker, compute, filter, ...others }: AnyInput): FeatureSetParts {
  return { name, shape: { ...others, entity_keys: entityKeys, tie_breaker: tieBreaker } as FeatureSetShape, compute, filter };
}

/** Says that something is wrong at a path below the feature set. The path is in the words of YAML. */
export type Report = (path: Path, detail: string, more?: { readonly at?: 'key' | 'value'; readonly cause?: unknown }) => void;

/** What a feature set is made of, its shape already checked. `compute` is the function that `shape.compute` may name. */
export interface FeatureSetParts {
  readonly name: string;
  readonly shape: FeatureSetShape;
  readonly compute?: ComputeFunction | undefined;
  readonly filter?: Condition | Expression | undefined;
}

/** The definition, or undefined when something was reported. Calls `compute` once, without rows, to learn its plan. */
export function defineFeatureSet({ name, shape, compute, filter }: FeatureSetParts, where: string, report: Report): FeatureSetDefinition | undefined {
  let sound = true;
  const fail: Report = (path, detail, more) => {
    sound = false;
    report(path, detail, more);
  };
  checkThat(() => checkName(name, 'name'), (detail) => fail([], detail, { at: 'key' }));
  if (compute !== undefined && shape.aggregations !== undefined) {
    fail(['compute'], 'a feature set has aggregations or a compute function, not both', { at: 'key' });
    return undefined;
  }
  const plan = compute && checkThat(() => tracePlan(compute), (detail, cause) => fail(['compute'], `the compute function cannot be used: ${detail}`, { cause }));
  // A function that could not be asked for its plan says nothing about kind, keys and columns.
  if (!sound) return undefined;
  const aggregations = (shape.aggregations ?? {}) as AggSpec;
  const outputs = plan?.outputs ?? outputsOf(aggregations);
  if (shape.aggregations !== undefined && outputs.length === 0) fail(['aggregations'], 'name at least one column and its aggregations');
  const kind = outputs.length > 0 ? 'aggregated' : compute !== undefined ? 'opaque' : 'written';
  const entityKeys = keysOf(shape, plan, fail);
  const tileUs = checkThat(() => parseDuration(shape.tile ?? defaults.tile), (detail) => fail(['tile'], detail)) ?? 1n;
  const windows = windowsOf(shape, fail);
  if (windows.length > 0 && kind !== 'aggregated') fail(['windows'], 'windows need aggregations; this set has none that are known', { at: 'key' });
  else if (windows.length > 0 && shape.timestamp === undefined) fail(['windows'], "windows need a 'timestamp': the event time column", { at: 'key' });
  const toleranceUs = toleranceOf(shape, outputs.some(({ aggregation }) => aggregation === 'last'), fail);
  checkRowColumns(shape, kind, outputs, fail);
  const byTime = outputs.find(isByTime);
  if (byTime !== undefined && shape.timestamp === undefined) {
    const path = shape.aggregations === undefined ? ['compute'] : ['aggregations', byTime.column];
    fail(path, `the ${byTime.aggregation} of ${byTime.column} goes by event time and needs a 'timestamp': the event time column`, { at: 'key' });
  }
  const condition = filter === undefined ? undefined : checkThat(() => asExpression(filter), (detail) => fail(['filter'], detail));
  if (condition !== undefined && kind === 'written') fail(['filter'], 'there is nothing to filter: the rows of this set come by store.write');
  const definition: FeatureSetDefinition = {
    name,
    entityKeys,
    source: sourceOf(shape, kind, fail),
    ...(shape.timestamp !== undefined && { timestamp: shape.timestamp }),
    kind,
    outputs,
    ...filterPart(bothOf(condition, plan?.filter)),
    ...(kind === 'opaque' && { compute: opaqueCompute(compute!, condition) }),
    tileUs,
    windows,
    ...(toleranceUs !== undefined && { toleranceUs }),
    ...(shape.tie_breaker !== undefined && { tieBreaker: shape.tie_breaker }),
    ...(shape.arrival !== undefined && { arrival: shape.arrival }),
    ...(shape.description !== undefined && { description: shape.description }),
    ...(shape.owner !== undefined && { owner: shape.owner }),
    tags: { ...shape.tags },
    where,
  };
  checkColumns(definition, shape.aggregations !== undefined, fail);
  return sound ? definition : undefined;
}

/** What the work answers, or undefined when it throws: then `fail` hears why. */
export function checkThat<Result>(work: () => Result, fail: (detail: string, cause: unknown) => void): Result | undefined {
  try {
    return work();
  } catch (error) {
    fail(detailOf(error), error);
    return undefined;
  }
}

function filterPart(filter: Expression | undefined): { readonly filter?: Expression } {
  return filter === undefined || columnsOf(filter).length === 0 ? {} : { filter };
}

function keysOf(shape: FeatureSetShape, plan: AggregatedFrame | undefined, fail: Report): readonly string[] {
  const declared = shape.entity_keys === undefined ? undefined : [shape.entity_keys].flat();
  if (declared === undefined) {
    if (plan === undefined) fail([], "'entity_keys' is missing: the column, or the columns, that name an entity", { at: 'key' });
    return plan?.keys ?? [];
  }
  const seen = new Set<string>();
  declared.forEach((key, i) => {
    if (seen.has(key)) fail(['entity_keys', i], `'${key}' is named twice`);
    seen.add(key);
  });
  const differs = plan && (plan.keys.length !== declared.length || plan.keys.some((key) => !declared.includes(key)));
  if (differs) fail(['entity_keys'], `the compute function groups by ${plan.keys.join(', ')}, not by ${declared.join(', ')}; name the same columns`);
  return declared;
}

function toleranceOf(shape: FeatureSetShape, hasLast: boolean, fail: Report): bigint | undefined {
  if (shape.tolerance === undefined) return undefined;
  if (!hasLast) fail(['tolerance'], "a tolerance says how old the value of 'last' may be; this set has no such aggregation", { at: 'key' });
  return checkThat(() => parseDuration(shape.tolerance!), (detail) => fail(['tolerance'], detail));
}

/** The columns that say which of several rows comes first, and when a row came in. */
function checkRowColumns(shape: FeatureSetShape, kind: FeatureSetDefinition['kind'], outputs: readonly OutputColumn[], fail: Report): void {
  if (shape.tie_breaker !== undefined && !outputs.some(isByTime)) {
    fail(['tie_breaker'], "a tie breaker orders values of 'first' and 'last' at one event time; this set has no such aggregation", { at: 'key' });
  }
  if (shape.arrival === undefined) return;
  if (kind !== 'aggregated') fail(['arrival'], "'arrival' needs aggregations: which rows had arrived is asked of the rows that they count", { at: 'key' });
  else if (shape.timestamp === undefined) fail(['arrival'], "'arrival' needs a 'timestamp', the event time column: without one no question is about an instant", { at: 'key' });
}

/** Windows in the order written; the same text twice is one window. */
function windowsOf(shape: FeatureSetShape, fail: Report): Window[] {
  const windows = new Map<string, Window>();
  (shape.windows ?? []).forEach((written, i) => {
    const text = written.trim();
    const lengthUs = checkThat(() => parseDuration(text), (detail) => fail(['windows', i], detail));
    if (lengthUs !== undefined) windows.set(text, { text, lengthUs });
  });
  return [...windows.values()];
}

function sourceOf(shape: FeatureSetShape, kind: FeatureSetDefinition['kind'], fail: Report): FeatureSetDefinition['source'] {
  if (shape.source !== undefined) return parseSource(shape.source, (detail) => fail(['source'], detail));
  if (kind !== 'written') fail([], "'source' is missing: the table that the features are computed from", { at: 'key' });
  return { table: '' };
}

/** `transactions`, `silver.transactions` or `gold.transactions`. */
export function parseSource(text: string, fail: (detail: string) => void): FeatureSetDefinition['source'] {
  const dot = text.indexOf('.');
  const [layer, table] = dot < 0 ? [undefined, text] : [text.slice(0, dot), text.slice(dot + 1)];
  if (layer !== undefined && !layerNames.includes(layer as Layer)) {
    fail(`${describe(text)} is in no known layer; the layers are ${layerNames.join(' and ')}: write silver.<table>, gold.<table>, or the table alone${didYouMean(layer, layerNames)}`);
  } else if (table.includes('.')) {
    fail(`${describe(text)} has too many dots; write silver.<table>, gold.<table>, or the table alone`);
  } else {
    checkThat(() => checkName(table, 'source'), fail);
  }
  return { table, ...(layer !== undefined && { layer: layer as Layer }) };
}

/** No two columns of the answer may have one name. */
function checkColumns(definition: FeatureSetDefinition, areDeclared: boolean, fail: Report): void {
  const all = resultColumns(definition);
  if (new Set(all).size === all.length) return;
  const seen = new Map<string, string>(definition.entityKeys.map((key) => [key, `the entity key '${key}'`]));
  const add = (column: string, name: string, what: string): void => {
    const other = seen.get(name);
    if (other === undefined) seen.set(name, what);
    else {
      const path = areDeclared ? ['aggregations', column] : ['compute'];
      const why = other === what ? `${what} is asked for twice` : `${other} and ${what} would both be called '${name}'`;
      fail(path, `${why}; a column of the answer has a name of its own`, { at: 'key' });
    }
  };
  for (const { column, aggregation, name } of definition.outputs) add(column, name, `the ${aggregation} of ${column}`);
  for (const window of definition.windows) {
    const earlier = new Set(seen.keys());
    for (const { column, aggregation, name } of windowedOutputs(definition, window)) {
      if (earlier.has(name)) add(column, name, `the ${aggregation} of ${column} over ${window.text}`);
    }
  }
}

