import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { ceilDivide, dayUs, floorDivide, formatDuration, formatInstant, formatRange, type Instant, parseDuration, parseInstant, resolveTimeRange } from '../../src/base/time.ts';

test('a range of 30 days ends at the instant it is asked for', () => {
  const asOfUs = parseInstant('2001-07-01');
  const range = resolveTimeRange('30d', asOfUs);
  assert.deepEqual(range, { startUs: asOfUs - 30n * dayUs, endUs: asOfUs });
  assert.equal(formatRange(range), '[2001-06-01T00:00:00Z, 2001-07-01T00:00:00Z)');
});

test('durations have fixed lengths', () => {
  const lengths = { '1s': 1_000_000n, '15m': 900_000_000n, '6h': dayUs / 4n, '30d': 30n * dayUs, '4w': 28n * dayUs, ' 7d ': 7n * dayUs, '999999999w': 999_999_999n * 7n * dayUs };
  for (const [text, lengthUs] of Object.entries(lengths)) assert.equal(parseDuration(text), lengthUs, text);
  for (const text of ['', '0d', '30', 'd', '-1d', '1.5d', '30 parsecs', '1 d', '1D', '1d1h', '1y', '١d', '9999999999d', '1e3s']) {
    assert.throws(() => parseDuration(text, 'tile'), { tag: 'Argument', argument: 'tile', message: /not a duration.*30d/ }, text);
  }
});

test('law: what a duration is written as reads back as the same length', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 999_999_999 }), fc.constantFrom('s', 'm', 'h', 'd', 'w'), (count, unit) => {
      const lengthUs = parseDuration(`${count}${unit}`);
      const text = formatDuration(lengthUs);
      // Ten digits of days, from very many weeks, are no duration to read.
      if (/^\d{1,9}\D$/.test(text)) assert.equal(parseDuration(text), lengthUs);
      else assert.ok(count > 99_999_999);
    }),
  );
  assert.deepEqual(['4w', '28d', '24h', '90m', '120s', '7d'].map((text) => formatDuration(parseDuration(text))), ['4w', '4w', '1d', '90m', '2m', '7d']);
  assert.equal(formatDuration(1n), '1us');
});

test('instants: with zones, without, and in every unit', () => {
  const atUs = 993_976_200_000_000n; // 2001-07-01T08:30:00Z
  const same: readonly Instant[] = [
    '2001-07-01T08:30:00Z',
    '2001-07-01T08:30Z',
    '2001-07-01 08:30:00',
    '2001-07-01T10:30:00+02:00',
    '2001-07-01T10:30:00+0200',
    '2001-07-01T03:00:00-05:30',
    '2001-07-01T08:30:00.000000000z',
    ' 2001-07-01T08:30:00 Z ',
    new Date(Number(atUs / 1_000n)),
    { value: atUs / 1_000_000n, unit: 's' },
    { value: atUs / 1_000n, unit: 'ms' },
    { value: atUs, unit: 'us' },
    { value: atUs * 1_000n, unit: 'ns' },
  ];
  for (const instant of same) assert.equal(parseInstant(instant), atUs, String(instant));
  assert.equal(parseInstant('2001-07-01'), parseInstant('2001-07-01T00:00:00Z'));
  assert.equal(parseInstant('1969-12-31T23:59:59.999999Z'), -1n);
  assert.equal(parseInstant('0001-01-01'), -62_135_596_800_000_000n);
  assert.equal(parseInstant('2000-02-29'), 951_782_400_000_000n);
});

test('what is no instant is refused, in words', () => {
  const wrong: readonly (readonly [unknown, RegExp])[] = [
    ['yesterday', /not an instant/],
    ['2001-7-1', /not an instant/],
    ['2001-02-29', /not in the calendar/],
    ['2001-13-01', /not in the calendar/],
    ['2001-00-10', /not in the calendar/],
    ['2001-04-31T00:00:00Z', /not in the calendar/],
    ['2001-07-01T24:00:00Z', /not on the clock/],
    ['2001-07-01T23:60:00Z', /not on the clock/],
    ['2001-07-01T00:00:00.0000001Z', /finer than a microsecond/],
    [new Date(Number.NaN), /invalid/],
    [{ value: 1n, unit: 'ns' }, /finer than a microsecond/],
    [{ value: 1n, unit: 'h' }, /expected a Date/],
    [{ value: 1, unit: 's' }, /expected a Date/],
    [1n, /expected a Date/],
    [null, /expected a Date/],
  ];
  for (const [instant, says] of wrong) assert.throws(() => parseInstant(instant as Instant, 'asOf'), { tag: 'Argument', argument: 'asOf', message: says });
});

test('law: an instant reads back as it was written', () => {
  const limitUs = 8_640_000_000_000_000_000n;
  fc.assert(
    fc.property(fc.bigInt({ min: parseInstant('0001-01-01'), max: parseInstant('9999-12-31') }), (instantUs) => {
      assert.equal(parseInstant(formatInstant(instantUs)), instantUs);
    }),
  );
  fc.assert(
    fc.property(fc.date({ min: new Date('1000-01-01T00:00:00Z'), max: new Date('9999-12-31T00:00:00Z'), noInvalidDate: true }), (date) => {
      assert.equal(parseInstant(date.toISOString()), parseInstant(date));
    }),
  );
  assert.equal(formatInstant(1n), '1970-01-01T00:00:00.000001Z');
  assert.equal(formatInstant(-1n), '1969-12-31T23:59:59.999999Z');
  assert.equal(formatInstant(limitUs * 2n), `${limitUs * 2n}us`);
});

test('ranges: bounds may be open, must not cross, and may be empty', () => {
  assert.deepEqual(resolveTimeRange({}, 0n), {});
  assert.equal(formatRange({}), '(-∞, +∞)');
  assert.deepEqual(resolveTimeRange({ start: '1970-01-02' }, 0n), { startUs: dayUs });
  assert.deepEqual(resolveTimeRange({ end: '1970-01-02' }, 0n), { endUs: dayUs });
  assert.deepEqual(resolveTimeRange({ start: '1970-01-02', end: '1970-01-02' }, 0n), { startUs: dayUs, endUs: dayUs });
  assert.throws(() => resolveTimeRange({ start: '1970-01-03', end: '1970-01-02' }, 0n), { argument: 'timeRange', message: /after its end/ });
  assert.throws(() => resolveTimeRange({ end: 'soon' }, 0n), { argument: 'timeRange.end' });
  assert.throws(() => resolveTimeRange('30 parsecs', 0n), { argument: 'timeRange', message: /30 parsecs/ });
  for (const wrong of [null, undefined, 30, 30n]) assert.throws(() => resolveTimeRange(wrong as never, 0n), /expected a duration/);
});

test('laws of division: floor and ceiling enclose the quotient, on both sides of zero', () => {
  const dividend = fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n });
  fc.assert(
    fc.property(fc.oneof(dividend, fc.bigInt({ min: -5n, max: 5n })), fc.oneof(fc.bigInt({ min: 1n, max: 2n ** 50n }), fc.bigInt({ min: 1n, max: 3n })), (a, b) => {
      const [floor, ceiling] = [floorDivide(a, b), ceilDivide(a, b)];
      assert.ok(floor * b <= a && a < (floor + 1n) * b);
      assert.ok((ceiling - 1n) * b < a && a <= ceiling * b);
      assert.equal(ceiling - floor, a % b === 0n ? 0n : 1n);
    }),
  );
});
