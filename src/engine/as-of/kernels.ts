/** What kernel/asof.ts exports. */
type Pointer = number;

export interface AsOfKernels {
  pointsBefore(times: Pointer, count: number, multiplier: bigint, back: bigint, divisor: bigint, last: bigint, out: Pointer): void;
  sortPoints(entities: Pointer, times: Pointer, count: number, entityCount: number, starts: Pointer, points: Pointer, places: Pointer): number;
  pointsMost(starts: Pointer, entityCount: number): number;
  markParts(starts: Pointer, entityCount: number, points: Pointer, wanted: Pointer, base: bigint, scale: number, masks: Pointer): number;
  mightLocate(entities: Pointer, times: Pointer, count: number, entityCount: number, base: bigint, scale: number, masks: Pointer, out: Pointer): number;
  orderByEntity(entities: Pointer, some: Pointer, count: number, entityCount: number, shift: number, out: Pointer): number;
  locate(
    entities: Pointer, times: Pointer, rows: Pointer, some: Pointer, count: number, entityCount: number, starts: Pointer, points: Pointer, most: number, wanted: Pointer,
    outRows: Pointer, stretches: Pointer,
  ): number;
  locateArrivals(
    entities: Pointer, times: Pointer, arrivals: Pointer, rows: Pointer, count: number, entityCount: number, starts: Pointer, points: Pointer, wanted: Pointer,
    outRows: Pointer, cells: Pointer,
  ): number;
}
