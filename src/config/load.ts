// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${…} is what the configuration reads.
/**
 * Reads a project's configuration: `config/global.yaml`, and beside it `feature_sets.yaml`, `inputs.yaml`, `nodes.yaml`
 * where they are. All its mistakes are told in one ConfigurationError.
 *
 *   text → document.ts: values with places → schema.ts, mistakes.ts: shape → project.ts: what it means
 */
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { ConfigurationError, reasonOf, StorageError } from '../base/errors.ts';
import type { ProjectConfig } from './definition.ts';
import { type Environment, fillIn } from './environment.ts';
import { describe, MistakeList, type Origin, type Path } from './mistakes.ts';
import { type Part, projectOf } from './project.ts';
import { sectionNames, sectionShape, shapes } from './schema.ts';

export { importFunction } from './functions.ts';

/**
 * The project in a folder that holds `config/global.yaml`, or of such a file itself. `env` is what `${NAME}` reads.
 * Compute functions that the configuration names are imported, and called once to learn their plans.
 */
export async function loadProject(folderOrFile: string, options: { readonly env: Environment }): Promise<ProjectConfig> {
  const { folder, mainFile } = await locate(folderOrFile);
  // With yaml, which a configuration object does without.
  const { documentBytesMax, readDocument } = await import('./document.ts');
  const mistakes = new MistakeList();
  const files = [
    { file: mainFile, shape: shapes().configuration },
    ...sectionNames.map((section) => ({ file: join(dirname(mainFile), `${section}.yaml`), shape: sectionShape(section) })),
  ];
  const parts: Part[] = [];
  let isComplete = true;
  for (const { file, shape } of files) {
    const text = await tryReadText(file, documentBytesMax);
    if (text === undefined) continue;
    const document = readDocument(text, clickable(file), options.env, mistakes);
    if (document === undefined) isComplete = false;
    else parts.push({ document, shape });
  }
  return projectOf(parts, folder, isComplete, mistakes);
}

/** The project that a plain object of the same shape as `global.yaml` describes. Relative paths start at `folder`. */
export async function projectFromObject(object: object, options: { readonly folder: string; readonly env?: Environment }): Promise<ProjectConfig> {
  const mistakes = new MistakeList();
  const origin: Origin = { label: 'configuration object', position: () => undefined };
  const value = copyValue(object, [], [], options.env ?? {}, (path, detail) => mistakes.add(origin, { path, at: 'value', detail }));
  if (value === undefined) mistakes.add(origin, { path: [], at: 'value', detail: `expected a mapping, found ${describe(object)}` });
  mistakes.throwIfAny();
  return projectOf([{ document: { ...origin, value }, shape: shapes().configuration }], resolve(options.folder), true, mistakes);
}

/** The main file, and the folder that relative paths start at: the parent of `config/`. */
async function locate(folderOrFile: string): Promise<{ readonly folder: string; readonly mainFile: string }> {
  const path = resolve(folderOrFile);
  const found = await tryStat(path);
  if (found !== undefined && !found.isDirectory()) {
    const parent = dirname(path);
    return { folder: basename(parent) === 'config' ? dirname(parent) : parent, mainFile: path };
  }
  const mainFile = join(path, 'config', 'global.yaml');
  if (found !== undefined && (await tryStat(mainFile)) !== undefined) return { folder: path, mainFile };
  const missing = found === undefined ? 'there is no such file or folder' : `it holds no ${join('config', 'global.yaml')} (looked for ${mainFile})`;
  throw new ConfigurationError(path, '', `${missing}; name a project folder or its global.yaml, or make a project with tauro-features init`);
}

async function tryStat(path: string): Promise<Awaited<ReturnType<typeof stat>> | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(String((error as NodeJS.ErrnoException).code))) return undefined;
    throw new StorageError(path, `cannot be looked at: ${reasonOf(error)}`, error);
  }
}

/** The text of a file, or undefined when there is none. Throws ConfigurationError when there are more bytes than that. */
async function tryReadText(file: string, bytesMax: number): Promise<string | undefined> {
  const found = await tryStat(file);
  if (found === undefined) return undefined;
  if (!found.isFile()) throw new ConfigurationError(clickable(file), '', 'expected a file, found something else of that name');
  if (found.size > bytesMax) {
    throw new ConfigurationError(clickable(file), '', `expected a configuration of at most ${bytesMax} bytes, found ${found.size}`);
  }
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (error) {
    throw new StorageError(file, `cannot be read: ${reasonOf(error)}`, error);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new ConfigurationError(clickable(file), '', 'expected text in UTF-8, found other bytes; save the file as UTF-8', error);
  }
}

/** How a file is named in messages: from the working directory if it is below it, so that a terminal makes it a link. */
function clickable(file: string): string {
  const path = relative(process.cwd(), file);
  return path.startsWith('..') || isAbsolute(path) ? file : path;
}

/** A copy with the environment filled in; undefined when the whole is no mapping. The caller's object is not touched. */
function copyValue(value: unknown, path: Path, above: readonly object[], env: Environment, fail: (path: Path, detail: string) => void): unknown {
  if (typeof value === 'string') return value.includes('${') ? fillIn(value, env, (detail) => fail(path, detail)) : value;
  if (typeof value !== 'object' || value === null) return path.length === 0 ? undefined : value;
  if (above.includes(value)) {
    fail(path, 'contains itself');
    return null;
  }
  if (Array.isArray(value)) {
    if (path.length === 0) return undefined;
    return value.map((item, i) => copyValue(item, [...path, i], [...above, value], env, fail));
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) return path.length === 0 ? undefined : value;
  const copy: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) {
    if (key === '__proto__') fail([...path, key], "'__proto__' cannot be a key");
    // What is undefined is not said.
    else if (item !== undefined) copy[key] = copyValue(item, [...path, key], [...above, value], env, fail);
  }
  return copy;
}
