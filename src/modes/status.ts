/** How what is stored of a set stands to its definition and its source. Reads no rows. */
import { reasonOf, NotFoundError } from '../base/errors.ts';
import { formatInstant } from '../base/time.ts';
import type { FeatureSetDefinition } from '../config/definition.ts';
import type { ReadContext } from './read.ts';
import { definitionDigest, readStored } from './storage.ts';

export interface FeatureSetStatus {
  readonly featureSet: string;
  readonly kind: FeatureSetDefinition['kind'];
  readonly state: 'never materialized' | 'fresh' | 'stale' | 'definition changed' | 'source missing' | 'source unreachable' | 'written';
  readonly version?: number;
  readonly rows?: number;
  readonly bytes?: number;
  readonly materializedAt?: Date;
  /** The instant that stored windows end at, and the end of a range that was asked for, in microseconds. */
  readonly asOf?: bigint;
  readonly sourceVersion?: string;
  /** In microseconds. */
  readonly newestEvent?: bigint;
  readonly detail: readonly string[];
}

export async function statusOf(definition: FeatureSetDefinition, context: ReadContext): Promise<FeatureSetStatus> {
  const stored = await readStored(context.tables);
  const { name: featureSet, kind } = definition;
  const source = await lookAtSource(context);
  if (stored === undefined) {
    const detail = source.problem === undefined ? [] : [source.problem];
    return { featureSet, kind, state: source.missing ? 'source missing' : 'never materialized', detail };
  }
  const { facts, features } = stored;
  const common = {
    featureSet,
    kind,
    version: features.versionNumber,
    rows: features.rows,
    bytes: features.bytes,
    materializedAt: new Date(stored.computedAtMs),
  };
  if (kind === 'written') return { ...common, state: 'written', detail: [] };
  const detail: string[] = source.problem === undefined ? [] : [source.problem];
  if (facts.rowsWithNullKey !== undefined && facts.rowsWithNullKey > 0) detail.push(`${facts.rowsWithNullKey} source rows have a null entity key and are in no group`);
  if (facts.newestEventUs !== undefined) detail.push(`the newest event is at ${formatInstant(facts.newestEventUs)}`);
  const sameDefinition = facts.definition === definitionDigest(definition);
  const state = !sameDefinition
    ? 'definition changed'
    : source.missing
      ? 'source missing'
      : source.version === undefined ? 'source unreachable' : source.version === facts.sourceVersion ? 'fresh' : 'stale';
  return {
    ...common,
    state,
    asOf: facts.asOfUs,
    sourceVersion: facts.sourceVersion,
    ...(facts.newestEventUs !== undefined && { newestEvent: facts.newestEventUs }),
    detail,
  };
}

async function lookAtSource(
  context: ReadContext,
): Promise<{ readonly version?: string; readonly missing: boolean; readonly problem?: string }> {
  if (context.source === undefined) return { missing: false };
  try {
    return { version: (await context.source.snapshot()).version, missing: false };
  } catch (error) {
    return { missing: error instanceof NotFoundError, problem: reasonOf(error) };
  }
}
