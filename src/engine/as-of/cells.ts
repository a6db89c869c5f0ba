/** Cells of time: which of 65,536 equal parts between the first moment of all and the last a time lies in (kernel/points.ts). */

/** How times become cells. */
export interface CellScale {
  readonly first: bigint;
  readonly last: bigint;
  readonly shift: bigint;
  readonly multiplier: bigint;
}

/** For moments from `first` to `last`. */
export function cellScale(first: bigint, last: bigint): CellScale {
  const distance = last - first;
  let shift = 0n;
  while (distance >> shift >= 1n << 32n) shift++;
  return { first, last, shift, multiplier: ((1n << 48n) - 1n) / ((distance >> shift) + 1n) };
}
