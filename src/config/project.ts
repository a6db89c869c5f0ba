/**
 * From checked documents to a project: defaults, feature sets, inputs, nodes, and what one part says of another. It reads
 * no file; compute functions that YAML names are imported from the project folder.
 */
import { resolve } from 'node:path';
import { didYouMean } from '../base/names.ts';
import { formatObjectUrl, parseObjectUrl, schemeOf } from '../base/object-url.ts';
import { parseSize } from '../base/size.ts';
import { parseDuration } from '../base/time.ts';
import type { z } from 'zod';
import type { FeatureSetDefinition, InputDefinition, NodeDefinition, ProjectConfig } from './definition.ts';
import type { ConfigDocument } from './document.ts';
import { checkThat, defineFeatureSet, parseSource, type Report } from './feature-set.ts';
import type { ComputeFunction } from './frame.ts';
import { importFunction, parseFunctionReference } from './functions.ts';
import { describe, detailOf, type MistakeList, shapeMistakes, whereOf } from './mistakes.ts';
import { type ConfigurationShape, defaults, type FeatureSetShape, type InputShape, type NodeShape, type SectionName, sectionNames } from './schema.ts';

/** A document, and the shape that it must have. */
export interface Part {
  readonly document: ConfigDocument;
  readonly shape: z.ZodType;
}

/**
 * The project that the documents make together, the first being the main one. Every mistake goes to `mistakes`, and is
 * thrown at the end. `isComplete` is false when a document could not be read: then nothing is said of names that may
 * stand in it.
 */
export async function projectOf(parts: readonly Part[], folder: string, isComplete: boolean, mistakes: MistakeList): Promise<ProjectConfig> {
  const sections: Record<SectionName, Entry[]> = { feature_sets: [], inputs: [], nodes: [] };
  for (const part of parts) gatherEntries(part, sections, mistakes);
  for (const section of sectionNames) checkTwice(sections[section], mistakes);
  const settings = settingsOf(parts[0]?.document, folder, mistakes);
  const known: Known = {
    isComplete,
    featureSets: new Map(sections.feature_sets.map((entry) => [entry.name, undefined])),
    inputs: new Set(sections.inputs.map((entry) => entry.name)),
  };
  const sets: FeatureSetDefinition[] = [];
  for (const entry of sections.feature_sets.filter((each) => each.isSound)) {
    const definition = await featureSetOf(entry, folder, mistakes);
    if (definition === undefined) continue;
    known.featureSets.set(entry.name, definition);
    sets.push(definition);
  }
  const inputs = sections.inputs.filter((entry) => entry.isSound).map((entry) => inputOf(entry, known, mistakes));
  const nodes = sections.nodes.filter((entry) => entry.isSound).map((entry) => nodeOf(entry, known, folder, mistakes));
  mistakes.throwIfAny();
  return { folder, ...settings, featureSets: sets, inputs, nodes };
}

/** One named thing of a section. Its value has the right shape if `isSound`. */
interface Entry {
  readonly section: SectionName;
  readonly name: string;
  readonly value: unknown;
  readonly document: ConfigDocument;
  readonly isSound: boolean;
}

/** The names that one part may say of another. A set that is wrong itself is known, and undefined. */
interface Known {
  readonly isComplete: boolean;
  readonly featureSets: Map<string, FeatureSetDefinition | undefined>;
  readonly inputs: ReadonlySet<string>;
}

function gatherEntries({ document, shape }: Part, sections: Record<SectionName, Entry[]>, mistakes: MistakeList): void {
  // An empty file says nothing, which is allowed.
  const value = document.value ?? {};
  const wrong = shapeMistakes(shape, value);
  for (const mistake of wrong) mistakes.add(document, mistake);
  const unsound = new Set(wrong.map(({ path }) => path.slice(0, 2).join('\0')));
  for (const section of sectionNames) {
    const entries = isMapping(value) ? value[section] : undefined;
    if (!isMapping(entries)) continue;
    for (const [name, entry] of Object.entries(entries)) {
      const isSound = !unsound.has(`${section}\0${name}`);
      sections[section].push({ section, name, value: entry, document, isSound });
    }
  }
}

/** A name may stand in one file only; and no two feature sets may share a folder where case does not count. */
function checkTwice(entries: readonly Entry[], mistakes: MistakeList): void {
  const first = new Map<string, Entry>();
  for (const entry of entries) {
    const folded = entry.section === 'feature_sets' ? entry.name.normalize('NFC').toLowerCase() : entry.name;
    const other = first.get(folded);
    if (other === undefined) first.set(folded, entry);
    else {
      const place = whereOf(other.document, [other.section, other.name], 'key');
      const detail = other.name === entry.name ? `is defined twice, first at ${place}` : `differs only in case from '${other.name}' at ${place}, and would be stored in the same folder`;
      mistakes.add(entry.document, { path: [entry.section, entry.name], at: 'key', detail: `${detail}; give one of them another name` });
    }
  }
}

type Settings = Omit<ProjectConfig, 'folder' | 'featureSets' | 'inputs' | 'nodes'>;

function settingsOf(document: ConfigDocument | undefined, folder: string, mistakes: MistakeList): Settings {
  const value = (isMapping(document?.value) ? document.value : {}) as ConfigurationShape;
  const store = isMapping(value.feature_store) ? value.feature_store : {};
  const layers = isMapping(value.layers) ? value.layers : {};
  const place = (path: readonly string[], written: unknown, byDefault: string): string => {
    const text = typeof written === 'string' ? written : byDefault;
    if (/\p{Cc}/u.test(text)) mistakes.add(document!, { path, at: 'value', detail: `${describe(text)} has control characters, which no path has` });
    if (schemeOf(text) === undefined) return resolve(folder, text);
    return checkThat(() => formatObjectUrl(parseObjectUrl(text)), (detail) => mistakes.add(document!, { path, at: 'value', detail })) ?? text;
  };
  const measure = <Value>(key: 'max_staleness' | 'storage_budget', parse: (text: string) => Value): Value | undefined => {
    const text = store[key];
    if (typeof text !== 'string') return undefined;
    return checkThat(() => parse(text), (detail) => mistakes.add(document!, { path: ['feature_store', key], at: 'value', detail }));
  };
  const maxStalenessUs = measure('max_staleness', parseDuration);
  const storageBudget = measure('storage_budget', parseSize);
  return {
    mode: store.mode ?? defaults.mode,
    storagePath: place(['feature_store', 'storage_path'], store.storage_path, defaults.storage_path),
    storageFormat: store.storage_format ?? defaults.storage_format,
    sourceSchema: store.source_schema ?? defaults.source_schema,
    ...(maxStalenessUs !== undefined && { maxStalenessUs }),
    ...(storageBudget !== undefined && { storageBudget }),
    backgroundMaterialization: store.background_materialization ?? defaults.background_materialization,
    layers: {
      silver: place(['layers', 'silver'], layers.silver, defaults.layers.silver),
      gold: place(['layers', 'gold'], layers.gold, defaults.layers.gold),
    },
  };
}

function reportOf({ section, name, document }: Entry, mistakes: MistakeList): Report {
  return (path, detail, { at = 'value', cause } = {}) => mistakes.add(document, { path: [section, name, ...path], at, detail, cause });
}

function whereOfEntry({ section, name, document }: Entry): string {
  return whereOf(document, [section, name], 'key');
}

async function featureSetOf(entry: Entry, folder: string, mistakes: MistakeList): Promise<FeatureSetDefinition | undefined> {
  const shape = entry.value as FeatureSetShape;
  const report = reportOf(entry, mistakes);
  let compute: ComputeFunction | undefined;
  if (shape.compute !== undefined) {
    try {
      compute = (await importFunction(shape.compute, folder)) as ComputeFunction;
    } catch (error) {
      report(['compute'], detailOf(error), { cause: (error as Error).cause ?? error });
      return undefined;
    }
  }
  return defineFeatureSet({ name: entry.name, shape, compute }, whereOfEntry(entry), report);
}

function inputOf(entry: Entry, known: Known, mistakes: MistakeList): InputDefinition {
  const shape = entry.value as InputShape;
  const report = reportOf(entry, mistakes);
  const common = { name: entry.name, where: whereOfEntry(entry) };
  if ('source' in shape) {
    parseSource(shape.source, (detail) => report(['source'], detail));
    return { kind: 'source', ...common, source: shape.source };
  }
  const { feature_set: featureSet, time_range: timeRange } = shape;
  checkKnown(featureSet, 'feature set', known, (detail) => report(['feature_set'], detail));
  if (timeRange === undefined) return { kind: 'feature_set', ...common, featureSet };
  checkThat(() => parseDuration(timeRange), (detail) => report(['time_range'], detail));
  const definition = known.featureSets.get(featureSet);
  if (definition?.kind === 'aggregated' && definition.timestamp === undefined) {
    report(['time_range'], `feature set ${featureSet} names no timestamp, so it has no time to choose by`);
  }
  return { kind: 'feature_set', ...common, featureSet, timeRange: timeRange.trim() };
}

function nodeOf(entry: Entry, known: Known, folder: string, mistakes: MistakeList): NodeDefinition {
  const shape = entry.value as NodeShape;
  const report = reportOf(entry, mistakes);
  checkThat(() => parseFunctionReference(shape.function, folder), (detail) => report(['function'], detail));
  const inputs = [shape.inputs].flat();
  inputs.forEach((input, i) => {
    const path = Array.isArray(shape.inputs) ? ['inputs', i] : ['inputs'];
    checkKnown(input, 'input', known, (detail) => report(path, detail));
  });
  const featureSet = shape.output.feature_set;
  const path = ['output', 'feature_set'];
  checkKnown(featureSet, 'feature set', known, (detail) => report(path, detail));
  const kind = known.featureSets.get(featureSet)?.kind;
  if (kind === 'aggregated' || kind === 'opaque') {
    report(path, `feature set ${featureSet} is computed from its source; a node stores its rows in a set with neither aggregations nor compute`);
  }
  return { name: entry.name, function: shape.function, inputs, output: { featureSet }, where: whereOfEntry(entry) };
}

function checkKnown(name: string, what: 'feature set' | 'input', known: Known, fail: (detail: string) => void): void {
  const declared = what === 'input' ? known.inputs : known.featureSets;
  if (!known.isComplete || declared.has(name)) return;
  const names = [...declared.keys()].slice(0, 1_000);
  const section = what === 'input' ? 'inputs' : 'feature_sets';
  const told = names.slice(0, 20).join(', ') + (names.length > 20 ? ', …' : '');
  const there = names.length === 0 ? `none is declared under ${section}` : `declared under ${section}: ${told}`;
  const isSet = what === 'input' && known.featureSets.has(name);
  const hint = isSet ? `; '${name}' is a feature set: declare an input that names it` : didYouMean(name, names);
  fail(`there is no ${what} ${describe(name)}; ${there}${hint}`);
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
