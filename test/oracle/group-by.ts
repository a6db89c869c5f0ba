/** Group-by, slow and obvious, over rows of plain values. */
import type { Agg } from '../../src/engine/plan.ts';
import type { Cell } from '../support/arrow.ts';
import { nearestDouble, sumOf } from './exact.ts';

export type Row = Readonly<Record<string, Cell>>;

export interface Question {
  readonly keys: readonly string[];
  readonly outputs: readonly { readonly column: string; readonly aggregation: Agg; readonly name: string }[];
}

/** One row per group, ascending by key; rows with a null key are in no group. */
export function groupByOracle(rows: readonly Row[], { keys, outputs }: Question): Row[] {
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
    ...Object.fromEntries(outputs.map(({ column, aggregation, name }) => [name, aggregate(members.map((row) => row[column]!), aggregation)])),
  }));
}

function compareCells(a: NonNullable<Cell>, b: NonNullable<Cell>): number {
  if (typeof a === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(String(b)));
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Integers come as bigints, floats as numbers. */
export function aggregate(cells: readonly Cell[], aggregation: Agg): Cell {
  const values = cells.filter((cell) => cell !== null);
  if (aggregation === 'count') return BigInt(values.length);
  if (values.length === 0) return null;
  const whole = typeof values[0] === 'bigint';
  const total = (): bigint => (values as bigint[]).reduce((sum, value) => sum + value, 0n);
  switch (aggregation) {
    case 'sum':
      return whole ? total() : sumOf(values as number[]);
    case 'mean':
      return whole ? nearestDouble(total() << 1074n, BigInt(values.length)) + 0 : sumOf(values as number[], BigInt(values.length));
    case 'min':
      return values.reduce((a, b) => (before(b, a) ? b : a));
    case 'max':
      return values.reduce((a, b) => (before(a, b) ? b : a));
  }
}

/** NaN is greater than every number. */
function before(a: Cell, b: Cell): boolean {
  if (Number.isNaN(a)) return false;
  return Number.isNaN(b) || a! < b!;
}
