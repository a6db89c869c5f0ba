/**
 * Python, and the engines that it has, as tests use them: a script goes in, JSON comes out; a column's values are text on both
 * sides, so that equal text means equal values of every type.
 *
 *   integers, instants, days    digits, in the unit of the column's type
 *   decimals                    all digits without the point
 *   floats                      the fewest digits that read back, as JavaScript writes them
 *   bytes                       b: and hexadecimal digits
 *
 * The Python to use is named by TAURO_PYTHON, else `python3`.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { DataType, type Table } from '../../src/arrow/arrow.ts';
import { halfToNumber } from '../../src/arrow/half.ts';
import { type Cell, cellsOf } from '../store/parquet/support.ts';

export const python = process.env.TAURO_PYTHON ?? 'python3';

/** Why tests that need these packages are left out; false where they are there. */
export function skipWithout(...modules: readonly string[]): string | false {
  const isThere = spawnSync(python, ['-c', `import ${modules.join(', ')}`], { timeout: 60_000 }).status === 0;
  return isThere ? false : `${python} lacks one of ${modules.join(', ')}: set TAURO_PYTHON to a Python that has them`;
}

/** Runs a script that has `paths`; what it sets `result` to comes back. */
export function runPython<Result>(script: string, ...paths: readonly string[]): Result {
  // Left at once: threads of native engines that are still there at an orderly end have been seen to abort it, with all work done.
  const end = 'print(json.dumps(result), flush=True)\nsys.stderr.flush()\nos._exit(0)';
  const whole = `import json, os, sys\n${columns}\npaths = sys.argv[1:]\nresult = None\n${script}\n${end}`;
  const { status, stdout, stderr } = spawnSync(python, ['-c', whole, ...paths], { encoding: 'utf8', timeout: 120_000, maxBuffer: 1 << 28 });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as Result;
}

export type CellText = string | boolean | null;

export interface ColumnText {
  readonly type: string;
  readonly cells: readonly CellText[];
}

export type Columns = Readonly<Record<string, ColumnText>>;

/** `columns(table)` of an Arrow table, in every script. */
const columns = `
from decimal import Context
import pyarrow as pa
def cell(value, kind):
    if value is None: return None
    if pa.types.is_decimal(kind): return str(int(value.scaleb(kind.scale, Context(prec=80))))
    if isinstance(value, bytes): return 'b:' + value.hex()
    if pa.types.is_floating(kind): return repr(float(value))
    return value if isinstance(value, (str, bool)) else str(value)
def column_text(column):
    if isinstance(column.type, pa.BaseExtensionType): column = pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)
    if pa.types.is_dictionary(column.type): column = column.cast(column.type.value_type)
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_time64(kind): column = column.cast(pa.int64())
    if pa.types.is_date32(kind) or pa.types.is_time32(kind): column = column.cast(pa.int32())
    name = str(kind).replace('large_', '').replace('_view', '')
    return {'type': name, 'cells': [cell(value, kind) for value in column.to_pylist()]}
def columns(table): return {name: column_text(table.column(name)) for name in table.column_names}
`;

/** What Python has written, where floats are as its repr has them, in our words. */
export function foundText({ type, cells }: ColumnText): CellText[] {
  const isFloat = type === 'float' || type === 'double' || type === 'halffloat';
  return cells.map((cell) => (isFloat && cell !== null ? floatText(toNumber(cell as string)) : cell));
}

function toNumber(written: string): number {
  const named: Readonly<Record<string, number>> = { inf: Number.POSITIVE_INFINITY, '-inf': Number.NEGATIVE_INFINITY };
  return named[written] ?? Number(written);
}

export function floatText(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}

/** A cell of ours as text. */
export function cellText(cell: Cell, type: DataType): CellText {
  if (cell === null || typeof cell === 'boolean') return cell;
  if (!DataType.isFloat(type)) return String(cell);
  return floatText(type.precision === 0 ? halfToNumber(cell as number) : (cell as number));
}

/** A column of ours as text. */
export function columnText(table: Table, column: string): CellText[] {
  const type = table.schema.fields.find(({ name }) => name === column)!.type as DataType;
  return cellsOf(table.batches, column).map((cell) => cellText(cell, type));
}
