/**
 * The raw data of the example: the flights of the npm package vega-datasets as a table of Parquet files, one commit per
 * month, as a data pipeline would deliver them. Files per month let a question about June leave the other months unread.
 */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { openTable, writeTable } from 'tauro-feature-store';

/** January to June, and the six flights that are stamped with the first instant of July. */
const monthCount = 7;

const flightCount = 3_000_000;

/** Makes the table, unless all of it is there. The folder takes its name when it is complete, so half of it is never read. */
export async function prepareFlights(folder) {
  if (existsSync(folder) && (await (await openTable(folder)).plan()).rowsTotal >= flightCount) return { folder, isNew: false, elapsedMs: 0 };
  const started = performance.now();
  const packageFolder = dirname(dirname(createRequire(import.meta.url).resolve('vega-datasets')));
  const flights = await (await openTable(join(packageFolder, 'data/flights-3m.parquet'))).read();
  const unfinished = `${folder}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  for (let month = 0; month < monthCount; month++) {
    const rows = flights.slice(firstRowAt(flights, Date.UTC(2001, month)), firstRowAt(flights, Date.UTC(2001, month + 1)));
    await writeTable(unfinished, rows, { format: 'parquet', mode: 'append' });
  }
  rmSync(folder, { recursive: true, force: true });
  renameSync(unfinished, folder);
  return { folder, isNew: true, elapsedMs: performance.now() - started };
}

/** The first flight at or after an instant. The flights are in order of time, so halving finds it. */
function firstRowAt(flights, instantMs) {
  const dates = flights.getChild('date');
  let [first, end] = [0, flights.numRows];
  while (first < end) {
    const middle = (first + end) >> 1;
    if (dates.get(middle) < instantMs) first = middle + 1;
    else end = middle;
  }
  return first;
}
