/** `status [set]`: what is stored, and how it stands to the sources. */
import { formatBytes } from '../../base/size.ts';
import { formatInstant } from '../../base/time.ts';
import type { FeatureSetStatus, TrainingSetStatus } from '../../index.ts';
import { type Context, layoutOf, sendLines, withStore } from '../context.ts';
import { plainJson } from '../formats.ts';
import { formatOption } from '../options.ts';
import { tableLines } from '../text-table.ts';
import { escapeControls } from '../text-width.ts';

export async function status(context: Context): Promise<void> {
  const format = formatOption(context.values, ['table', 'json']);
  const [name] = context.words;
  const { found, saved } = await withStore(context, async (store) => {
    const training = await store.trainingSetStatus(name);
    const isTraining = name !== undefined && training.length > 0 && !store.featureSets.includes(name);
    return { found: isTraining ? [] : await store.status(name), saved: training };
  });
  const lines = format === 'json'
    ? [plainJson([...found.map(withReadableTimes), ...saved])]
    : [...(found.length > 0 || saved.length === 0 ? statusLines(context, found) : []), ...trainingLines(saved)];
  await sendLines(context, lines);
}

/** What each saved training set was made of. */
function trainingLines(saved: readonly TrainingSetStatus[]): string[] {
  return saved.flatMap(({ trainingSet, version, rows, bytes, savedAt, madeOf }) => [
    '',
    escapeControls(`training set ${trainingSet}: version ${version}, ${rows} rows, ${formatBytes(bytes)}, saved ${savedAt.toISOString()}`),
    escapeControls(`  features ${madeOf.features.join(', ')} by ${madeOf.timestamp}${optionsText(madeOf)}; labels ${madeOf.labels.digest}`),
    ...madeOf.sets.map(({ featureSet, source, sourceVersion, definition }) =>
      escapeControls(`  ${featureSet}, definition ${definition.digest}, from ${source}, version ${sourceVersion}`)),
  ]);
}

function optionsText({ options: { timeRange, timeZone, fullNames } }: TrainingSetStatus['madeOf']): string {
  return [timeRange !== null && `time range ${timeRange}`, timeZone !== null && `label times in ${timeZone}`, fullNames && 'full names']
    .map((text) => (text === false ? '' : `, ${text}`)).join('');
}

function statusLines(context: Context, found: readonly FeatureSetStatus[]): string[] {
  if (found.length === 0) return ['no feature set is defined; config/feature_sets.yaml is the place'];
  const lines = tableLines(
    [
      { name: 'feature set', align: 'left', isText: true },
      { name: 'state', align: 'left', isText: false },
      { name: 'version', align: 'right', isText: false },
      { name: 'rows', align: 'right', isText: false },
      { name: 'size', align: 'right', isText: false },
      { name: 'materialized', align: 'left', isText: false },
      { name: 'newest event', align: 'left', isText: false },
    ],
    found.map((each) => [
      each.featureSet,
      each.state,
      textOf(each.version),
      textOf(each.rows),
      each.bytes === undefined ? '' : formatBytes(each.bytes),
      each.materializedAt?.toISOString().replace(/\.\d+Z$/, 'Z') ?? '',
      each.newestEvent === undefined ? '' : formatInstant(each.newestEvent),
    ]),
    layoutOf(context),
  );
  const details = found.flatMap((each) => each.detail.map((line) => `${each.featureSet}: ${line}`));
  return details.length === 0 ? lines : [...lines, '', ...details.map(escapeControls)];
}

function textOf(count: number | undefined): string {
  return count === undefined ? '' : String(count);
}

/** The library counts microseconds; a script would rather read a time. */
function withReadableTimes(each: FeatureSetStatus): object {
  return {
    ...each,
    asOf: each.asOf === undefined ? undefined : formatInstant(each.asOf),
    newestEvent: each.newestEvent === undefined ? undefined : formatInstant(each.newestEvent),
  };
}
