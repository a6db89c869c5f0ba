/**
 * What is stored of a feature set: two tables in a folder of its own.
 *
 *   <storage_path>/<set>/tiles      one row per (entity, tile) with partial states      not for sets without event time
 *   <storage_path>/<set>/features   one row per entity with the final columns           any engine can query it
 *                                   and the partial states of all its rows, <column>__…
 *
 * The features commit is the only one that counts: it names the version of the tiles that belongs to it, so a
 * materialization that dies between the two commits has changed nothing that a reader sees.
 */
import { createHash } from 'node:crypto';
import { Schema } from '../arrow/arrow.ts';
import { plainSchema } from '../arrow/canonical.ts';
import { schemaOfText, textOfSchema } from '../arrow/schema-stream.ts';
import type { TimeRange } from '../base/time.ts';
import { formatExpression } from '../arrow/expression.ts';
import type { FeatureSetDefinition, StorageFormat } from '../config/definition.ts';
import type { OwnSnapshot, OwnTable } from '../store/table.ts';
import type { FeatureCache } from './feature-cache.ts';
import { type Coverage, decodeCoverage, encodeCoverage } from './coverage.ts';

/** The facts that are committed with a features table. */
export interface StoredFacts {
  readonly sourceVersion: string;
  /** Digest of the definition that the rows were computed by. */
  readonly definition: string;
  /** When the rows were computed; later commits may have moved them. Undefined: when they were committed. */
  readonly computedAtMs: number | undefined;
  /** The instant that windows end at. */
  readonly asOfUs: bigint;
  /** Undefined: every row of the source counted, null event times too. */
  readonly range: TimeRange | undefined;
  readonly tilesVersion: number | undefined;
  /** The newest event time that counted; undefined when there was none. */
  readonly newestEventUs: bigint | undefined;
  /** When the newest of the rows arrived, where it is asked who had arrived. */
  readonly arrivals: Arrivals | undefined;
  readonly sourceRows: number;
  /** Undefined where it is not known: rows of files that are gone were counted. */
  readonly rowsWithNullKey: number | undefined;
  /** The files of the source; undefined where it has none, or the set is none that could be added to. */
  readonly coverage: Coverage | undefined;
  /** Whether partial states stand beside the features. */
  readonly hasStates: boolean;
  /** The columns of the source that the definition uses: tiles can be merged when the source is gone. */
  readonly sourceSchema: Schema;
}

export interface Arrivals {
  /** No row that says when it arrived did so later. Undefined: none does. */
  readonly newestUs: bigint | undefined;
  /** Whether there may be rows that do not say. */
  readonly someUnknown: boolean;
}

export interface FeatureTables {
  /** That the project asks for. What is stored may still have another. */
  readonly format: StorageFormat;
  readonly features: OwnTable;
  readonly tiles: OwnTable;
  /** Features that were read, in memory. */
  readonly cache: FeatureCache;
}

/** A stored state of a feature set, as one version of its features table tells it. */
export interface Stored {
  readonly facts: StoredFacts;
  readonly features: OwnSnapshot;
  readonly computedAtMs: number;
}

/** The newest stored state, or undefined when the set was never materialized. */
export async function readStored(tables: Pick<FeatureTables, 'features'>, signal?: AbortSignal): Promise<Stored | undefined> {
  const features = await tables.features.trySnapshot(signal === undefined ? {} : { signal });
  if (features === undefined || isEvicted(features)) return undefined;
  const facts = factsOf(features.info);
  return { features, facts, computedAtMs: facts.computedAtMs ?? features.committedAtMs };
}

const known = new WeakMap<object, StoredFacts>();

/** Facts are as old as their version, so they are read once. */
function factsOf(info: OwnSnapshot['info']): StoredFacts {
  let facts = known.get(info);
  if (facts === undefined) known.set(info, (facts = factsFromInfo(info)));
  return facts;
}

/** What the commit says that gives up a set's stored rows to make room. */
export const evictedInfo: Readonly<Record<string, unknown>> = { evicted: true };

function isEvicted({ info }: OwnSnapshot): boolean {
  return info.evicted === evictedInfo.evicted;
}

/** The version by which stored rows were given up, if that is the newest; -1 otherwise. */
export async function evictedVersion(tables: Pick<FeatureTables, 'features'>): Promise<number> {
  const features = await tables.features.trySnapshot();
  return features !== undefined && isEvicted(features) ? features.versionNumber : -1;
}

/** The form of partial states: those of another are not merged with ours. */
const statesForm = 2;

/** Changes whenever the same source would give another answer, or other partial states. Descriptions and tags do not count. */
export function definitionDigest(definition: FeatureSetDefinition): string {
  const meaning = {
    statesForm,
    keys: definition.entityKeys,
    source: definition.source,
    timestamp: definition.timestamp ?? null,
    kind: definition.kind,
    outputs: definition.outputs.map(({ column, aggregation, name }) => [column, aggregation, name]),
    filter: definition.filter === undefined ? null : formatExpression(definition.filter),
    compute: definition.compute === undefined ? null : String(definition.compute),
    tileUs: String(definition.tileUs),
    windows: definition.windows.map((window) => window.text),
    ...(definition.toleranceUs !== undefined && { toleranceUs: String(definition.toleranceUs) }),
    ...(definition.tieBreaker !== undefined && { tieBreaker: definition.tieBreaker }),
    ...(definition.arrival !== undefined && { arrival: definition.arrival }),
  };
  return createHash('sha256').update(JSON.stringify(meaning)).digest('hex').slice(0, 32);
}

export function infoFromFacts(facts: StoredFacts): Record<string, unknown> {
  return {
    sourceVersion: facts.sourceVersion,
    definition: facts.definition,
    computedAtMs: facts.computedAtMs ?? null,
    asOfUs: String(facts.asOfUs),
    range: facts.range === undefined ? null : { startUs: textOf(facts.range.startUs), endUs: textOf(facts.range.endUs) },
    tilesVersion: facts.tilesVersion ?? null,
    newestEventUs: textOf(facts.newestEventUs),
    ...(facts.arrivals !== undefined && { arrivals: { newestUs: textOf(facts.arrivals.newestUs), someUnknown: facts.arrivals.someUnknown } }),
    sourceRows: facts.sourceRows,
    rowsWithNullKey: facts.rowsWithNullKey ?? null,
    coverage: facts.coverage === undefined ? null : encodeCoverage(facts.coverage),
    hasStates: facts.hasStates,
    sourceSchema: textOfSchema(facts.sourceSchema),
  };
}

function factsFromInfo(info: Readonly<Record<string, unknown>>): StoredFacts {
  const range = info.range as { startUs: unknown; endUs: unknown } | null;
  const arrivals = info.arrivals as { newestUs: unknown; someUnknown: unknown } | undefined;
  return {
    sourceVersion: String(info.sourceVersion),
    definition: String(info.definition),
    computedAtMs: typeof info.computedAtMs === 'number' ? info.computedAtMs : undefined,
    asOfUs: bigintOf(info.asOfUs) ?? 0n,
    range: range === null || range === undefined ? undefined : rangeOf(bigintOf(range.startUs), bigintOf(range.endUs)),
    tilesVersion: typeof info.tilesVersion === 'number' ? info.tilesVersion : undefined,
    newestEventUs: bigintOf(info.newestEventUs),
    arrivals: arrivals && { newestUs: bigintOf(arrivals.newestUs), someUnknown: arrivals.someUnknown !== false },
    sourceRows: Number(info.sourceRows ?? 0),
    rowsWithNullKey: typeof info.rowsWithNullKey === 'number' ? info.rowsWithNullKey : undefined,
    coverage: typeof info.coverage === 'string' ? decodeCoverage(info.coverage) : undefined,
    hasStates: info.hasStates === true,
    sourceSchema: schemaOfText(String(info.sourceSchema)),
  };
}

/** The columns of a schema that a definition uses. */
export function usedSchema(definition: FeatureSetDefinition, schema: Schema): Schema {
  const used = new Set([
    ...definition.entityKeys,
    ...definition.outputs.map((output) => output.column),
    ...[definition.timestamp, definition.tieBreaker, definition.arrival].filter((column) => column !== undefined),
  ]);
  return plainSchema(new Schema(schema.fields.filter((field) => used.has(field.name))));
}

/** Whether columns have the same names and types, in whatever order. */
export function sameColumns(a: Schema, b: Schema): boolean {
  const text = (schema: Schema): string => schema.fields.map(({ name, type }) => `${name} ${type}`).sort().join('\0');
  return text(a) === text(b);
}

/** A range with only the bounds that there are. */
export function rangeOf(startUs: bigint | undefined, endUs: bigint | undefined): TimeRange {
  return { ...(startUs !== undefined && { startUs }), ...(endUs !== undefined && { endUs }) };
}

function textOf(value: bigint | undefined): string | null {
  return value === undefined ? null : String(value);
}

function bigintOf(value: unknown): bigint | undefined {
  return typeof value === 'string' && /^-?\d+$/.test(value) ? BigInt(value) : undefined;
}
