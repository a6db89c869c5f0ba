/**
 * What is known of the values of a row group, a stripe or a file, and how ORC says it.
 *
 * Law: merging the parts gives what the whole would have given; a bound may be missing, never too narrow. Integers are
 * exact, and a sum that does not fit 64 bits is left out. NaN voids the bounds of its column, since readers do not agree
 * where it sorts.
 */
import { floorDivide } from '../../base/time.ts';
import type { ColumnStatistics } from './metadata.ts';

/** The part of the statistics that a column has, and what is needed to say it. */
export type StatisticsKind =
  | { readonly kind: 'integers' | 'doubles' | 'strings' | 'booleans' | 'dates' | 'binaries' | 'rows' }
  | { readonly kind: 'decimals'; readonly scale: number }
  | { readonly kind: 'timestamps'; readonly perSecond: bigint };

/** Text is its UTF-8 bytes. */
export type Bound = bigint | number | Uint8Array;

export interface Summary {
  readonly count: number;
  readonly hasNull: boolean;
  /** Inclusive. Without values, and of kinds that have no order, undefined. */
  readonly least?: Bound | undefined;
  readonly greatest?: Bound | undefined;
  /** Of numbers; of the lengths of text and bytes; of booleans how many are true. */
  readonly sum?: bigint | number | undefined;
}

export function mergeSummaries(parts: readonly Summary[]): Summary {
  const sums = parts.map(({ sum }) => sum).filter((sum) => sum !== undefined);
  const sum = sums.length === 0 ? undefined : sums.reduce((total, each) => (total as number) + (each as number));
  const isOrdered = !Number.isNaN(sum);
  const bounds = (name: 'least' | 'greatest'): Bound[] => (isOrdered ? parts.map((part) => part[name]).filter((bound) => bound !== undefined) : []);
  return {
    count: parts.reduce((total, { count }) => total + count, 0),
    hasNull: parts.some(({ hasNull }) => hasNull),
    least: bounds('least').reduce<Bound | undefined>((best, bound) => (best === undefined || isLess(bound, best) ? bound : best), undefined),
    greatest: bounds('greatest').reduce<Bound | undefined>((best, bound) => (best === undefined || isLess(best, bound) ? bound : best), undefined),
    sum,
  };
}

function isLess(a: Bound, b: Bound): boolean {
  if (a instanceof Uint8Array || b instanceof Uint8Array) return Buffer.compare(a as Uint8Array, b as Uint8Array) < 0;
  return a < b;
}

export function statisticsMessage(kind: StatisticsKind, summary: Summary): ColumnStatistics {
  return { numberOfValues: summary.count, hasNull: summary.hasNull, ...(summary.count > 0 && valuesMessage(kind, summary)) };
}

function valuesMessage(kind: StatisticsKind, { least, greatest, sum }: Summary): ColumnStatistics {
  switch (kind.kind) {
    case 'rows':
      return {};
    case 'integers':
      return { integers: { minimum: least as bigint, maximum: greatest as bigint, sum: fits64(sum as bigint) ? (sum as bigint) : undefined } };
    case 'doubles':
      return { doubles: { minimum: least as number | undefined, maximum: greatest as number | undefined, sum: sum as number } };
    case 'strings':
      return { strings: { ...textBounds(least as Uint8Array, greatest as Uint8Array), sum: sum as bigint } };
    case 'booleans':
      return { buckets: { count: [Number(sum)] } };
    case 'dates':
      return { dates: { minimum: Number(least), maximum: Number(greatest) } };
    case 'binaries':
      return { binaries: { sum: sum as bigint } };
    case 'decimals':
      return { decimals: decimalBounds(least as bigint, greatest as bigint, sum as bigint, kind.scale) };
    case 'timestamps':
      return { timestamps: timestampBounds(least as bigint, greatest as bigint, kind.perSecond) };
  }
}

function fits64(value: bigint): boolean {
  return BigInt.asIntN(64, value) === value;
}

/** Readers hold bounds in memory for every row group. */
const textBytesMax = 1_024;
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function textBounds(least: Uint8Array, greatest: Uint8Array): NonNullable<ColumnStatistics['strings']> {
  try {
    const [minimum, maximum] = [decoder.decode(least), decoder.decode(greatest)];
    return {
      ...(least.length <= textBytesMax ? { minimum } : { lowerBound: textStart(minimum).join('') }),
      ...(greatest.length <= textBytesMax ? { maximum } : { upperBound: textAbove(maximum) }),
    };
  } catch {
    // What is no UTF-8 cannot be said as text.
    return {};
  }
}

/** As many code points from the start as fit. */
function textStart(text: string): string[] {
  const start: string[] = [];
  let bytes = 0;
  for (const point of text) {
    bytes += Buffer.byteLength(point);
    if (bytes > textBytesMax) break;
    start.push(point);
  }
  return start;
}

/** A short text that sorts behind the long one: its start, with the last code point that can be raised raised. */
function textAbove(text: string): string | undefined {
  const start = textStart(text);
  for (let last = start.length - 1; last >= 0; last--) {
    const point = start[last]!.codePointAt(0)!;
    // Surrogates are no code points of text.
    const next = point === 0xd7ff ? 0xe000 : point + 1;
    if (next <= 0x10_ffff) return start.slice(0, last).join('') + String.fromCodePoint(next);
  }
  return undefined;
}

const decimalMax = 10n ** 38n;

function decimalBounds(least: bigint, greatest: bigint, sum: bigint, scale: number): NonNullable<ColumnStatistics['decimals']> {
  const isSumWritable = sum < decimalMax && sum > -decimalMax;
  return { minimum: decimalText(least, scale), maximum: decimalText(greatest, scale), sum: isSumWritable ? decimalText(sum, scale) : undefined };
}

function decimalText(value: bigint, scale: number): string {
  const digits = (value < 0n ? -value : value).toString().padStart(scale + 1, '0');
  const whole = digits.slice(0, digits.length - scale);
  return `${value < 0n ? '-' : ''}${whole}${scale === 0 ? '' : `.${digits.slice(-scale)}`}`;
}

/** Milliseconds, and the nanoseconds beyond them plus one; they are left out where they are what is assumed without them. */
function timestampBounds(least: bigint, greatest: bigint, perSecond: bigint): NonNullable<ColumnStatistics['timestamps']> {
  const [minimum, minimumNanos] = millisAndNanos(least, perSecond);
  const [maximum, maximumNanos] = millisAndNanos(greatest, perSecond);
  return {
    minimum, maximum, minimumUtc: minimum, maximumUtc: maximum,
    ...(minimumNanos !== 0 && { minimumNanos: minimumNanos + 1 }),
    ...(maximumNanos !== 999_999 && { maximumNanos: maximumNanos + 1 }),
  };
}

function millisAndNanos(value: bigint, perSecond: bigint): readonly [bigint, number] {
  if (perSecond <= 1_000n) return [value * (1_000n / perSecond), 0];
  const perMilli = perSecond / 1_000n;
  const millis = floorDivide(value, perMilli);
  return [millis, Number((value - millis * perMilli) * (1_000_000n / perMilli))];
}
