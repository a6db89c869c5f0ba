/**
 * Hybrid is as fresh as virtualized and nearly as fast as materialized: ten million rows are stored, and then one percent
 * is new, of the last four days. The event times of the other files are all over the year, so that none of them can be left out. All
 * answers are compared bit for bit.
 */
import assert from 'node:assert/strict';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { dayUs } from '../../src/base/time.ts';
import { type FeatureOptions, FeatureStore, featureSet, tablesEqual } from '../../src/index.ts';
import type { Mode } from '../../src/config/definition.ts';
import { connect } from '../contenders/duckdb.ts';
import { firstDayUs } from '../support/dataset.ts';
import { measure, median } from '../support/measure.ts';
import type { Fact } from '../support/result.ts';
import type { Law } from './law.ts';

const days = 365n;
const lastDayUs = BigInt(firstDayUs) + days * dayUs;
const files = 10;
/** What is new has happened lately: one percent of the rows, one percent of the year. */
const newDays = 4n;

interface Stored {
  readonly store: FeatureStore;
  readonly folder: string;
  /** Adds a file of so many rows, whose events are all over the year, or in its last days. */
  append(rows: number, within?: bigint): Promise<void>;
}

async function storeOf(folder: string, name: string, rows: number, entities: number, tile: string): Promise<Stored> {
  const root = join(folder, name);
  const source = join(root, 'data/silver/events');
  mkdirSync(source, { recursive: true });
  const connection = await connect();
  let written = 0;
  const append = async (count: number, within = days): Promise<void> => {
    await connection.run(`COPY (SELECT
        (hash(i) % ${entities})::BIGINT AS entity,
        ((hash(i + 1000000000) % 50000)::DOUBLE - 10000) / 100 AS amount,
        make_timestamp(${lastDayUs - within * dayUs} + (hash(i + 2000000000) % ${(within * dayUs) / 1_000_000n})::BIGINT * 1000000) AS date
      FROM range(${written}, ${written + count}) AS numbers(i)) TO '${source}/part-${written}.parquet' (FORMAT parquet, COMPRESSION snappy)`);
    written += count;
  };
  for (let file = 0; file < files; file++) await append(rows / files);
  const store = await FeatureStore.open({ feature_store: { mode: 'hybrid' } }, { folder: root, threads: 2, backgroundMaterialization: false, now: () => new Date(Number(lastDayUs / 1_000n)) });
  store.define(featureSet({ name: 'spend', entityKeys: 'entity', source: 'events', timestamp: 'date', tile, aggregations: { amount: ['sum', 'mean', 'count'], date: 'max' } }));
  return { store, folder: root, append };
}

async function timesOf({ store }: Stored, options: FeatureOptions, modes: readonly Mode[], rounds: number): Promise<Record<Mode, number>> {
  const ask = (mode: Mode) => store.getFeatures('spend', { ...options, mode });
  const answers = await Promise.all(modes.map(ask));
  for (const { table } of answers.slice(1)) assert.ok(tablesEqual(table, answers[0]!.table), 'the same bits');
  const timings = await measure(new Map(modes.map((mode) => [mode, { run: () => ask(mode) }])), rounds);
  return Object.fromEntries(timings.map(({ name, medianMs }) => [name, medianMs])) as Record<Mode, number>;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

const allTime: FeatureOptions = {};
// As of an instant within a day: both ends of the range cut a tile.
const lastDays: FeatureOptions = { timeRange: '30d', asOf: { value: lastDayUs - dayUs / 3n, unit: 'us' } };
const wholeDays: FeatureOptions = { timeRange: '30d', asOf: { value: lastDayUs, unit: 'us' } };

export const hybridLaw: Law = {
  name: 'modes/hybrid',
  text: '10 M rows of 1 k entities stored by days, and then 1 % new rows',
  async measure({ toy, folder }) {
    const rows = toy ? 50_000 : 10_000_000;
    const rounds = toy ? 2 : 7;
    const stored = await storeOf(folder, 'modes_hybrid', rows, 1_000, '1d');
    const { store } = stored;
    const fulls: number[] = [];
    for (let round = 0; round < (toy ? 1 : 3); round++) fulls.push(await timed(() => store.materialize('spend', { full: true })));
    const fullMs = median(fulls);
    const facts: Fact[] = [];
    // What few rows take is what a call takes.
    const most = (limit: number) => (toy ? {} : { most: limit });
    for (const [what, options] of [['all time', allTime], ['last 30 days, whole tiles', wholeDays]] as const) {
      const { hybrid, materialized } = await timesOf(stored, options, ['hybrid', 'materialized'], toy ? 2 : 200);
      facts.push({ what: `nothing new, ${what}: materialized`, unit: 'ms', measured: materialized });
      facts.push({ what: `nothing new, ${what}: hybrid as a part of materialized`, unit: '×', measured: hybrid / materialized, ...most(1.2) });
    }
    await stored.append(rows / 100, newDays);
    for (const [what, options] of [['all time', allTime], ['last 30 days', lastDays]] as const) {
      const { hybrid, virtualized } = await timesOf(stored, options, ['virtualized', 'hybrid'], rounds);
      facts.push({ what: `1 % new, ${what}: virtualized`, unit: 'ms', measured: virtualized });
      facts.push({ what: `1 % new, ${what}: hybrid as a part of virtualized`, unit: '×', measured: hybrid / virtualized, ...most(0.1) });
    }
    const [adds, rewrites]: [number[], number[]] = [[], []];
    for (let round = 0; round < (toy ? 1 : 5); round++) {
      if (round > 0) await stored.append(rows / 100, newDays);
      const started = performance.now();
      let tilesWritten = started;
      const { reasons } = await store.materialize('spend', {
        onProgress({ phase }) {
          if (phase === 'writing tiles') tilesWritten = performance.now();
        },
      });
      assert.match(reasons.join(), /1 new file is added/);
      adds.push(tilesWritten - started);
      rewrites.push(performance.now() - tilesWritten);
    }
    const { table } = await store.getFeatures('spend', { mode: 'materialized' });
    assert.ok(tablesEqual(table, (await store.getFeatures('spend', { mode: 'virtualized' })).table), 'the same bits');
    facts.push({ what: 'materializing everything', unit: 'ms', measured: fullMs });
    facts.push({ what: 'materializing 1 % new rows, up to the tiles, as a part of it', unit: '×', measured: median(adds) / fullMs, ...most(0.05) });
    facts.push({ what: 'rewriting the features, and the commits', unit: 'ms', measured: median(rewrites) });
    await store.close();
    rmSync(stored.folder, { recursive: true });
    return facts;
  },
};

export const lookupLaw: Law = {
  name: 'modes/lookup',
  text: 'reading entities by key, of 100 k that are stored',
  async measure({ toy, folder }) {
    const entities = toy ? 1_000 : 100_000;
    const stored = await storeOf(folder, 'modes_lookup', toy ? 20_000 : 2_000_000, entities, '30d');
    const { store } = stored;
    await store.materialize('spend');
    const facts: Fact[] = [];
    const all = (await store.getFeatures('spend', { mode: 'virtualized' })).table;
    for (const mode of ['materialized', 'hybrid'] as const) {
      for (const count of [1, 1_000]) {
        const times: number[] = [];
        // The first reads find row groups, and compile; then columns are in memory.
        const warmUps = toy ? 2 : 300;
        for (let round = -warmUps; round < (toy ? 5 : 300); round++) {
          const asked = Array.from({ length: count }, (_, i) => BigInt(((round + warmUps) * 7_919 + i * 101) % entities));
          const start = performance.now();
          const { table } = await store.getFeatures('spend', { mode, entities: asked });
          if (round >= 0) times.push(performance.now() - start);
          if (count === 1) assert.equal(table.getChild('amount_sum')!.get(0), all.getChild('amount_sum')!.get(Number(asked[0])));
        }
        facts.push({ what: `${mode}, ${count} of ${entities}, warm`, unit: 'ms', measured: median(times), ...(!toy && { most: count === 1 ? 1 : 5 }) });
      }
    }
    await store.close();
    rmSync(stored.folder, { recursive: true });
    return facts;
  },
};
