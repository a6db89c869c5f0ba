/**
 * Work that nobody waits for: at most one at a time per set, in this process and, by a lease, in all that share the storage.
 *
 * Law: `start` returns at once and never throws; whatever becomes of the work is told to `ended`, once.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { CancelledError } from '../base/errors.ts';
import type { Bytes } from '../store/bytes.ts';
import { type Clocks, type Lease, LeaseFolder, leaseMs } from './policy/lease.ts';

export type Ending =
  | { readonly kind: 'done'; readonly elapsedMs: number }
  /** Another process is at it. */
  | { readonly kind: 'held' }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'failed'; readonly error: unknown };

export interface BackgroundWork {
  readonly set: string;
  readonly work: (signal: AbortSignal) => Promise<void>;
  readonly ended: (ending: Ending) => void;
}

export interface BackgroundOptions {
  /** The folder of a set. */
  readonly bytesOf: (set: string) => Bytes;
  readonly clocks: Clocks;
  /** How often a lease is renewed; by default three times before it would be taken over. */
  readonly renewEveryMs?: number;
}

interface Running {
  readonly controller: AbortController;
  readonly done: Promise<void>;
}

export class Background {
  private readonly running = new Map<string, Running>();
  private readonly leases = new Map<string, LeaseFolder>();
  private closed = false;

  constructor(private readonly options: BackgroundOptions) {}

  isRunning(set: string): boolean {
    return this.running.has(set);
  }

  /** False when work of this set is under way here, or the store is closed. */
  start({ set, work, ended }: BackgroundWork): boolean {
    if (this.closed || this.running.has(set)) return false;
    const controller = new AbortController();
    const done = this.run(set, work, controller).then((ending) => {
      this.running.delete(set);
      ended(ending);
    });
    this.running.set(set, { controller, done });
    return true;
  }

  get isBusy(): boolean {
    return this.running.size > 0;
  }

  /** Waits for what is under way. */
  async idle(): Promise<void> {
    await Promise.all(Array.from(this.running.values(), ({ done }) => done));
  }

  /** Waits for what is under way, or cancels it; nothing starts any more. */
  async close(how: 'wait' | 'cancel'): Promise<void> {
    this.closed = true;
    if (how === 'cancel') for (const { controller } of this.running.values()) controller.abort();
    await this.idle();
  }

  private async run(set: string, work: BackgroundWork['work'], controller: AbortController): Promise<Ending> {
    const { signal } = controller;
    try {
      // Whoever asked for it goes on first.
      await turn();
      const lease = await this.leaseOf(set).tryTake();
      if (lease === undefined) return { kind: 'held' };
      const stop = this.keepRenewing(lease, controller);
      try {
        const startedMs = this.options.clocks.elapsed();
        signal.throwIfAborted();
        await work(signal);
        return { kind: 'done', elapsedMs: this.options.clocks.elapsed() - startedMs };
      } finally {
        stop();
        // Not released, it is taken over later.
        await lease.release().catch(() => undefined);
      }
    } catch (error) {
      return signal.aborted || error instanceof CancelledError ? { kind: 'cancelled' } : { kind: 'failed', error };
    }
  }

  /** Who has lost the lease stops: another does the same work. A renewal that fails is tried again at the next turn. */
  private keepRenewing(lease: Lease, controller: AbortController): () => void {
    const timer = setInterval(() => {
      lease.renew().then((isOurs) => {
        if (!isOurs) controller.abort();
      }, () => undefined);
    }, this.options.renewEveryMs ?? leaseMs / 3);
    timer.unref();
    return () => clearInterval(timer);
  }

  private leaseOf(set: string): LeaseFolder {
    let lease = this.leases.get(set);
    if (lease === undefined) {
      lease = new LeaseFolder(this.options.bytesOf(set), this.options.clocks);
      this.leases.set(set, lease);
    }
    return lease;
  }
}
