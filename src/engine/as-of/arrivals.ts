/**
 * Events that are known only once they have arrived → the cells that they lie in: the stretch between two moments of their
 * entity in which they happened, and the one from whose end on they are known (kernel/arrivals.ts, answers in late.ts).
 *
 * A label at T sees what happened and arrived before T: cells whose second stretch ends at T or before. Times of both columns
 * are brought to the unit of the moments, the finer of the two, so that nothing is rounded.
 */
import { type Data, type DataType, Int64, makeData } from '../../arrow/arrow.ts';
import type { Grouper, Window } from '../grouper.ts';
import type { Instance } from '../instance.ts';
import type { Moments } from '../plan.ts';
import { Buffer64, type ColumnStage, gatherWide } from '../staging.ts';
import { type KeyColumn, momentType, type TimeColumn, unitNs } from '../types.ts';
import { entityGrouper, groupEntities, type Located } from './locator.ts';

const int64Max = (1n << 63n) - 1n;

export class ArrivalLocator {
  private readonly grouper: Grouper;
  private readonly entities: number;
  private readonly starts: number;
  private readonly points: number;
  private readonly wanted: number;
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
    this.grouper = entityGrouper(instance, keys, stageOf);
    this.entities = groupEntities(this.grouper, moments);
    this.starts = instance.placed(moments.starts);
    this.points = instance.placed(moments.points);
    this.wanted = instance.placed(moments.wanted);
    this.rows = new Buffer64(instance);
    this.cells = new Buffer64(instance);
    const unit = momentType(time.type, arrival.type);
    this.times = new WideTimes(instance, time, unit, stageOf(time.name));
    this.arrivals = new WideTimes(instance, arrival, unit, stageOf(arrival.name));
  }

  /** Of the selected rows, which have no null in a key, in the event time or in the arrival. */
  locate(keys: readonly Data[], time: Data, arrival: Data, window: Window): Located {
    const { instance } = this;
    const ids = this.grouper.group(keys, window);
    const times = this.times.of(time, window);
    const arrivals = this.arrivals.of(arrival, window);
    const rows = this.rows.ensure(window.count * 4);
    const cells = this.cells.ensure(window.count * 8);
    const count = instance.kernels.locateArrivals(
      ids, times, arrivals, window.rows, window.count, this.entities, this.starts, this.points, this.wanted, rows, cells,
    );
    return {
      window: { ...window, rows, count },
      stretches: makeData({ type: new Int64(), length: count, nullCount: 0, data: instance.view64(cells, count) }),
      all: { start: 0, length: count, rows: 0, count },
    };
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
