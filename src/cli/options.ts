/** Every option there is, and what the values of the options mean. A wrong value is an ArgumentError naming the option. */
import { extname } from 'node:path';
import { ArgumentError } from '../base/errors.ts';
import { didYouMean } from '../base/names.ts';
import type { FeatureOptions, Mode, Road, TimeRangeInput } from '../index.ts';
import type { OptionSpec } from './command-line.ts';

export const outputFormats = ['table', 'json', 'csv', 'arrow', 'parquet'] as const;
export type OutputFormat = (typeof outputFormats)[number];

export const commandOptions: Readonly<Record<string, OptionSpec>> = {
  project: { type: 'string', value: 'DIR', help: 'the project folder; by default the nearest one upwards with config/global.yaml' },
  format: { type: 'string', value: 'FORMAT', help: `${outputFormats.join(', ')}; by default what the ending of --out says, else table` },
  out: { type: 'string', value: 'FILE', help: 'write into this file, as a whole or not at all' },
  'as-of': { type: 'string', value: 'INSTANT', help: 'the moment that is asked about, 2001-07-01 or 2001-07-01T08:30:00Z; by default now' },
  'time-range': { type: 'string', value: 'RANGE', help: '30d (before the moment), START..END, START.., ..END, or all' },
  mode: { type: 'string', value: 'MODE', help: 'materialized, virtualized or hybrid; by default the configured one' },
  road: { type: 'string', value: 'ROAD', help: 'mode hybrid: stored, merged or source, whatever it costs; of training sets merged or source' },
  'max-staleness': { type: 'string', value: 'AGE', help: 'how old a stored answer may be: 15m, 6h, 1d' },
  entities: { type: 'string', value: 'LIST', help: `only these: a,b,c or JSON: [1, 2], {"a": [1, 2], "b": [3, 4]}, [{"a": 1, "b": 3}]` },
  features: { type: 'string', value: 'LIST', help: 'only these columns: amount_sum,date_max; of a training set, what to join: spend:amount_sum,visits' },
  labels: { type: 'string', value: 'PATH', help: 'the table or file that has the labels' },
  timestamp: { type: 'string', value: 'COLUMN', help: "the labels' column with each label's moment" },
  save: { type: 'string', value: 'NAME', help: 'keep the training set under this name, with what it was made of' },
  utc: { type: 'boolean', help: 'label times that name no zone are UTC' },
  'full-names': { type: 'boolean', help: 'name every feature SET__COLUMN' },
  explain: { type: 'boolean', help: 'only say what would be read' },
  limit: { type: 'string', value: 'N', help: 'at most so many rows' },
  all: { type: 'boolean', help: 'all feature sets of the project' },
  full: { type: 'boolean', help: 'compute even when nothing has changed' },
  threads: { type: 'string', value: 'N', help: 'how many threads compute' },
  quiet: { type: 'boolean', help: 'no notes and no progress on stderr' },
  help: { type: 'boolean', help: 'this text' },
  version: { type: 'boolean', help: 'the version' },
};

export type OptionValues = Readonly<Record<string, string | true>>;

/** The text of an option, if it was given. */
export function textOption(values: OptionValues, name: string): string | undefined {
  const value = values[name];
  return typeof value === 'string' ? value : undefined;
}

/** A whole number of at least `min`. */
export function countOption(values: OptionValues, name: string, min: number): number | undefined {
  const text = textOption(values, name);
  if (text === undefined) return undefined;
  const count = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(count) || count < min) {
    throw new ArgumentError(`--${name}`, `'${text}' is not a whole number of at least ${min}`);
  }
  return count;
}

const formatByEnding: Readonly<Record<string, OutputFormat>> = {
  '.json': 'json',
  '.csv': 'csv',
  '.arrow': 'arrow',
  '.feather': 'arrow',
  '.ipc': 'arrow',
  '.parquet': 'parquet',
};

/** The format that was asked for, or that the output file's name asks for. */
export function formatOption(values: OptionValues, allowed: readonly OutputFormat[] = outputFormats): OutputFormat {
  const format = textOption(values, 'format');
  if (format === undefined) {
    const byEnding = formatByEnding[extname(textOption(values, 'out') ?? '').toLowerCase()];
    return byEnding !== undefined && allowed.includes(byEnding) ? byEnding : 'table';
  }
  const found = allowed.find((name) => name === format);
  if (found === undefined) {
    throw new ArgumentError('--format', `'${format}' is not a format here; one of ${allowed.join(', ')}${didYouMean(format, allowed)}`);
  }
  return found;
}

/** What a read is asked for, from the options of `get` and `explain`. */
export function featureOptions(values: OptionValues, signal: AbortSignal): FeatureOptions {
  const timeRange = textOption(values, 'time-range');
  const asOf = textOption(values, 'as-of');
  const mode = textOption(values, 'mode');
  const maxStaleness = textOption(values, 'max-staleness');
  const road = textOption(values, 'road');
  const entities = textOption(values, 'entities');
  const features = listOption(values, 'features');
  return {
    signal,
    ...(timeRange !== undefined && { timeRange: timeRangeOf(timeRange) }),
    ...(asOf !== undefined && { asOf }),
    ...(mode !== undefined && { mode: mode as Mode }),
    ...(maxStaleness !== undefined && { maxStaleness }),
    ...(road !== undefined && { road: road as Road }),
    ...(entities !== undefined && { entities: entitiesOf(entities) }),
    ...(features !== undefined && { features }),
  };
}

/** `30d` and `all` as they are; `START..END` as its two ends. */
export function timeRangeOf(text: string): TimeRangeInput {
  const separator = text.indexOf('..');
  if (separator < 0) return text;
  const start = text.slice(0, separator).trim();
  const end = text.slice(separator + 2).trim();
  return { ...(start !== '' && { start }), ...(end !== '' && { end }) };
}

/** An option that is a list of words. */
export function listOption(values: OptionValues, name: string): string[] | undefined {
  const text = textOption(values, name);
  return text === undefined ? undefined : listOf(text);
}

function listOf(text: string): string[] {
  return text.split(',').map((word) => word.trim()).filter((word) => word !== '');
}

/** Entities from a list of words or JSON. The store turns texts into the key's type, so integers keep every digit. */
export function entitiesOf(text: string): unknown[] | Record<string, unknown[]> {
  if (!/^\s*[[{]/.test(text)) return listOf(text);
  const wrong = (detail: string, cause?: unknown): ArgumentError =>
    new ArgumentError('--entities', `${detail}; write a,b,c or [1, 2] or {"a": [1, 2], "b": [3, 4]} or [{"a": 1, "b": 3}]`, cause);
  let parsed: unknown;
  try {
    parsed = JSON.parse(quoteLongIntegers(text));
  } catch (error) {
    throw wrong('not valid JSON', error);
  }
  if (!Array.isArray(parsed)) {
    const lists = parsed as Record<string, unknown[]>;
    if (!Object.values(lists).every(Array.isArray)) throw wrong('each key needs a list of values');
    return lists;
  }
  if (!parsed.some((item) => typeof item === 'object' && item !== null)) return parsed;
  const names = Object.keys((parsed[0] as object | null) ?? {});
  const isRow = (item: unknown): item is Record<string, unknown> =>
    typeof item === 'object' && item !== null && names.length > 0 && names.every((name) => Object.hasOwn(item, name)) && Object.keys(item).length === names.length;
  if (!parsed.every(isRow)) throw wrong('the objects of a list must all have the same keys');
  return Object.fromEntries(names.map((name) => [name, parsed.map((row) => row[name])]));
}

/** JSON.parse rounds integers beyond 2^53; as strings they arrive whole. */
function quoteLongIntegers(json: string): string {
  return json.replace(/"(?:[^"\\]|\\.)*"|-?\d{16,}(?![\d.eE])/g, (token) => (token.startsWith('"') ? token : `"${token}"`));
}
