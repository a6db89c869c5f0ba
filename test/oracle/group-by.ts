/** Group-by, slow and obvious, over rows of plain values. */
import type { Agg } from '../../src/engine/plan.ts';
import type { Cell } from '../support/arrow.ts';
import { nearestDouble, nearestRoot, numeratorOf, sumOf } from './exact.ts';

export type Row = Readonly<Record<string, Cell>>;

export interface Question {
  readonly keys: readonly string[];
  readonly outputs: readonly { readonly column: string; readonly aggregation: Agg; readonly name: string }[];
  readonly timestamp?: string;
  readonly tieBreaker?: string;
  /** Of decimal columns: the places after the point. */
  readonly scales?: Readonly<Record<string, number>>;
}

/** One row per group, ascending by key; rows with a null key are in no group. */
export function groupByOracle(rows: readonly Row[], { keys, outputs, timestamp, tieBreaker, scales }: Question): Row[] {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    if (keys.some((key) => row[key] === null)) continue;
    const name = JSON.stringify(keys.map((key) => `${typeof row[key]} ${String(row[key])}`));
    groups.set(name, [...(groups.get(name) ?? []), row]);
  }
  const sorted = [...groups.values()].sort((a, b) => {
    for (const key of keys) {
      const order = compareCells(a[0]![key]!, b[0]![key]!);
      if (order !== 0) return order;
    }
    return 0;
  });
  return sorted.map((members) => ({
    ...Object.fromEntries(keys.map((key) => [key, members[0]![key]!])),
    ...Object.fromEntries(
      outputs.map(({ column, aggregation, name }) => {
        const context = {
          ...(timestamp !== undefined && { times: members.map((row) => row[timestamp]!) }),
          ...(tieBreaker !== undefined && { ties: members.map((row) => row[tieBreaker]!) }),
          ...(scales?.[column] !== undefined && { scale: scales[column] }),
        };
        return [name, aggregate(members.map((row) => row[column]!), aggregation, context)];
      }),
    ),
  }));
}

function compareCells(a: NonNullable<Cell>, b: NonNullable<Cell>): number {
  if (typeof a === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(String(b)));
  return a < b ? -1 : a > b ? 1 : 0;
}

/** What an aggregation may go by beside the values. */
export interface Context {
  /** Event times, one a cell. */
  readonly times?: readonly Cell[];
  /** Tie breakers, one a cell. */
  readonly ties?: readonly Cell[];
  /** Of decimals, which come as whole numbers: the places after the point. */
  readonly scale?: number;
}

/** Integers and decimals come as bigints, floats as numbers. */
export function aggregate(cells: readonly Cell[], aggregation: Agg, { times = [], ties = [], scale = 0 }: Context = {}): Cell {
  const values = cells.filter((cell) => cell !== null);
  if (aggregation === 'count') return BigInt(values.length);
  if (aggregation === 'count_distinct' || aggregation === 'approx_distinct') return BigInt(new Set(values.map(String)).size);
  if (values.length === 0) return null;
  const whole = typeof values[0] === 'bigint';
  const unit = 10n ** BigInt(scale);
  const n = BigInt(values.length);
  const total = (): bigint => (values as bigint[]).reduce((sum, value) => sum + value, 0n);
  switch (aggregation) {
    case 'sum':
      return whole ? total() : sumOf(values as number[]);
    case 'mean':
      return whole ? nearestDouble(total() << 1074n, n * unit) + 0 : sumOf(values as number[], n);
    case 'min':
      return values.reduce((a, b) => (before(b, a) ? b : a));
    case 'max':
      return values.reduce((a, b) => (before(a, b) ? b : a));
    case 'any':
      return values.includes(true);
    case 'all':
      return !values.includes(false);
    case 'first':
    case 'last':
      return byTime(cells, times, ties, aggregation);
    case 'var':
    case 'std': {
      if (values.length < 2) return null;
      if (!whole && !values.every(Number.isFinite)) return Number.NaN;
      // All values as whole numbers of 2^−1074.
      const units = values.map((value) => (whole ? (value as bigint) << 1074n : numeratorOf(value as number)));
      const sum = units.reduce((a, b) => a + b, 0n);
      const squares = units.reduce((a, b) => a + b * b, 0n);
      const [numerator, denominator] = [n * squares - sum * sum, n * (n - 1n) * unit * unit];
      return aggregation === 'var' ? nearestDouble(numerator, denominator << 1074n) : nearestRoot(numerator, denominator);
    }
  }
}

/** Of the values at the earliest or latest event time, those with the least or the greatest tie breaker, and of them the greatest. */
function byTime(cells: readonly Cell[], times: readonly Cell[], ties: readonly Cell[], aggregation: 'first' | 'last'): Cell {
  const events = cells.map((value, i) => ({ value, time: times[i]!, tie: ties[i] ?? null })).filter(({ value, time }) => value !== null && time !== null);
  if (events.length === 0) return null;
  const isEarlier = (a: Cell, b: Cell): boolean => a! < b! === (aggregation === 'first');
  const chosen = events.reduce((a, b) => {
    if (a.time !== b.time) return isEarlier(b.time, a.time) ? b : a;
    if (a.tie === b.tie) return before(a.value, b.value) ? b : a;
    if (a.tie === null || b.tie === null) return a.tie === null ? b : a;
    return isEarlier(b.tie, a.tie) ? b : a;
  });
  return chosen.value;
}

/** NaN is greater than every number; strings go by their bytes. */
function before(a: Cell, b: Cell): boolean {
  if (Number.isNaN(a)) return false;
  if (typeof a === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(String(b))) < 0;
  return Number.isNaN(b) || a! < b!;
}
