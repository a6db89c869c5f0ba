/** `get <set>`: features to the standard output or a file; what they are an answer to goes to stderr. */
import { formatInstant, formatRange } from '../../base/time.ts';
import type { FeatureAnswer } from '../../index.ts';
import { checkOutput, type Context, note, sendTable, withStore } from '../context.ts';
import { featureOptions } from '../options.ts';
import { plural } from '../text-table.ts';

export async function get(context: Context): Promise<void> {
  await checkOutput(context);
  const options = featureOptions(context.values, context.signal);
  const answer = await withStore(context, (store) => store.getFeatures(context.words[0]!, options));
  await sendTable(context, answer.table);
  for (const line of answerNotes(answer)) note(context, line);
}

/** What the answer is an answer to, in a line or two; a warning when it is stale. */
export function answerNotes(answer: FeatureAnswer): string[] {
  const range = answer.range === undefined ? 'all events' : `events in ${formatRange(answer.range)}`;
  const lines = [
    `${plural(answer.table.numRows, 'row')}, mode ${answer.mode}, ${range}, as of ${formatInstant(answer.asOf)}`,
    ...answer.reasons.map((reason) => `  ${reason}`),
  ];
  const nulls = answer.rowsWithNullKey ?? 0;
  if (nulls > 0) lines.push(`  left out ${plural(nulls, 'source row')} with a null entity key`);
  if (answer.stale) lines.push(`warning: this answer is stale; it was computed at ${answer.computedAt.toISOString()}`);
  return lines;
}
