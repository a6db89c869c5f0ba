/** Every kind of state, in the order in which they stand in a group's row and in the columns of partial states. */
import { distinctKind } from './distinct.ts';
import { greatestKind, leastKind } from './extreme.ts';
import { floatSumKind } from './float-sum.ts';
import { integerSumKind } from './integer-sum.ts';
import { decimalSumKind } from './multiword.ts';
import { firstKind, firstTiedKind, lastKind, lastTiedKind } from './pick.ts';
import { sketchKind } from './sketch.ts';
import { greatestSpanKind, leastSpanKind } from './span-extreme.ts';
import { decimalSquaresKind, floatSquaresKind, integerSquaresKind } from './squares.ts';
import type { StateKind } from './state.ts';

/** Those that `accumulate` updates come first: it finds them side by side, the sum, then the least, then the greatest. */
export const stateKinds: readonly StateKind[] = [
  floatSumKind, integerSumKind, leastKind, greatestKind,
  decimalSumKind, leastSpanKind, greatestSpanKind, integerSquaresKind, decimalSquaresKind, floatSquaresKind,
  firstKind, lastKind, firstTiedKind, lastTiedKind, distinctKind, sketchKind,
];
