/**
 * The account of a feature set: what its reads have paid for lack of fresh tiles, and what tiles are worth to it. Pure; the
 * simulation in bench/simulation runs these very functions.
 *
 *   rent      what reads paid beyond what they would have with fresh tiles, since the stored state that they saw was made
 *   benefit   what fresh tiles save, or would have saved, against computing from the source; old reads count for less
 *
 * Rent was paid in vain only if tiles could have spared it. Of what was paid before the source was rewritten, that is true of
 * the part of the source that is still there; so that the rent of a source that is rewritten between reads stays small, and
 * nobody buys tiles that are void when they are done.
 */
import { defaultThroughputs, type Throughputs } from '../throughput.ts';

export interface Account {
  readonly throughputs: Throughputs;
  /** The version of the stored features that rent is counted since; -1: nothing was stored. */
  readonly storedVersion: number;
  readonly rentMs: number;
  /** The rent of the last read, for the next is likely to be as large. */
  readonly lastRentMs: number;
  /** Drawn evenly from [0, 1) for each stored state: at what rent to buy. */
  readonly dice: number;
  /** How often in a row buying has failed. */
  readonly failures: number;
  readonly benefitMs: number;
  /** When `benefitMs` was counted, by the store's clock. */
  readonly benefitAtMs: number;
}

/** What became of a read. */
export interface ReadCosts {
  readonly storedVersion: number;
  readonly paidMs: number;
  /** What it was expected to cost on the road that it took. */
  readonly expectedMs: number;
  /** What it is expected to cost with fresh tiles; undefined: tiles would not have helped. */
  readonly freshMs: number | undefined;
  /** What it is expected to cost from the source. */
  readonly sourceMs: number;
  /** Of the source as the read before saw it, how much is still there: 1 unless files were changed or removed. */
  readonly survivingShare: number;
  readonly nowMs: number;
}

/** A new account; it begins with what another set has taught, where there is one. */
export function openAccount(dice: number, throughputs = defaultThroughputs): Account {
  return {
    throughputs, storedVersion: -1, rentMs: 0, lastRentMs: 0, dice, failures: 0, benefitMs: 0, benefitAtMs: 0,
  };
}

/** `dice` is for the stored state, should it be a new one. */
export function afterRead(account: Account, read: ReadCosts, dice: number): Account {
  const { paidMs, expectedMs, freshMs, sourceMs, survivingShare, nowMs } = read;
  const current = account.storedVersion === read.storedVersion
    ? account
    : { ...account, storedVersion: read.storedVersion, rentMs: 0, dice, failures: 0 };
  // A share of what was paid, so that what chance added to it is not taken for rent where there was none to pay; and not of a cold
  // start or a pause, which fresh tiles would not have spared.
  const lastRentMs = freshMs === undefined ? 0 : atLeastZero(Math.min(paidMs, 2 * expectedMs)) * atLeastZero(1 - freshMs / expectedMs);
  return {
    ...current,
    rentMs: atLeastZero(current.rentMs * survivingShare) + lastRentMs,
    lastRentMs,
    benefitMs: benefitNow(account, nowMs) + (freshMs === undefined ? 0 : atLeastZero(sourceMs - freshMs)),
    benefitAtMs: nowMs,
  };
}

/** Buying has failed: rent is counted anew, and twice as much of it is waited for. */
export function afterFailure(account: Account, dice: number): Account {
  return { ...account, rentMs: 0, lastRentMs: 0, dice, failures: account.failures + 1 };
}

/** A week: what nobody reads any more gives way to what is read. */
const halfLifeMs = 7 * 86_400_000;

/** What tiles save this set, in milliseconds, as of now. A clock that was set back makes nothing worth more. */
export function benefitNow({ benefitMs, benefitAtMs }: Pick<Account, 'benefitMs' | 'benefitAtMs'>, nowMs: number): number {
  return benefitMs * 0.5 ** (Math.max(0, nowMs - benefitAtMs) / halfLifeMs);
}

function atLeastZero(ms: number): number {
  return Number.isFinite(ms) ? Math.max(0, ms) : 0;
}
