/** Sets whose rows a compute function makes: the whole source goes in as an Arrow table, what comes out is kept as it is. */
import { type RecordBatch, Table } from '../arrow/arrow.ts';
import { canonicalTable } from '../arrow/canonical.ts';
import { ConfigurationError, invariant, reasonOf, SchemaMismatchError } from '../base/errors.ts';
import type { FeatureSetDefinition } from '../config/definition.ts';
import type { Snapshot } from '../store/table.ts';
import { feed, type Progress, type RunOptions } from './compute.ts';

export async function opaqueRows(
  definition: FeatureSetDefinition,
  source: Snapshot,
  run: RunOptions,
  onProgress?: (progress: Progress) => void,
): Promise<{ readonly table: Table; readonly sourceRows: number }> {
  invariant(definition.compute, `feature set ${definition.name} has no compute function`);
  const batches: RecordBatch[] = [];
  await feed(source, run.signal === undefined ? {} : { signal: run.signal }, onProgress, 'reading the source', run.signal, async (batch) => {
    batches.push(batch);
  });
  const input = new Table(source.schema, batches.length === 0 ? [] : batches);
  let output: unknown;
  try {
    output = await definition.compute(input);
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
  return { table: canonicalTable(output.schema, output.batches), sourceRows: input.numRows };
}
