/** `compact [set…]`: puts the small files together that many writes have left. */
import { type Context, layoutOf, sendLines, withStore } from '../context.ts';
import { plainJson } from '../formats.ts';
import { formatOption } from '../options.ts';
import { tableLines } from '../text-table.ts';

export async function compact(context: Context): Promise<void> {
  const format = formatOption(context.values, ['table', 'json']);
  await withStore(context, async (store) => {
    const names = context.words.length > 0 ? [...new Set(context.words)] : store.featureSets;
    for (const name of names) store.definition(name);
    const results: { featureSet: string; filesBefore: number; filesAfter: number }[] = [];
    for (const featureSet of names) {
      const { filesBefore = 0, filesAfter = 0 } = (await store.compact(featureSet, { signal: context.signal })) ?? {};
      results.push({ featureSet, filesBefore, filesAfter });
    }
    await sendLines(
      context,
      format === 'json'
        ? [plainJson(results)]
        : tableLines(
            [
              { name: 'feature set', align: 'left', isText: true },
              { name: 'files replaced', align: 'right', isText: false },
              { name: 'by', align: 'right', isText: false },
            ],
            results.map(({ featureSet, filesBefore, filesAfter }) => [featureSet, String(filesBefore), String(filesAfter)]),
            layoutOf(context),
          ),
    );
  });
}
