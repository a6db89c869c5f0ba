/** What kernel/asof.ts, kernel/nearest.ts, kernel/parted.ts, kernel/points.ts and kernel/spans.ts export. */
type Pointer = number;

export interface AsOfKernels {
  pointsBefore(times: Pointer, count: number, multiplier: bigint, back: bigint, divisor: bigint, last: bigint, out: Pointer): void;
  boundsOf(words: Pointer, count: number, bounds: Pointer): void;
  countPoints(entities: Pointer, points: Pointer, labels: number, bounds: number, shift: number, counts: Pointer, extremes: Pointer): void;
  orderPoints(
    entities: Pointer, points: Pointer, labels: number, bounds: number, entityCount: number, shift: number, parts: number, counts: Pointer,
    first: bigint, last: bigint, scaleShift: bigint, multiplier: bigint, starts: Pointer, outPoints: Pointer, outCells: Pointer, order: Pointer,
  ): number;
  entitiesWithPoints(starts: Pointer, entityCount: number): number;
  pointsOfItems(order: Pointer, count: number, places: Pointer): void;
  rangesOf(starts: Pointer, entityCount: number, cells: Pointer, ranges: Pointer): void;
  markParts(starts: Pointer, entityCount: number, points: Pointer, wanted: Pointer, origin: bigint, shift: bigint, masks: Pointer): number;
  numberKeys(keys: Pointer, count: number, first: bigint, entityCount: number, out: Pointer): void;
  mightLocate(
    isClose: number, isCoarse: number, entities: Pointer, firstKey: bigint, times: Pointer, rows: Pointer, count: number, entityCount: number, origin: bigint, shift: bigint,
    masks: Pointer, outRows: Pointer, outEntities: Pointer,
  ): number;
  locate(
    entities: Pointer, times: Pointer, rows: Pointer, count: number, entityCount: number, starts: Pointer, cells: Pointer, ranges: Pointer, points: Pointer,
    first: bigint, last: bigint, shift: bigint, multiplier: bigint, wanted: Pointer, outRows: Pointer, stretches: Pointer,
  ): number;
  placesInParts(
    isClose: number, words: Pointer, firstKey: bigint, count: number, entityCount: number, shift: number, partOf: Pointer, parts: number, fills: Pointer, room: number, places: Pointer, lane: Pointer,
  ): void;
  emptyNearest(states: Pointer, stretches: number): void;
  addNearest(isDouble: number, latest: number, values: Pointer, times: Pointer, rows: Pointer, stretches: Pointer, count: number, states: Pointer, flip: bigint): void;
  mergeNearest(other: Pointer, stretches: number, states: Pointer): void;
  nearestRows(states: Pointer, stretches: number, latest: number, outStretches: Pointer, keys: Pointer, times: Pointer): number;
  settleNearest(states: Pointer, other: Pointer, stretches: number, latest: number): void;
  answersOfNearest(
    states: Pointer, latest: number, isDouble: number, flip: bigint, first: Pointer, end: Pointer, labels: number, known: Pointer, isKnown: Pointer,
    out: Pointer, validity: Pointer,
  ): number;
  answersInOrder(
    arrays: Pointer, arrayCount: number, isDouble: number, flip: bigint, starts: Pointer, entityCount: number, order: Pointer, asked: number, from: number,
    end: number, out: Pointer, known: Pointer,
  ): number;
  spansOf(entities: Pointer, count: number, starts: Pointer, startPlaces: Pointer, endPlaces: Pointer, first: Pointer, end: Pointer): void;
  markSpans(first: Pointer, end: Pointer, count: number, changes: Pointer): void;
  wantedOf(changes: Pointer, stretches: number, wanted: Pointer): number;
  fullStretches(states: Pointer, stride: number, stretches: number, before: Pointer, full: Pointer): number;
  knownSpans(first: Pointer, end: Pointer, count: number, before: Pointer, known: Pointer): number;
  fullSpans(first: Pointer, end: Pointer, count: number, before: Pointer, known: Pointer): void;
  nearStretches(there: Pointer, stride: number, stretches: number, latest: number, near: Pointer): void;
  pickStretches(first: Pointer, end: Pointer, known: Pointer, count: number, near: Pointer, latest: number, stretches: number, out: Pointer): void;
  nodesOfSpans(first: Pointer, end: Pointer, known: Pointer, labels: number, place: Pointer, most: number, nodes: Pointer, ids: Pointer): number;
  lengthOfRanges(first: Pointer, end: Pointer, labels: number): number;
  knownGroups(states: Pointer, stride: number, groups: number, known: Pointer): number;
  locateArrivals(
    entities: Pointer, times: Pointer, arrivals: Pointer, rows: Pointer, count: number, entityCount: number, starts: Pointer, points: Pointer, wanted: Pointer,
    outRows: Pointer, cells: Pointer,
  ): number;
}
