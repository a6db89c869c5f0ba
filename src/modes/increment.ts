/**
 * The computation behind materializing: everything from the source, or what is stored and only what is new.
 *
 * Law: both make the same features, bit for bit, and tiles that merge to the same answers.
 */
import { Schema, type Table } from '../arrow/arrow.ts';
import { tableOfColumns } from '../arrow/canonical.ts';
import { columnOf, pickColumns } from '../arrow/rows.ts';
import { SchemaMismatchError } from '../base/errors.ts';
import type { FeatureSetDefinition } from '../config/definition.ts';
import { statesSchema } from '../engine/aggregation.ts';
import { bindTime, fieldOf } from '../engine/types.ts';
import { decodeBatch } from '../store/conform.ts';
import type { Snapshot } from '../store/table.ts';
import { aggregatePass, groupByPlan, joinParts, type Part, type Progress, type RunOptions, tileColumn } from './compute.ts';
import { meet, type SourceChange, type Stretch } from './coverage.ts';
import type { Computed, Tiles } from './materialize.ts';
import { cleanTiles, edgePasses, type MergeRoad, mergeStates, planMerge, rowStates, statesFor, type StateSource, storedStates } from './merge.ts';
import { arrivalOutputs, arrivalsOf, bothArrivals, newestEventOf, newestOf, newestOutput } from './newest-event.ts';
import type { FeatureTables, Stored, StoredFacts } from './storage.ts';

/** Stored tables, and what has changed since. */
export interface Addition {
  readonly stored: Stored;
  readonly change: SourceChange;
}

/** Every row of the source that counts. */
export async function computeAll(
  definition: FeatureSetDefinition, source: Snapshot, run: RunOptions, parts: readonly Part[], onProgress?: (progress: Progress) => void,
): Promise<Computed> {
  checkNames(definition, parts, source.schema);
  const [dated, windows] = [datedPart(definition, parts[0]!), parts.slice(1)];
  const tile = tileOf(definition);
  const { states, rows, rowsWithNullKey } = await aggregatePass({ snapshot: source, definition, parts: [dated, ...windows], tile, run, onProgress });
  const base = tile === undefined ? states[0]! : await mergedStates(definition, dated, source.schema, [wholeTable(states[0]!)], run);
  const sources = [base, ...states.slice(1)].map((table, i) => statesFor(table, parts, i));
  const answers = await mergeStates({ definition, parts: [dated, ...windows], entities: undefined }, source.schema, sources, run, 'finish');
  return {
    features: withStates(definition, parts, source.schema, answers, base),
    hasStates: true,
    tiles: tile && { schema: tilesSchema(definition, parts[0]!, source.schema), written: [writtenTiles(definition, parts[0]!, source.schema, states[0]!)], keep: undefined },
    newestEventUs: tile && newestOf(answers[0]!),
    arrivals: definition.arrival === undefined ? undefined : arrivalsOf(answers[0]!),
    sourceRows: rows,
    rowsWithNullKey,
  };
}

/** What is stored, and what has changed. */
export async function addUp(
  definition: FeatureSetDefinition, source: Snapshot, tables: FeatureTables, run: RunOptions, parts: readonly Part[],
  { stored, change }: Addition, onProgress?: (progress: Progress) => void,
): Promise<Computed> {
  const { facts, features } = stored;
  const [base, ...windows] = parts as readonly [Part, ...Part[]];
  const dated = datedPart(definition, base);
  const tile = tileOf(definition);
  const dirty = change.dirty!;
  const tiles = tile && (await tables.tiles.snapshot({ version: facts.tilesVersion!, ...signalOf(run) }));
  const merging = { features, tiles, source, sourceSchema: facts.sourceSchema, cache: tables.cache, entities: undefined };

  const fresh: Table[] = [];
  const ofWindows: StateSource[] = [];
  let [rows, rowsWithNullKey] = [0, 0];
  if (change.added.size > 0) {
    const added = await aggregatePass({ snapshot: source.only!(change.added), definition, parts: [dated, ...windows], tile, run, onProgress });
    fresh.push(added.states[0]!);
    ofWindows.push(...added.states.slice(1).map((table, i) => statesFor(table, parts, i + 1)));
    [rows, rowsWithNullKey] = [added.rows, added.rowsWithNullKey];
  }
  for (const stretch of dirty) {
    const range = meet(stretch, base.range ?? {});
    if (range === undefined || change.kept.size === 0) continue;
    const again = await aggregatePass({ snapshot: source.only!(change.kept), definition, parts: [{ ...dated, range }], tile, run, onProgress });
    fresh.push(again.states[0]!);
    rows += again.rows;
  }

  const plan = { definition, parts, columns: [], entities: undefined };
  const road = baseRoad(definition, parts, facts, change);
  const isAddedTo = dirty.length === 0;
  const before = await storedStates(isAddedTo ? road.features : road.tiles, { ...plan, parts: [base] }, merging, run);
  const states = await mergedStates(definition, base, facts.sourceSchema, [...before, ...fresh.map(wholeTable)], run);
  if (windows.length > 0) {
    const edges = await rowStates(edgePasses(road.windows.parts, change, source), plan, run, onProgress);
    ofWindows.push(...edges.states, ...(await storedStates(road.windows, plan, merging, run)));
    rows += edges.rows;
  }
  const answers = await mergeStates(plan, facts.sourceSchema, [statesFor(states, parts, 0), ...ofWindows], run, 'finish');
  return {
    features: withStates(definition, parts, facts.sourceSchema, answers, states),
    hasStates: true,
    tiles: tiles && (await tilesReplaced(tiles, facts.tilesVersion!, dirty, fresh.map((table) => writtenTiles(definition, base, facts.sourceSchema, table)))),
    ...(tile === undefined ? { newestEventUs: undefined, arrivals: undefined } : await newestAfter(definition, source, facts, dirty, dated, fresh, run)),
    sourceRows: rows,
    rowsWithNullKey: isAddedTo && facts.rowsWithNullKey !== undefined ? facts.rowsWithNullKey + rowsWithNullKey : undefined,
  };
}

/** Where the states of every row are stored, and how windows are put together. */
function baseRoad(
  definition: FeatureSetDefinition, parts: readonly Part[], facts: StoredFacts, change: SourceChange,
): { readonly features: MergeRoad; readonly tiles: MergeRoad; readonly windows: MergeRoad } {
  const dirty = change.dirty!;
  const windows = planMerge(definition, parts.slice(1), facts, change);
  const common = { change, dirty, fromFeatures: false };
  return {
    features: { ...common, parts: [{ tiles: 'none', rows: [] }], fromFeatures: true },
    tiles: { ...common, parts: [{ tiles: 'all', rows: [] }] },
    windows: { ...common, parts: [{ tiles: 'none', rows: [] }, ...('reason' in windows ? [] : windows.parts)] },
  };
}

/** Tiles of another version but for those that are dirty, and new ones. Files without a dirty tile stay as they are. */
async function tilesReplaced(before: Snapshot, version: number, dirty: readonly Stretch[], fresh: Tiles['written']): Promise<Tiles> {
  const touched = new Set<string>();
  const spans = dirty.length === 0 ? new Map() : await before.timeSpans!(tileColumn);
  for (const { id } of dirty.length === 0 ? [] : before.files!) {
    const span = spans.get(id);
    if (span === undefined || dirty.some(({ startUs, endUs }) => span.firstUs !== undefined && span.firstUs < endUs! && span.lastUs! >= startUs)) touched.add(id);
  }
  const { schema } = before;
  const keep = { version, without: touched };
  if (touched.size === 0) return { schema, written: fresh, keep };
  const left = before.only!(touched);
  async function* clean() {
    for await (const batch of cleanTiles(left.scan(), dirty)) yield decodeBatch(batch, schema);
  }
  return { schema, written: [{ rows: (await left.plan()).rows, batches: clean() }, ...fresh], keep };
}

/** The newest event, undefined when there is none, and the arrivals: of rows that are gone it may still tell. */
async function newestAfter(
  definition: FeatureSetDefinition, source: Snapshot, { newestEventUs, arrivals, sourceSchema }: StoredFacts, dirty: readonly Stretch[], dated: Part, fresh: readonly Table[], run: RunOptions,
): Promise<Pick<Computed, 'newestEventUs' | 'arrivals'>> {
  const isGone = newestEventUs !== undefined && dirty.some(({ startUs, endUs }) => startUs <= newestEventUs && newestEventUs <= endUs!);
  const [answer] = await mergeStates({ definition, parts: [dated], entities: undefined }, sourceSchema, fresh.map(wholeTable), run, 'finish');
  const newest = newestOf(answer!);
  const isOlder = newest === undefined || (newestEventUs !== undefined && newestEventUs > newest);
  return {
    newestEventUs: isGone ? await newestEventOf(source, definition, run) : isOlder ? newestEventUs : newest,
    arrivals: arrivals && bothArrivals(arrivals, arrivalsOf(answer!)),
  };
}

/** The newest event, and the newest arrival, are asked for along with the rest, and are no columns of either table. */
function datedPart({ timestamp, arrival, entityKeys }: FeatureSetDefinition, base: Part): Part {
  if (timestamp === undefined) return base;
  return { ...base, outputs: [...base.outputs, newestOutput(timestamp), ...(arrival === undefined ? [] : arrivalOutputs(arrival, entityKeys[0]!))] };
}

function tileOf(definition: FeatureSetDefinition): { readonly widthUs: bigint; readonly name: string } | undefined {
  return definition.timestamp === undefined ? undefined : { widthUs: definition.tileUs, name: tileColumn };
}

async function mergedStates(definition: FeatureSetDefinition, part: Part, sourceSchema: Schema, sources: readonly StateSource[], run: RunOptions): Promise<Table> {
  return (await mergeStates({ definition, parts: [part], entities: undefined }, sourceSchema, sources, run, 'states'))[0]!;
}

function wholeTable(table: Table): StateSource {
  return { rows: table.numRows, batches: table.batches, options: [undefined] };
}

function tilesSchema(definition: FeatureSetDefinition, base: Part, sourceSchema: Schema): Schema {
  return statesSchema({ ...groupByPlan(definition, { outputs: base.outputs, range: undefined }, undefined), tile: tileOf(definition)! }, sourceSchema);
}

/** They ascend by time, so that a range of it is in few places. */
function writtenTiles(definition: FeatureSetDefinition, base: Part, sourceSchema: Schema, states: Table): Tiles['written'][number] {
  const names = tilesSchema(definition, base, sourceSchema).fields.map(({ name }) => name);
  const tiles = pickColumns(states, names);
  return { rows: tiles.numRows, batches: tiles.batches };
}

/** The answer, and beside it the states of the first part: rows of both ascend by the same keys. */
function withStates(definition: FeatureSetDefinition, parts: readonly Part[], sourceSchema: Schema, answers: readonly Table[], states: Table): Table {
  const columns = [...new Set(parts.flatMap((part) => part.outputs.map(({ name }) => name)))];
  const answer = joinParts(answers, { definition, columns });
  const beside = pickColumns(states, stateNames(definition, parts[0]!, sourceSchema));
  const schema = new Schema([...answer.schema.fields, ...beside.schema.fields]);
  const data = [answer, beside].flatMap((table) => table.schema.fields.map(({ name }) => columnOf(table, name)));
  return tableOfColumns(schema, data, answer.numRows);
}

function stateNames(definition: FeatureSetDefinition, base: Part, sourceSchema: Schema): string[] {
  const { fields } = statesSchema(groupByPlan(definition, { outputs: base.outputs, range: undefined }, undefined), sourceSchema);
  return fields.map(({ name }) => name).filter((name) => !definition.entityKeys.includes(name));
}

/** Stored tables have columns of their own beside those of the answer. */
function checkNames(definition: FeatureSetDefinition, parts: readonly Part[], schema: Schema): void {
  const where = `feature set ${definition.name}`;
  if (definition.timestamp !== undefined && definition.entityKeys.includes(tileColumn)) {
    throw new SchemaMismatchError(where, tileColumn, 'this name is taken by the tiles; rename the key in the source');
  }
  if (definition.arrival !== undefined) bindTime(fieldOf(schema, definition.arrival), 'the time of arrival');
  const taken = new Set([...definition.entityKeys, ...parts.flatMap(({ outputs }) => outputs.map(({ name }) => name))]);
  const name = stateNames(definition, parts[0]!, schema).find((state) => taken.has(state));
  if (name !== undefined) throw new SchemaMismatchError(where, name, 'this name is taken by the partial states that are stored beside the features; rename the column in the source');
}

function signalOf({ signal }: RunOptions): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}
