/**
 * Whether a commit that was overtaken may be tried again with the next number. Pure: the facts of both commits go in.
 *
 *   ours \ winner      adds rows   removes rows   rewrites (dataChange false)   protocol, metaData, own txn
 *   append             retry       conflict       retry                         conflict
 *   overwrite          conflict    conflict       retry                         conflict
 *   replace partitions conflict in these partitions only; removed files conflict always
 *   rewrite            retry       conflict when it took a file of ours         conflict
 *
 * Stricter than Delta's protocol in one point: an append does not go beneath an overwrite, since our callers append to
 * what they have read. Law: `retry` only where the outcome is as if our commit had been made after the winner's.
 */

/** The partition of a file, column by column, as the log writes it; null for no value. */
export type PartitionValues = Readonly<Record<string, string | null>>;

/** What a commit did, as far as others have to care. */
export interface CommitFacts {
  readonly changesProtocol: boolean;
  readonly changesMetadata: boolean;
  /** Applications whose version a `txn` action has set. */
  readonly applications: readonly string[];
  readonly add: readonly { readonly partitionValues: PartitionValues; readonly dataChange: boolean }[];
  /** The path alone will do: two commits that remove it conflict whatever its deletion vector. */
  readonly remove: readonly { readonly path: string; readonly dataChange: boolean }[];
}

/** What we are about to commit. */
export type Attempt = { readonly application?: string } & (
  | { readonly kind: 'append' | 'overwrite' }
  /** Takes the place of everything in these partitions; a column that is not named may have any value. */
  | { readonly kind: 'replacePartitions'; readonly partitions: readonly PartitionValues[]; readonly remove: readonly string[] }
  /** Compaction: the same rows in other files. */
  | { readonly kind: 'rewrite'; readonly remove: readonly string[] }
);

export type ConflictDecision = { readonly kind: 'retry' } | { readonly kind: 'conflict'; readonly reason: string };

/** Decides for one winner; call it for every version since the one that was read, and stop at the first conflict. */
export function decideConflict(attempt: Attempt, winner: CommitFacts): ConflictDecision {
  const reason = commonReason(attempt, winner) ?? reasonOf(attempt, winner);
  return reason === undefined ? { kind: 'retry' } : { kind: 'conflict', reason };
}

function commonReason({ application }: Attempt, winner: CommitFacts): string | undefined {
  if (winner.changesProtocol) return 'the protocol of the table was changed';
  if (winner.changesMetadata) return 'the schema or the configuration of the table was changed';
  if (application !== undefined && winner.applications.includes(application)) return `application ${application} has committed meanwhile`;
  return undefined;
}

function reasonOf(attempt: Attempt, winner: CommitFacts): string | undefined {
  switch (attempt.kind) {
    case 'append':
      return winner.remove.some(({ dataChange }) => dataChange) ? 'rows were removed' : undefined;
    case 'overwrite':
      return [...winner.add, ...winner.remove].some(({ dataChange }) => dataChange) ? 'rows were added or removed' : undefined;
    case 'replacePartitions':
      if (winner.add.some(({ partitionValues }) => attempt.partitions.some((partition) => mightMeet(partition, partitionValues)))) {
        return 'files were added to a partition that is to be replaced';
      }
      return commonFile(attempt.remove, winner);
    case 'rewrite':
      return commonFile(attempt.remove, winner);
  }
}

/** A file whose value for a column is not known counts as one that meets. */
function mightMeet(partition: PartitionValues, file: PartitionValues): boolean {
  return Object.entries(partition).every(([column, value]) => !Object.hasOwn(file, column) || sameValue(file[column]!, value));
}

/** Delta writes no value as null or as the empty string. */
function sameValue(one: string | null, other: string | null): boolean {
  return (one ?? '') === (other ?? '');
}

function commonFile(own: readonly string[], winner: CommitFacts): string | undefined {
  const ours = new Set(own);
  const both = winner.remove.find(({ path }) => ours.has(path));
  return both && `${both.path} was removed`;
}
