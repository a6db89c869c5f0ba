/** `explain <set>`: what `get` with the same options would do, and why. */
import { type Context, sendLines, withStore } from '../context.ts';
import { plainJson } from '../formats.ts';
import { featureOptions, formatOption } from '../options.ts';

export async function explain(context: Context): Promise<void> {
  const format = formatOption(context.values, ['table', 'json']);
  const options = featureOptions(context.values, context.signal);
  const { text, decision } = await withStore(context, (store) => store.explain(context.words[0]!, options));
  await sendLines(context, [format === 'json' ? plainJson(decision) : text]);
}
