/**
 * `validate`: the configuration, and every feature set against the schema of its source. Reads no rows.
 *
 * A set is checked by the library's own eyes: it is asked for over a source of the same schema without rows.
 */
import { Table } from '../../arrow/arrow.ts';
import { CancelledError, FeatureStoreError, NotFoundError, throwIfCancelled } from '../../base/errors.ts';
import { type FeatureSetDefinition, type FeatureStore, openTable, type ProjectConfig } from '../../index.ts';
import { type Context, layoutOf, sendLines, withStore } from '../context.ts';
import { plainJson } from '../formats.ts';
import { formatOption } from '../options.ts';
import { sourcePath } from '../project.ts';
import { exitCodes } from '../report-error.ts';
import { plural, tableLines } from '../text-table.ts';
import { escapeControls } from '../text-width.ts';

interface Finding {
  readonly featureSet: string;
  readonly source: string;
  /** Undefined: it fits. */
  readonly problem: string | undefined;
}

export async function validate(context: Context): Promise<void> {
  const format = formatOption(context.values, ['table', 'json']);
  const findings = await withStore(context, async (store) => {
    const found: Finding[] = [];
    for (const name of store.featureSets) {
      throwIfCancelled(context.signal, 'validate');
      const definition = store.definition(name);
      found.push({ featureSet: name, source: sourceName(definition, store.config), problem: await problemOf(definition, store) });
    }
    return found;
  });
  const wrong = findings.filter((finding) => finding.problem !== undefined);
  await sendLines(context, format === 'json' ? [plainJson(findings.map((each) => ({ ...each, problem: each.problem ?? null })))] : lines(context, findings));
  if (wrong.length > 0) process.exitCode = exitCodes.failed;
}

async function problemOf(definition: FeatureSetDefinition, store: FeatureStore): Promise<string | undefined> {
  try {
    await check(definition, store);
    return undefined;
  } catch (error) {
    if (error instanceof FeatureStoreError && !(error instanceof CancelledError)) return `${error.message} (${definition.where})`;
    throw error;
  }
}

async function check(definition: FeatureSetDefinition, store: FeatureStore): Promise<void> {
  if (definition.kind === 'written') return;
  const { table } = definition.source;
  const path = await sourcePath(definition.source, store.config);
  if (path === undefined) throw new NotFoundError('source', sourceName(definition, store.config), 'no such table is in that layer');
  const { schema } = await openTable(path);
  // A compute function may do anything, so it is not called to see whether it would.
  if (definition.kind === 'opaque') return;
  store.registerSource(table, new Table(schema));
  store.define({ ...definition, source: { table } });
  // Where it matters what had arrived, a question about an instant looks at one column more.
  await store.getFeatures(definition.name, { mode: 'virtualized', ...(definition.arrival !== undefined && { asOf: new Date() }) });
}

function sourceName(definition: FeatureSetDefinition, config: ProjectConfig): string {
  if (definition.kind === 'written') return '';
  return `${definition.source.layer ?? config.sourceSchema}.${definition.source.table}`;
}

function lines(context: Context, findings: readonly Finding[]): string[] {
  const wrong = findings.filter((finding) => finding.problem !== undefined);
  return [
    ...tableLines(
      [
        { name: 'feature set', align: 'left', isText: true },
        { name: 'source', align: 'left', isText: true },
        { name: 'check', align: 'left', isText: false },
      ],
      findings.map((finding) => [finding.featureSet, finding.source, finding.problem === undefined ? 'ok' : 'wrong']),
      layoutOf(context),
    ),
    ...(wrong.length === 0 ? [] : ['']),
    ...wrong.map((finding) => `${finding.featureSet}: ${escapeControls(finding.problem!)}`),
    '',
    wrong.length === 0
      ? `The configuration is valid, and ${plural(findings.length, 'feature set')} ${findings.length === 1 ? 'fits its source' : 'fit their sources'}.`
      : `The configuration can be read, but ${wrong.length} of ${plural(findings.length, 'feature set')} cannot be computed.`,
  ];
}
