/**
 * Optimistic commits: an entry is put on top of the newest version, again and again as long as others are faster, each time a
 * little later. What all tables with a log share.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CommitResult } from './table.ts';

const attemptsMax = 200;
const backoffMaxMs = 32;

/** Of files that are to be committed, to see that they are there. */
export const looksAtOnce = 8;

export interface Committing<Version, Entry> {
  newest(): Promise<Version | undefined>;
  versionOf(newest: Version): number;
  /** The version that this commit made already: the caller has tried before, and was told of a failure that was none. */
  tryFindOwn(newest: Version, readVersion: number): Promise<number | undefined>;
  /** The entry on top of `newest`, or undefined when what was committed since `readVersion` cannot stand below it. */
  entryOn(newest: Version | undefined, readVersion: number, commitId: string): Promise<Entry | undefined>;
  /** False when another writer has this version. */
  tryAppend(entry: Entry): Promise<boolean>;
  /** The commit stands whatever happens now. */
  committed(version: number): Promise<void>;
}

export async function commitOnTop<Version, Entry extends { readonly version: number }>(read: number, committing: Committing<Version, Entry>): Promise<CommitResult> {
  const commitId = randomUUID();
  let readVersion = read;
  for (let attempt = 0; ; attempt++) {
    const newest = await committing.newest();
    const own = newest && (await committing.tryFindOwn(newest, readVersion));
    if (own !== undefined) {
      await committing.committed(own);
      return { kind: 'committed', version: own };
    }
    const entry = await committing.entryOn(newest, readVersion, commitId);
    if (entry === undefined || attempt === attemptsMax) return { kind: 'conflict', winner: committing.versionOf(newest!) };
    if (await committing.tryAppend(entry)) {
      await committing.committed(entry.version);
      return { kind: 'committed', version: entry.version };
    }
    readVersion = entry.version - 1;
    await sleep(Math.min(2 ** Math.min(attempt, 10), backoffMaxMs));
  }
}
