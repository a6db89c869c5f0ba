/** Pipeline nodes: a function of the project, called with its inputs; what it returns is stored as a feature set. */
import { resolve, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Table } from '../arrow/arrow.ts';
import { memoryTable } from '../store/memory-table.ts';
import { ConfigurationError, reasonOf } from '../base/errors.ts';
import type { FeatureSetDefinition, NodeDefinition } from '../config/definition.ts';
import { AggregatedFrame, Frame } from '../config/frame.ts';
import { answerFromSource, type RunOptions } from './compute.ts';

type NodeFunction = (...inputs: Frame[]) => unknown;

/**
 * Calls a node's function with one Frame per input, in the order of `inputs`. It may return `df.groupBy(…).agg(…)`, which
 * is computed here, or an Arrow table of its own making.
 */
export async function runNode(
  node: NodeDefinition,
  output: FeatureSetDefinition,
  inputs: Readonly<Record<string, Table>>,
  folder: string,
  run: RunOptions,
): Promise<Table> {
  const call = await loadFunction(node, folder);
  const tables = new Map<Frame, Table>();
  const frames = Object.values(inputs).map((table) => {
    const frame = Frame.of(table);
    tables.set(frame, table);
    return frame;
  });
  let result: unknown;
  try {
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

/** The exported function that `path/to/module.js#name` names; the path must stay inside the project. */
async function loadFunction(node: NodeDefinition, folder: string): Promise<NodeFunction> {
  const [path = '', name = 'default'] = node.function.split('#', 2);
  const file = resolve(folder, path);
  if (!file.startsWith(resolve(folder) + sep)) throw new ConfigurationError(node.where, 'function', `'${path}' lies outside the project`);
  let module: Record<string, unknown>;
  try {
    module = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  } catch (error) {
    throw new ConfigurationError(node.where, 'function', `'${path}' cannot be loaded: ${reasonOf(error)}`, error);
  }
  if (typeof module[name] === 'function') return module[name] as NodeFunction;
  throw new ConfigurationError(node.where, 'function', `${path} exports no function '${name}'; it exports ${Object.keys(module).join(', ') || 'nothing'}`);
}
