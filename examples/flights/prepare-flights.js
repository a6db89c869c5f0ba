/**
 * The raw data of the example: the flights of the npm package vega-datasets as a table of Parquet files, one commit per
 * month, as a data pipeline would deliver them. Files per month let a question about June leave the other months unread.
 */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { filterTimeRange, openTable, writeTable } from 'tauro-feature-store';

const monthCount = 6;

/** Makes the table, unless it is there. The folder takes its name when it is complete, so half of it is never read. */
export async function prepareFlights(folder) {
  if (existsSync(folder)) return { folder, isNew: false, elapsedMs: 0 };
  const started = performance.now();
  const packageFolder = dirname(dirname(createRequire(import.meta.url).resolve('vega-datasets')));
  const flights = await (await openTable(join(packageFolder, 'data/flights-3m.parquet'))).read();
  const unfinished = `${folder}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  for (let month = 0; month < monthCount; month++) {
    const rows = await filterTimeRange(flights, 'date', { startUs: monthStartUs(month), endUs: monthStartUs(month + 1) });
    await writeTable(unfinished, rows, { format: 'parquet', mode: 'append' });
  }
  renameSync(unfinished, folder);
  return { folder, isNew: true, elapsedMs: performance.now() - started };
}

function monthStartUs(month) {
  return BigInt(Date.UTC(2001, month)) * 1000n;
}
