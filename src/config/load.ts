/**
 * A project's configuration: files or an object in, a validated ProjectConfig out. Every mistake of every file is told, with
 * file, line and column.
 */
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ConfigurationError, reasonOf } from '../base/errors.ts';
import { checkName, didYouMean } from '../base/names.ts';
import { parseDuration } from '../base/time.ts';
import { allowKeys, type Environment, Mistakes, type Path, Source } from './document.ts';
import type { FeatureSetDefinition, InputDefinition, NodeDefinition, ProjectConfig } from './definition.ts';
import { defineFeatureSet, type FeatureSetInput, parseSource } from './feature-set.ts';
import type { ComputeFunction } from './frame.ts';
import { configurationShape, type FeatureSetShape, featureSetShape, inputShape, nodeShape } from './schema.ts';

const sections = ['feature_store', 'layers', 'feature_sets', 'inputs', 'nodes'] as const;
/** The sections that may have a file of their own. */
const ownFiles = ['feature_sets', 'inputs', 'nodes'] as const;

allowKeys('', sections);
allowKeys('feature_store', Object.keys(configurationShape.shape.feature_store.unwrap().shape));
allowKeys('layers', Object.keys(configurationShape.shape.layers.unwrap().shape));
allowKeys('feature_sets.*', Object.keys(featureSetShape.shape));
allowKeys('inputs.*', ['feature_store', 'feature_set', 'time_range', 'source']);
allowKeys('nodes.*', Object.keys(nodeShape.shape));
allowKeys('nodes.*.output', Object.keys(nodeShape.shape.output.shape));

/** A section of a project, with the place it comes from. */
interface Entry {
  readonly source: Source;
  readonly path: Path;
  readonly name: string;
}

/**
 * Loads a project from its folder (the parent of `config/`) or from a `global.yaml`. Throws ConfigurationError.
 * Compute functions that feature sets name are imported.
 */
export async function loadProject(folderOrFile: string, options: { readonly env: Environment }): Promise<ProjectConfig> {
  const path = resolve(folderOrFile);
  const { folder, file } = await findProject(path);
  const named = (each: string): string => relative(folder, each).split(sep).join('/');
  const main = Source.ofYaml(named(file), await readFile(file, 'utf8'), options.env);
  const sources = [main];
  for (const section of ownFiles) {
    const own = join(dirname(file), `${section}.yaml`);
    const text = await readIfThere(own);
    if (text !== undefined) sources.push(Source.ofYaml(named(own), text, options.env));
  }
  const mistakes = new Mistakes();
  sources.slice(1).forEach((source) => checkSections(source, [basename(source.name, '.yaml')], mistakes));
  checkSections(main, sections, mistakes);
  mistakes.throwIfAny();
  const computes = await loadComputes(sources, folder, mistakes);
  mistakes.throwIfAny();
  return projectOf(sources, folder, mistakes, computes);
}

/** The same from an object of the shape of `global.yaml`. A feature set's `compute` may be a function. */
export function projectFromObject(object: object, options: { readonly folder: string; readonly env: Environment }): ProjectConfig {
  const computes = new Map<string, ComputeFunction>();
  const source = Source.ofObject(withoutFunctions(object, computes));
  const mistakes = new Mistakes();
  checkSections(source, sections, mistakes);
  mistakes.throwIfAny();
  return projectOf([source], resolve(options.folder), mistakes, computes);
}

/** Functions stand in an object where YAML has text: a text takes their place, and they are kept by name. */
function withoutFunctions(object: object, computes: Map<string, ComputeFunction>): object {
  const sets = (object as { feature_sets?: Record<string, { compute?: unknown }> }).feature_sets;
  if (typeof sets !== 'object' || sets === null) return object;
  const plain = Object.entries(sets).map(([name, set]) => {
    if (typeof set?.compute !== 'function') return [name, set];
    computes.set(name, set.compute as ComputeFunction);
    return [name, { ...set, compute: '(a function)' }];
  });
  return { ...object, feature_sets: Object.fromEntries(plain) };
}

async function findProject(path: string): Promise<{ readonly folder: string; readonly file: string }> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile()) {
    const folder = dirname(path);
    return { folder: basename(folder) === 'config' ? dirname(folder) : folder, file: path };
  }
  const file = join(path, 'config', 'global.yaml');
  if (found !== undefined && (await readIfThere(file)) !== undefined) return { folder: path, file };
  throw new ConfigurationError(file, '', `there is no such file, so ${path} is not a project; 'tauro-features init ${basename(path)}' makes one`);
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return undefined;
    throw new ConfigurationError(file, '', `it cannot be read: ${reasonOf(error)}`, error);
  }
}

function checkSections(source: Source, allowed: readonly string[], mistakes: Mistakes): void {
  const { value } = source;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    mistakes.add(source.where([]), '', `expected a mapping with ${allowed.join(', ')}`);
    return;
  }
  for (const key of Object.keys(value)) {
    if (!allowed.includes(key)) {
      mistakes.add(source.where([key], true), key, `there is no such key; there is ${allowed.join(', ')}${didYouMean(key, allowed)}`);
    }
  }
}

function entriesOf(sources: readonly Source[], section: string, mistakes: Mistakes): Entry[] {
  const entries = new Map<string, Entry>();
  for (const source of sources) {
    const value = (source.value as Record<string, unknown>)[section];
    if (value === undefined || value === null) continue;
    if (typeof value !== 'object' || Array.isArray(value)) {
      mistakes.add(source.where([section]), section, 'expected a mapping from names to definitions');
      continue;
    }
    for (const name of Object.keys(value)) {
      const before = entries.get(name);
      const path = [section, name];
      if (before !== undefined) {
        mistakes.add(source.where(path, true), path.join('.'), `it is already defined at ${before.source.where(before.path, true)}`);
      }
      try {
        checkName(name, section);
      } catch (error) {
        mistakes.add(source.where(path, true), section, reasonOf(error).replace(/^\w+: /, ''));
        continue;
      }
      entries.set(name, { source, path, name });
    }
  }
  return [...entries.values()];
}

function projectOf(
  sources: readonly Source[],
  folder: string,
  mistakes: Mistakes,
  computes: ReadonlyMap<string, ComputeFunction>,
): ProjectConfig {
  const main = sources[0]!;
  const shape = configurationShape.shape;
  const store = main.check(shape.feature_store, ['feature_store'], mistakes) ?? shape.feature_store.unwrap().parse({});
  const layers = main.check(shape.layers, ['layers'], mistakes) ?? shape.layers.unwrap().parse({});
  const featureSets = entriesOf(sources, 'feature_sets', mistakes).flatMap((entry) => featureSetOf(entry, mistakes, computes) ?? []);
  const inputs = entriesOf(sources, 'inputs', mistakes).flatMap((entry) => inputOf(entry, featureSets, mistakes) ?? []);
  const nodes = entriesOf(sources, 'nodes', mistakes).flatMap((entry) => nodeOf(entry, featureSets, inputs, mistakes) ?? []);
  const maxStalenessUs = durationAt(main, ['feature_store', 'max_staleness'], store.max_staleness, mistakes);
  mistakes.throwIfAny();
  const absolute = (path: string): string => (isAbsolute(path) || /^[a-z0-9]+:\/\//i.test(path) ? path : resolve(folder, path));
  return {
    folder,
    mode: store.mode,
    storagePath: absolute(store.storage_path),
    storageFormat: store.storage_format,
    sourceSchema: store.source_schema,
    maxStalenessUs,
    layers: { silver: absolute(layers.silver), gold: absolute(layers.gold) },
    featureSets,
    inputs,
    nodes,
  };
}

function durationAt(source: Source, path: Path, text: string | undefined, mistakes: Mistakes): bigint | undefined {
  if (text === undefined) return undefined;
  try {
    return parseDuration(text);
  } catch (error) {
    mistakes.add(source.where(path), path.join('.'), reasonOf(error).replace(/^\w+: /, ''), error);
    return undefined;
  }
}

function featureSetOf(
  { source, path, name }: Entry,
  mistakes: Mistakes,
  computes: ReadonlyMap<string, ComputeFunction>,
): FeatureSetDefinition | undefined {
  const written = source.check(featureSetShape, path, mistakes);
  if (written === undefined) return undefined;
  const input = inputFromShape(name, written, computes.get(name));
  return defineFeatureSet(input, source.where(path, true), (below, detail, cause) => {
    const full = [...path, ...below];
    mistakes.add(source.where(full), full.join('.'), detail, cause);
  });
}

function inputFromShape(name: string, written: FeatureSetShape, compute: ComputeFunction | undefined): FeatureSetInput {
  return {
    name,
    entityKeys: written.entity_keys,
    ...(written.source !== undefined && { source: written.source }),
    ...(written.timestamp !== undefined && { timestamp: written.timestamp }),
    ...(written.aggregations !== undefined && { aggregations: written.aggregations }),
    ...(compute !== undefined && { compute }),
    ...(written.tile !== undefined && { tile: written.tile }),
    ...(written.windows !== undefined && { windows: written.windows }),
    ...(written.description !== undefined && { description: written.description }),
    ...(written.owner !== undefined && { owner: written.owner }),
    ...(written.tags !== undefined && { tags: written.tags }),
  };
}

function inputOf({ source, path, name }: Entry, sets: readonly FeatureSetDefinition[], mistakes: Mistakes): InputDefinition | undefined {
  const written = source.check(inputShape, path, mistakes);
  if (written === undefined) return undefined;
  const where = source.where(path, true);
  if ('source' in written) {
    parseSource(written.source, (detail) => mistakes.add(source.where([...path, 'source']), [...path, 'source'].join('.'), detail));
    return { kind: 'source', name, source: written.source, where };
  }
  checkSet(source, [...path, 'feature_set'], written.feature_set, sets, mistakes);
  durationAt(source, [...path, 'time_range'], written.time_range, mistakes);
  const timeRange = written.time_range === undefined ? {} : { timeRange: written.time_range };
  return { kind: 'feature_set', name, featureSet: written.feature_set, ...timeRange, where };
}

/** In a project without a single set, sets are defined in code, so any name may turn out right. */
function checkSet(source: Source, path: Path, name: string, sets: readonly FeatureSetDefinition[], mistakes: Mistakes): void {
  const names = sets.map((set) => set.name);
  if (names.length === 0 || names.includes(name)) return;
  mistakes.add(source.where(path), path.join('.'), `there is no feature set '${name}'; there is ${names.join(', ')}${didYouMean(name, names)}`);
}

function nodeOf(
  { source, path, name }: Entry,
  sets: readonly FeatureSetDefinition[],
  inputs: readonly InputDefinition[],
  mistakes: Mistakes,
): NodeDefinition | undefined {
  const written = source.check(nodeShape, path, mistakes);
  if (written === undefined) return undefined;
  const names = inputs.map((input) => input.name);
  const wanted = [written.inputs].flat();
  wanted.forEach((input, i) => {
    if (names.includes(input)) return;
    const place = Array.isArray(written.inputs) ? [...path, 'inputs', i] : [...path, 'inputs'];
    mistakes.add(source.where(place), place.join('.'), `there is no input '${input}'; there is ${names.join(', ') || 'none'}${didYouMean(input, names)}`);
  });
  checkSet(source, [...path, 'output', 'feature_set'], written.output.feature_set, sets, mistakes);
  return { name, function: written.function, inputs: wanted, output: { featureSet: written.output.feature_set }, where: source.where(path, true) };
}

/** Imports the compute functions that feature sets name. */
async function loadComputes(sources: readonly Source[], folder: string, mistakes: Mistakes): Promise<Map<string, ComputeFunction>> {
  const computes = new Map<string, ComputeFunction>();
  for (const source of sources) {
    const sets = (source.value as { feature_sets?: Record<string, { compute?: unknown } | null> }).feature_sets;
    for (const [name, set] of Object.entries(sets ?? {})) {
      if (typeof set?.compute !== 'string') continue;
      const path = ['feature_sets', name, 'compute'];
      try {
        computes.set(name, (await importFunction(set.compute, folder)) as ComputeFunction);
      } catch (error) {
        mistakes.add(source.where(path), path.join('.'), reasonOf(error), error);
      }
    }
  }
  return computes;
}

/** The function that `path/to/module.js#name` names; the path must stay inside the project. Throws a plain Error. */
export async function importFunction(reference: string, folder: string): Promise<(...inputs: never[]) => unknown> {
  const [path = '', name = 'default'] = reference.split('#', 2);
  const file = resolve(folder, path);
  if (!file.startsWith(resolve(folder) + sep)) throw new Error(`'${path}' lies outside the project`);
  if (!/\.m?js$/.test(file)) throw new Error(`'${path}' is not a JavaScript module; write path/to/module.js#exportedName`);
  let module: Record<string, unknown>;
  try {
    module = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  } catch (error) {
    throw new Error(`'${path}' cannot be loaded: ${reasonOf(error)}`, { cause: error });
  }
  if (typeof module[name] === 'function') return module[name] as (...inputs: never[]) => unknown;
  throw new Error(`${path} exports no function '${name}'; it exports ${Object.keys(module).join(', ') || 'nothing'}`);
}
