/** What work costs is learned from what it has cost, whatever pauses there were. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { defaultThroughputs, expectedMs, learned, type Rates, rateText, type Throughputs, type Work, workKinds } from '../../src/modes/throughput.ts';
import { randomOf } from './support.ts';

const source = (rows: number): Work => ({ kind: 'source', rows, bytes: rows * 12, files: Math.ceil(rows / 500_000) });

/** What a machine would take, that nobody told the estimate of. */
const machine: Rates = { readNs: 4e6, fileNs: 1e6, rowNs: 150, byteNs: 2, observations: 0 };
const truthMs = (work: Work): number =>
  (machine.readNs + work.files * machine.fileNs + work.rows * machine.rowNs + work.bytes * machine.byteNs) / 1e6;

test('after some reads, small and large ones cost what was expected', () => {
  const random = randomOf(7);
  let throughputs: Throughputs = defaultThroughputs;
  for (let i = 0; i < 200; i++) {
    const work = source(Math.ceil(10 ** (random() * 6 + 1)));
    // One read in ten meets a pause, up to a hundred times as long as it.
    const pause = random() < 0.1 ? 1 + random() * 99 : 1;
    throughputs = learned(throughputs, [work], truthMs(work) * (0.9 + random() * 0.2) * pause);
  }
  for (const rows of [10, 1_000, 100_000, 10_000_000]) {
    const ratio = expectedMs([source(rows)], throughputs) / truthMs(source(rows));
    assert.ok(ratio > 0.6 && ratio < 1.6, `${rows} rows: ${ratio.toFixed(2)} times the truth`);
  }
  assert.equal(throughputs.source.observations, 200);
});

test('the first measurement already counts for more than the default', () => {
  const work = source(1_000_000);
  const observed = 10 * expectedMs([work], defaultThroughputs);
  const first = learned(defaultThroughputs, [work], observed);
  const ratio = expectedMs([work], first) / expectedMs([work], defaultThroughputs);
  assert.ok(ratio > 2.5 && ratio < 5, `half of the way: ${ratio}`);
  let later = first;
  for (let i = 0; i < 20; i++) later = learned(later, [work], observed);
  assert.ok(Math.abs(Math.log(expectedMs([work], later) / observed)) < 0.1);
});

test('work of two kinds teaches mostly the one that took the time', () => {
  const work: Work[] = [{ kind: 'tiles', rows: 100, bytes: 1_000, files: 1 }, source(5_000_000)];
  const after = learned(defaultThroughputs, work, 3 * expectedMs(work, defaultThroughputs));
  const growth = (part: Work): number => expectedMs([part], after) / expectedMs([part], defaultThroughputs);
  assert.ok(growth(work[1]!) > 1.6 && growth(work[0]!) < 1.1);
});

test('work that was never done is taken to be as slow as the rest of the machine, until it is done', () => {
  const tiles: Work = { kind: 'tiles', rows: 1_000_000, bytes: 40_000_000, files: 2 };
  const growth = (throughputs: Throughputs): number => expectedMs([tiles], throughputs) / expectedMs([tiles], defaultThroughputs);
  const slow = learned(defaultThroughputs, [source(1_000_000)], 5 * expectedMs([source(1_000_000)], defaultThroughputs));
  assert.ok(Math.abs(growth(slow) - Math.sqrt(5)) < 0.01);
  const seen = learned(slow, [tiles], expectedMs([tiles], slow));
  const later = learned(seen, [source(1_000_000)], 50 * expectedMs([source(1_000_000)], seen));
  assert.deepEqual(later.tiles, seen.tiles);
});

test('what was thought too dear for once is thought better of, so that it is tried again', () => {
  const tiles: Work = { kind: 'tiles', rows: 10_000, bytes: 400_000, files: 1 };
  const work = source(500_000);
  let throughputs = learned(defaultThroughputs, [tiles], 10_000);
  const dear = expectedMs([tiles], throughputs);
  let reads = 0;
  for (; expectedMs([tiles], throughputs) > dear / 2; reads++) throughputs = learned(throughputs, [work], expectedMs([work], defaultThroughputs));
  assert.ok(reads > 5 && reads < 200, `${reads}`);
  for (let i = 0; i < 10_000; i++) throughputs = learned(throughputs, [work], expectedMs([work], defaultThroughputs));
  assert.ok(expectedMs([tiles], throughputs) > 0.9 * expectedMs([tiles], defaultThroughputs), 'but no better than by default');
});

test('one pause of a minute does no lasting harm', () => {
  const work = source(100_000);
  let throughputs: Throughputs = defaultThroughputs;
  for (let i = 0; i < 20; i++) throughputs = learned(throughputs, [work], 20);
  const before = expectedMs([work], throughputs);
  assert.ok(expectedMs([work], learned(throughputs, [work], 60_000)) < before * 1.3);
});

test('rates stay finite and positive, whatever is observed', () => {
  const size = fc.oneof(fc.nat(), fc.constantFrom(0, 1e15, Number.MAX_SAFE_INTEGER));
  const work = fc.record({ kind: fc.constantFrom(...workKinds), rows: size, bytes: size, files: size });
  const elapsed = fc.oneof(fc.double({ min: 0, max: 1e9 }), fc.constantFrom(0, -1, Number.NaN, Infinity, 1e-300));
  fc.assert(fc.property(fc.array(fc.tuple(fc.array(work, { maxLength: 3 }), elapsed), { maxLength: 60 }), (observations) => {
    const end = observations.reduce((throughputs, [parts, ms]) => learned(throughputs, parts, ms), defaultThroughputs);
    for (const { readNs, fileNs, rowNs, byteNs } of Object.values(end)) {
      for (const rate of [readNs, fileNs, rowNs, byteNs]) assert.ok(rate > 0 && Number.isFinite(rate));
    }
  }));
});

test('a rate in words', () => {
  assert.equal(rateText(defaultThroughputs.source), '2.0e7 rows/s, 2.0e9 bytes/s, not measured yet');
});
