/**
 * The right to materialize a set in the background, for one process at a time: `_lease/` in the set's folder.
 *
 * A holder dates its lease by the store's clock and renews it while it works. One that was not renewed for `leaseMs` is a dead
 * holder's, and so is one that is dated as far in the future: by a clock that was set back since. A clock that stands still says
 * nothing; then it counts how long the lease has been seen without being renewed.
 *
 * Two holders at once do no harm, since commits exclude each other; the lease only spares the work.
 */
import { randomUUID } from 'node:crypto';
import type { Bytes } from '../../store/bytes.ts';
import { readNewest, tryPutAfter } from './numbered-files.ts';

export const leaseMs = 60_000;
const folder = '_lease';

export interface Clocks {
  /** The store's, in milliseconds since 1970; it may jump. */
  readonly now: () => number;
  /** Milliseconds since some moment; only ever grows. */
  readonly elapsed: () => number;
}

export interface Lease {
  /** False when another has taken it over. */
  renew(): Promise<boolean>;
  release(): Promise<void>;
}

interface LeaseRecord {
  readonly holder: string;
  readonly takenAtMs: number;
  readonly released: boolean;
}

/** The lease of one set, as this process sees it. */
export class LeaseFolder {
  private seen = { number: -1, sinceMs: 0 };

  constructor(
    private readonly bytes: Bytes,
    private readonly clocks: Clocks,
  ) {}

  /** Undefined: another holds it. */
  async tryTake(): Promise<Lease | undefined> {
    const { number, content } = await readNewest(this.bytes, folder);
    if (content !== undefined && this.isHeld(number, recordFrom(content))) return undefined;
    const holder = randomUUID();
    return (await this.put(number, holder, false)) ? this.lease(holder, number + 1) : undefined;
  }

  private isHeld(number: number, record: LeaseRecord | undefined): boolean {
    const elapsedMs = this.clocks.elapsed();
    if (this.seen.number !== number) this.seen = { number, sinceMs: elapsedMs };
    if (record === undefined || record.released || elapsedMs - this.seen.sinceMs >= leaseMs) return false;
    return Math.abs(this.clocks.now() - record.takenAtMs) < leaseMs;
  }

  private lease(holder: string, taken: number): Lease {
    let number = taken;
    const next = async (released: boolean): Promise<boolean> => {
      const isOurs = await this.put(number, holder, released);
      number++;
      return isOurs;
    };
    return {
      renew: () => next(false),
      release: async () => {
        await next(true);
      },
    };
  }

  private put(after: number, holder: string, released: boolean): Promise<boolean> {
    const record: LeaseRecord = { holder, takenAtMs: this.clocks.now(), released };
    return tryPutAfter(this.bytes, folder, after, new TextEncoder().encode(`${JSON.stringify(record)}\n`));
  }
}

/** Undefined: nobody's, for no holder writes such a thing. */
function recordFrom(content: Uint8Array): LeaseRecord | undefined {
  try {
    const { holder, takenAtMs, released } = JSON.parse(new TextDecoder().decode(content)) as Partial<LeaseRecord>;
    if (typeof holder !== 'string' || typeof takenAtMs !== 'number' || typeof released !== 'boolean') return undefined;
    return { holder, takenAtMs, released };
  } catch {
    return undefined;
  }
}
