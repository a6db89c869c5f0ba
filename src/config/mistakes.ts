/**
 * Mistakes in a configuration: where each one stands, what is allowed there and what was found. They are gathered, and
 * told all at once in one error.
 *
 *   config/global.yaml:2:9: feature_store.mode: 'hybird' is not allowed; write materialized, … ; did you mean 'hybrid'?
 */
import type { z } from 'zod';
import { ArgumentError, ConfigurationError, reasonOf } from '../base/errors.ts';
import { didYouMean, nearestName } from '../base/names.ts';

/** The keys and indexes that lead to a value. */
export type Path = readonly (string | number)[];

export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Where values came from: a file, which knows the place of each, or a name for what has no places. */
export interface Origin {
  readonly label: string;
  /** The place of a value, or of its key; of the nearest thing around it when it is not there. */
  position(path: Path, at: 'key' | 'value'): Position | undefined;
}

export interface Mistake {
  readonly path: Path;
  readonly at: 'key' | 'value';
  readonly detail: string;
  readonly cause?: unknown;
}

/** `file:line:column`, or the origin's name. */
export function whereOf(origin: Origin, path: Path, at: 'key' | 'value'): string {
  return atPosition(origin.label, origin.position(path, at));
}

function atPosition(label: string, position: Position | undefined): string {
  return position === undefined ? label : `${label}:${position.line}:${position.column}`;
}

interface Entry {
  readonly origin: Origin;
  readonly mistake: Mistake;
  readonly position: Position | undefined;
}

/** How many are told at most: someone who mistook the whole file wants to hear it once. */
const toldMax = 50;

export class MistakeList {
  private readonly entries: Entry[] = [];
  private readonly labels: string[] = [];

  /** Origins are told in the order that they are named here, or first have a mistake. */
  expect(label: string): void {
    if (!this.labels.includes(label)) this.labels.push(label);
  }

  add(origin: Origin, mistake: Mistake, position = origin.position(mistake.path, mistake.at)): void {
    this.expect(origin.label);
    this.entries.push({ origin, mistake, position });
  }

  /** Throws one ConfigurationError that tells every mistake, one line each, in the order they stand in the files. */
  throwIfAny(): void {
    const sorted = [...this.entries].sort(
      (a, b) =>
        this.labels.indexOf(a.origin.label) - this.labels.indexOf(b.origin.label) ||
        (a.position?.line ?? 0) - (b.position?.line ?? 0) ||
        (a.position?.column ?? 0) - (b.position?.column ?? 0),
    );
    const [first, ...others] = sorted;
    if (first === undefined) return;
    const told = others.slice(0, toldMax - 1).map((entry) => errorOf(entry, entry.mistake.detail).message);
    if (others.length > told.length) told.push(`and ${others.length - told.length} more`);
    throw errorOf(first, [first.mistake.detail, ...told].join('\n'));
  }
}

function errorOf({ origin, mistake, position }: Entry, detail: string): ConfigurationError {
  return new ConfigurationError(atPosition(origin.label, position), formatPath(mistake.path), detail, mistake.cause);
}

/** `feature_sets.spend.windows[1]`. */
function formatPath(path: Path): string {
  return path.map((step, i) => (typeof step === 'number' ? `[${step}]` : `${i === 0 ? '' : '.'}${shorten(step)}`)).join('');
}

/** What an error of an inner check says, without the argument that it names: the path says that better. */
export function detailOf(error: unknown): string {
  const reason = reasonOf(error);
  return error instanceof ArgumentError ? reason.slice(error.argument.length + 2) : reason;
}

/** What is wrong with the shape of a value. */
export function shapeMistakes(schema: z.ZodType, value: unknown): Mistake[] {
  const result = schema.safeParse(value);
  if (result.success) return [];
  const mistakes = result.error.issues.flatMap((issue) => mistakesOf(issue, [], schema, value));
  // A misspelt key is one mistake, not also a missing one.
  const unknown = new Map<string, string[]>();
  for (const { path, unknown: key } of mistakes) {
    if (key === undefined) continue;
    const place = path.slice(0, -1).join('\0');
    unknown.set(place, [...(unknown.get(place) ?? []).slice(-100), key]);
  }
  const isMisspelt = ({ path, missing }: ShapeMistake): boolean =>
    missing !== undefined && (unknown.get(path.join('\0')) ?? []).some((key) => nearestName(key, [missing]) !== undefined);
  return mistakes.filter((mistake) => !isMisspelt(mistake)).map(({ path, at, detail }) => ({ path, at, detail }));
}

type Issue = z.core.$ZodIssue;

/** `missing` and `unknown` are keys of the mapping at `path`, or above it for an unknown one. */
interface ShapeMistake extends Mistake {
  readonly missing?: string;
  readonly unknown?: string;
}

/** `schema` and `value` are what stand at `above`. */
function mistakesOf(issue: Issue, above: Path, schema: z.ZodType, value: unknown): ShapeMistake[] {
  const steps = issue.path.map((step) => (typeof step === 'number' ? step : String(step)));
  const path = [...above, ...steps];
  const found = valueAt(value, steps);
  if (issue.code === 'unrecognized_keys') {
    const allowed = keysOf(schemaAt(schema, steps));
    return issue.keys.map((key) => ({
      path: [...path, key],
      at: 'key',
      detail: `is not a known key; allowed: ${allowed.join(', ')}${didYouMean(key, allowed)}`,
      unknown: key,
    }));
  }
  if (found === undefined && steps.length > 0) {
    const missing = String(steps.at(-1));
    const description = schemaAt(schema, steps)?.meta()?.description;
    const what = description === undefined ? '' : `: ${description.charAt(0).toLowerCase()}${description.slice(1)}`;
    return [{ path: path.slice(0, -1), at: 'key', detail: `'${missing}' is missing${what}`, missing }];
  }
  if (issue.code === 'invalid_union') return unionMistakes(issue.errors, path, schemaAt(schema, steps), found);
  if (issue.code === 'invalid_key') return [{ path, at: 'key', detail: 'a name is not empty' }];
  return [{ path, at: 'value', detail: detailOfIssue(issue, found) }];
}

/** Of the forms that a value may have, tells what is wrong with the one it was most likely meant to be. */
function unionMistakes(branches: readonly (readonly Issue[])[], path: Path, union: z.ZodType | undefined, found: unknown): ShapeMistake[] {
  const options = (definitionOf(union)?.options ?? []) as readonly z.ZodType[];
  const isWhole = typeof found !== 'object' || found === null;
  const wrongKind = (issue: Issue): boolean =>
    issue.path.length === 0 && (issue.code === 'invalid_type' || (issue.code === 'invalid_value' && (!isWhole || found === null)));
  const weight = (issues: readonly Issue[]): number =>
    issues.reduce((sum, issue) => sum + (issue.code === 'unrecognized_keys' ? issue.keys.length : 1), 0);
  const [nearest] = branches
    .map((issues, i) => ({ issues, option: options[i]!, weight: weight(issues) }))
    .filter(({ issues }) => !issues.some(wrongKind))
    .sort((a, b) => a.weight - b.weight);
  if (nearest !== undefined) return nearest.issues.flatMap((issue) => mistakesOf(issue, path, nearest.option, found));
  const expected = branches.flatMap((issues) => issues.filter(wrongKind).map(expectedBy));
  return [{ path, at: 'value', detail: `expected ${[...new Set(expected)].join(', or ')}, found ${describe(found)}` }];
}

function detailOfIssue(issue: Issue, found: unknown): string {
  if (issue.code === 'invalid_value') {
    const choices = issue.values.map(String);
    if (choices.length === 1) return `expected ${choices[0]}, found ${describe(found)}`;
    const guess = typeof found === 'string' ? didYouMean(found, choices) : '';
    return `${describe(found)} is not allowed; write ${listOf(choices)}${guess}`;
  }
  if (issue.code === 'too_small') return issue.origin === 'string' ? 'expected text, found an empty one' : 'name at least one';
  if (issue.code === 'invalid_type') {
    const isPlain = typeof found === 'number' || typeof found === 'boolean';
    const hint = issue.expected === 'string' && isPlain ? `; if it is meant as text, write it in quotes: "${found}"` : '';
    return `expected ${expectedBy(issue)}, found ${describe(found)}${hint}`;
  }
  return issue.message;
}

function expectedBy(issue: Issue): string {
  if (issue.code === 'invalid_value') return listOf(issue.values.map(String));
  const kinds: Readonly<Record<string, string>> = { string: 'text', array: 'a list', object: 'a mapping', record: 'a mapping', boolean: 'true or false' };
  return issue.code === 'invalid_type' ? (kinds[issue.expected] ?? issue.expected) : 'something else';
}

/** What was found, for a person: `'hybird'`, `the number 5`, `a list`, `nothing`. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (typeof value === 'string') return `'${shorten(value)}'`;
  if (typeof value === 'number' || typeof value === 'bigint') return `the number ${value}`;
  if (typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'a mapping' : `a ${typeof value}`;
}

function shorten(text: string): string {
  const line = text.replace(/\p{Cc}/gu, (control) => JSON.stringify(control).slice(1, -1));
  return line.length > 80 ? `${line.slice(0, 77)}…` : line;
}

function listOf(choices: readonly string[]): string {
  return choices.length < 2 ? choices.join('') : `${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}`;
}

function valueAt(value: unknown, path: Path): unknown {
  let at = value;
  for (const step of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, step)) return undefined;
    at = (at as Record<string | number, unknown>)[step];
  }
  return at;
}

interface SchemaDefinition {
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly innerType?: z.ZodType;
  readonly valueType?: z.ZodType;
  readonly element?: z.ZodType;
  readonly options?: readonly z.ZodType[];
}

/** What a schema is made of, below `optional`, `default` and the like. */
function definitionOf(schema: z.ZodType | undefined): SchemaDefinition | undefined {
  const definition = schema?.def as SchemaDefinition | undefined;
  return definition?.innerType === undefined ? definition : definitionOf(definition.innerType);
}

function schemaAt(schema: z.ZodType, path: Path): z.ZodType | undefined {
  let at: z.ZodType | undefined = schema;
  for (const step of path) {
    const definition = definitionOf(at);
    at = definition?.shape?.[step] ?? definition?.valueType ?? definition?.element;
  }
  return at;
}

function keysOf(schema: z.ZodType | undefined): string[] {
  return Object.keys(definitionOf(schema)?.shape ?? {});
}
