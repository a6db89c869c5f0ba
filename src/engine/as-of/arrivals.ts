/**
 * Events that are known only once they have arrived → the cells that they lie in: the stretch between two moments of their
 * entity in which they happened, and the one from whose end on they are known (kernel/arrivals.ts, answers in late.ts).
 *
 * A label at T sees what happened and arrived before T: cells whose second stretch ends at T or before. Times of both columns
 * are brought to the unit of the moments, the finer of the two, so that nothing is rounded.
 */
import type { Data, DataType } from '../../arrow/arrow.ts';
import type { Window } from '../grouper.ts';
import type { Instance } from '../instance.ts';
import type { Moments, PlacedMoments } from '../plan.ts';
import { Buffer64, type ColumnStage, gatherWide } from '../staging.ts';
import { int64Max, type KeyColumn, momentType, type TimeColumn, unitNs } from '../types.ts';
import { knowEntities, type Knowing } from './locator.ts';
import { placeMoments } from './placed.ts';

/** The rows that lie in a stretch that is asked for and become known in one, and the cell of each. */
export interface LocatedCells {
  readonly window: Window;
  /** Where those are, 64 bits each; good until the next call. */
  readonly cells: number;
}

export class ArrivalLocator {
  private readonly known: Knowing;
  private readonly numbers: Buffer64;
  private readonly entities: number;
  private readonly placed: PlacedMoments;
  private readonly rows: Buffer64;
  private readonly cells: Buffer64;
  private readonly times: WideTimes;
  private readonly arrivals: WideTimes;

  constructor(
    private readonly instance: Instance,
    keys: readonly KeyColumn[],
    time: TimeColumn,
    arrival: TimeColumn,
    moments: Moments,
    stageOf: (name: string) => ColumnStage,
  ) {
    this.known = knowEntities(instance, keys, moments, stageOf);
    this.numbers = new Buffer64(instance);
    this.entities = moments.starts.length - 1;
    this.placed = placeMoments(instance, moments, undefined);
    this.rows = new Buffer64(instance);
    this.cells = new Buffer64(instance);
    const unit = momentType(time.type, arrival.type);
    this.times = new WideTimes(instance, time, unit, stageOf(time.name));
    this.arrivals = new WideTimes(instance, arrival, unit, stageOf(arrival.name));
  }

  /** Of the selected rows, which have no null in a key, in the event time or in the arrival. */
  locate(keys: readonly Data[], time: Data, arrival: Data, window: Window): LocatedCells {
    const { instance } = this;
    const words = this.known.words(keys, window);
    const { firstKey } = this.known;
    const ids = firstKey === undefined ? words : this.numbers.ensure(window.count * 4);
    if (firstKey !== undefined) instance.kernels.numberKeys(words, window.count, firstKey, this.entities, ids);
    const times = this.times.of(time, window);
    const arrivals = this.arrivals.of(arrival, window);
    const rows = this.rows.ensure(window.count * 4);
    const cells = this.cells.ensure(window.count * 8);
    const count = instance.kernels.locateArrivals(
      ids, times, arrivals, window.rows, window.count, this.entities, this.placed.starts, this.placed.points, this.placed.wanted, rows, cells,
    );
    return { window: { ...window, rows, count }, cells };
  }
}

/** The times of a column, selected and in another unit that is as fine or finer; what does not fit is the least or greatest there is. */
class WideTimes {
  private readonly wide: Buffer64;
  private readonly scaled: Buffer64;
  private readonly factor: bigint;

  constructor(
    private readonly instance: Instance,
    private readonly column: TimeColumn,
    unit: DataType,
    private readonly stage: ColumnStage,
  ) {
    this.wide = new Buffer64(instance);
    this.scaled = new Buffer64(instance);
    this.factor = unitNs(column.type) / unitNs(unit);
  }

  of(data: Data, window: Window): number {
    const layout = { kind: 'int', bytes: this.column.bytes, signed: true } as const;
    const times = gatherWide(this.instance, this.stage, data, layout, window, this.wide);
    if (this.factor === 1n) return times;
    const scaled = this.scaled.ensure(window.count * 8);
    this.instance.kernels.pointsBefore(times, window.count, this.factor, 0n, 1n, int64Max, scaled);
    return scaled;
  }
}
