/** `vacuum [set…]`: deletes the files that no version in use refers to any more. */
import { formatBytes } from '../../base/size.ts';
import { type Context, layoutOf, sendLines, withStore } from '../context.ts';
import { plainJson } from '../formats.ts';
import { formatOption } from '../options.ts';
import { tableLines } from '../text-table.ts';

export async function vacuum(context: Context): Promise<void> {
  const format = formatOption(context.values, ['table', 'json']);
  await withStore(context, async (store) => {
    const names = context.words.length > 0 ? [...new Set(context.words)] : store.featureSets;
    for (const name of names) store.definition(name);
    const results: { featureSet: string; files: number; bytes: number }[] = [];
    for (const featureSet of names) results.push({ featureSet, ...(await store.vacuum(featureSet)) });
    await sendLines(
      context,
      format === 'json'
        ? [plainJson(results)]
        : tableLines(
            [
              { name: 'feature set', align: 'left', isText: true },
              { name: 'files deleted', align: 'right', isText: false },
              { name: 'freed', align: 'right', isText: false },
            ],
            results.map(({ featureSet, files, bytes }) => [featureSet, String(files), formatBytes(bytes)]),
            layoutOf(context),
          ),
    );
  });
}
