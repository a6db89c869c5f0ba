/**
 * Keeps the accounts of a store's feature sets, and acts on them: hears of every hybrid read when it is over, materializes in the
 * background what reads have paid for, and keeps stored sets within `storage_budget`.
 *
 * Law: no read waits for anything here but the first look at its account, and nothing here fails a read. What goes wrong is
 * logged, and told by `detail`.
 */
import { reasonOf } from '../../base/errors.ts';
import { formatBytes } from '../../base/size.ts';
import { formatInstant } from '../../base/time.ts';
import type { Bytes } from '../../store/bytes.ts';
import type { Snapshot } from '../../store/table.ts';
import { Background, type Ending } from '../background.ts';
import { planEviction, type StoredSet, wouldStay } from '../budget.ts';
import type { Road } from '../decide.ts';
import { expectedMs, learned, type Throughputs, type Work } from '../throughput.ts';
import { loadAccount, saveAccount } from './account-file.ts';
import { type Account, afterFailure, afterRead, benefitNow, openAccount } from './account.ts';
import type { Clocks } from './lease.ts';
import { purchase } from './rent-or-buy.ts';
import { materialized, survivingShare } from './road-work.ts';

export interface KeeperOptions {
  readonly clocks: Clocks;
  /** Evenly from [0, 1). */
  readonly random: () => number;
  readonly log: (line: string) => void;
  /** Whether to materialize in the background. */
  readonly background: boolean;
  readonly budgetBytes: number | undefined;
  /** The folder of a set. */
  readonly bytesOf: (set: string) => Bytes;
  /** Undefined: there was nothing to do. */
  readonly materialize: (set: string, options: { readonly full: boolean; readonly signal: AbortSignal }) => Promise<RowCounts | undefined>;
  /** What is stored of all sets. */
  readonly storedSets: () => Promise<readonly StoredBytes[]>;
  readonly evict: (set: string) => Promise<boolean>;
  /** Deletes the files of sets that were given up long enough ago. */
  readonly sweep: (nowMs: number) => Promise<void>;
}

/** Rows that were read of a source, and written as features and tiles. */
export interface RowCounts {
  readonly sourceRows: number;
  readonly rows: number;
  readonly tiles: number;
}

export interface StoredBytes {
  readonly name: string;
  readonly bytes: number;
  /** Whether the source could answer instead. */
  readonly canGo: boolean;
}

/** A hybrid read that is over. */
export interface SeenRead {
  readonly road: Road;
  readonly elapsedMs: number;
  readonly storedVersion: number;
  readonly source: Snapshot | undefined;
  /** Whether what is stored was found damaged. */
  readonly damaged: boolean;
  /** On the road that was taken; undefined where it was not looked at. */
  readonly work: readonly Work[] | undefined;
  /** Whether other reads can learn from what this one cost. */
  readonly isTypical: boolean;
  readonly fresh: readonly Work[] | undefined;
  readonly fromSource: readonly Work[] | undefined;
  /** Of materializing the set now; asked only where it matters. */
  readonly price: () => Promise<Work>;
}

interface SetState {
  account: Account;
  isSaved: boolean;
  savedAtMs: number;
  saveFailed: boolean;
  /** The source as the last read saw it. */
  source: Snapshot | undefined;
  damaged: boolean;
  /** Not to try again before, by `elapsed`. */
  notBeforeMs: number;
  trouble: string | undefined;
}

const saveEveryMs = 30_000;
/** Another process is at it: it will take a while. */
const heldPauseMs = 10_000;

export class PolicyKeeper {
  private readonly sets = new Map<string, Promise<SetState>>();
  private readonly loaded = new Map<string, SetState>();
  private readonly reading = new Map<string, number>();
  private readonly pending = new Set<Promise<void>>();
  private readonly background: Background;
  /** What the last measured work of any set has taught: where new sets begin. */
  private lessons: Throughputs | undefined;

  constructor(private readonly options: KeeperOptions) {
    this.background = new Background({ bytesOf: options.bytesOf, clocks: options.clocks });
  }

  /** What work costs, as far as this set or others have taught. */
  async throughputs(set: string): Promise<Throughputs> {
    return (await this.stateOf(set)).account.throughputs;
  }

  /** Runs a read of a set, which is not given up meanwhile. */
  async during<Answer>(set: string, read: () => Promise<Answer>): Promise<Answer> {
    this.reading.set(set, (this.reading.get(set) ?? 0) + 1);
    try {
      return await read();
    } finally {
      this.reading.set(set, this.reading.get(set)! - 1);
    }
  }

  /** Takes note of a read, later: `look` may open footers. */
  observe(set: string, look: () => Promise<SeenRead>): void {
    this.later(async () => {
      const [state, seen] = [await this.stateOf(set), await look()];
      this.note(state, seen);
      await this.buyIfDue(set, state, seen);
      if (this.options.clocks.elapsed() - state.savedAtMs >= saveEveryMs) await this.save(set, state);
    }, `the account of ${set}`);
  }

  /** Takes note of a materialization that somebody asked for. */
  materialized(set: string, counts: RowCounts, elapsedMs: number): void {
    this.later(async () => {
      this.learn(await this.stateOf(set), [materialized(counts.sourceRows, counts.rows + counts.tiles)], elapsedMs);
      await this.keepBudget();
    }, `the account of ${set}`);
  }

  /** For a person: what is going on with a set, and what went wrong. */
  async detail(set: string): Promise<string[]> {
    const { account, trouble } = await this.stateOf(set);
    const lines = this.background.isRunning(set) ? ['it is being worked on in the background'] : [];
    if (account.rentMs >= 1) lines.push(`reads have paid ${Math.round(account.rentMs)} ms for lack of fresh tiles`);
    return trouble === undefined ? lines : [...lines, trouble];
  }

  /** Waits for background work, or cancels it, and saves the accounts. */
  async close(how: 'wait' | 'cancel'): Promise<void> {
    if (how === 'cancel') await this.background.close(how);
    // Notes that are being taken may start work, and work that ends is noted.
    while (this.pending.size > 0 || this.background.isBusy) {
      await Promise.all(this.pending);
      await this.background.idle();
    }
    await this.background.close(how);
    for (const [set, state] of this.loaded) if (!state.isSaved) await this.save(set, state);
  }

  private later(work: () => Promise<void>, what: string): void {
    const done = work().catch((error: unknown) => this.options.log(`${what}: ${reasonOf(error)}`)).finally(() => this.pending.delete(done));
    this.pending.add(done);
  }

  private stateOf(set: string): Promise<SetState> {
    let state = this.sets.get(set);
    if (state === undefined) {
      state = this.open(set);
      this.sets.set(set, state);
    }
    return state;
  }

  private async open(set: string): Promise<SetState> {
    const { bytesOf, log, random, clocks } = this.options;
    const account = (await loadAccount(bytesOf(set), log)) ?? openAccount(random(), this.lessons);
    const state: SetState = {
      account, isSaved: true, savedAtMs: clocks.elapsed(), saveFailed: false, source: undefined, damaged: false, notBeforeMs: 0, trouble: undefined,
    };
    this.loaded.set(set, state);
    return state;
  }

  private note(state: SetState, seen: SeenRead): void {
    if (seen.work !== undefined && seen.isTypical) this.learn(state, seen.work, seen.elapsedMs);
    const { random, clocks } = this.options;
    const costMs = (work: readonly Work[]): number => expectedMs(work, state.account.throughputs);
    const paidAsExpectedMs = seen.work === undefined ? seen.elapsedMs : costMs(seen.work);
    const read = {
      storedVersion: seen.storedVersion,
      paidMs: seen.elapsedMs,
      expectedMs: paidAsExpectedMs,
      // Who took the stored road paid no rent, however old the answer that was allowed.
      freshMs: seen.road === 'stored' ? paidAsExpectedMs : seen.fresh && costMs(seen.fresh),
      sourceMs: seen.fromSource === undefined ? paidAsExpectedMs : costMs(seen.fromSource),
      survivingShare: seen.source === undefined ? 1 : survivingShare(state.source, seen.source),
      nowMs: clocks.now(),
    };
    state.account = afterRead(state.account, read, random());
    state.isSaved = false;
    state.source = seen.source ?? state.source;
    state.damaged ||= seen.damaged;
  }

  private learn(state: SetState, work: readonly Work[], elapsedMs: number): void {
    const throughputs = learned(state.account.throughputs, work, elapsedMs);
    this.lessons = throughputs;
    state.account = { ...state.account, throughputs };
    state.isSaved = false;
  }

  // ---- rent or buy

  private async buyIfDue(set: string, state: SetState, seen: SeenRead): Promise<void> {
    const { clocks, background, materialize } = this.options;
    if (!background || state.account.lastRentMs === 0 || seen.source === undefined) return;
    if (this.background.isRunning(set) || clocks.elapsed() < state.notBeforeMs) return;
    const price = await seen.price();
    const { due, reason } = purchase(state.account, expectedMs([price], state.account.throughputs));
    if (!due || !(await this.isWorthItsRoom(set, state))) return;
    let counts: RowCounts | undefined;
    const full = state.damaged;
    const started = this.background.start({
      set,
      work: async (signal) => {
        counts = await materialize(set, { full, signal });
      },
      ended: (ending) => this.later(() => this.bought(set, state, ending, counts), `what became of ${set} in the background`),
    });
    if (started) this.options.log(`${set}: materializing in the background: ${reason}`);
  }

  private async bought(set: string, state: SetState, ending: Ending, counts: RowCounts | undefined): Promise<void> {
    const { clocks, log, random } = this.options;
    if (ending.kind === 'held') state.notBeforeMs = clocks.elapsed() + heldPauseMs;
    if (ending.kind === 'done') {
      state.damaged = false;
      state.trouble = undefined;
      if (counts === undefined) return;
      this.learn(state, [materialized(counts.sourceRows, counts.rows + counts.tiles)], ending.elapsedMs);
      log(`${set}: materialized in the background, ${counts.sourceRows} source rows in ${Math.round(ending.elapsedMs)} ms`);
      await this.keepBudget();
    }
    if (ending.kind === 'failed') {
      state.account = afterFailure(state.account, random());
      state.isSaved = false;
      state.trouble = `materializing in the background failed at ${formatInstant(BigInt(clocks.now()) * 1_000n)}: ${reasonOf(ending.error)}`;
      log(`${set}: ${state.trouble}`);
    }
  }

  // ---- the budget

  /** Nothing is bought that would have to go at once. How large a set will be is known only of those that are stored. */
  private async isWorthItsRoom(set: string, { account }: SetState): Promise<boolean> {
    const { budgetBytes, clocks } = this.options;
    if (budgetBytes === undefined) return true;
    const others = await this.weighed();
    const bytes = others.find(({ name }) => name === set)?.bytes ?? 0;
    return wouldStay({ name: set, bytes, benefitMs: benefitNow(account, clocks.now()) }, others, budgetBytes);
  }

  private async weighed(): Promise<StoredSet[]> {
    const sets: StoredSet[] = [];
    for (const { name, bytes, canGo } of await this.options.storedSets()) {
      const { account } = await this.stateOf(name);
      const busy = (this.reading.get(name) ?? 0) > 0 || this.background.isRunning(name);
      sets.push({ name, bytes, benefitMs: benefitNow(account, this.options.clocks.now()), held: busy || !canGo });
    }
    return sets;
  }

  private async keepBudget(): Promise<void> {
    const { budgetBytes, evict, sweep, log } = this.options;
    if (budgetBytes === undefined) return;
    await sweep(this.options.clocks.now());
    const sets = await this.weighed();
    for (const set of planEviction(sets, budgetBytes)) {
      const { bytes } = sets.find(({ name }) => name === set)!;
      const done = async (): Promise<void> => {
        // A read may have begun since.
        if ((this.reading.get(set) ?? 0) > 0 || !(await evict(set))) return;
        log(`${set}: given up to keep storage_budget, ${formatBytes(bytes)}`);
      };
      const ended = (ending: Ending): void => {
        if (ending.kind === 'failed') log(`${set}: could not be given up to keep storage_budget: ${reasonOf(ending.error)}`);
      };
      this.background.start({ set, work: done, ended });
    }
  }

  private async save(set: string, state: SetState): Promise<void> {
    const { bytesOf, clocks, log } = this.options;
    state.savedAtMs = clocks.elapsed();
    state.isSaved = await saveAccount(bytesOf(set), state.account, state.saveFailed ? () => undefined : log);
    state.saveFailed = !state.isSaved;
  }
}
