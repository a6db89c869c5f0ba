/**
 * What stands in the folder of a Delta log, by its names alone.
 *
 *   …7.json                                        a commit
 *   …7.checkpoint.parquet                          a classic checkpoint
 *   …7.checkpoint.0000000001.0000000003.parquet    a part of one; it counts when all parts are there
 *   …7.checkpoint.<uuid>.json, .parquet            a V2 checkpoint, which may name sidecars
 *   …3.…7.compacted.json                           commits 3 to 7 in one
 *
 * By Delta's PROTOCOL.md. Pure.
 */

export interface Checkpoint {
  readonly version: number;
  /** The files of which it consists. */
  readonly names: readonly string[];
}

export interface CompactedCommits {
  readonly first: number;
  readonly last: number;
  readonly name: string;
}

export interface Segments {
  readonly lastCommit: number | undefined;
  readonly commits: ReadonlySet<number>;
  /** Whole ones; the newest first, and of one version the classic one first. */
  readonly checkpoints: readonly Checkpoint[];
  readonly compacted: readonly CompactedCommits[];
}

const checkpointName = /^(\d{20})\.checkpoint(?:\.(\d{10})\.(\d{10})|\.([0-9a-fA-F-]{36}))?\.(parquet|json)$/;

export function segmentsOf(names: readonly string[]): Segments {
  let lastCommit: number | undefined;
  const commits = new Set<number>();
  const checkpoints: Checkpoint[] = [];
  const compacted: CompactedCommits[] = [];
  const parts = new Map<string, { readonly version: number; readonly count: number; readonly names: Map<number, string> }>();
  for (const name of names) {
    if (/^\d{20}\.json$/.test(name)) {
      lastCommit = Math.max(lastCommit ?? 0, Number(name.slice(0, 20)));
      commits.add(Number(name.slice(0, 20)));
      continue;
    }
    const [, first, last] = /^(\d{20})\.(\d{20})\.compacted\.json$/.exec(name) ?? [];
    if (first !== undefined) compacted.push({ first: Number(first), last: Number(last), name });
    const [, digits, part, count, uuid, ending] = checkpointName.exec(name) ?? [];
    if (digits === undefined) continue;
    const version = Number(digits);
    if (part === undefined) {
      // Only a checkpoint with a name of its own may be JSON.
      if (uuid !== undefined || ending === 'parquet') checkpoints.push({ version, names: [name] });
      continue;
    }
    const key = `${digits}.${count}`;
    const found = parts.get(key) ?? { version, count: Number(count), names: new Map<number, string>() };
    parts.set(key, found);
    found.names.set(Number(part), name);
  }
  for (const { version, count, names: found } of parts.values()) {
    if (found.size === count) checkpoints.push({ version, names: [...found].sort(([a], [b]) => a - b).map(([, name]) => name) });
  }
  checkpoints.sort((a, b) => b.version - a.version || a.names[0]!.length - b.names[0]!.length);
  return { lastCommit, commits, checkpoints, compacted };
}
