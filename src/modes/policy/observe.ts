/** Between the store and the keeper of its accounts: what a hybrid read has shown, and what is stored of all sets. */
import type { FeatureSetDefinition } from '../../config/definition.ts';
import { evict, sweep } from '../budget.ts';
import { type FeatureAnswer, read, type ReadContext, type ReadFacts } from '../read.ts';
import type { ReadRequest } from '../request.ts';
import { evictedVersion, type FeatureTables, readStored } from '../storage.ts';
import type { Road } from '../decide.ts';
import type { Work } from '../throughput.ts';
import type { KeeperOptions, PolicyKeeper, SeenRead, StoredBytes } from './keeper.ts';
import { bytesOf, featuresWork, materializeWork, planWork } from './road-work.ts';

/** A hybrid read by what work costs here, which the keeper hears of. */
export async function readAndObserve(request: ReadRequest, context: ReadContext, keeper: PolicyKeeper): Promise<FeatureAnswer> {
  const { name } = request.definition;
  const throughputs = await keeper.throughputs(name);
  const started = performance.now();
  const observed = (facts: ReadFacts, answer: FeatureAnswer): void => {
    const elapsedMs = performance.now() - started;
    keeper.observe(name, () => seenRead(request, context, facts, answer, elapsedMs));
  };
  return read(request, { ...context, throughputs, observed });
}

async function seenRead(request: ReadRequest, context: ReadContext, facts: ReadFacts, answer: FeatureAnswer, elapsedMs: number): Promise<SeenRead> {
  const { stored, decision } = facts;
  const source = 'error' in facts.source ? undefined : facts.source;
  const road = decision.road as Road;
  const entities = answer.table.numRows;
  const damaged = facts.decided.damage !== undefined;
  const common = {
    road,
    elapsedMs,
    storedVersion: stored?.features.versionNumber ?? -1,
    source,
    damaged,
    // A few entities are found without going through all rows, and a second try is no measure of the first.
    isTypical: request.entities === undefined && !damaged,
    // Nothing can be added to what is damaged.
    price: () => materializeWork(request, damaged ? { ...facts, merge: undefined } : facts, entities),
  };
  // Finished rows were read, and nobody looked further: nor does this.
  if (road === 'stored' && facts.work === undefined && stored !== undefined) {
    const work = [featuresWork(stored.features.rows, stored.features.bytes, stored.features.files?.length ?? 1)];
    return { ...common, work, fresh: work, fromSource: wholeSource(facts) };
  }
  const { roads, fresh } = facts.work ?? (await planWork(request, facts, context.tables));
  const answered = [featuresWork(entities, entities * answer.table.schema.fields.length * 8, 1)];
  // Where nothing of use is stored, reading the answer's own rows is what fresh tiles would leave to do.
  const unstored = stored === undefined || damaged;
  return { ...common, work: roads[road], fresh: unstored ? answered : fresh, fromSource: roads.source ?? wholeSource(facts) };
}

function wholeSource({ stored, source }: ReadFacts): readonly Work[] | undefined {
  if (stored === undefined || 'error' in source) return undefined;
  const files = source.files ?? [];
  return [{ kind: 'source', rows: stored.facts.sourceRows, bytes: bytesOf(files), files: files.length }];
}

/** A set of a store. */
interface SetTables {
  readonly definition: FeatureSetDefinition;
  readonly tables: FeatureTables;
  readonly canGo: boolean;
}

/** What the keeper does to stored sets, over the tables of a store. */
export function storedSetsOf(sets: () => readonly SetTables[]): Pick<KeeperOptions, 'storedSets' | 'evict' | 'sweep'> {
  return {
    storedSets: async () => {
      const found: StoredBytes[] = [];
      for (const { definition: { name }, tables, canGo } of sets()) {
        // What cannot be opened is left alone: whoever reads it is told.
        const bytes = await storedBytes(tables).catch(() => undefined);
        found.push({ name, bytes: bytes ?? 0, canGo: canGo && bytes !== undefined });
      }
      return found;
    },
    evict: (set) => {
      const found = sets().find(({ definition }) => definition.name === set);
      return found === undefined ? Promise.resolve(false) : evict(found.tables);
    },
    sweep: async (nowMs) => {
      for (const { tables } of sets()) if ((await evictedVersion(tables)) >= 0) await sweep(tables, nowMs);
    },
  };
}

async function storedBytes(tables: FeatureTables): Promise<number> {
  const stored = await readStored(tables);
  if (stored === undefined) return 0;
  const { tilesVersion } = stored.facts;
  const tiles = tilesVersion === undefined ? 0 : (await tables.tiles.snapshot({ version: tilesVersion })).bytes;
  return stored.features.bytes + tiles;
}
