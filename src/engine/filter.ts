/**
 * Conditions over a batch: which of its rows satisfy an expression. Three-valued, see arrow/expression.ts; a column becomes
 * a function from row to value once, a condition a function from row to true, false or unknown.
 */
import { type Data, DataType, type RecordBatch, type Timestamp } from '../arrow/arrow.ts';
import { plainType } from '../arrow/canonical.ts';
import type { Comparison, Expression, Literal } from '../arrow/expression.ts';
import { takeRows } from '../arrow/rows.ts';
import { SchemaMismatchError } from '../base/errors.ts';
import { dayUs } from '../base/time.ts';
import { halfToDouble, columnData } from './staging.ts';
import { fieldOf, layoutOf } from './types.ts';

type Truth = boolean | undefined;
type Condition = (row: number) => Truth;

/** The rows for which the expression is true, ascending. Throws SchemaMismatchError when a constant does not fit its column. */
export function selectRows(batch: RecordBatch, expression: Expression): Uint32Array {
  const condition = conditionOf(batch, expression);
  const rows = new Uint32Array(batch.numRows);
  let count = 0;
  for (let row = 0; row < batch.numRows; row++) if (condition(row) === true) rows[count++] = row;
  return rows.subarray(0, count);
}

/** The batch with only the rows for which the expression is true. */
export function filterBatch(batch: RecordBatch, expression: Expression): RecordBatch {
  const rows = selectRows(batch, expression);
  return rows.length === batch.numRows ? batch : takeRows(batch, rows);
}

function conditionOf(batch: RecordBatch, expression: Expression): Condition {
  switch (expression.kind) {
    case 'compare': {
      const { read, toValue } = columnOf(batch, expression.column);
      const constant = toValue(expression.value);
      return comparison(expression.operator, read, constant);
    }
    case 'in':
      return membership(batch, expression.column, expression.values);
    case 'isNull': {
      const { read } = columnOf(batch, expression.column);
      return (row) => read(row) === null;
    }
    case 'not': {
      const operand = conditionOf(batch, expression.operand);
      return (row) => {
        const truth = operand(row);
        return truth === undefined ? undefined : !truth;
      };
    }
    case 'and':
    case 'or':
      return connective(expression.operands.map((operand) => conditionOf(batch, operand)), expression.kind === 'or');
  }
}

/** `decisive` settles it: true for or, false for and; an unknown leaves it open. */
function connective(operands: readonly Condition[], decisive: boolean): Condition {
  return (row) => {
    let result: Truth = !decisive;
    for (const operand of operands) {
      const truth = operand(row);
      if (truth === decisive) return decisive;
      if (truth === undefined) result = undefined;
    }
    return result;
  };
}

/** A value that compares with `<` and `===`: integers as they are, strings by a form that orders as their UTF-8 bytes do. */
type Value = number | bigint | string | boolean | null;

interface Column {
  readonly read: (row: number) => Value;
  readonly toValue: (literal: Literal) => Value;
}

function comparison(operator: Comparison, read: Column['read'], constant: Value): Condition {
  const test = tests[operator];
  return (row) => {
    const value = read(row);
    return value === null || constant === null ? undefined : test(order(value, constant));
  };
}

const tests: Readonly<Record<Comparison, (order: number) => boolean>> = {
  '=': (order) => order === 0,
  '!=': (order) => order !== 0,
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '>': (order) => order > 0,
  '>=': (order) => order >= 0,
};

/** NaN equals NaN and is greater than every number. */
function order(a: NonNullable<Value>, b: NonNullable<Value>): number {
  if (a < b) return -1;
  if (a > b) return 1;
  if (a === b) return 0;
  const [aIsNaN, bIsNaN] = [Number.isNaN(a), Number.isNaN(b)];
  return Number(aIsNaN) - Number(bIsNaN);
}

function membership(batch: RecordBatch, column: string, literals: readonly Literal[]): Condition {
  const { read, toValue } = columnOf(batch, column);
  // A set finds NaN, and 0 for −0; bigints and doubles that are equal need one form.
  const form = (value: Value): Value => (typeof value === 'bigint' && value <= 9007199254740991n && value >= -9007199254740991n ? Number(value) : value);
  const values = new Set(literals.map((literal) => form(toValue(literal))));
  const unknown = values.delete(null);
  return (row) => {
    const value = read(row);
    if (value === null) return undefined;
    if (values.has(form(value))) return true;
    return unknown ? undefined : false;
  };
}

function columnOf(batch: RecordBatch, name: string): Column {
  const type = plainType(fieldOf(batch.schema, name).type);
  const data = columnData(batch, name, type);
  const read = reader(data);
  const bitmap = data.nullBitmap && data.nullBitmap.length > 0 && data.nullCount !== 0 ? data.nullBitmap : undefined;
  const valid = (row: number): boolean => {
    const bit = data.offset + row;
    return bitmap === undefined || ((bitmap[bit >> 3]! >> (bit & 7)) & 1) === 1;
  };
  return { read: (row) => (valid(row) ? read(row) : null), toValue: (literal) => constantOf(literal, type, name) };
}

function reader(data: Data): (row: number) => Value {
  const { type } = data;
  if (DataType.isDictionary(type)) {
    const entries = reader(data.dictionary!.data[0]!);
    const memo = new Map<number, Value>();
    const codes = data.values as Int32Array;
    return (row) => {
      const code = Number(codes[row]!);
      let value = memo.get(code);
      if (value === undefined) memo.set(code, (value = entries(code)));
      return value;
    };
  }
  const layout = layoutOf(type);
  if (layout.kind === 'string') {
    const offsets = data.valueOffsets as unknown as ArrayLike<number | bigint>;
    const bytes = data.values as Uint8Array;
    return (row) => textForm(bytes.subarray(Number(offsets[row]!), Number(offsets[row + 1]!)));
  }
  if (layout.kind === 'bool') {
    const bits = data.values as Uint8Array;
    return (row) => ((bits[(data.offset + row) >> 3]! >> ((data.offset + row) & 7)) & 1) === 1;
  }
  const values = data.values as ArrayLike<number | bigint>;
  if (layout.kind === 'float' && layout.bytes === 2) return (row) => halfToDouble(Number(values[row]!));
  return (row) => values[row]!;
}

/** One character per byte: orders as the bytes do. */
function textForm(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

function constantOf(literal: Literal, type: DataType, column: string): Value {
  const wrong = (expected: string): SchemaMismatchError =>
    new SchemaMismatchError('a condition', column, `${type} is compared with ${expected}, not with ${typeof literal} ${String(literal)}`);
  if (literal === null) return null;
  const layout = layoutOf(type);
  if (DataType.isDate(type) || DataType.isTimestamp(type)) {
    if (!(literal instanceof Date) || Number.isNaN(literal.getTime())) throw wrong('a Date');
    return instantIn(literal, type);
  }
  if (layout.kind === 'int' || layout.kind === 'float') {
    if (typeof literal !== 'number' && typeof literal !== 'bigint') throw wrong('a number');
    return literal;
  }
  if (layout.kind === 'bool') {
    if (typeof literal !== 'boolean') throw wrong('true or false');
    return literal;
  }
  if (layout.kind === 'string') {
    if (typeof literal !== 'string') throw wrong('a string');
    return textForm(Buffer.from(literal, 'utf8'));
  }
  throw new SchemaMismatchError('a condition', column, `${type} cannot be compared`);
}

/** An instant in the unit of a column; between two of its values it is a fraction, which no value equals. */
function instantIn(instant: Date, type: DataType): number | bigint {
  const us = BigInt(instant.getTime()) * 1_000n;
  if (DataType.isTimestamp(type) && (type as Timestamp).unit === 3) return us * 1_000n;
  const unit = DataType.isDate(type) ? (type.unit === 0 ? dayUs : 1_000n) : [1_000_000n, 1_000n, 1n][(type as Timestamp).unit]!;
  return us % unit === 0n ? us / unit : Number(us) / Number(unit);
}
