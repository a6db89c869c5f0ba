/**
 * Work that one thread hands to several through their common memory: posting a message for each piece would cost more than
 * much of the work.
 *
 *   i32   | produced | taken | closed | – … | state of entry 0, 1, … | record of entry 0, 1, … |
 *
 * An entry is free (0) or holds the address of a record that is waiting or being worked on (1). Ticket t uses entry
 * t mod entries. Whoever moves `taken` from t to t + 1 has ticket t.
 */
const producedAt = 0;
const takenAt = 1;
const closedAt = 2;
const statesAt = 8;
const entries = 64;

export const ringBytes = (statesAt + 2 * entries) * 4;

/** How long a taker waits for more before it turns to other work. */
const patienceMs = 5;
/** How often it looks before it sleeps, for some 0.4 ms: one that sleeps may be woken where another thread is at work, and stand there for some ms. */
const looksAwake = 2 ** 13;

type WaitAsync = (array: Int32Array, index: number, value: number, timeout: number) => { readonly async: boolean; readonly value: Promise<string> | string };
const { waitAsync } = Atomics as unknown as { readonly waitAsync?: WaitAsync };

/** What was taken, and from where. */
interface Taken {
  readonly entry: number;
  readonly record: number;
}

export class Ring {
  private readonly words: Int32Array;

  /** `ringBytes` of shared memory from `address` on, zero at first. */
  constructor(buffer: ArrayBufferLike, address: number) {
    this.words = new Int32Array(buffer, address, ringBytes / 4);
  }

  /** Entries that were not taken yet. */
  get waiting(): number {
    return Atomics.load(this.words, producedAt) - Atomics.load(this.words, takenAt);
  }

  /** Whether nothing waits and nothing is being worked on. */
  get quiet(): boolean {
    for (let entry = 0; entry < entries; entry++) if (Atomics.load(this.words, statesAt + entry) !== 0) return false;
    return true;
  }

  /** The entry that comes next; it is free once `isFree` says so. */
  get nextEntry(): number {
    return Atomics.load(this.words, producedAt) % entries;
  }

  isFree(entry: number): boolean {
    return Atomics.load(this.words, statesAt + entry) === 0;
  }

  put(record: number): void {
    const entry = this.nextEntry;
    this.words[statesAt + entries + entry] = record;
    Atomics.store(this.words, statesAt + entry, 1);
    Atomics.add(this.words, producedAt, 1);
    Atomics.notify(this.words, producedAt, 1);
  }

  /** Waits, without blocking, until an entry is free or some time has passed. */
  async untilFree(entry: number): Promise<void> {
    if (this.isFree(entry)) return;
    if (waitAsync === undefined) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      return;
    }
    const waiting = waitAsync(this.words, statesAt + entry, 1, 100);
    if (waiting.async) await waiting.value;
  }

  /** Lets takers leave when nothing waits. */
  set closed(closed: boolean) {
    Atomics.store(this.words, closedAt, closed ? 1 : 0);
    if (closed) Atomics.notify(this.words, producedAt);
  }

  /** Takes an entry, blocking the thread for a while; undefined when the ring is closed or nothing has come. */
  take(): Taken | undefined {
    const { words } = this;
    for (let looks = 1; ; looks++) {
      const produced = Atomics.load(words, producedAt);
      const taken = this.tryTake();
      if (taken !== undefined) return taken;
      if (Atomics.load(words, closedAt) === 1) return undefined;
      if (looks < looksAwake) continue;
      if (Atomics.wait(words, producedAt, produced, patienceMs) === 'timed-out') return undefined;
    }
  }

  /** Takes an entry that waits; undefined where none does. */
  tryTake(): Taken | undefined {
    const { words } = this;
    while (true) {
      const taken = Atomics.load(words, takenAt);
      if (taken === Atomics.load(words, producedAt)) return undefined;
      if (Atomics.compareExchange(words, takenAt, taken, taken + 1) !== taken) continue;
      const entry = taken % entries;
      return { entry, record: words[statesAt + entries + entry]! >>> 0 };
    }
  }

  done(entry: number): void {
    Atomics.store(this.words, statesAt + entry, 0);
    Atomics.notify(this.words, statesAt + entry);
  }
}
