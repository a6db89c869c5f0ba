/** Delta against a folder of the very same Parquet files, read whole in turns: the log costs next to nothing. */
import assert from 'node:assert/strict';
import { linkSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Table } from '../../src/arrow/arrow.ts';
import { tablesEqual } from '../../src/arrow/canonical.ts';
import { groupBy, openTable, writeTable } from '../../src/index.ts';
import { questions } from '../questions.ts';
import { arrowTable, makeDataset } from '../support/dataset.ts';
import { measure } from '../support/measure.ts';
import type { Law } from './law.ts';

export const deltaLaw: Law = {
  name: 'delta/reading',
  text: '10 M rows of Delta (an integer key, a double, a time), read whole; against a folder of its Parquet files',
  async measure({ toy, folder }) {
    const [delta, plain] = [join(folder, 'delta'), join(folder, 'plain')];
    const usual = questions.find(({ name }) => name === 'parquet/integer')!;
    await writeTable(delta, arrowTable(makeDataset(toy ? { ...usual, rows: 20_000, groups: 200 } : usual)), { format: 'delta' });
    mkdirSync(plain);
    for (const name of readdirSync(delta, { recursive: true }) as string[]) if (name.endsWith('.parquet')) linkSync(join(delta, name), join(plain, name));
    const [ours, theirs] = [await sums(await readWhole(delta)), await sums(await readWhole(plain))];
    assert.ok(tablesEqual(ours, theirs), 'both have the same rows');
    const timings = await measure(new Map([delta, plain].map((path) => [path, { run: () => readWhole(path) }])), toy ? 2 : 9);
    for (const path of [delta, plain]) rmSync(path, { recursive: true });
    const [log, files] = timings as [(typeof timings)[number], (typeof timings)[number]];
    return [
      { what: 'Delta', unit: 'ms', measured: log.medianMs },
      { what: 'its files', unit: 'ms', measured: files.medianMs },
      // Of few rows the time is what opening takes.
      { what: 'Delta as a multiple of its files', unit: '×', measured: log.medianMs / files.medianMs, ...(!toy && { most: 1.05 }) },
    ];
  },
};

const readWhole = async (path: string): Promise<Table> => (await openTable(path)).read();

const sums = (table: Table): Promise<Table> => groupBy(table, table.schema.fields[0]!.name).agg({ amount: ['sum', 'count'], date: 'max' });
