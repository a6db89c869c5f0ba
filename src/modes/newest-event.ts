/** The newest event that counts: one of an entity, which the set's filter lets through. In microseconds, rounded up. */
import { DataType, type Table, type Timestamp } from '../arrow/arrow.ts';
import { oneBatch } from '../arrow/canonical.ts';
import { columnOf } from '../arrow/rows.ts';
import { ceilDivide, dayUs } from '../base/time.ts';
import type { FeatureSetDefinition } from '../config/definition.ts';
import type { OutputColumn } from '../engine/plan.ts';
import type { Snapshot } from '../store/table.ts';
import type { Arrivals } from './storage.ts';
import { aggregateRows, groupByPlan, type RunOptions, sourceScan } from './compute.ts';

/** No column of a user's is called so. */
const newestColumn = '\0newest';

/** Each entity's newest event, for `newestOf`. */
export function newestOutput(timestamp: string): OutputColumn {
  return { column: timestamp, aggregation: 'max', name: newestColumn };
}

/** The newest time in a column of a canonical table; null event times do not count. */
export function newestOf(table: Table, column = newestColumn): bigint | undefined {
  const data = columnOf(table, column);
  const values = data.values as BigInt64Array | Int32Array;
  let newest: bigint | number | undefined;
  for (let row = 0; row < data.length; row++) {
    const value = values[row]!;
    if ((newest === undefined || value > newest) && data.getValid(row)) newest = value;
  }
  return newest === undefined ? undefined : microseconds(data.type)(BigInt(newest));
}

/** What `arrivalsOf` needs of each entity: its newest arrival, how many rows say when they arrived, and how many there are. */
export function arrivalOutputs(arrival: string, key: string): OutputColumn[] {
  return [
    { column: arrival, aggregation: 'max', name: newestArrival },
    { column: arrival, aggregation: 'count', name: arrivalCount },
    { column: key, aggregation: 'count', name: rowCount },
  ];
}

const [newestArrival, arrivalCount, rowCount] = ['\0newest arrival', '\0arrivals', '\0rows'];

/** When the rows behind an answer arrived. */
export function arrivalsOf(table: Table): Arrivals {
  const total = (column: string): bigint => (columnOf(table, column).values as BigInt64Array).reduce((sum, count) => sum + count, 0n);
  return { newestUs: newestOf(table, newestArrival), someUnknown: total(arrivalCount) !== total(rowCount) };
}

/** Of two lots of rows. */
export function bothArrivals(a: Arrivals, b: Arrivals): Arrivals {
  const newestUs = a.newestUs === undefined || (b.newestUs !== undefined && b.newestUs > a.newestUs) ? b.newestUs : a.newestUs;
  return { newestUs, someUnknown: a.someUnknown || b.someUnknown };
}

/** The newest event of a whole source. */
export async function newestEventOf(source: Snapshot, definition: FeatureSetDefinition, run: RunOptions): Promise<bigint | undefined> {
  const part = { outputs: [newestOutput(definition.timestamp!)], range: undefined };
  const scan = sourceScan(source, { definition, parts: [part] }, definition.filter, run.signal);
  const plans = [groupByPlan(definition, part, definition.filter)];
  const [answer] = await aggregateRows({ snapshot: source, scan, phase: 'reading the source' }, plans, run, (aggregations) => aggregations.finish());
  return newestOf(oneBatch(answer!));
}

/** How many units of a time column make a microsecond, or the other way round. */
function unitOf(type: DataType): { readonly usPerUnit: bigint } | { readonly unitsPerUs: bigint } {
  if (DataType.isDate(type)) return { usPerUnit: type.unit === 0 ? dayUs : 1_000n };
  const unit = (type as Timestamp).unit;
  return unit === 3 ? { unitsPerUs: 1_000n } : { usPerUnit: [1_000_000n, 1_000n, 1n][unit]! };
}

function microseconds(type: DataType): (value: bigint) => bigint {
  const unit = unitOf(type);
  return 'usPerUnit' in unit ? (value) => value * unit.usPerUnit : (value) => ceilDivide(value, unit.unitsPerUs);
}
