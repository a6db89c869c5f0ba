/** `materialize [set…]`: computes feature sets from their sources and stores them, one after the other. */
import { ArgumentError, throwIfCancelled } from '../../base/errors.ts';
import type { FeatureStore, MaterializeResult } from '../../index.ts';
import { type Context, layoutOf, note, progressBar, sendLines, withStore } from '../context.ts';
import { plainJson } from '../formats.ts';
import { formatOption, textOption } from '../options.ts';
import { formatElapsed, plural, tableLines } from '../text-table.ts';

export async function materialize(context: Context): Promise<void> {
  const format = formatOption(context.values, ['table', 'json']);
  await withStore(context, async (store) => {
    const results: MaterializeResult[] = [];
    for (const name of setsToMaterialize(context, store)) {
      throwIfCancelled(context.signal, 'materialize');
      results.push(await materializeOne(context, store, name));
    }
    await sendLines(context, format === 'json' ? [plainJson(results)] : resultLines(context, results));
  });
}

/** The sets that were named, each once and all known; with `--all`, those whose rows are computed. */
function setsToMaterialize(context: Context, store: FeatureStore): readonly string[] {
  const computed = store.featureSets.filter((name) => store.definition(name).kind !== 'written');
  const { words, values } = context;
  if (values.all === true && words.length > 0) throw new ArgumentError('--all', `says all sets, and '${words[0]}' says one; give either`);
  if (values.all !== true && words.length === 0) {
    throw new ArgumentError('materialize', `name the feature sets, or --all; there is ${computed.join(', ') || 'none'}`);
  }
  if (values.all === true) return computed;
  for (const name of words) store.definition(name);
  return [...new Set(words)];
}

async function materializeOne(context: Context, store: FeatureStore, name: string): Promise<MaterializeResult> {
  const asOf = textOption(context.values, 'as-of');
  const bar = progressBar(context, name);
  try {
    return await store.materialize(name, {
      full: context.values.full === true,
      signal: context.signal,
      onProgress: (progress) => bar.update(progress),
      ...(asOf !== undefined && { asOf }),
    });
  } finally {
    bar.end();
  }
}

function resultLines(context: Context, results: readonly MaterializeResult[]): string[] {
  for (const result of results) {
    note(context, `${result.featureSet}: ${result.reasons.join('; ')}`);
    const { rowsWithNullKey = 0 } = result;
    if (rowsWithNullKey > 0) note(context, `${result.featureSet}: left out ${plural(rowsWithNullKey, 'source row')} with a null entity key`);
  }
  return tableLines(
    [
      { name: 'feature set', align: 'left', isText: true },
      { name: 'version', align: 'right', isText: false },
      { name: 'rows', align: 'right', isText: false },
      { name: 'tiles', align: 'right', isText: false },
      { name: 'source rows', align: 'right', isText: false },
      { name: 'time', align: 'right', isText: false },
      { name: 'result', align: 'left', isText: false },
    ],
    results.map((result) => [
      result.featureSet,
      String(result.version),
      String(result.rows),
      result.changed ? String(result.tiles) : '',
      String(result.sourceRows),
      formatElapsed(result.elapsedMs),
      result.changed ? 'stored' : 'unchanged',
    ]),
    layoutOf(context),
  );
}
