/**
 * One YAML file, or one object, that knows where each of its values stands, so that a mistake is told as
 * `config/global.yaml:2:9: feature_store.mode: …`.
 */
import { isMap, isNode, isScalar, LineCounter, parseDocument, visit, type Document } from 'yaml';
import type { z } from 'zod';
import { ConfigurationError, reasonOf } from '../base/errors.ts';
import { didYouMean } from '../base/names.ts';

export type Path = readonly (string | number)[];
export type Environment = Readonly<Record<string, string | undefined>>;

const bytesMax = 10 * 2 ** 20;

/** Mistakes of a whole project, told together. */
export class Mistakes {
  private readonly found: ConfigurationError[] = [];

  add(where: string, key: string, detail: string, cause?: unknown): void {
    this.found.push(new ConfigurationError(where, key, detail, cause));
  }

  /** Throws when there are any: one error, a line for each mistake. */
  throwIfAny(): void {
    const [first, ...others] = this.found;
    if (first === undefined) return;
    if (others.length === 0) throw first;
    const prefix = `${first.where}: ${first.key === '' ? '' : `${first.key}: `}`;
    const detail = [first.message.slice(prefix.length), ...others.map((other) => other.message)].join('\n');
    throw new ConfigurationError(first.where, first.key, detail, first.cause);
  }
}

/** A configuration file or object, as plain values, with places. */
export class Source {
  private constructor(
    readonly name: string,
    readonly value: unknown,
    private readonly document: Document | undefined,
    private readonly lines: LineCounter | undefined,
  ) {}

  static ofObject(value: object): Source {
    return new Source('configuration object', value, undefined, undefined);
  }

  /** Parses YAML and fills in the environment. Throws at once when it is not YAML. */
  static ofYaml(name: string, text: string, env: Environment): Source {
    if (text.length > bytesMax) throw new ConfigurationError(name, '', `the file is larger than ${bytesMax} bytes; is it a configuration?`);
    const lines = new LineCounter();
    const mistakes = new Mistakes();
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
    for (const error of document.errors) mistakes.add(place(name, lines, error.pos[0]), '', error.message);
    mistakes.throwIfAny();
    visit(document, {
      Scalar(key, node) {
        if (key === 'key' || typeof node.value !== 'string') return;
        node.value = substitute(node.value, env, (detail) => mistakes.add(place(name, lines, node.range?.[0] ?? 0), '', detail));
      },
    });
    mistakes.throwIfAny();
    try {
      return new Source(name, document.toJS({ maxAliasCount: 100 }) ?? {}, document, lines);
    } catch (error) {
      throw new ConfigurationError(`${name}:1:1`, '', reasonOf(error), error);
    }
  }

  /** Where the value at a path stands; with `key`, where its name does. */
  where(path: Path, key = false): string {
    if (this.document === undefined || this.lines === undefined) return this.name;
    for (let depth = path.length; depth >= 0; depth--) {
      const start = this.offsetOf(path.slice(0, depth), key && depth === path.length);
      if (start !== undefined) return place(this.name, this.lines, start);
    }
    return `${this.name}:1:1`;
  }

  private offsetOf(path: Path, key: boolean): number | undefined {
    if (key && path.length > 0) {
      const parent = this.document!.getIn(path.slice(0, -1), true) ?? this.document!.contents;
      if (!isMap(parent)) return undefined;
      const pair = parent.items.find((item) => isScalar(item.key) && String(item.key.value) === String(path.at(-1)));
      return isNode(pair?.key) ? pair.key.range?.[0] : undefined;
    }
    const node = path.length === 0 ? this.document!.contents : this.document!.getIn(path, true);
    return isNode(node) ? (node.range?.[0] ?? undefined) : undefined;
  }

  /** Checks the value at a path against a shape; reports every mistake, and returns the value when there is none. */
  check<Shape extends z.ZodType>(shape: Shape, path: Path, mistakes: Mistakes): z.output<Shape> | undefined {
    const value = path.reduce<unknown>((parent, step) => (parent as Record<string, unknown> | undefined)?.[step], this.value);
    const result = shape.safeParse(value ?? undefined, { reportInput: true });
    if (result.success) return result.data;
    for (const issue of result.error.issues) this.report(issue, path, mistakes);
    return undefined;
  }

  private report(issue: z.core.$ZodIssue, base: Path, mistakes: Mistakes): void {
    const path = [...base, ...(issue.path as (string | number)[])];
    const key = path.join('.');
    switch (issue.code) {
      case 'unrecognized_keys': {
        for (const unknown of issue.keys) {
          const allowed = allowedKeys.get(path.filter((step) => typeof step === 'string').length === path.length ? shapeName(path) : '') ?? [];
          const list = allowed.length === 0 ? '' : `; there is ${allowed.join(', ')}${didYouMean(unknown, allowed)}`;
          mistakes.add(this.where([...path, unknown], true), [...path, unknown].join('.'), `there is no such key${list}`);
        }
        return;
      }
      case 'invalid_value': {
        const allowed = issue.values.map(String);
        mistakes.add(this.where(path), key, `${found(issue.input)} is not one of ${allowed.join(', ')}${didYouMean(String(issue.input), allowed)}`);
        return;
      }
      case 'invalid_union': {
        this.reportUnion(issue, path, mistakes);
        return;
      }
      case 'invalid_type':
        if (issue.input === undefined || issue.input === null) mistakes.add(this.where(path), key, `a value is missing; expected ${expected(issue.expected)}`);
        else mistakes.add(this.where(path), key, `expected ${expected(issue.expected)}, found ${found(issue.input)}`);
        return;
      default:
        mistakes.add(this.where(path), key, issue.message.toLowerCase());
    }
  }

  /** Of the alternatives of a union, the one that came furthest tells what is wrong. */
  private reportUnion(issue: z.core.$ZodIssueInvalidUnion, path: Path, mistakes: Mistakes): void {
    const depth = (issues: readonly z.core.$ZodIssue[]): number => Math.max(...issues.map((each) => each.path.length));
    const wrongType = (issues: readonly z.core.$ZodIssue[]): boolean => issues.some((each) => each.code === 'invalid_type' && each.path.length === 0);
    const alternatives = issue.errors.filter((issues) => !wrongType(issues));
    if (alternatives.length === 0) {
      const kinds = issue.errors.flatMap((issues) => issues.map((each) => ('expected' in each ? expected(String(each.expected)) : 'one of the allowed values')));
      mistakes.add(this.where(path), path.join('.'), `expected ${[...new Set(kinds)].join(' or ')}, found ${found(issue.input)}`);
      return;
    }
    const chosen = alternatives.reduce((a, b) => (score(b, issue.input) > score(a, issue.input) || depth(b) > depth(a) ? b : a));
    for (const each of chosen) this.report(each, path, mistakes);
  }
}

/** How well an alternative fits: fewer of its own mistakes is better; an input of a feature set is told by `feature_store`. */
function score(issues: readonly z.core.$ZodIssue[], input: unknown): number {
  const isFeature = typeof input === 'object' && input !== null && ('feature_store' in input || 'feature_set' in input);
  const rejectsFeature = issues.some((each) => each.code === 'unrecognized_keys' && each.keys.some((key) => key.startsWith('feature_')));
  return (isFeature && rejectsFeature ? -100 : 0) - issues.length;
}

/** The keys of each mapping whose keys are fixed, by the name that `shapeName` gives a path. */
const allowedKeys = new Map<string, readonly string[]>();

/** Registers what is allowed where, for messages. */
export function allowKeys(name: string, keys: readonly string[]): void {
  allowedKeys.set(name, keys);
}

/** `feature_sets.spend` is a `feature_sets.*`: names that users choose do not count. */
function shapeName(path: Path): string {
  return path.map((step, i) => (i === 1 && ['feature_sets', 'inputs', 'nodes'].includes(String(path[0])) ? '*' : step)).join('.');
}

function place(name: string, lines: LineCounter, offset: number): string {
  const { line, col } = lines.linePos(offset);
  return `${name}:${Math.max(line, 1)}:${Math.max(col, 1)}`;
}

function found(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (value === null || value === undefined) return 'nothing';
  if (typeof value === 'object') return 'a mapping';
  return typeof value === 'string' ? `'${value}'` : String(value);
}

function expected(kind: string): string {
  const words: Readonly<Record<string, string>> = { object: 'a mapping', record: 'a mapping', array: 'a list', string: 'a text', boolean: 'true or false', number: 'a number' };
  return words[kind] ?? kind;
}

/** `${NAME}` and `${NAME:-default}`; `$${` is a plain `${`. */
function substitute(text: string, env: Environment, fail: (detail: string) => void): string {
  return text.replace(/\$(\$\{)|\$\{([^}]*)\}/g, (_, escaped: string | undefined, inside: string) => {
    if (escaped !== undefined) return escaped;
    const match = /^([A-Za-z_]\w*)(?::-(.*))?$/s.exec(inside);
    if (match === null) {
      fail(`'\${${inside}}' is not a variable; write \${NAME} or \${NAME:-default}`);
      return '';
    }
    const value = env[match[1]!] || match[2];
    if (value === undefined) fail(`the environment variable ${match[1]} is not set; set it, or write \${${match[1]}:-default}`);
    return value ?? '';
  });
}
