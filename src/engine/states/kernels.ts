/** What kernel/merge.ts and the kernels of the states export. */
type Pointer = number;

export interface StateKernels {
  gatherStates(states: Pointer, stride: number, count: number, out: Pointer): void;
  addToGroups(values: Pointer, ids: Pointer, count: number, target: Pointer): void;
  mergeWides(other: Pointer, first: number, count: number, ids: Pointer, wides: Pointer): void;
}
