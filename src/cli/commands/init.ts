/** `init [folder]`: writes a small project of generated shop transactions, ready to run. Overwrites nothing. */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { StorageError, throwIfCancelled } from '../../base/errors.ts';
import { type Context, sendLines } from '../context.ts';
import { replaceFile } from '../output.ts';
import { parquetBytes } from '../parquet-bytes.ts';
import { sampleProjectFiles } from '../sample-project.ts';
import { sampleTransactions } from '../sample-transactions.ts';

export async function init(context: Context): Promise<void> {
  const folder = resolve(context.folder, context.words[0] ?? '.');
  const now = context.now();
  const texts = sampleProjectFiles(context.program);
  const tables = sampleTransactions(now).map((table, index) => [`data/silver/transactions/part-${index + 1}.parquet`, table] as const);
  const names = [...texts.keys(), ...tables.map(([name]) => name)];
  const taken = names.filter((name) => existsSync(join(folder, name)));
  if (taken.length > 0) {
    throw new StorageError(folder, `there is already ${taken.join(', ')}; nothing was written. Choose another folder, or move them away`);
  }
  for (const [name, table] of tables) {
    throwIfCancelled(context.signal, 'init');
    await writeNew(join(folder, name), await parquetBytes(table));
  }
  for (const [name, text] of texts) await writeNew(join(folder, name), text);
  await sendLines(context, welcomeLines(context, folder, names));
}

async function writeNew(path: string, content: string | Uint8Array): Promise<void> {
  await replaceFile(path, async (temporary) => {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(temporary, content, { flag: 'wx' });
  });
}

function welcomeLines(context: Context, folder: string, names: readonly string[]): string[] {
  const { program } = context;
  const way = relative(context.folder, folder);
  return [
    `A feature store project in ${folder}:`,
    '',
    ...names.map((name) => `  ${name}`),
    '',
    'What to type next:',
    '',
    ...(way === '' ? [] : [`  cd ${/^[\w./-]+$/.test(way) ? way : JSON.stringify(way)}`]),
    `  ${program} validate`,
    `  ${program} materialize --all`,
    `  ${program} get customer_demographics --limit 10`,
    `  ${program} get customer_demographics --time-range 30d --limit 10`,
    `  ${program} explain customer_demographics --time-range 30d`,
    '',
    'README.md in that folder tells what they do.',
  ];
}
