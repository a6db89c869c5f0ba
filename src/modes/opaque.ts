/** Sets whose rows a compute function makes: the rows of the source go in as an Arrow table, what comes out is kept as it is. */
import { type RecordBatch, Table } from '../arrow/arrow.ts';
import { canonicalTable } from '../arrow/canonical.ts';
import { ConfigurationError, invariant, reasonOf, SchemaMismatchError } from '../base/errors.ts';
import { pickColumns } from '../arrow/rows.ts';
import type { FeatureSetDefinition } from '../config/definition.ts';
import type { FramePlan } from '../config/frame.ts';
import { filterBatch } from '../engine/filter.ts';
import type { Snapshot } from '../store/table.ts';
import { feed, type Progress, type RunOptions } from './compute.ts';

export async function opaqueRows(
  definition: FeatureSetDefinition,
  source: Snapshot,
  run: RunOptions,
  onProgress?: (progress: Progress) => void,
): Promise<{ readonly table: Table; readonly sourceRows: number }> {
  invariant(definition.compute, `feature set ${definition.name} has no compute function`);
  let sourceRows = 0;
  const collect = async (plan: FramePlan): Promise<Table> => {
    const batches: RecordBatch[] = [];
    const scan = run.signal === undefined ? {} : { signal: run.signal };
    await feed({ snapshot: source, scan, phase: 'reading the source', onProgress }, async (batch) => {
      batches.push(batch);
    });
    const all = canonicalTable(source.schema, batches);
    sourceRows += all.numRows;
    return rowsOf(all, plan);
  };
  let output: unknown;
  try {
    output = await definition.compute(collect);
  } catch (error) {
    throw new ConfigurationError(definition.where, definition.name, `its compute function failed: ${reasonOf(error)}`, error);
  }
  if (!(output instanceof Table)) {
    throw new ConfigurationError(definition.where, definition.name, 'its compute function must return an Arrow table or df.groupBy(…).agg(…)');
  }
  for (const key of definition.entityKeys) {
    if (!output.schema.fields.some((field) => field.name === key)) {
      throw new SchemaMismatchError(`feature set ${definition.name}`, key, 'the table its compute function returned lacks this entity key');
    }
  }
  return { table: canonicalTable(output.schema, output.batches), sourceRows };
}

/** The rows that a frame's plan describes. */
export function rowsOf(table: Table, { filter, columns }: FramePlan): Table {
  const batches = filter === undefined ? table.batches : table.batches.map((batch) => filterBatch(batch, filter));
  const rows = canonicalTable(table.schema, batches);
  return columns === undefined ? rows : pickColumns(rows, columns);
}
