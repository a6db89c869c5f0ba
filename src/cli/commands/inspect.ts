/** `inspect <path|set>`: what a table is: schema, version, files, rows, and the first of them. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { type RecordBatch, Table } from '../../arrow/arrow.ts';
import { ArgumentError } from '../../base/errors.ts';
import { didYouMean } from '../../base/names.ts';
import { type FeatureSetDefinition, openTable } from '../../index.ts';
import { type Context, layoutOf, sendLines, withStore } from '../context.ts';
import { formatBytes } from '../../base/size.ts';
import { plainJson } from '../formats.ts';
import { countOption, formatOption, textOption } from '../options.ts';
import { pathIn, sourcePath, tryFindProject } from '../project.ts';
import { arrowTableLines, tableLines } from '../text-table.ts';
import { escapeControls } from '../text-width.ts';
import { toRows, typeName } from '../../arrow/values.ts';

type OpenTable = Awaited<ReturnType<typeof openTable>>;

export async function inspect(context: Context): Promise<void> {
  const format = formatOption(context.values, ['table', 'json']);
  const limit = countOption(context.values, 'limit', 0) ?? 10;
  const path = await pathOf(context.words[0]!, context);
  const table = await openTable(path);
  const plan = await table.plan();
  const rows = await firstRows(table, limit, context.signal);
  const facts = {
    path,
    format: table.format,
    version: table.version,
    rows: plan.rowsTotal,
    files: plan.filesTotal,
    rowGroups: plan.unitsTotal,
    bytes: plan.bytes,
  };
  if (format === 'json') {
    const schema = table.schema.fields.map((field) => ({ name: field.name, type: typeName(field.type), nullable: field.nullable }));
    return sendLines(context, [plainJson({ ...facts, schema, firstRows: toRows(rows) })]);
  }
  const layout = layoutOf(context);
  await sendLines(context, [
    ...factLines({ ...facts, bytes: formatBytes(plan.bytes) }),
    '',
    ...tableLines(
      [
        { name: 'column', align: 'left', isText: true },
        { name: 'type', align: 'left', isText: true },
        { name: 'nulls', align: 'left', isText: false },
      ],
      table.schema.fields.map((field) => [field.name, typeName(field.type), field.nullable ? 'allowed' : 'never']),
      layout,
    ),
    '',
    ...arrowTableLines(rows, limit, layout),
    ...(plan.rowsTotal > rows.numRows ? [`… the first ${rows.numRows} of ${plan.rowsTotal} rows`] : []),
  ]);
}

/** A path that exists; else a feature set's stored table; else a source table of a layer. */
async function pathOf(word: string, context: Context): Promise<string> {
  const path = resolve(context.folder, word);
  if (existsSync(path) || word.includes('://')) return word;
  const named = textOption(context.values, 'project');
  if (named === undefined && tryFindProject(context.folder) === undefined) {
    throw new ArgumentError(word, 'there is no such file or folder, and no project here that could have a feature set of that name');
  }
  return withStore(context, async ({ config, featureSets }) => {
    if (featureSets.includes(word)) return pathIn(config.storagePath, word, 'features');
    const source = sourceOf(word);
    const found = source && (await sourcePath(source, config));
    if (found !== undefined) return found;
    throw new ArgumentError(word, `it is no file, no folder, no feature set and no source table of this project${didYouMean(word, featureSets)}`);
  });
}

/** `transactions` or `gold.transactions`, as feature sets name their sources. */
function sourceOf(word: string): FeatureSetDefinition['source'] | undefined {
  const match = /^(?:(silver|gold)\.)?([^/\\]+)$/.exec(word);
  if (match === null || match[2]!.includes('..')) return undefined;
  return { table: match[2]!, ...(match[1] !== undefined && { layer: match[1] as 'silver' | 'gold' }) };
}

async function firstRows(table: OpenTable, limit: number, signal: AbortSignal): Promise<Table> {
  const batches: RecordBatch[] = [];
  let missing = limit;
  if (limit > 0) {
    for await (const batch of table.scan({ signal })) {
      batches.push(batch.numRows > missing ? batch.slice(0, missing) : batch);
      missing -= batches.at(-1)!.numRows;
      if (missing === 0) break;
    }
  }
  return batches.length === 0 ? new Table(table.schema) : new Table(batches);
}

const factNames: Readonly<Record<string, string>> = { rowGroups: 'row groups', bytes: 'size' };

function factLines(facts: Readonly<Record<string, string | number>>): string[] {
  return Object.entries(facts).map(([name, value]) => `${(factNames[name] ?? name).padEnd(12)}${escapeControls(String(value))}`);
}
