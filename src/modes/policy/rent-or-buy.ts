/**
 * When to materialize: rent until you would have bought (ski rental). Pure.
 *
 * A read pays before anyone can know that it was one too many, so the sum of rents jumps over the price: stopping one read early
 * and one read late are equally wrong where their geometric mean is the price. There, and a little below, since prices are guessed
 * before they are known, the line is drawn; where exactly, dice say for each stored state, so that no pattern of reads meets it at
 * its worst each time.
 * bench/simulation compares this with a fixed line, and with the wide spread of the textbook: that one is the best against reads
 * that do not know the dice, but pays some 2.5 times the least where tiles are void as soon as they are made, since it buys too often.
 */
import type { Account } from './account.ts';

/** How the dice, in [0, 1), move the line: what share of the price the rent has to reach. */
export type Line = (dice: number) => number;

export const narrowLine: Line = (dice) => 0.7 + 0.3 * dice;

export interface Purchase {
  readonly due: boolean;
  /** The rent at which it is due. */
  readonly lineMs: number;
  readonly reason: string;
}

const failuresMax = 10;

/** Whether the account's rents have reached the price of materializing now. */
export function purchase(account: Account, priceMs: number, line: Line = narrowLine): Purchase {
  const lineMs = line(account.dice) * priceMs * 2 ** Math.min(account.failures, failuresMax);
  const due = account.rentMs > 0 && Math.sqrt(account.rentMs * (account.rentMs + account.lastRentMs)) >= lineMs;
  const reason = `reads have paid ${Math.round(account.rentMs)} ms for lack of fresh tiles, and to materialize costs some ${Math.round(priceMs)} ms`;
  return { due, lineMs, reason };
}
