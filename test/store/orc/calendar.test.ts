/** Dates and timestamps before 1582-10-15, in the calendar and by the clock that their file is in; the last second before 1970. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { prolepticBounds, prolepticDay, toProlepticTimes } from '../../../src/store/orc/calendar.ts';
import { encodeOrc } from '../../../src/store/orc/encode.ts';
import { calendarKind, type Footer, footerCodec, type PostScript, postScriptCodec, type StripeFooter, stripeFooterCodec } from '../../../src/store/orc/metadata.ts';
import { decodeMessage, encodeMessage } from '../../../src/store/orc/protobuf.ts';
import { batchFrom, type Cell, cellsOf, writable } from '../parquet/support.ts';
import { readOrc } from './support.ts';

const golden = join(dirname(fileURLToPath(import.meta.url)), '../../../../test/store/orc/golden');
const dayUs = 86_400_000_000n;
const dayOf = (year: number, month: number, day: number): number => new Date(0).setUTCFullYear(year, month - 1, day) / 86_400_000;

for (const zone of ['UTC', 'Los_Angeles']) {
  test(`what Spark writes in ${zone} has the dates that Spark shows, from the year 1 on, and so have ranges of them`, async () => {
    const bytes = new Uint8Array(readFileSync(join(golden, `old-${zone}.orc`)));
    const { batches, rows } = await readOrc(bytes);
    assert.equal(rows, 1_200);
    const first = dayOf(1, 1, 1);
    const times = Array.from({ length: rows }, (_, id) => BigInt(first + 2 + id * 577) * dayUs + BigInt((id % 24) * 3_600 + (id % 60) * 60 + (id % 7)) * 1_000_000n + 123_456n);
    const expected: Record<string, Cell[]> = {
      day: times.map((_, id) => (id % 9 === 8 ? null : first + id * 577)),
      local: times.map((us, id) => (id % 8 === 7 ? null : us)),
      at: times.map((us, id) => (id % 8 === 7 ? null : us)),
      turn: times.map((_, id) => -43_200_000_000_000n + 500_000_000n + BigInt(id) * 41_000_000_000n),
    };
    for (const [column, cells] of Object.entries(expected)) assert.deepEqual(cellsOf(batches, column), cells, column);
    const usOf = (column: string, id: number): bigint | undefined => {
      const cell = expected[column]![id];
      return cell === null ? undefined : column === 'day' ? BigInt(cell as number) * dayUs : (cell as bigint);
    };
    for (const column of ['day', 'local', 'at']) {
      for (const [from, to] of [[0, 1], [5, 900], [995, 1_005], [1_100, 1_199]] as const) {
        const range = { startUs: usOf(column, from)!, endUs: usOf(column, to)! };
        const found = await readOrc(bytes, { timeRange: { column, range } });
        const ids = new Set(cellsOf(found.batches, 'id'));
        for (let id = from; id < to; id++) assert.ok(usOf(column, id) === undefined || ids.has(BigInt(id)), `${column} ${from} to ${to}: ${id}`);
        assert.equal(found.rows < rows, to < 999 || from > 1_001, `${column} ${from} to ${to}`);
      }
    }
  });
}

/** A file of ours, uncompressed, with other words about itself. */
function withWords(bytes: Uint8Array, footerWords: Partial<Footer>, stripeWords: Partial<StripeFooter> = {}): Uint8Array {
  const end = bytes.length - 1 - bytes.at(-1)!;
  const postScript = decodeMessage(postScriptCodec, bytes.subarray(end, bytes.length - 1), 't', 'postscript');
  const footer = decodeMessage(footerCodec, bytes.subarray(end - postScript.footerLength!, end), 't', 'footer');
  const [stripe] = footer.stripes;
  const dataEnd = stripe!.offset! + stripe!.indexLength! + stripe!.dataLength!;
  const stripeFooter = encodeMessage(stripeFooterCodec, { ...decodeMessage(stripeFooterCodec, bytes.subarray(dataEnd, dataEnd + stripe!.footerLength!), 't', 'stripe'), ...stripeWords });
  const metadata = bytes.subarray(end - postScript.footerLength! - postScript.metadataLength!, end - postScript.footerLength!);
  const { calendar: _, writer: _w, ...said } = footer;
  const words = encodeMessage(footerCodec, { ...said, stripes: [{ ...stripe!, footerLength: stripeFooter.length }], ...footerWords });
  const closing = encodeMessage(postScriptCodec, { ...postScript, footerLength: words.length } satisfies PostScript);
  return Uint8Array.from([...bytes.subarray(0, dataEnd), ...stripeFooter, ...metadata, ...words, ...closing, closing.length]);
}

/** As stored: 1582-10-04 and the day before in the Julian calendar, 1582-10-15 in the Gregorian one. */
const stored = [-141_429, -141_428, -141_427];
const shownAsHybrid = [dayOf(1582, 10, 3), dayOf(1582, 10, 4), dayOf(1582, 10, 15)];

test('a file that does not say is hybrid where Java wrote it, and only there', async () => {
  const batch = batchFrom({ day: { type: writable.day!, cells: stored }, at: { type: writable.us!, cells: stored.map((day) => BigInt(day) * dayUs + 1n) }, zoned: { type: writable.usZone!, cells: stored.map((day) => BigInt(day) * dayUs + 1n) } });
  const bytes = encodeOrc(batch.schema, [batch], { compression: 'none' });
  const cases: readonly (readonly [Partial<Footer>, boolean])[] = [
    [{}, true], [{ writer: 0 }, true], [{ writer: 0, calendar: calendarKind.unknown }, true], [{ writer: 1 }, false], [{ writer: 4 }, false],
    [{ calendar: calendarKind.prolepticGregorian }, false], [{ writer: 1, calendar: calendarKind.julianGregorian }, true],
  ];
  for (const [words, isHybrid] of cases) {
    const { batches } = await readOrc(withWords(bytes, words));
    const days = isHybrid ? shownAsHybrid : stored;
    const told = JSON.stringify(words);
    assert.deepEqual(cellsOf(batches, 'day'), days, told);
    for (const column of ['at', 'zoned']) assert.deepEqual(cellsOf(batches, column), days.map((day) => BigInt(day) * dayUs + 1n), told);
  }
});

test('statistics of a hybrid file are read in its calendar', async () => {
  const batch = batchFrom({ day: { type: writable.day!, cells: stored.slice(0, 2) }, at: { type: writable.us!, cells: stored.slice(0, 2).map((day) => BigInt(day) * dayUs) } });
  const bytes = withWords(encodeOrc(batch.schema, [batch], { compression: 'none' }), {});
  const [first, last] = shownAsHybrid as [number, number, number];
  for (const column of ['day', 'at']) {
    const rowsOf = async (start: number, end: number): Promise<number> => (await readOrc(bytes, { timeRange: { column, range: { startUs: BigInt(start) * dayUs, endUs: BigInt(end) * dayUs } } })).rows;
    assert.equal(await rowsOf(first, first + 1), 2);
    assert.equal(await rowsOf(last, last + 1), 2);
    assert.equal(await rowsOf(first - 2, first - 1), 0);
    assert.equal(await rowsOf(last + 1, last + 2), 0, 'where they stand in the file');
  }
});

test('Java went by standard time before 1900, other writers by the sun; a second is rounded by UTC', async () => {
  const batch = batchFrom({ at: { type: writable.us!, cells: [-3_000_000_000_000_000n, 7_200_500_000n] } });
  const bytes = encodeOrc(batch.schema, [batch], { compression: 'none' });
  // Stored seconds count from 2015-01-01 of the writer's clock, which is eight hours later.
  for (const [writer, offset] of [[0, 28_800n], [1, 28_378n]] as const) {
    const { batches } = await readOrc(withWords(bytes, { writer, calendar: calendarKind.prolepticGregorian }, { writerTimezone: 'America/Los_Angeles' }));
    const [old, young] = cellsOf(batches, 'at') as bigint[];
    assert.equal(old, -3_000_000_000_000_000n + (28_800n - offset) * 1_000_000n);
    // 02:00:00.5 by the clock, 10:00:00.5 in UTC.
    assert.equal(young, 7_200_500_000n);
  }
});

test('days of the hybrid calendar keep their dates, one by one from the year 1600 back to 400 before the first', () => {
  // Walks back through the Julian calendar.
  const lengths = (year: number): number[] => [31, year % 4 === 0 ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
  assert.equal(prolepticDay(-141_427), dayOf(1582, 10, 15));
  let [year, month, date] = [1582, 10, 4];
  let before = dayOf(1582, 10, 15);
  for (let day = -141_428; year > -400; day--) {
    const shown = prolepticDay(day);
    if (shown !== dayOf(year, month, date)) assert.fail(`day ${day}: ${shown}, expected ${year}-${month}-${date}`);
    assert.ok(shown <= before);
    before = shown;
    date--;
    if (date > 0) continue;
    month--;
    if (month === 0) [year, month] = [year - 1, 12];
    date = lengths(year)[month - 1]!;
  }
});

test('29 February of a year that has none becomes 1 March; bounds hold it', () => {
  // 1500-02-29 and 1500-03-01 of the Julian calendar.
  const leapDay = -171_596;
  assert.deepEqual([leapDay - 1, leapDay, leapDay + 1].map(prolepticDay), [dayOf(1500, 2, 28), dayOf(1500, 3, 1), dayOf(1500, 3, 1)]);
  for (const perSecond of [1n, 1_000n, 1_000_000n]) {
    const perDay = 86_400n * perSecond;
    const times = BigInt64Array.of(BigInt(leapDay) * perDay + perDay / 2n, BigInt(leapDay + 1) * perDay, -141_427n * perDay, -141_427n * perDay - 1n, 0n);
    toProlepticTimes(times, perSecond);
    const march = BigInt(dayOf(1500, 3, 1)) * perDay;
    assert.deepEqual([...times], [march + perDay / 2n, march, -141_427n * perDay, BigInt(dayOf(1582, 10, 4) + 1) * perDay - 1n, 0n]);
  }
  const { firstUs, lastUs } = prolepticBounds(BigInt(leapDay) * dayUs + dayUs / 2n, BigInt(leapDay + 1) * dayUs);
  assert.deepEqual([firstUs, lastUs], [BigInt(dayOf(1500, 3, 1)) * dayUs, BigInt(dayOf(1500, 3, 1) + 1) * dayUs - 1n]);
  assert.deepEqual(prolepticBounds(-5n, 7n), { firstUs: -5n, lastUs: 7n });
});

test('ClickHouse writes the last second before 1970 as nanoseconds below zero', async () => {
  const { batches } = await readOrc(readFileSync(join(golden, 'clickhouse-before-1970.orc')));
  assert.deepEqual(cellsOf(batches, 'at'), [0n, -1n, -1_000_000n, -500_000_000n, -999_999_999n, -1_000_000_000n, -1_250_000_000n, -1_999_999_999n, 500_000_000n]);
});
