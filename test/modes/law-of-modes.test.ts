/**
 * The law of modes: whatever happens to a source and to what is stored, an answer is, bit for bit, that of all rows of the
 * version that it reports over the range that it reports. Materialized and hybrid reads are compared with a model: the rows of every
 * version there ever was, aggregated in one go.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import fc from 'fast-check';
import { dayUs } from '../../src/base/time.ts';
import { pickRows } from '../../src/arrow/rows.ts';
import type { Table } from '../../src/arrow/arrow.ts';
import type { Mode } from '../../src/config/definition.ts';
import { encodeOrc, encodeParquet, type FeatureAnswer, type FeatureOptions, FeatureStore, tablesEqual } from '../../src/index.ts';
import { answerFromSource } from '../../src/modes/compute.ts';
import { memoryTable } from '../../src/store/memory-table.ts';
import { projectFolder, type Transaction, transactionTable } from './support.ts';

const setText = `feature_sets:
  spend:
    entity_keys: customer_id
    source: transactions
    timestamp: date
    aggregations:
      amount: [sum, mean, count, min, max, std, first, last, count_distinct, approx_distinct]
      date: [min, max]
    tile: 1d
    windows: [2d, 36h]
  totals:
    entity_keys: customer_id
    source: transactions
    aggregations:
      amount: [sum, count]
`;
const sets = ['spend', 'totals'] as const;

/** What the world should be like: files with their rows, and the rows of every version that was ever read. */
interface Model {
  readonly files: Map<string, readonly Transaction[]>;
  readonly rowsOf: Map<string, readonly Transaction[]>;
  readonly isStored: Set<string>;
  nowUs: bigint;
  next: number;
}

/** The store under test, and the folder it works in. */
class World {
  store!: FeatureStore;

  constructor(
    readonly folder: string,
    readonly model: Model,
    readonly ending: string,
  ) {}

  async reopen(): Promise<void> {
    await this.store?.close();
    this.store = await FeatureStore.open(this.folder, { now: () => new Date(Number(this.model.nowUs / 1_000n)), threads: 1, backgroundMaterialization: false });
  }

  place(file: string): string {
    return join(this.folder, 'data/silver/transactions', file);
  }

  /** Notes the version that the source has now. */
  async note(): Promise<void> {
    const { sourceVersion } = await this.store.getFeatures('totals', { mode: 'virtualized' });
    this.model.rowsOf.set(sourceVersion, [...this.model.files].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, rows]) => rows));
  }
}

type Command = fc.AsyncCommand<Model, World>;

const hour = dayUs / 24n;
const instants = fc.integer({ min: 0, max: 12 * 24 * 2 }).map((half) => (BigInt(half) * hour) / 2n);
const transactionRows = fc.array(
  fc.record({
    customer: fc.option(fc.bigInt({ min: 0n, max: 5n }), { freq: 8 }),
    amount: fc.option(fc.oneof(fc.integer({ min: -9, max: 9 }).map((n) => n / 8), fc.constantFrom(1e300, -1e300, 1e-300, 0.1, -0)), { freq: 8 }),
    dateUs: fc.option(instants, { freq: 150 }),
  }),
  { maxLength: 25 },
);

const write = (file: string, rows: readonly Transaction[]): Command['run'] => async (model, world) => {
  model.files.set(file, rows);
  const table = transactionTable(rows);
  mkdirSync(join(world.place(file), '..'), { recursive: true });
  // A row group, or stripe, of few rows, so that pruning has something to do.
  writeFileSync(world.place(file), world.ending === 'orc' ? encodeOrc(table.schema, table.batches, { stripeRows: 7 }) : encodeParquet(table.schema, table.batches, { rowGroupRows: 7 }));
  await world.note();
};

const command = (name: string, run: Command['run'], check: (model: Readonly<Model>) => boolean = () => true): Command => ({ check, run, toString: () => name });

const append = transactionRows.map((rows) => command(`append ${rows.length} rows`, (model, world) => write(`f${String(model.next++).padStart(3, '0')}.${world.ending}`, rows)(model, world)));

const rewrite = fc.tuple(fc.nat(), transactionRows).map(([which, rows]) =>
  command('rewrite', (model, world) => write([...model.files.keys()][which % model.files.size]!, rows)(model, world), (model) => model.files.size > 0));

const remove = fc.nat().map((which) =>
  command('remove', async (model, world) => {
    const file = [...model.files.keys()][which % model.files.size]!;
    model.files.delete(file);
    rmSync(world.place(file));
    await world.note();
  }, (model) => model.files.size > 1));

const materialize = fc.record({ set: fc.constantFrom(...sets), asOfUs: fc.option(instants, { freq: 2 }), full: fc.boolean() }).map(({ set, asOfUs, full }) =>
  command(`materialize ${set}${full ? ' full' : ''}${asOfUs === null ? '' : ` as of ${asOfUs}`}`, async (model, world) => {
    const asOf = asOfUs === null || set === 'totals' ? {} : { asOf: { value: asOfUs, unit: 'us' as const } };
    const before = (await world.store.status(set))[0]!;
    const outcome = await world.store.materialize(set, { full: full && asOfUs === null, ...asOf });
    const again = await world.store.materialize(set, asOf);
    assert.equal(again.changed, false, again.reasons.join());
    assert.equal(again.version, outcome.version);
    if (!outcome.changed) assert.equal(before.state, 'fresh');
    model.isStored.add(set);
  }, (model) => model.files.size > 0));

const tidy = fc.constantFrom('compact', 'vacuum', 'reopen').chain((what) => fc.constantFrom(...sets).map((set) =>
  command(`${what} ${set}`, async (model, world) => {
    if (what === 'reopen') return world.reopen();
    if (!model.isStored.has(set)) return;
    if (what === 'compact') await world.store.compact(set);
    else await world.store.vacuum(set, { retentionMs: 0 });
  })));

const wait = fc.integer({ min: 1, max: 30 }).map((hours) => command(`wait ${hours} h`, async (model) => {
  model.nowUs += BigInt(hours) * hour;
}));

const read = fc.record({
  set: fc.constantFrom(...sets),
  mode: fc.constantFrom<Mode>('materialized', 'virtualized', 'hybrid', 'hybrid'),
  startUs: fc.option(instants), endUs: fc.option(instants), asOfUs: fc.option(instants), lengthDays: fc.option(fc.integer({ min: 1, max: 6 })),
  entities: fc.option(fc.array(fc.bigInt({ min: 0n, max: 7n }), { maxLength: 3 })),
  road: fc.nat(5),
  features: fc.option(fc.constantFrom(['amount_sum'], ['amount_mean_2d', 'amount_count'], ['amount_last_36h'], ['amount_approx_distinct', 'date_max'])),
}).map((asked) => command(`read ${asked.set} ${asked.mode}`, async (model, world) => {
  const options: FeatureOptions = {
    mode: asked.mode,
    ...(asked.entities !== null && { entities: asked.entities }),
    ...(asked.features !== null && asked.set === 'spend' && { features: asked.features }),
    ...(asked.set === 'spend' && timesOf(asked)),
  };
  if (asked.mode === 'materialized' && !model.isStored.has(asked.set)) return;
  // Of so few rows the source is the cheapest road; every road that is open is walked here.
  const roads = asked.mode === 'hybrid' ? (await world.store.explain(asked.set, options)).decision.roads!.filter(({ open }) => open) : [];
  const road = roads.length === 0 ? {} : { road: roads[asked.road % roads.length]!.road };
  const answer = await world.store.getFeatures(asked.set, { ...options, ...road }).catch((error: Error) => {
    // Stored rows cannot say everything; they must say so.
    if (asked.mode === 'materialized' && error.name === 'NotMaterializedError') return undefined;
    throw error;
  });
  if (answer === undefined) return;
  if (asked.mode !== 'materialized') {
    assert.equal(answer.stale, false);
    assert.deepEqual(model.rowsOf.get(answer.sourceVersion), [...model.files].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, rows]) => rows), 'as fresh as the source');
  }
  const expected = await expectedOf(world, asked.set, answer, asked.features ?? undefined, asked.entities ?? undefined);
  assert.ok(tablesEqual(answer.table, expected), `${JSON.stringify(answer.reasons)}\n${answer.table}\n${expected}`);
}, (model) => model.files.size > 0));

function timesOf({ startUs, endUs, asOfUs, lengthDays }: { startUs: bigint | null; endUs: bigint | null; asOfUs: bigint | null; lengthDays: number | null }): FeatureOptions {
  const at = (value: bigint) => ({ value, unit: 'us' as const });
  const asOf = asOfUs === null ? {} : { asOf: at(asOfUs) };
  if (lengthDays !== null) return { timeRange: `${lengthDays}d`, ...asOf };
  const start = startUs !== null && (endUs === null || startUs <= endUs) && (asOfUs === null || startUs <= asOfUs) ? { start: at(startUs) } : {};
  if (startUs === null && endUs === null) return asOf;
  return { timeRange: { ...start, ...(endUs !== null && { end: at(endUs) }) }, ...asOf };
}

/** All rows of the version, aggregated over the range, in one go. */
async function expectedOf(world: World, set: string, answer: FeatureAnswer, features: readonly string[] | undefined, entities: readonly bigint[] | undefined): Promise<Table> {
  const rows = world.model.rowsOf.get(answer.sourceVersion);
  assert.ok(rows !== undefined, 'a version that there was');
  const definition = world.store.definition(set);
  const snapshot = await memoryTable('model', transactionTable(rows)).snapshot();
  const windows = definition.windows.map(({ text, lengthUs }) => ({
    outputs: definition.outputs.map((output) => ({ ...output, name: `${output.name}_${text}` })),
    range: { startUs: answer.asOf - lengthUs, endUs: answer.asOf },
  }));
  const parts = [{ outputs: definition.outputs, range: answer.range }, ...windows];
  const all = parts.flatMap(({ outputs }) => outputs.map(({ name }) => name));
  const columns = set === 'spend' ? (features ?? all) : all;
  const { table } = await answerFromSource(snapshot, { definition, parts, columns, entities: undefined }, { threads: 1 });
  if (entities === undefined) return table;
  const keys = table.getChildAt(0)!;
  return pickRows(table, Int32Array.from(Array.from({ length: table.numRows }, (_, i) => i).filter((i) => entities.includes(keys.get(i) as bigint))));
}

async function holds(t: TestContext, storageFormat: string, ending: string, seconds: number): Promise<void> {
  const commands = fc.commands([append, append, rewrite, remove, materialize, materialize, tidy, wait, read, read, read, read], { maxCommands: 30, size: 'max' });
  await fc.assert(
    fc.asyncProperty(transactionRows, commands, async (first, plan) => {
      const folder = projectFolder(t, { 'config/global.yaml': `feature_store:\n  mode: hybrid\n  storage_format: ${storageFormat}\n`, 'config/feature_sets.yaml': setText });
      const model: Model = { files: new Map(), rowsOf: new Map(), isStored: new Set(), nowUs: 8n * dayUs, next: 0 };
      const world = new World(folder, model, ending);
      await world.reopen();
      await write(`f.${ending}`, first)(model, world);
      try {
        await fc.asyncModelRun(() => ({ model, real: world }), plan);
        // Nobody reads older versions, so nothing but the newest is left.
        for (const set of model.isStored) await world.store.vacuum(set, { retentionMs: 0 });
        assert.deepEqual(readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => /_(staged|superseded)\/./.test(path)), []);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    }),
    { numRuns: 10_000, interruptAfterTimeLimit: seconds * 1_000, markInterruptAsFailure: false, includeErrorInReport: true, ...replay },
  );
}

const replay = process.env.LAW_REPLAY === undefined ? {} : (JSON.parse(process.env.LAW_REPLAY) as { seed: number; path: string });
const seconds = Number(process.env.LAW_SECONDS ?? 8);
test('the law of modes holds, Parquet', (t) => holds(t, 'parquet', 'parquet', seconds));
test('the law of modes holds, Delta', (t) => holds(t, 'delta', 'parquet', seconds));
test('the law of modes holds, ORC', (t) => holds(t, 'orc', 'orc', seconds));
