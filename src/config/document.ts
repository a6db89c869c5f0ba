// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${…} is what the configuration reads.
/**
 * One text of YAML 1.2 (core schema), as plain values that still know where they stand. What YAML allows and nobody needs
 * here is refused: keys given twice, tags of one's own, aliases that multiply, several documents in one text.
 */
import { type Alias, type Document, isAlias, isCollection, isMap, isNode, isPair, isScalar, Lexer, LineCounter, type Pair, parseDocument, visit, type YAMLMap } from 'yaml';
import { reasonOf } from '../base/errors.ts';
import { type Environment, fillIn } from './environment.ts';
import type { MistakeList, Origin, Path, Position } from './mistakes.ts';

/** A configuration text that was read: its values, with the environment filled in, and their places. */
export interface ConfigDocument extends Origin {
  readonly value: unknown;
}

/** Above any of these, it is no configuration; and the parser's memory would give out before it had an error. */
export const documentBytesMax = 10_000_000;
const tokensMax = 1_000_000;
const depthMax = 100;

/** How many aliases there may be, and how many nodes they may together stand for. */
const aliasesMax = 100;

/** Reads a text. Undefined when it cannot be read; then, as for every other mistake, `mistakes` has heard of it. */
export function readDocument(text: string, label: string, env: Environment, mistakes: MistakeList): ConfigDocument | undefined {
  mistakes.expect(label);
  const lines = new LineCounter();
  const positionAt = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  let document: Document | undefined;
  const index: Index = { pairs: new WeakMap(), aliases: new WeakMap() };
  const origin: Origin = {
    label,
    position: (path, at) => positionAt(document === undefined ? 0 : offsetOf(document, index, path, at)),
  };
  let sound = true;
  const fail = (offset: number, detail: string, cause?: unknown): void => {
    sound = false;
    mistakes.add(origin, { path: [], at: 'value', detail, ...(cause !== undefined && { cause }) }, positionAt(offset));
  };

  const excess = excessOf(text);
  if (excess !== undefined) {
    // Nothing was parsed, so nobody has counted the lines yet.
    for (let start = 0; start >= 0 && start <= excess.offset; start = text.indexOf('\n', start) + 1 || -1) lines.addNewLine(start);
    fail(excess.offset, excess.detail);
    return undefined;
  }
  try {
    document = parseDocument(text, {
      version: '1.2', schema: 'core', uniqueKeys: false, stringKeys: false, prettyErrors: false, logLevel: 'error', lineCounter: lines,
    });
  } catch (error) {
    fail(0, error instanceof RangeError ? 'is nested too deeply' : `cannot be read as YAML: ${reasonOf(error)}`, error);
    return undefined;
  }
  // After its first error the parser guesses; what it says then is rarely a mistake of its own.
  for (const error of document.errors.length > 0 ? document.errors.slice(0, 1) : document.warnings) {
    fail(error.pos[0], syntaxDetail(error, text), error);
  }
  if (!sound) return undefined;
  checkNodes(document, fail, (offset) => positionAt(offset).line);
  fillInStrings(document, env, fail);
  if (!sound) return undefined;
  try {
    return { ...origin, value: document.toJS({ maxAliasCount: aliasesMax }) };
  } catch (error) {
    fail(firstAlias(document), `its aliases stand for more than ${aliasesMax} nodes; write out what they stand for`, error);
    return undefined;
  }
}

/** What is too much in a text, found by its tokens alone: before anything is built of them. */
function excessOf(text: string): { readonly offset: number; readonly detail: string } | undefined {
  let [offset, tokens, aliases, flowDepth, compactDepth, isScalarNext] = [0, 0, 0, 0, 0, false];
  for (const token of new Lexer().lex(text)) {
    if (isScalarNext) isScalarNext = false;
    else if (token === scalarFollows) isScalarNext = true;
    else if (token === '[' || token === '{') flowDepth++;
    else if (token === ']' || token === '}') flowDepth--;
    else if (token === '-' || token === '?') compactDepth++;
    else if (token.startsWith('*')) aliases++;
    else if (token.includes('\n')) compactDepth = 0;
    if (aliases > aliasesMax) return { offset, detail: `has more than ${aliasesMax} aliases; write out what they stand for` };
    if (flowDepth > depthMax || (flowDepth === 0 && compactDepth > depthMax)) return { offset, detail: `is nested too deeply, more than ${depthMax} levels` };
    if (++tokens > tokensMax) return { offset, detail: `is too large for a configuration, more than ${tokensMax} words and marks` };
    if (!signals.has(token)) offset += token.length;
  }
  return undefined;
}

/** What the lexer says before the text of a scalar, and all that it says which does not stand in the text. */
const scalarFollows = '\x1f';
const signals: ReadonlySet<string> = new Set([scalarFollows, '\x02', '\x18']);

function syntaxDetail(error: Document['errors'][number] | Document['warnings'][number], text: string): string {
  if (error.code === 'MULTIPLE_DOCS') return 'the file holds several YAML documents; leave one, without --- lines';
  if (error.code === 'TAG_RESOLVE_FAILED') return `${error.message.replace(/\.?$/, '')}; tags have no meaning here`;
  const lineStart = text.lastIndexOf('\n', error.pos[0] - 1) + 1;
  const lineEnd = text.indexOf('\n', lineStart);
  const line = text.slice(lineStart, lineEnd < 0 ? undefined : lineEnd);
  const hint = line.includes('${') ? '; inside { } and [ ], a text with ${…} stands in quotes' : '';
  return `is not valid YAML: ${error.message.split('\n')[0]}${hint}`;
}

/** Finds keys that are no plain text, keys given twice, and aliases of nothing. */
function checkNodes(document: Document, fail: (offset: number, detail: string) => void, lineOf: (offset: number) => number): void {
  visit(document, {
    Map(_, map) {
      const first = new Map<string, number>();
      for (const { key } of map.items) {
        if (!isNode(key)) continue;
        const offset = startOf(key) ?? 0;
        if (!isScalar(key)) {
          fail(offset, 'a key must be plain text');
          continue;
        }
        const name = String(key.value ?? '');
        const before = first.get(name);
        if (name === '__proto__') fail(offset, "'__proto__' cannot be a key");
        else if (before !== undefined) fail(offset, `key '${name}' is given twice, first on line ${lineOf(before)}; leave one`);
        else first.set(name, offset);
      }
    },
    Alias(_, alias) {
      if (alias.resolve(document) === undefined) fail(startOf(alias) ?? 0, `*${alias.source} refers to no anchor &${alias.source}`);
    },
  });
}

function fillInStrings(document: Document, env: Environment, fail: (offset: number, detail: string) => void): void {
  visit(document, {
    Scalar(key, scalar) {
      if (key === 'key' || typeof scalar.value !== 'string' || !scalar.value.includes('${')) return;
      scalar.value = fillIn(scalar.value, env, (detail) => fail(startOf(scalar) ?? 0, detail));
    },
  });
}

function firstAlias(document: Document): number {
  let offset: number | undefined;
  visit(document, {
    Alias(_, alias) {
      offset = startOf(alias);
      return visit.BREAK;
    },
  });
  return offset ?? 0;
}

/** Where the value at a path begins, or its key, or the nearest thing around it that is there. */
function offsetOf(document: Document, index: Index, path: Path, at: 'key' | 'value'): number {
  let node: unknown = document.contents;
  let pair: Pair | undefined;
  let offset = startOf(node) ?? 0;
  for (const step of path) {
    if (isAlias(node)) node = targetOf(node, document, index);
    if (!isCollection(node)) return offset;
    const found = isMap(node) ? pairOf(node, step, index) : node.items[Number(step)];
    if (found === undefined) return offset;
    pair = isPair(found) ? found : undefined;
    node = isPair(found) ? found.value : found;
    offset = startOf(pair?.key) ?? startOf(node) ?? offset;
  }
  return at === 'value' || pair === undefined ? (valueStart(node) ?? offset) : offset;
}

/** The pairs of each mapping by key, and what each alias stands for; made when first asked for. */
interface Index {
  readonly pairs: WeakMap<YAMLMap, Map<string, Pair>>;
  readonly aliases: WeakMap<Alias, unknown>;
}

function pairOf(map: YAMLMap, key: string | number, { pairs }: Index): Pair | undefined {
  let byKey = pairs.get(map);
  if (byKey === undefined) {
    byKey = new Map(map.items.map((pair) => [isScalar(pair.key) ? String(pair.key.value ?? '') : '', pair]));
    pairs.set(map, byKey);
  }
  return byKey.get(String(key));
}

function targetOf(alias: Alias, document: Document, { aliases }: Index): unknown {
  if (!aliases.has(alias)) aliases.set(alias, alias.resolve(document));
  return aliases.get(alias);
}

/** A value that was left out has no place of its own. */
function valueStart(node: unknown): number | undefined {
  return isScalar(node) && node.value === null && node.source === '' ? undefined : startOf(node);
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}
