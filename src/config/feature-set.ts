/**
 * From what a user wrote of a feature set to its definition. YAML and code come through here, so both mean the same and
 * fail alike; `report` says where a mistake stands.
 */
import type { Table } from '../arrow/arrow.ts';
import { asExpression, type Condition, type Expression } from '../arrow/expression.ts';
import { ConfigurationError, FeatureStoreError, reasonOf } from '../base/errors.ts';
import { checkName, didYouMean } from '../base/names.ts';
import { formatDuration, parseDuration } from '../base/time.ts';
import { type Agg, type AggSpec, aggregationNames, type OutputColumn, outputsOf } from '../engine/plan.ts';
import { type FeatureSetDefinition, type Layer, layerNames, type Window } from './definition.ts';
import { type AggregatedFrame, type ComputeFunction, Frame, tracePlan } from './frame.ts';

/** A feature set as it is written in code. */
export interface FeatureSetInput<Spec extends AggSpec = AggSpec> {
  readonly name: string;
  readonly entityKeys?: string | readonly string[];
  /** `transactions`, `silver.transactions` or `gold.transactions`, or the name of a registered table. */
  readonly source?: string;
  readonly timestamp?: string;
  readonly aggregations?: Spec;
  readonly compute?: ComputeFunction;
  readonly filter?: Condition | Expression;
  readonly tile?: string;
  readonly windows?: readonly string[];
  readonly description?: string;
  readonly owner?: string;
  readonly tags?: Readonly<Record<string, string>>;
}

/** The names of the columns that aggregations give: `amount_sum | amount_mean | date_max`. */
export type FeatureColumns<Spec> = {
  [Column in keyof Spec & string]: Spec[Column] extends readonly (infer Each extends string)[]
    ? `${Column}_${Each}`
    : Spec[Column] extends string ? `${Column}_${Spec[Column]}` : never;
}[keyof Spec & string];

/** A definition that knows the names of its columns as a type. */
export interface TypedFeatureSet<Columns extends string> extends FeatureSetDefinition {
  readonly columnNames?: Columns;
}

/**
 * Defines a feature set in code. Throws ConfigurationError naming the key.
 *
 *   featureSet({ name: 'spend', entityKeys: 'customer_id', source: 'transactions', timestamp: 'date',
 *                aggregations: { amount: ['sum', 'mean'], date: 'max' } })
 */
export function featureSet<const Spec extends AggSpec>(input: FeatureSetInput<Spec>): TypedFeatureSet<FeatureColumns<Spec>> {
  const mistakes: ConfigurationError[] = [];
  const definition = defineFeatureSet(input, 'code', (path, detail, cause) => {
    mistakes.push(new ConfigurationError('code', ['feature set', input.name, ...path].join(' '), detail, cause));
  });
  if (mistakes[0] !== undefined) throw mistakes[0];
  return definition!;
}

/** Says that something at a path below the feature set is wrong. */
export type Report = (path: readonly (string | number)[], detail: string, cause?: unknown) => void;

/** The definition, or undefined when something was reported. `names` are the keys' spellings in messages and paths. */
export function defineFeatureSet(input: FeatureSetInput, where: string, report: Report): FeatureSetDefinition | undefined {
  let sound = true;
  const fail: Report = (path, detail, cause) => {
    sound = false;
    report(path, detail, cause);
  };
  const attempt = <Result>(path: readonly (string | number)[], work: () => Result): Result | undefined => {
    try {
      return work();
    } catch (error) {
      fail(path, error instanceof FeatureStoreError ? reasonOf(error).replace(/^\w+: /, '') : reasonOf(error), error);
      return undefined;
    }
  };

  attempt([], () => checkName(input.name, 'name'));
  const plan = input.compute === undefined ? undefined : attempt(['compute'], () => tracePlan(input.compute!));
  if (input.compute !== undefined && input.aggregations !== undefined) fail(['compute'], 'give aggregations or a compute function, not both');
  const entityKeys = keysOf(input, plan, fail);
  const outputs = plan?.outputs ?? outputsOf(input.aggregations ?? {});
  if (input.aggregations !== undefined && outputs.length === 0) fail(['aggregations'], 'name at least one column and its aggregations');
  outputs.forEach((output) => checkAggregation(output, fail));
  const tileUs = attempt(['tile'], () => parseDuration(input.tile ?? '1d', 'tile')) ?? 1n;
  const windows = windowsOf(input, tileUs, attempt, fail);
  checkNames(entityKeys, outputs, windows, fail);
  const kind = outputs.length > 0 ? 'aggregated' : input.compute !== undefined ? 'opaque' : 'written';
  if (windows.length > 0 && (input.timestamp === undefined || kind !== 'aggregated')) {
    fail(['windows'], 'windows need aggregations and a timestamp: the event time column');
  }
  const source = sourceOf(input, kind, fail);
  const filter = filterOf(input, plan);
  if (!sound) return undefined;
  return {
    name: input.name,
    entityKeys,
    source,
    ...(input.timestamp !== undefined && { timestamp: input.timestamp }),
    kind,
    outputs,
    ...(filter !== undefined && { filter }),
    ...(kind === 'opaque' && { compute: opaque(input.compute!) }),
    tileUs,
    windows,
    ...(input.description !== undefined && { description: input.description }),
    ...(input.owner !== undefined && { owner: input.owner }),
    tags: { ...input.tags },
    where,
  };
}

function keysOf(input: FeatureSetInput, plan: AggregatedFrame | undefined, fail: Report): readonly string[] {
  const declared = input.entityKeys === undefined ? undefined : [input.entityKeys].flat();
  if (declared === undefined && plan === undefined) {
    fail([], 'entity_keys is missing: the column, or columns, that name an entity');
    return [];
  }
  const keys = declared ?? plan!.keys;
  if (keys.length === 0) fail(['entity_keys'], 'name at least one column');
  const repeated = keys.find((key, i) => keys.indexOf(key) !== i);
  if (repeated !== undefined) fail(['entity_keys'], `'${repeated}' is named twice`);
  if (plan !== undefined && declared !== undefined && declared.join('\0') !== plan.keys.join('\0')) {
    fail(['entity_keys'], `the compute function groups by ${plan.keys.join(', ')}, entity_keys are ${declared.join(', ')}`);
  }
  return keys;
}

function checkAggregation({ column, aggregation }: OutputColumn, fail: Report): void {
  if (aggregationNames.includes(aggregation as Agg)) return;
  fail(['aggregations', column], `'${aggregation}' is not an aggregation; there is ${aggregationNames.join(', ')}${didYouMean(String(aggregation), aggregationNames)}`);
}

function windowsOf(
  input: FeatureSetInput,
  tileUs: bigint,
  attempt: <Result>(path: readonly (string | number)[], work: () => Result) => Result | undefined,
  fail: Report,
): Window[] {
  const windows = new Map<bigint, Window>();
  (input.windows ?? []).forEach((text, i) => {
    const lengthUs = attempt(['windows', i], () => parseDuration(text, 'windows'));
    if (lengthUs === undefined) return;
    if (lengthUs % tileUs !== 0n) fail(['windows', i], `${text} is not a whole number of tiles of ${formatDuration(tileUs)}; choose a tile that divides it`);
    if (!windows.has(lengthUs)) windows.set(lengthUs, { text, lengthUs });
  });
  return [...windows.values()];
}

/** No two columns of the answer may have one name. */
function checkNames(keys: readonly string[], outputs: readonly OutputColumn[], windows: readonly Window[], fail: Report): void {
  const seen = new Set(keys);
  const add = (column: string, name: string): void => {
    if (seen.has(name)) fail(['aggregations', column], `two columns of the answer would be called '${name}'`);
    seen.add(name);
  };
  for (const { column, name } of outputs) add(column, name);
  for (const { text } of windows) for (const { column, name } of outputs) add(column, `${name}_${text}`);
}

function sourceOf(input: FeatureSetInput, kind: FeatureSetDefinition['kind'], fail: Report): FeatureSetDefinition['source'] {
  if (input.source === undefined) {
    if (kind !== 'written') fail([], 'source is missing: the table that the features are computed from');
    return { table: '' };
  }
  return parseSource(input.source, (detail) => fail(['source'], detail));
}

/** `transactions`, `silver.transactions` or `gold.transactions`. */
export function parseSource(text: string, fail: (detail: string) => void): FeatureSetDefinition['source'] {
  const dot = text.indexOf('.');
  const [layer, table] = dot < 0 ? [undefined, text] : [text.slice(0, dot), text.slice(dot + 1)];
  if (layer !== undefined && !layerNames.includes(layer as Layer)) {
    fail(`'${layer}' is not a layer; write silver.${table} or gold.${table}${didYouMean(layer, layerNames)}`);
  }
  try {
    checkName(table, 'source');
  } catch (error) {
    fail(reasonOf(error).replace(/^source: /, ''));
  }
  return { table, ...(layer !== undefined && { layer: layer as Layer }) };
}

function filterOf(input: FeatureSetInput, plan: AggregatedFrame | undefined): Expression | undefined {
  const given = input.filter === undefined ? undefined : asExpression(input.filter);
  if (given === undefined || plan?.filter === undefined) return given ?? plan?.filter;
  return { kind: 'and', operands: [given, plan.filter] };
}

/** An opaque compute function over a table: it may still filter and select before it collects. */
function opaque(compute: ComputeFunction): (collect: Parameters<typeof Frame.over>[0]) => Promise<Table> {
  return async (collect) => (await compute(Frame.over(collect))) as Table;
}
