/**
 * The raw data of the example: the flights of the npm package vega-datasets, one Parquet file per month, as a data
 * pipeline would deliver them. Files per month let a question about June leave the other months unread.
 */
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { encodeParquet, filterTimeRange, openTable } from 'tauro-feature-store';

const months = ['2001-01', '2001-02', '2001-03', '2001-04', '2001-05', '2001-06'];

/** Makes the files, unless they are there. A folder takes its name when it is complete, so half of it is never read. */
export async function prepareFlights(folder) {
  if (existsSync(folder)) return { folder, isNew: false, elapsedMs: 0 };
  const started = performance.now();
  const packageFolder = dirname(dirname(createRequire(import.meta.url).resolve('vega-datasets')));
  const flights = await (await openTable(join(packageFolder, 'data/flights-3m.parquet'))).read();
  const unfinished = `${folder}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true });
  for (const [index, month] of months.entries()) {
    const range = { startUs: monthStartUs(index), endUs: monthStartUs(index + 1) };
    const rows = await filterTimeRange(flights, 'date', range);
    writeFileSync(join(unfinished, `${month}.parquet`), await encodeParquet(rows));
  }
  renameSync(unfinished, folder);
  return { folder, isNew: true, elapsedMs: performance.now() - started };
}

function monthStartUs(index) {
  return BigInt(Date.UTC(2001, index)) * 1000n;
}
