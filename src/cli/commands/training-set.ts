/** `training-set`: labels from a file, with what was known at each label's moment, to a file or the standard output. */
import { ArgumentError, SchemaMismatchError } from '../../base/errors.ts';
import { openTable, type TrainingSetOptions } from '../../index.ts';
import { checkOutput, type Context, note, progressBar, sendLines, sendTable, withStore } from '../context.ts';
import { plainJson } from '../formats.ts';
import { formatOption, listOption, textOption, timeRangeOf } from '../options.ts';
import { plural } from '../text-table.ts';

export async function trainingSet(context: Context): Promise<void> {
  const { values, signal, env } = context;
  const explains = values.explain === true;
  if (explains) formatOption(values, ['table', 'json']);
  else await checkOutput(context);
  const path = neededOption(context, 'labels', 'the table or file that has the labels');
  neededOption(context, 'features', "what to join: 'set:column' or 'set', separated by commas");
  const timestamp = neededOption(context, 'timestamp', "the labels' column with each label's moment");
  const timeRange = textOption(values, 'time-range');
  const road = textOption(values, 'road');
  const save = textOption(values, 'save');
  if (explains && save !== undefined) throw new ArgumentError('--explain', 'says what would be done and stores nothing; leave out --save');
  const labels = await (await openTable(path, { env, signal })).read({ signal });
  const bar = progressBar(context, 'training set');
  const options: TrainingSetOptions = {
    features: listOption(values, 'features')!,
    timestamp,
    signal,
    onProgress: (progress) => bar.update(progress),
    ...(timeRange !== undefined && { timeRange: timeRangeOf(timeRange) }),
    ...(values.utc === true && { timeZone: 'UTC' as const }),
    ...(road !== undefined && { road: road as NonNullable<TrainingSetOptions['road']> }),
    ...(values['full-names'] === true && { fullNames: true }),
  };
  await withStore(context, async (store) => {
    if (explains) {
      const explanation = await store.explainTrainingSet(labels, options).catch((error: unknown) => failNaming(path, error));
      return sendLines(context, [formatOption(values) === 'json' ? plainJson(explanation.sets) : explanation.text]);
    }
    const answering = save === undefined ? store.getTrainingSet(labels, options) : store.saveTrainingSet(save, labels, options);
    const { table, reasons } = await answering.catch((error: unknown) => failNaming(path, error)).finally(() => bar.end());
    await sendTable(context, table);
    note(context, `${plural(table.numRows, 'label')}, ${plural(table.numCols - labels.numCols, 'feature')}`);
    for (const reason of reasons) note(context, `  ${reason}`);
  });
}

/** What does not fit in the labels is said of their file. */
function failNaming(path: string, error: unknown): never {
  if (!(error instanceof SchemaMismatchError) || error.table !== 'the labels') throw error;
  throw new SchemaMismatchError(`the labels in ${path}`, error.column, error.message.slice(`the labels, column ${error.column}: `.length), error.cause);
}

function neededOption(context: Context, name: string, what: string): string {
  const text = textOption(context.values, name);
  if (text === undefined) throw new ArgumentError(`--${name}`, `is missing: ${what}`);
  return text;
}
