/**
 * Delta against our own tables of Parquet with the same rows, read whole in turns: both check the checksums of pages that their logs vouch for.
 * The same files as a folder, of which nobody vouches for anything, are read without checks.
 */
import assert from 'node:assert/strict';
import { linkSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Table } from '../../src/arrow/arrow.ts';
import { tablesEqual } from '../../src/arrow/canonical.ts';
import { groupBy, openTable, writeTable } from '../../src/index.ts';
import { questions } from '../questions.ts';
import { arrowTable, makeDataset } from '../support/dataset.ts';
import { measure } from '../support/measure.ts';
import type { Fact } from '../support/result.ts';
import type { Law } from './law.ts';

export const deltaLaw: Law = {
  name: 'delta/reading',
  text: '10 M rows of Delta (an integer key, a double, a time), read whole; against a table of Parquet with the same rows',
  async measure({ toy, folder }) {
    const usual = questions.find(({ name }) => name === 'parquet/integer')!;
    const table = arrowTable(makeDataset(toy ? { ...usual, rows: 20_000, groups: 200 } : usual));
    const [delta, parquet, files] = ['delta', 'parquet', 'files'].map((name) => join(folder, name)) as [string, string, string];
    await writeTable(delta, table, { format: 'delta' });
    await writeTable(parquet, table, { format: 'parquet' });
    mkdirSync(files);
    for (const name of readdirSync(delta, { recursive: true }) as string[]) if (name.endsWith('.parquet')) linkSync(join(delta, name), join(files, name));
    const expected = await sums(table);
    for (const path of [delta, parquet, files]) assert.ok(tablesEqual(await sums(await readWhole(path)), expected), `the rows of ${path}`);
    const timings = await measure(new Map([delta, parquet, files].map((path) => [path, { run: () => readWhole(path) }])), toy ? 2 : 9);
    for (const path of [delta, parquet, files]) rmSync(path, { recursive: true });
    const [ours, own, plain] = timings.map(({ medianMs }) => medianMs) as [number, number, number];
    const ms = (what: string, measured: number): Fact => ({ what, unit: 'ms', measured });
    return [
      ms('Delta', ours), ms('a table of Parquet', own), ms('the files of Delta, unchecked', plain),
      // Of few rows the time is what opening takes.
      { what: 'Delta as a multiple of Parquet', unit: '×', measured: ours / own, ...(!toy && { most: 1.05 }) },
    ];
  },
};

const readWhole = async (path: string): Promise<Table> => (await openTable(path)).read();

const sums = (table: Table): Promise<Table> => groupBy(table, table.schema.fields[0]!.name).agg({ amount: ['sum', 'count'], date: 'max' });
