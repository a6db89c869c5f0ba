/** As-of in the engine: events into stretches between moments, and those into the ranges of labels, against a few lines that filter and look. */
import assert from 'node:assert/strict';
import test, { after } from 'node:test';
import fc from 'fast-check';
import { type DataType, Field, Schema, type Table } from '../../src/arrow/arrow.ts';
import { canonicalTable, tableOfColumns } from '../../src/arrow/canonical.ts';
import { Aggregation } from '../../src/engine/aggregation.ts';
import { answerLabels } from '../../src/engine/as-of/answers.ts';
import { type LabelRange, planMoments } from '../../src/engine/as-of/moments.ts';
import { type Agg, type GroupByPlan, outputsOf } from '../../src/engine/plan.ts';
import { createAggregations, type RunOptions } from '../../src/engine/run.ts';
import { endIdleWorkers } from '../../src/engine/threads/pool.ts';
import { residentTable } from '../../src/engine/threads/resident.ts';
import { bindTime, layoutOf } from '../../src/engine/types.ts';
import { randomOf } from '../../bench/support/random.ts';
import { batchesOf, type Cell, cellsOf, tableOf, types } from '../support/arrow.ts';
import { startThreads } from '../support/threads.ts';

after(endIdleWorkers);

interface Event {
  readonly key: Cell;
  readonly at: bigint | null;
  readonly amount: number | null;
}

interface Label {
  readonly key: Cell;
  readonly at: bigint | null;
}

interface Asked {
  readonly keyType: DataType;
  readonly events: readonly Event[];
  readonly labels: readonly Label[];
  readonly backUs: bigint | undefined;
}

const eventsTable = ({ keyType, events }: Asked, cuts: readonly number[]): Table =>
  batchesOf({
    key: { type: keyType, values: events.map(({ key }) => key) },
    at: { type: types.micros, values: events.map(({ at }) => at) },
    amount: { type: types.double, values: events.map(({ amount }) => amount) },
  }, cuts);

function planLabels({ keyType, labels, backUs }: Omit<Asked, 'events'>, ...otherBacks: readonly bigint[]) {
  const asking = tableOf({ key: { type: keyType, values: labels.map(({ key }) => key) }, T: { type: types.micros, values: labels.map(({ at }) => at) } });
  const [key, time] = canonicalTable(asking.schema, asking.batches).batches[0]!.data.children;
  const rows = {
    rows: labels.length,
    keys: [{ column: { name: 'key', type: keyType, layout: layoutOf(keyType) }, data: key! }],
    time: { column: bindTime(new Field('T', types.micros, true)), data: time! },
  };
  const range: LabelRange = { ...(backUs !== undefined && { start: { backUs } }), end: { backUs: 0n } };
  return planMoments(rows, [range, ...otherBacks.map((each): LabelRange => ({ start: { backUs: each }, end: { backUs: 0n } }))], types.micros);
}

/** The answers of labels, a list of cells for each aggregation. */
async function answers(asked: Asked, events: Table, aggregations: readonly Agg[], options: RunOptions, isAnswered = false): Promise<Cell[][]> {
  const { moments, spans, range: all } = planLabels(asked);
  const outputs = aggregations.map((aggregation) => ({ column: 'amount', aggregation, name: aggregation }));
  const plan: GroupByPlan = { keys: ['key'], outputs, timestamp: 'at', range: all ?? { startUs: 0n, endUs: 0n }, moments, isAnswered };
  const run = createAggregations([plan], events.schema, { ...options, table: events });
  try {
    for (const batch of events.batches) await run.add(batch);
    const questions = [{ outputs, spans: spans[0]! }];
    const { columns } = (await run.answerLabels(questions)) ?? (await answerLabels((await run.intoAggregations())[0]!, events.schema, 'at', questions, async () => undefined));
    return columns[0]!.map(({ data }) => cellsOf(tableOfColumns(new Schema([new Field('x', data.type, true)]), [data], data.length), 'x'));
  } finally {
    await run.close();
  }
}

function expected({ events, labels, backUs }: Asked, aggregation: Agg): Cell[] {
  return labels.map(({ key, at }) => {
    if (key === null || at === null) return null;
    const seen = events.filter((event) => event.key === key && event.at !== null && event.at < at && (backUs === undefined || event.at >= at - backUs));
    if (seen.length === 0) return null;
    const values = seen.filter(({ amount }) => amount !== null) as { readonly at: bigint; readonly amount: number }[];
    const amounts = values.map(({ amount }) => amount);
    if (aggregation === 'count') return BigInt(values.length);
    if (values.length === 0) return null;
    if (aggregation === 'sum') return amounts.reduce((a, b) => a + b, 0);
    if (aggregation === 'max') return Math.max(...amounts);
    const times = values.map((value) => value.at);
    const near = times.reduce((a, b) => ((aggregation === 'last' ? b > a : b < a) ? b : a));
    return Math.max(...values.filter((value) => value.at === near).map(({ amount }) => amount));
  });
}

/** Moments that lie close together, far apart, or all but a few at one place, so that events and points share their cells. */
const moments: readonly fc.Arbitrary<bigint>[] = [
  fc.bigInt(0n, 30n),
  fc.bigInt(0n, 1n << 45n),
  fc.oneof({ weight: 20, arbitrary: fc.bigInt(0n, 50n) }, { weight: 1, arbitrary: fc.constantFrom(-(1n << 61n), 1n << 61n) }),
];

const keys: readonly (readonly [DataType, fc.Arbitrary<Cell>])[] = [
  [types.int64, fc.bigInt(-2n, 3n)],
  [types.int64, fc.constantFrom(-(1n << 63n), -1n, 0n, (1n << 63n) - 1n, 1n << 40n)],
  [types.uint64, fc.constantFrom(0n, 1n, (1n << 64n) - 1n, (1n << 64n) - 2n)],
  [types.int16, fc.bigInt(0n, 4n)],
  [types.date, fc.bigInt(20_000n, 20_003n)],
  [types.bool, fc.boolean()],
  [types.utf8, fc.constantFrom('', 'a', 'an entity of a longer name', 'an entity of a longer nome')],
];

const askedOf = fc.tuple(fc.constantFrom(...keys), fc.constantFrom(...moments)).chain(([[keyType, key], at]) =>
  fc.record<Asked>({
    keyType: fc.constant(keyType),
    events: fc.array(fc.record<Event>({ key: fc.option(key, { freq: 15 }), at: fc.option(at, { freq: 15 }), amount: fc.option(fc.integer({ min: -5, max: 9 }), { freq: 6 }) }), { maxLength: 150 }),
    labels: fc.array(fc.record<Label>({ key: fc.option(key, { freq: 15 }), at: fc.option(at, { freq: 15 }) }), { maxLength: 120 }),
    backUs: fc.option(fc.constantFrom(1n, 5n, 20n, 1n << 40n)),
  }).map((asked) => ({ ...asked, backUs: asked.backUs ?? undefined })),
);

const optionsOf = fc.record({
  threads: fc.integer({ min: 1, max: 3 }),
  batchSize: fc.constantFrom(3, 64, 4_096),
  stretchRows: fc.option(fc.integer({ min: 1, max: 40 })),
  isResident: fc.boolean(),
  isAnswered: fc.boolean(),
  asideParts: fc.option(fc.integer({ min: 1, max: 9 })),
});

test('an oracle of a few lines agrees, for keys of every kind, wherever moments lie, on every road and any number of threads', async () => {
  await startThreads(3);
  const asked: readonly (readonly Agg[])[] = [['last'], ['first'], ['last', 'sum', 'count', 'max'], ['sum', 'max']];
  await fc.assert(
    fc.asyncProperty(askedOf, optionsOf, fc.constantFrom(...asked), fc.array(fc.nat(150), { maxLength: 3 }), async (question, options, aggregations, cuts) => {
      const { threads, batchSize, stretchRows, isResident, isAnswered, asideParts } = options;
      const rare = { ...(stretchRows !== null && { stretchRows }), ...(asideParts !== null && { asideParts }) };
      const table = eventsTable(question, cuts);
      const events = isResident ? await residentTable(table) : table;
      const found = await answers(question, events, aggregations, { threads, batchSize, rare }, isAnswered);
      for (const [i, aggregation] of aggregations.entries()) assert.deepEqual(found[i], expected(question, aggregation), aggregation);
    }),
    { numRuns: 400 },
  );
});

/** Few labels of many entities, and short ranges: most events lie in none. */
const sparseOf = fc.record({
  keyType: fc.constantFrom(types.int64, types.uint32, types.utf8),
  rows: fc.integer({ min: 1, max: 400 }),
  span: fc.constantFrom(40n, 256n, 1n << 20n, 1n << 40n),
  begin: fc.constantFrom(0n, 1_000n, -(1n << 50n)),
  labelsFrom: fc.constantFrom(0n, 3n),
  part: fc.constantFrom(20n, 64n, 300n),
  nulls: fc.boolean(),
  seed: fc.integer(),
}).map(({ keyType, rows, span, begin, labelsFrom, part, nulls, seed }): Asked => {
  const random = randomOf(seed);
  const below = (bound: bigint): bigint => BigInt(Math.floor(random() * Number(bound)));
  const key = (): Cell => (keyType === types.utf8 ? `entity ${below(9n)}` : below(9n));
  const events = Array.from({ length: rows }, (_, i): Event => ({ key: nulls && i % 50 === 7 ? null : key(), at: begin + below(span), amount: i }));
  // Labels of all the time, or of its last quarter and what comes then.
  const labels = Array.from({ length: 6 }, (): Label => ({ key: key(), at: begin + (labelsFrom * span) / 4n + below(span) }));
  return { keyType, events, labels, backUs: span / part + 1n };
});

test('few labels and short ranges: events are passed over by the part of time that they lie in', async () => {
  await startThreads(2);
  await fc.assert(fc.asyncProperty(sparseOf, optionsOf, async (asked, { threads, stretchRows, isResident, asideParts }) => {
    const rare = { ...(stretchRows !== null && { stretchRows }), ...(asideParts !== null && { asideParts }) };
    const table = eventsTable(asked, []);
    const events = isResident ? await residentTable(table) : table;
    const [counts, latest] = await answers(asked, events, ['count', 'last'], { threads, rare });
    assert.deepEqual(counts, expected(asked, 'count'));
    assert.deepEqual(latest, expected(asked, 'last'));
  }), { numRuns: 400 });
});

test('several ranges of labels are answered by several threads, some labels at a time, from what each of them has', async () => {
  await startThreads(3);
  const aggregations: readonly Agg[] = ['count', 'sum', 'max', 'mean'];
  const outputs = aggregations.map((aggregation) => ({ column: 'amount', aggregation, name: aggregation }));
  let sharedOut = 0;
  await fc.assert(fc.asyncProperty(sparseOf, fc.integer({ min: 1, max: 200 }), fc.boolean(), async (sparse, repeated, withoutAmount) => {
    const asked = {
      ...sparse,
      labels: Array.from({ length: repeated }, () => sparse.labels).flat().map(({ key, at }, i) => ({ key: i % 31 === 30 ? null : key, at: at! + BigInt(i % 3) })),
      events: sparse.events.map((event, i) => ({ ...event, amount: withoutAmount && i % 3 === 0 ? null : event.amount })),
    };
    const events = eventsTable(asked, []);
    const other = asked.backUs! * 3n;
    const { moments, spans, range } = planLabels(asked, other);
    const plan: GroupByPlan = { keys: ['key'], outputs, timestamp: 'at', range: range ?? { startUs: 0n, endUs: 0n }, moments, isAnswered: true };
    const run = createAggregations([plan], events.schema, { threads: 3, rare: { stretchRows: 30 } });
    try {
      for (const batch of events.batches) await run.add(batch);
      const questions = spans.map((each) => ({ outputs, spans: each }));
      const byAll = await run.answerLabels(questions);
      const { columns, labelsKnown } = byAll ?? (await answerLabels((await run.intoAggregations())[0]!, events.schema, 'at', questions, async () => undefined));
      const [narrow, wide] = columns.map((each) => each.map(({ data }) => cellsOf(tableOfColumns(new Schema([new Field('x', data.type, true)]), [data], data.length), 'x')));
      const isKnown = expected(asked, 'count').map((cell) => cell !== null);
      assert.equal(labelsKnown, isKnown.filter(Boolean).length);
      for (const [i, aggregation] of (['count', 'sum', 'max'] as const).entries()) {
        assert.deepEqual(narrow![i], expected(asked, aggregation));
        const inWide = expected({ ...asked, backUs: other }, aggregation);
        assert.deepEqual(wide![i], inWide.map((cell, label) => (isKnown[label] ? cell : null)));
      }
      sharedOut += byAll === undefined ? 0 : 1;
    } finally {
      await run.close();
    }
    const [latest] = await answers(asked, events, ['last'], { threads: 3, rare: { stretchRows: 30 } }, true);
    assert.deepEqual(latest, expected(asked, 'last'));
  }), { numRuns: 100 });
  assert.ok(sharedOut > 50, `labels were shared out ${sharedOut} times`);
});

test('many labels of one entity: wide ranges are merged by levels, narrow ones as they are', async () => {
  const events = Array.from({ length: 3_000 }, (_, i): Event => ({ key: BigInt(i % 3), at: BigInt((i * 7_919) % 3_001), amount: (i * 31) % 100 }));
  const labels = Array.from({ length: 2_000 }, (_, i): Label => ({ key: BigInt(i % 4), at: BigInt((i * 104_729) % 3_100) }));
  for (const backUs of [undefined, 2_000n, 30n, 1n]) {
    const question = { keyType: types.int64, events, labels, backUs };
    const aggregations: readonly Agg[] = ['sum', 'count', 'max', 'last', 'count_distinct'];
    const found = await answers(question, eventsTable(question, []), aggregations, { threads: 1 });
    for (const [i, aggregation] of aggregations.slice(0, 4).entries()) assert.deepEqual(found[i], expected(question, aggregation), `${aggregation}, ${backUs}`);
    assert.deepEqual(found[4]!.map((cell) => cell === null), found[1]!.map((cell) => cell === null));
  }
});

test('spans are merged wherever the memory grows', async () => {
  const events = Array.from({ length: 40 }, (_, i): Event => ({ key: 1n, at: BigInt(i * 1_000), amount: i }));
  const sums = events.map((_, i) => (i * (i + 1)) / 2);
  const open: { close(): Promise<void> }[] = [];
  try {
    // Each has a memory of its own, which grows at another step.
    for (let count = 17_000; count < 70_000; count = Math.round(count * 1.03)) {
      const labels = Array.from({ length: count }, (_, i): Label => ({ key: 1n, at: BigInt((i * 7_919) % 39_000) + 1n }));
      const asked = { keyType: types.int64, labels, backUs: undefined };
      const table = eventsTable({ ...asked, events }, []);
      const { moments, spans, range } = planLabels(asked);
      const outputs = outputsOf({ amount: 'sum' });
      const run = createAggregations([{ keys: ['key'], outputs, timestamp: 'at', range: range!, moments }], table.schema, { threads: 1 });
      open.push(run);
      for (const batch of table.batches) await run.add(batch);
      const { columns } = await answerLabels((await run.intoAggregations())[0]!, table.schema, 'at', [{ outputs, spans: spans[0]! }], async () => undefined);
      const found = columns[0]![0]!.data.values as Float64Array;
      for (const [i, { at }] of labels.entries()) assert.equal(found[i], sums[Math.floor(Number(at! - 1n) / 1_000)], `label ${i} of ${count}`);
    }
  } finally {
    for (const run of open) await run.close();
  }
});

test('looked-up values of several ranges: a label without any in the first is not known to the others', async () => {
  const at = [3n, 9n, 9n, 20n, 21n];
  for (const withNull of [false, true]) {
    for (const aggregation of ['first', 'last'] as const) {
      const events: Event[] = [...at.map((time, i): Event => ({ key: 1n, at: time, amount: i })), ...(withNull ? [{ key: 1n, at: 19n, amount: null }] : [])];
      const asked = { keyType: types.int64, labels: [5n, 10n, 19n, 20n, 22n, 40n].map((time): Label => ({ key: 1n, at: time })) };
      const table = eventsTable({ ...asked, events, backUs: undefined }, []);
      const [narrow, wide] = [5n, 15n];
      const { moments, spans, range } = planLabels({ ...asked, backUs: narrow }, wide);
      const outputs = [{ column: 'amount', aggregation, name: 'amount' }];
      const run = createAggregations([{ keys: ['key'], outputs, timestamp: 'at', range: range!, moments, isAnswered: true }], table.schema, { threads: 1 });
      for (const batch of table.batches) await run.add(batch);
      const questions = spans.map((each) => ({ outputs, spans: each }));
      const { columns, labelsKnown } = await answerLabels((await run.intoAggregations())[0]!, table.schema, 'at', questions, async () => undefined);
      await run.close();
      const found = columns.map(([column]) => cellsOf(tableOfColumns(new Schema([new Field('x', types.double, true)]), [column!.data], asked.labels.length), 'x'));
      // Before 19 there is nothing, and before 20 there may be a null: then the label is known, though not by a value.
      const isKnown = expected({ ...asked, events, backUs: narrow }, 'count').map((cell) => cell !== null);
      const inWide = expected({ ...asked, events, backUs: wide }, aggregation);
      assert.deepEqual(found, [expected({ ...asked, events, backUs: narrow }, aggregation), inWide.map((cell, i) => (isKnown[i] ? cell : null))]);
      assert.equal(labelsKnown, isKnown.filter(Boolean).length);
    }
  }
});

test('events with arrivals are located wherever the memory grows', async () => {
  const { moments, range } = planLabels({ keyType: types.int64, labels: [{ key: 0n, at: 5n }, { key: 0n, at: 12n }], backUs: undefined });
  const plan: GroupByPlan = { keys: ['key'], outputs: outputsOf({ amount: 'count' }), timestamp: 'at', range: range!, moments, arrival: { column: 'arrived' } };
  const open: Aggregation[] = [];
  try {
    // Each has a memory of its own, which grows at another step as the first batch does.
    for (let rows = 5_000; rows < 100_000; rows = Math.round(rows * 1.15)) {
      const at = Array.from({ length: rows }, (_, i) => BigInt(i % 10));
      const events = tableOf({
        key: { type: types.int64, values: at.map(() => 0n) },
        at: { type: types.micros, values: at },
        arrived: { type: types.micros, values: at.map((time, i) => time + BigInt(i % 3)) },
        amount: { type: types.double, values: at.map(() => 1) },
      });
      const aggregation = Aggregation.create(plan, events.schema, { batchSize: rows });
      open.push(aggregation);
      for (const batch of events.batches) aggregation.add(batch);
      const counts = cellsOf(aggregation.finish(), 'amount_count') as bigint[];
      assert.equal(counts.reduce((sum, count) => sum + count, 0n), BigInt(rows));
    }
  } finally {
    for (const aggregation of open) aggregation.close();
  }
});
