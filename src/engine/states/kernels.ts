/** What the kernels of values and states export, those of kernel/state.ts and kernel/wide.ts aside. */
type Pointer = number;

export interface StateKernels {
  gatherStates(states: Pointer, stride: number, count: number, out: Pointer): void;
  gatherSpans(offsets: Pointer, bytes: Pointer, rows: Pointer, count: number, out: Pointer): void;
  gatherCodeSpans(codes: Pointer, entries: number, offsets: Pointer, bytes: Pointer, rows: Pointer, count: number, out: Pointer): void;
  gatherDecimals(values: Pointer, rows: Pointer, count: number, bytes: Pointer, out: Pointer): void;
  orderKeys(isDouble: number, values: Pointer, count: number, flip: bigint, out: Pointer): void;
  compactTimed(values: Pointer, times: Pointer, ids: Pointer, rows: Pointer, count: number, bitmap: Pointer, bitOffset: number, timeBitmap: Pointer, timeBitOffset: number, outValues: Pointer, outTimes: Pointer, outIds: Pointer): number;
  extremeSpans(greatest: number, spans: Pointer, ids: Pointer, count: number, states: Pointer, stride: number): void;
  pickByTime(isSpan: number, latest: number, there: Pointer, values: Pointer, times: Pointer, step: number, ids: Pointer, count: number, states: Pointer, stride: number): void;
  pickByTie(isSpan: number, latest: number, there: Pointer, values: Pointer, times: Pointer, ties: Pointer, step: number, ids: Pointer, count: number, states: Pointer, stride: number): void;
  pickAll(isDouble: number, latest: number, values: Pointer, times: Pointer, rows: Pointer, ids: Pointer, count: number, groups: Pointer, flip: bigint): void;
  compactTies(ties: Pointer, tieBitmap: Pointer, tieBitOffset: number, rows: Pointer, count: number, bitmap: Pointer, bitOffset: number, timeBitmap: Pointer, timeBitOffset: number, outTies: Pointer, outThere: Pointer): void;
  newNarrowing(): Pointer;
  isSpilt(narrowing: Pointer): number;
  decideNarrow(narrowing: Pointer, values: Pointer, count: number, states: Pointer, stride: number, groups: number, wides: Pointer): number;
  addNarrow(narrow: Pointer, narrowing: Pointer, first: number, values: Pointer, codes: Pointer, least: number, ids: Pointer, count: number, states: Pointer, stride: number, wides: Pointer): number;
  areNarrowedAlike(narrowing: Pointer, other: Pointer): number;
  mergeNarrow(narrow: Pointer, narrowing: Pointer, other: Pointer, first: number, ids: Pointer, own: number, count: number, states: Pointer, stride: number, wides: Pointer): void;
  widenStates(narrow: Pointer, narrowing: Pointer, room: number, groups: Pointer, first: number, ids: Pointer, own: number, count: number, states: Pointer, stride: number, stateCount: number, wides: Pointer, extreme: number, least: number, firstValue: bigint, unit: bigint): void;
  newDistinct(spans: number, collide: number): Pointer;
  addDistinct(set: Pointer, values: Pointer, ids: Pointer, count: number, states: Pointer, stride: number): void;
  mergeDistinct(set: Pointer, other: Pointer, ids: Pointer, count: number, states: Pointer, stride: number): void;
  addDistinctBytes(set: Pointer, lists: Pointer, ids: Pointer, count: number, states: Pointer, stride: number): number;
  listDistinct(set: Pointer, starts: Pointer, out: Pointer): void;
  sortValues(spans: number, values: Pointer, count: number): void;
  spansSize(spans: Pointer, count: number): number;
  writeSpans(spans: Pointer, count: number, out: Pointer): void;
  addSketch(spans: number, values: Pointer, ids: Pointer, count: number, states: Pointer, stride: number): void;
  mergeSketches(words: Pointer, ids: Pointer, count: number, states: Pointer, stride: number): void;
  addSketchBytes(sketches: Pointer, ids: Pointer, count: number, states: Pointer, stride: number): number;
  sketchSize(state: Pointer): number;
  writeSketch(state: Pointer, out: Pointer): void;
  sketchEstimate(state: Pointer): number;
  newSquareTable(): Pointer;
  addSquares(values: Pointer, ids: Pointer, count: number, states: Pointer, stride: number, table: Pointer): void;
  mergeSquares(a: Pointer, b: Pointer, c: Pointer, d: Pointer, other: Pointer, first: number, ids: Pointer, count: number, states: Pointer, stride: number, table: Pointer): void;
  writeSquares(groups: Pointer, count: number, states: Pointer, stride: number, table: Pointer, lengths: Pointer, out: Pointer): number;
  addSquareBytes(sums: Pointer, ids: Pointer, count: number, states: Pointer, stride: number, table: Pointer): number;
  addIntegerSquares(isSigned: number, values: Pointer, ids: Pointer, count: number, states: Pointer, stride: number): void;
  addDecimals(spans: Pointer, ids: Pointer, count: number, states: Pointer, stride: number): void;
  addDecimalSquares(spans: Pointer, ids: Pointer, count: number, states: Pointer, stride: number): void;
  mergeWords(words: number, columns: Pointer, ids: Pointer, count: number, states: Pointer, stride: number): void;
}
