/**
 * `storage_budget`: which stored sets are given up when there are too many, and how.
 *
 * What saves least per byte goes first. A set is given up by a commit that says so and has no files: readers that began before
 * it go on with the version they hold, whose files stay until a later vacuum.
 */
import type { OwnTable } from '../store/table.ts';
import { evictedInfo, type FeatureTables } from './storage.ts';

export interface StoredSet {
  readonly name: string;
  readonly bytes: number;
  /** What it saves: see `benefitNow` of policy/account.ts. */
  readonly benefitMs: number;
  /** Not to be given up now: it is read or written, or nothing could make it again. */
  readonly held: boolean;
}

/** The sets to give up so that the others fit, those that save least per byte first. Pure. */
export function planEviction(sets: readonly StoredSet[], budgetBytes: number): string[] {
  let bytes = sets.reduce((sum, set) => sum + set.bytes, 0);
  const worth = (set: StoredSet): number => set.benefitMs / Math.max(1, set.bytes);
  const candidates = sets.filter((set) => !set.held && set.bytes > 0).sort((a, b) => worth(a) - worth(b) || b.bytes - a.bytes);
  const evicted: StoredSet[] = [];
  for (const set of candidates) {
    if (bytes <= budgetBytes) break;
    evicted.push(set);
    bytes -= set.bytes;
  }
  // A large one that went late may have made room for small ones that went before it.
  const kept = new Set<StoredSet>();
  for (const set of [...evicted].reverse()) {
    if (bytes + set.bytes > budgetBytes) continue;
    bytes += set.bytes;
    kept.add(set);
  }
  return evicted.filter((set) => !kept.has(set)).map(({ name }) => name);
}

/** Whether a set of this size would stay if it were stored now. Pure. */
export function wouldStay(set: Omit<StoredSet, 'held'>, others: readonly StoredSet[], budgetBytes: number): boolean {
  const without = others.filter(({ name }) => name !== set.name);
  return !planEviction([...without, { ...set, held: false }], budgetBytes).includes(set.name);
}

type BothTables = Pick<FeatureTables, 'features' | 'tiles'>;

/** Gives up what is stored of a set. False when it was written meanwhile, or nothing was there. */
export async function evict({ features, tiles }: BothTables): Promise<boolean> {
  if (!(await empty(features, evictedInfo))) return false;
  await empty(tiles, {});
  return true;
}

async function empty(table: OwnTable, info: Readonly<Record<string, unknown>>): Promise<boolean> {
  const newest = await table.trySnapshot();
  if (newest === undefined) return false;
  const { versionNumber: readVersion, schema } = newest;
  return (await table.commit({ readVersion, kind: 'overwrite', schema, add: [], info })).kind === 'committed';
}

/** How long readers of other processes may go on with what was given up. */
const graceMs = 10 * 60_000;

/** Deletes the files of what was given up, once nobody can be reading them. */
export async function sweep({ features, tiles }: BothTables, nowMs: number): Promise<void> {
  for (const table of [features, tiles]) await table.vacuum({ nowMs, retentionMs: graceMs });
}
