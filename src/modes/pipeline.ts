/** Pipeline nodes: a function of the project, called with its inputs; what it returns is stored as a feature set. */
import { Table } from '../arrow/arrow.ts';
import { memoryTable } from '../store/memory-table.ts';
import { ConfigurationError, reasonOf } from '../base/errors.ts';
import type { FeatureSetDefinition, NodeDefinition } from '../config/definition.ts';
import { AggregatedFrame, Frame } from '../config/frame.ts';
import { importFunction } from '../config/load.ts';
import { answerFromSource, type RunOptions } from './compute.ts';
import { rowsOf } from './opaque.ts';

type NodeFunction = (...inputs: Frame[]) => unknown;

/**
 * Calls a node's function with one Frame per input, in the order of `inputs`. It may return `df.groupBy(…).agg(…)`, which
 * is computed here, or an Arrow table of its own making.
 */
export async function runNode(
  node: NodeDefinition,
  output: FeatureSetDefinition,
  inputs: readonly Table[],
  folder: string,
  run: RunOptions,
): Promise<Table> {
  const frames = inputs.map((table) => Frame.over(async (plan) => rowsOf(table, plan)));
  let result: unknown;
  try {
    const call = (await importFunction(node.function, folder)) as NodeFunction;
    result = await call(...frames);
  } catch (error) {
    throw new ConfigurationError(node.where, node.name, `its function failed: ${reasonOf(error)}`, error);
  }
  if (result instanceof Table) return result;
  if (result instanceof AggregatedFrame) return computeFrame(node, output, result, run);
  throw new ConfigurationError(node.where, node.name, 'its function must return an Arrow table or df.groupBy(…).agg(…)');
}

async function computeFrame(node: NodeDefinition, output: FeatureSetDefinition, frame: AggregatedFrame, run: RunOptions): Promise<Table> {
  const table = await frame.source.collect();
  const snapshot = await memoryTable(node.name, table).snapshot();
  const definition = { ...output, entityKeys: frame.keys, outputs: frame.outputs };
  const answer = await answerFromSource(
    snapshot,
    { definition, parts: [{ outputs: frame.outputs, range: undefined }], columns: frame.outputs.map((column) => column.name), entities: undefined },
    run,
  );
  return answer.table;
}
