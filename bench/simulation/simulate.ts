/**
 * Drives the policy of the store, the very functions, through the events of a workload: it decides each read, keeps the
 * account, and materializes in the background while time goes on.
 */
import { decide, type DecisionFacts } from '../../src/modes/decide.ts';
import { type Account, afterRead, openAccount } from '../../src/modes/policy/account.ts';
import { type Line, purchase } from '../../src/modes/policy/rent-or-buy.ts';
import { defaultThroughputs, expectedMs, learned, type Throughputs, type Work } from '../../src/modes/throughput.ts';
import { changed, type Event, type SetSize, type SourceState, truthMs, type Works, worksOf } from './world.ts';

/** What a workload may look at to choose its next event: an adversary sees what was bought, but not the dice. */
export interface View {
  readonly nowMs: number;
  /** How often each set has been materialized. */
  readonly purchases: readonly number[];
}

export interface Workload {
  readonly name: string;
  readonly sizes: readonly SetSize[];
  /** The events one after the other, each chosen when those before have had their effect. */
  readonly next: (view: View, count: number) => Event | undefined;
}

export interface Simulated {
  readonly totalMs: number;
  readonly purchases: number;
  /** As they happened, for those who know them in hindsight. */
  readonly events: readonly Event[];
}

/** A background job: done when it is late enough, of the source as it was when it began. */
interface Job {
  readonly doneAtMs: number;
  readonly source: SourceState;
  readonly work: readonly Work[];
  readonly priceMs: number;
}

class SimulatedSet {
  source: SourceState;
  stored: SourceState | undefined;
  job: Job | undefined;
  purchases = 0;
  private survivingShare = 1;
  private opened: Account | undefined;

  constructor(
    private readonly size: SetSize,
    private readonly random: () => number,
    private readonly line: Line,
    private readonly machine: { lessons: Throughputs },
  ) {
    this.source = { rows: size.rows, rewrites: 0 };
  }

  get account(): Account {
    return (this.opened ??= openAccount(this.random(), this.machine.lessons));
  }

  set account(account: Account) {
    this.opened = account;
    this.machine.lessons = account.throughputs;
  }

  /** Ends a job whose time has come. */
  advance(nowMs: number): void {
    if (this.job === undefined || this.job.doneAtMs > nowMs) return;
    this.stored = this.job.source;
    this.purchases++;
    this.account = { ...this.account, throughputs: learned(this.account.throughputs, this.job.work, this.job.priceMs) };
    this.job = undefined;
  }

  change(event: Event): void {
    this.source = changed(this.source, event);
    if (event.kind === 'rewrite') this.survivingShare *= 1 - event.share;
  }

  /** What a read costs, and what is bought because of it. */
  read(nowMs: number, luck: number): number {
    const works = worksOf(this.size, this.source, this.stored);
    const { throughputs } = this.account;
    const { road } = decide(this.facts(works));
    const work = road === 'stored' ? works.fresh : road === 'merged' ? works.merged! : works.source;
    const paidMs = luck * truthMs(work);
    this.account = { ...this.account, throughputs: learned(throughputs, work, paidMs) };
    const freshMs = expectedMs(works.fresh, this.account.throughputs);
    const sourceMs = expectedMs(works.source, this.account.throughputs);
    const costs = {
      storedVersion: this.purchases - 1,
      paidMs,
      expectedMs: expectedMs(work, this.account.throughputs),
      freshMs,
      sourceMs,
      survivingShare: this.survivingShare,
      nowMs,
    };
    this.account = afterRead(this.account, costs, this.random());
    this.survivingShare = 1;
    return paidMs + this.buy(nowMs, works.materialize);
  }

  private buy(nowMs: number, work: readonly Work[]): number {
    if (this.job !== undefined || !purchase(this.account, expectedMs(work, this.account.throughputs), this.line).due) return 0;
    const priceMs = truthMs(work);
    this.job = { doneAtMs: nowMs + priceMs, source: this.source, work, priceMs };
    return priceMs;
  }

  private facts({ fresh, merged, source }: Works): DecisionFacts {
    const version = ({ rows, rewrites }: SourceState): string => `${rows}.${rewrites}`;
    return {
      stored: this.stored && { kind: 'tiles', parts: [], range: undefined, asOfUs: 0n, exact: true, reasons: [] },
      merged: merged === undefined ? { reason: 'rewritten' } : { reasons: [] },
      sameDefinition: true,
      source: { version: version(this.source) },
      storedSourceVersion: this.stored && version(this.stored),
      storedAgeUs: 0n,
      maxStalenessUs: undefined,
      work: { stored: fresh, ...(merged !== undefined && { merged }), source },
      throughputs: this.account.throughputs,
    };
  }

}

export function simulate(workload: Workload, line: Line, random: () => number): Simulated {
  const machine = { lessons: defaultThroughputs };
  const sets = workload.sizes.map((size) => new SimulatedSet(size, random, line, machine));
  const events: Event[] = [];
  let [totalMs, nowMs] = [0, 0];
  for (;;) {
    for (const set of sets) set.advance(nowMs);
    const event = workload.next({ nowMs, purchases: sets.map((set) => set.purchases) }, events.length);
    if (event === undefined) return { totalMs, purchases: sets.reduce((sum, set) => sum + set.purchases, 0), events };
    nowMs = event.atMs;
    events.push(event);
    const set = sets[event.set]!;
    set.advance(nowMs);
    if (event.kind === 'read') totalMs += set.read(nowMs, event.luck);
    else set.change(event);
  }
}
