/**
 * Threads that wait for work. They are started when the first work for them comes and kept; while none of their work is
 * awaited they do not keep the process alive. A thread that dies rejects what was asked of it and is replaced next time.
 */
import { availableParallelism } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { reasonOf, ThreadError } from '../../base/errors.ts';
import { type PackedError, unpackError } from './packing.ts';
import type { Notice, Request, Requests } from './worker.ts';

/** What a worker posts back. */
export type Reply =
  | { readonly ticket: number; readonly value: unknown }
  | { readonly ticket: number; readonly error: PackedError }
  | { readonly ticket: number; readonly rows: number }
  | { readonly ready: true };

interface Waiting {
  resolve(value: unknown): void;
  reject(error: unknown): void;
  onRows?: ((rows: number) => void) | undefined;
}

/** The most threads that may be asked for. */
export const threadsMax = 64;

export function threadsByDefault(): number {
  return Math.min(availableParallelism(), threadsMax);
}

/**
 * The heap of a thread may grow so far, in megabytes, before V8 looks through it for the first time. What threads read lies
 * in buffers outside of it but is counted, and against a heap of ten megabytes a few buffers are much: V8 looked thirty
 * times while ten million rows were read, on helper threads too, for half of all the time there was.
 */
const heapAtFirst = 128;
const heapFlag = '--initial-old-space-size';
let starting = 0;

/** The flag is the process's, and is read when a heap is made; it is taken back once all have begun. */
function startWorker(): Worker {
  if (starting++ === 0) setFlagsFromString(`${heapFlag}=${heapAtFirst}`);
  const worker = new Worker(new URL('./worker.js', import.meta.url), { name: 'tauro-feature-store' });
  let begun = false;
  const begin = (): void => {
    if (!begun && --starting === 0) setFlagsFromString(`${heapFlag}=0`);
    begun = true;
  };
  return worker.once('online', begin).once('exit', begin);
}

export class PoolWorker {
  /** Whether it has begun to listen. */
  ready = false;
  alive = true;
  /** Settles when the thread listens, or has died. */
  readonly started: Promise<void>;
  private readonly worker: Worker;
  private readonly waiting = new Map<number, Waiting>();
  private tickets = 0;
  private settleStarted!: () => void;

  constructor() {
    this.started = new Promise((resolve) => (this.settleStarted = resolve));
    this.worker = startWorker();
    this.worker.on('message', (reply: Reply) => this.hear(reply));
    this.worker.on('error', (error) => this.die(error));
    this.worker.on('exit', (code) => this.die(new Error(`it ended with exit code ${code}`)));
    // After the listeners: to listen for messages makes a worker keep the process alive.
    this.worker.unref();
  }

  /** What has been asked and not been answered. */
  get pending(): number {
    return this.waiting.size;
  }

  /** Asks for something; requests are answered in order. Rejects with what the worker threw, or ThreadError when it dies. */
  call<Kind extends keyof Requests>(kind: Kind, request: Requests[Kind]['asks'], onRows?: (rows: number) => void): Promise<Requests[Kind]['gives']> {
    if (!this.alive) return Promise.reject(new ThreadError('a worker thread is gone', undefined));
    const ticket = this.tickets++;
    const message = { kind, ticket, ...request } as Request;
    return new Promise<unknown>((resolve, reject) => {
      this.waiting.set(ticket, { resolve, reject, onRows });
      if (this.waiting.size === 1) this.worker.ref();
      try {
        this.worker.postMessage(message);
      } catch (error) {
        this.settle(ticket)?.reject(error);
      }
    }) as Promise<Requests[Kind]['gives']>;
  }

  /** Says something that wants no answer. */
  tell(notice: Notice): void {
    if (this.alive) this.worker.postMessage(notice);
  }

  /** Ends the thread at once. What was asked of it is rejected. */
  terminate(): Promise<number> {
    return this.worker.terminate();
  }

  private hear(reply: Reply): void {
    if ('ready' in reply) {
      this.ready = true;
      this.settleStarted();
    } else if ('rows' in reply) {
      this.waiting.get(reply.ticket)?.onRows?.(reply.rows);
    } else if ('error' in reply) {
      this.settle(reply.ticket)?.reject(unpackError(reply.error));
    } else {
      this.settle(reply.ticket)?.resolve(reply.value);
    }
  }

  private settle(ticket: number): Waiting | undefined {
    const waiting = this.waiting.get(ticket);
    this.waiting.delete(ticket);
    if (this.waiting.size === 0) this.worker.unref();
    return waiting;
  }

  private die(cause: unknown): void {
    if (!this.alive) return;
    this.alive = false;
    this.ready = false;
    pool.delete(this);
    this.settleStarted();
    for (const ticket of [...this.waiting.keys()]) {
      this.settle(ticket)?.reject(new ThreadError(`a worker thread died (${reasonOf(cause)}); nothing of this work was kept, ask again`, cause));
    }
  }
}

const pool = new Set<PoolWorker>();

/** This many threads of the pool, those started before first. */
export function workersOf(count: number): PoolWorker[] {
  while (pool.size < count) pool.add(new PoolWorker());
  return [...pool].slice(0, count);
}

export function workersListening(): PoolWorker[] {
  return [...pool].filter(({ ready }) => ready);
}

/** Ends the threads that have nothing to do. For tests, and for whoever wants the memory back. */
export async function endIdleWorkers(): Promise<void> {
  await Promise.all([...pool].filter((worker) => worker.pending === 0).map((worker) => worker.terminate()));
}
