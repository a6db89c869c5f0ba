/**
 * Event time, instants, ranges and durations: plain values, UTC, microseconds as bigint. Nothing here reads a clock.
 *
 *   [start, end)   a range includes its start and not its end, so ranges that meet share no row
 */
import { ArgumentError } from './errors.ts';

/** A stretch of event time, `startUs` included and `endUs` not; a missing bound is open. */
export interface TimeRange {
  readonly startUs?: bigint;
  readonly endUs?: bigint;
}

export type TimeUnit = 's' | 'ms' | 'us' | 'ns';

/** An instant as callers may write it. A bare bigint has no unit and is not accepted. */
export type Instant = Date | string | { readonly value: bigint; readonly unit: TimeUnit };

export const dayUs = 86_400_000_000n;

const durationUnitsUs: Readonly<Record<string, bigint>> = {
  s: 1_000_000n,
  m: 60_000_000n,
  h: 3_600_000_000n,
  d: dayUs,
  w: 7n * dayUs,
};

/** The length of `15m`, `6h`, `30d` or `4w` in microseconds, more than zero. Lengths are fixed: `d` is 24 h. */
export function parseDuration(text: string, argument = 'duration'): bigint {
  const match = /^(\d{1,9})(s|m|h|d|w)$/.exec(text.trim());
  const lengthUs = match === null ? 0n : BigInt(match[1]!) * durationUnitsUs[match[2]!]!;
  if (lengthUs === 0n) {
    throw new ArgumentError(
      argument,
      `'${text}' is not a duration; write a whole number above zero and a unit: 30s, 15m, 6h, 30d or 4w`,
    );
  }
  return lengthUs;
}

/** The shortest way to write a length that `parseDuration` reads back; other lengths in microseconds. */
export function formatDuration(lengthUs: bigint): string {
  for (const unit of ['w', 'd', 'h', 'm', 's']) {
    const unitUs = durationUnitsUs[unit]!;
    if (lengthUs >= unitUs && lengthUs % unitUs === 0n && (unit !== 'w' || lengthUs % (4n * unitUs) === 0n)) {
      return `${lengthUs / unitUs}${unit}`;
    }
  }
  return `${lengthUs}us`;
}

const usPerUnit: Readonly<Record<Exclude<TimeUnit, 'ns'>, bigint>> = { s: 1_000_000n, ms: 1_000n, us: 1n };

/**
 * An instant in microseconds. Strings are ISO 8601; without a zone they are UTC, a date alone is its midnight. Up to six
 * digits of a second count, and finer ones must be zero.
 */
export function parseInstant(instant: Instant, argument = 'asOf'): bigint {
  if (instant instanceof Date) {
    const ms = instant.getTime();
    if (Number.isNaN(ms)) throw new ArgumentError(argument, 'the Date is invalid');
    return BigInt(ms) * 1_000n;
  }
  if (typeof instant === 'string') return parseIsoInstant(instant, argument);
  if (typeof instant === 'object' && instant !== null && typeof instant.value === 'bigint') {
    if (instant.unit === 'ns') {
      if (instant.value % 1_000n !== 0n) {
        throw new ArgumentError(argument, `${instant.value} ns is finer than a microsecond; round it first`);
      }
      return instant.value / 1_000n;
    }
    const factor = usPerUnit[instant.unit];
    if (factor !== undefined) return instant.value * factor;
  }
  throw new ArgumentError(argument, 'expected a Date, an ISO 8601 string, or { value: bigint, unit: s | ms | us | ns }');
}

function parseIsoInstant(text: string, argument: string): bigint {
  const match =
    /^(\d{4,6})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?\s*(Z|[+-]\d\d:?\d\d)?)?$/i.exec(text.trim());
  const wrong = (detail: string): ArgumentError =>
    new ArgumentError(argument, `'${text}' ${detail}; write 2001-07-01, 2001-07-01T08:30:00Z or 2001-07-01T08:30:00+02:00`);
  if (match === null) throw wrong('is not an instant');
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', zone = 'Z'] = match;
  const date = new Date(0);
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  if (date.getUTCMonth() !== Number(month) - 1 || date.getUTCDate() !== Number(day)) throw wrong('names a day that is not in the calendar');
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) throw wrong('names a time that is not on the clock');
  const digits = fraction.padEnd(9, '0');
  if (!digits.endsWith('000')) throw wrong('is finer than a microsecond');
  date.setUTCHours(Number(hour), Number(minute), Number(second));
  let offsetMinutes = 0;
  if (zone.toUpperCase() !== 'Z') {
    offsetMinutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(-2));
    if (zone.startsWith('-')) offsetMinutes = -offsetMinutes;
  }
  return BigInt(date.getTime()) * 1_000n + BigInt(digits.slice(0, 6)) - BigInt(offsetMinutes) * 60_000_000n;
}

/** `2001-06-30T23:54:00Z`, with as many digits of the second as there are. Beyond JavaScript's calendar, microseconds. */
export function formatInstant(instantUs: bigint): string {
  const ms = floorDivide(instantUs, 1_000n);
  const date = new Date(Number(ms));
  if (Number.isNaN(date.getTime())) return `${instantUs}us`;
  const us = instantUs - floorDivide(instantUs, 1_000_000n) * 1_000_000n;
  const fraction = us === 0n ? '' : `.${us.toString().padStart(6, '0').replace(/0+$/, '')}`;
  return `${date.toISOString().slice(0, -5)}${fraction}Z`;
}

/** `[2001-06-01T00:00:00Z, 2001-07-01T00:00:00Z)`; an open bound is written as -∞ or +∞. */
export function formatRange(range: TimeRange): string {
  const start = range.startUs === undefined ? '(-∞' : `[${formatInstant(range.startUs)}`;
  const end = range.endUs === undefined ? '+∞)' : `${formatInstant(range.endUs)})`;
  return `${start}, ${end}`;
}

/** What callers write for a stretch of time: a length that ends at `asOf`, or its two bounds. */
export type TimeRangeInput = string | { readonly start?: Instant; readonly end?: Instant };

/** The range that is asked for. `asOfUs` is the instant a length ends at. */
export function resolveTimeRange(input: TimeRangeInput, asOfUs: bigint, argument = 'timeRange'): TimeRange {
  if (typeof input === 'string') {
    return { startUs: asOfUs - parseDuration(input, argument), endUs: asOfUs };
  }
  if (typeof input !== 'object' || input === null) {
    throw new ArgumentError(argument, "expected a duration such as '30d', or { start, end }");
  }
  const startUs = input.start === undefined ? undefined : parseInstant(input.start, `${argument}.start`);
  const endUs = input.end === undefined ? undefined : parseInstant(input.end, `${argument}.end`);
  if (startUs !== undefined && endUs !== undefined && startUs > endUs) {
    throw new ArgumentError(argument, `starts at ${formatInstant(startUs)}, after its end ${formatInstant(endUs)}`);
  }
  return { ...(startUs !== undefined && { startUs }), ...(endUs !== undefined && { endUs }) };
}

/** ⌊a / b⌋ for b > 0, where bigint division would round towards zero. */
export function floorDivide(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return a % b < 0n ? quotient - 1n : quotient;
}

/** ⌈a / b⌉ for b > 0. */
export function ceilDivide(a: bigint, b: bigint): bigint {
  return -floorDivide(-a, b);
}
