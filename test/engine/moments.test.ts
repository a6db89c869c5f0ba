/** Moments of labels: each entity's in order and each once, whose every label is, and what is freed when they are used up; against a plain sort. */
import assert from 'node:assert/strict';
import test, { after } from 'node:test';
import { Field, makeData } from '../../src/arrow/arrow.ts';
import { Aggregation } from '../../src/engine/aggregation.ts';
import { freeNow } from '../../src/engine/answer-memory.ts';
import { answerLabels } from '../../src/engine/as-of/answers.ts';
import { cellScale } from '../../src/engine/as-of/cells.ts';
import { planMoments } from '../../src/engine/as-of/moments.ts';
import type { GroupByPlan } from '../../src/engine/plan.ts';
import { createAggregations } from '../../src/engine/run.ts';
import { endIdleWorkers } from '../../src/engine/threads/pool.ts';
import { bindTime, layoutOf } from '../../src/engine/types.ts';
import { randomOf } from '../../bench/support/random.ts';
import { tableOf, types } from '../support/arrow.ts';
import { startThreads } from '../support/threads.ts';

after(endIdleWorkers);

interface Label {
  readonly key: bigint;
  /** Null: it is nobody's. */
  readonly at: bigint | null;
}

const back = 1_000n;

function plan(labels: readonly Label[], isOpen: boolean) {
  const column = (values: readonly bigint[], type: typeof types.int64 | typeof types.micros, isValid: (i: number) => boolean) => {
    const nullBitmap = new Uint8Array((values.length + 7) >> 3);
    for (let i = 0; i < values.length; i++) if (isValid(i)) nullBitmap[i >> 3]! |= 1 << (i & 7);
    return makeData({ type, length: values.length, nullCount: labels.filter((_, i) => !isValid(i)).length, nullBitmap, data: BigInt64Array.from(values) } as never);
  };
  const asked = {
    rows: labels.length,
    keys: [{ column: { name: 'key', type: types.int64, layout: layoutOf(types.int64) }, data: column(labels.map(({ key }) => key), types.int64, () => true) }],
    time: { column: bindTime(new Field('T', types.micros, true)), data: column(labels.map(({ at }) => at ?? 0n), types.micros, (i) => labels[i]!.at !== null) },
  };
  return planMoments(asked, [{ ...(!isOpen && { start: { backUs: back } }), end: { backUs: 0n } }], types.micros);
}

/** The points of each entity, ascending and each once. */
function pointsOf(labels: readonly Label[], isOpen: boolean): Map<bigint, bigint[]> {
  const sets = new Map<bigint, Set<bigint>>();
  for (const { key, at } of labels) {
    if (at === null) continue;
    const own = sets.get(key) ?? new Set();
    sets.set(key, own);
    own.add(at);
    if (!isOpen) own.add(at - back);
  }
  return new Map([...sets].map(([key, set]) => [key, [...set].sort((a, b) => (a < b ? -1 : 1))]));
}

/** Labels of entities with one moment, some, more than are ranked, and hundreds; of equal times as many as `times` makes likely. */
function labelsOf(count: number, times: number, seed: number): Label[] {
  const random = randomOf(seed);
  return Array.from({ length: count }, () => {
    const key = random() < 0.1 ? BigInt(Math.floor(random() * 3)) : BigInt(Math.floor(random() ** 2 * (count / 5)));
    return { key, at: random() < 0.02 ? null : BigInt(Math.floor(random() * times)) };
  });
}

test('the moments of two customers, and where the range of each label lies between them', () => {
  const labels = [{ key: 8n, at: 50n }, { key: 7n, at: 20n }, { key: 7n, at: 10n }, { key: 8n, at: null }, { key: 7n, at: 20n }];
  const { moments: { starts, at, entities }, spans: [spans], labelsWithNull, entities: count } = plan(labels, true);
  assert.deepEqual([entities, [...starts], [...at.points]], [{ kind: 'close', first: 7n }, [0, 2, 3], [10n, 20n, 50n]]);
  assert.deepEqual([[...spans!.first], [...spans!.end]], [[2, 0, 0, 0, 0], [3, 2, 1, 0, 2]]);
  assert.deepEqual([labelsWithNull, count], [1, 2]);
});

test('a plain sort agrees, in one part or in many, whatever moments are equal or share a cell', () => {
  for (const count of [0, 1, 300, 50_000]) {
    for (const times of [40, 5_000, 2 ** 44]) {
      for (const isOpen of [true, false]) {
        const labels = labelsOf(count, times, count + times);
        const { moments, spans: [spans], entities } = plan(labels, isOpen);
        const { starts, first, last, at: { points, cells } } = moments;
        const expected = pointsOf(labels, isOpen);
        const firstKey = moments.entities.kind === 'close' ? moments.entities.first : 0n;
        assert.equal(entities, expected.size);
        const found = Array.from({ length: starts.length - 1 }, (_, entity) => [firstKey + BigInt(entity), [...points.subarray(starts[entity]!, starts[entity + 1]!)]] as const);
        assert.deepEqual(new Map(found.filter(([, own]) => own.length > 0)), new Map([...expected].sort(([a], [b]) => (a < b ? -1 : 1))));
        const { shift, multiplier } = cellScale(first, last);
        for (const [i, point] of points.entries()) assert.equal(cells[i], Number((((point - first) >> shift) * multiplier) >> 32n) - 32_768);
        for (const [label, { key, at }] of labels.entries()) {
          if (at === null) {
            assert.equal(spans!.first[label], spans!.end[label]);
            continue;
          }
          const [start, own] = [starts[Number(key - firstKey)]!, expected.get(key)!];
          assert.equal(spans!.end[label], start + own.indexOf(at) + 1);
          assert.equal(spans!.first[label], isOpen ? start : start + own.indexOf(at - back) + 1);
        }
      }
    }
  }
});

test('labels in the order of their moments are answered some at a time, by one thread or several, and nobody’s have nothing', async () => {
  await startThreads(3);
  const random = randomOf(7);
  const events = Array.from({ length: 4_000 }, (_, i) => ({ key: BigInt(Math.floor(random() * 60)), at: BigInt(Math.floor(random() * 900)), amount: i }));
  const table = tableOf({
    key: { type: types.int64, values: events.map(({ key }) => key) }, at: { type: types.micros, values: events.map(({ at }) => at) }, amount: { type: types.double, values: events.map(({ amount }) => amount) },
  });
  const labels = Array.from({ length: 3_001 }, (): Label => ({ key: BigInt(Math.floor(random() * 70)), at: random() < 0.1 ? null : BigInt(Math.floor(random() * 500)) }));
  for (const aggregation of ['last', 'first'] as const) {
    const expected = labels.map(({ key, at }) => {
      const seen = events.filter((event) => event.key === key && at !== null && event.at < at);
      const near = seen.reduce((best, event) => (best === undefined || (aggregation === 'last' ? event.at >= best.at : event.at <= best.at) ? event : best), undefined as (typeof events)[number] | undefined);
      return near?.amount ?? null;
    });
    for (const threads of [1, 2, 3]) {
      const { moments, spans, range } = plan(labels, true);
      const outputs = [{ column: 'amount', aggregation, name: 'amount' }];
      const groupBy: GroupByPlan = { keys: ['key'], outputs, timestamp: 'at', range: range!, moments, isAnswered: true };
      const run = createAggregations([groupBy], table.schema, { threads, ...(threads > 1 && { rare: { stretchRows: 50 } }) });
      try {
        for (const batch of table.batches) await run.add(batch);
        const questions = [{ outputs, spans: spans[0]! }];
        const { columns, labelsKnown } = (await run.answerLabels(questions)) ?? (await answerLabels((await run.intoAggregations())[0]!, table.schema, 'at', questions, async () => undefined));
        const { data } = columns[0]![0]!;
        assert.deepEqual(labels.map((_, i) => (data.getValid(i) ? data.values[i] : null)), expected);
        assert.deepEqual([data.nullCount, labelsKnown], [expected.filter((cell) => cell === null).length, expected.filter((cell) => cell !== null).length]);
        // Bits beyond the end are zero.
        assert.equal(data.nullBitmap.at(-1)! >> (labels.length & 7), 0);
        for (const [i, cell] of expected.entries()) if (cell === null) assert.equal(data.values[i], 0);
      } finally {
        await run.close();
      }
    }
  }
});

test('an aggregation of its own places moments where it works', () => {
  const { moments, range } = plan([{ key: 1n, at: 10n }, { key: 1n, at: 20n }], true);
  const table = tableOf({ key: { type: types.int64, values: [1n, 1n, 2n] }, at: { type: types.micros, values: [5n, 15n, 15n] }, amount: { type: types.double, values: [1, 2, 4] } });
  const outputs = [{ column: 'amount', aggregation: 'sum', name: 'amount_sum' }] as const;
  const aggregation = Aggregation.create({ keys: ['key'], outputs, timestamp: 'at', range: range!, moments }, table.schema);
  try {
    for (const batch of table.batches) aggregation.add(batch);
    assert.deepEqual([...aggregation.finish().getChild('amount_sum')!], [1, 2]);
  } finally {
    aggregation.close();
  }
});

test('what is large and used up is freed at once; what is small, or shared, is left to the garbage collector', () => {
  const [large, small, shared] = [new ArrayBuffer(1 << 20), new ArrayBuffer(100), new SharedArrayBuffer(1 << 20)];
  freeNow([large, small, shared, large]);
  assert.deepEqual([large, small, shared].map(({ byteLength }) => byteLength), [0, 100, 1 << 20]);
});
