/**
 * The floors on their own, as `index.ts` offers them: each is loaded when it is first asked for, so that importing the package is
 * light. Where a length of time needs a "now", this is the caller who has one.
 */
import type { Table } from '../arrow/arrow.ts';
import type { TimeRange } from '../base/time.ts';
import type { ProjectConfig } from '../config/definition.ts';
import type { Environment } from '../config/environment.ts';
import type { GroupByOptions } from '../engine/group-by.ts';
import type { AggSpec } from '../engine/plan.ts';
import type { OpenTableOptions, WriteTableOptions } from '../store/open-table.ts';
import type { OpenedTable } from './open-table.ts';

/**
 * Groups the rows of an Arrow table: `await groupBy(table, 'customer_id').agg({ amount: ['sum', 'mean'], date: 'max' })`.
 * The answer has the keys, then `<column>_<aggregation>`, in ascending order of the keys. `timeRange: '30d'` ends at
 * `asOf`, by default now.
 */
export function groupBy(
  input: Table,
  keys: string | readonly string[],
): { agg(spec: AggSpec, options?: GroupByOptions): Promise<Table> } {
  return {
    async agg(spec, options) {
      const asOf = new Date();
      const engine = await import('../engine/group-by.ts');
      return engine.groupBy(input, keys).agg(spec, { asOf, ...options });
    },
  };
}

/** The rows whose event time lies in a range, with all their columns. Null event times are in no range. */
export async function filterTimeRange(input: Table, column: string, range: TimeRange): Promise<Table> {
  return (await import('../engine/group-by.ts')).filterTimeRange(input, column, range);
}

/**
 * The same table in memory that the engine's threads share: `groupBy` reads it in place, on all threads, with nothing copied. For
 * tables that are asked more than once. Keys of text, in a dictionary or not, or of 64-bit integers far apart, of which each value stands in four rows or
 * more get codes, which are grouped by instead. To sort a million of them holds up the event loop for a quarter of a second.
 * Timestamps get a byte a row, by which ranges of time are found. Nested columns stay where they are. The memory is returned when
 * the table is garbage; what a question over it needs is taken there too, at most 4 GiB together.
 *
 * Throws MemoryLimitError where the table takes more than 3.5 GiB or the system has no such room, CancelledError when `signal` says so.
 */
export async function residentTable(table: Table, options?: { readonly signal?: AbortSignal }): Promise<Table> {
  return (await import('../engine/threads/resident.ts')).residentTable(table, options);
}

/**
 * Opens the file, folder or table at a path, whatever its format: `await (await openTable('data/silver/sales')).read({ columns: ['amount'],
 * timeRange: '30d', timestamp: 'sold_at' })`. A length such as `30d` ends at `asOf`, by default now.
 */
export async function openTable(path: string, options?: OpenTableOptions): Promise<OpenedTable> {
  return (await import('./open-table.ts')).openTable(path, options, () => new Date());
}

/** Writes the rows as one commit; readers see all of them or none. */
export async function writeTable(path: string, table: Table, options?: WriteTableOptions): Promise<{ readonly version: number }> {
  return (await import('../store/open-table.ts')).writeTable(path, table, options);
}

/**
 * The project in a folder that holds `config/global.yaml`, or of such a file itself. `env` is what `${NAME}` reads.
 * Compute functions that the configuration names are imported, and called once to learn their plans.
 */
export async function loadProject(folderOrFile: string, options: { readonly env: Environment }): Promise<ProjectConfig> {
  return (await import('../config/load.ts')).loadProject(folderOrFile, options);
}
