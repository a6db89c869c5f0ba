/** The engine on its own, as `index.ts` offers it: where a length of time needs a "now", this is the caller who has one. */
import type { Table } from '../arrow/arrow.ts';
import type { AggSpec } from '../engine/plan.ts';
import { type GroupByOptions, groupBy as groupByWithoutClock } from '../engine/group-by.ts';

export { filterTimeRange } from '../engine/group-by.ts';

/**
 * Groups the rows of an Arrow table: `await groupBy(table, 'customer_id').agg({ amount: ['sum', 'mean'], date: 'max' })`.
 * The answer has the keys, then `<column>_<aggregation>`, in ascending order of the keys. `timeRange: '30d'` ends at
 * `asOf`, by default now.
 */
export function groupBy(
  input: Table,
  keys: string | readonly string[],
): { agg(spec: AggSpec, options?: GroupByOptions): Promise<Table> } {
  const grouped = groupByWithoutClock(input, keys);
  return { agg: (spec, options) => grouped.agg(spec, { asOf: new Date(), ...options }) };
}
