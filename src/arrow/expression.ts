/**
 * Conditions on a row, as plain values: what `Frame.filter` builds, the engine evaluates and the store prunes by.
 *
 * Three-valued, as in SQL: a comparison with null is unknown, and a row is kept only where the condition is true.
 * NaN equals NaN and is greater than every number; −0 equals 0.
 */
import { ArgumentError } from '../base/errors.ts';

/** A constant to compare with. Dates mean instants; strings compare with string columns by their UTF-8 bytes. */
export type Literal = number | bigint | string | boolean | Date | null;

export type Comparison = '=' | '!=' | '<' | '<=' | '>' | '>=';

export type Expression =
  | { readonly kind: 'compare'; readonly column: string; readonly operator: Comparison; readonly value: Literal }
  | { readonly kind: 'in'; readonly column: string; readonly values: readonly Literal[] }
  | { readonly kind: 'isNull'; readonly column: string }
  | { readonly kind: 'not'; readonly operand: Expression }
  | { readonly kind: 'and' | 'or'; readonly operands: readonly Expression[] };

/** The columns that a condition reads, each once. */
export function columnsOf(expression: Expression): string[] {
  const columns = new Set<string>();
  const visit = (part: Expression): void => {
    if ('column' in part) columns.add(part.column);
    else if ('operand' in part) visit(part.operand);
    else part.operands.forEach(visit);
  };
  visit(expression);
  return [...columns];
}

/** A condition that is being written: `col('amount').gt(0).and(col('country').isIn(['ES', 'PT']))`. */
export class Condition {
  constructor(readonly expression: Expression) {}

  and(...others: readonly (Condition | Expression)[]): Condition {
    return new Condition({ kind: 'and', operands: [this.expression, ...others.map(asExpression)] });
  }
  or(...others: readonly (Condition | Expression)[]): Condition {
    return new Condition({ kind: 'or', operands: [this.expression, ...others.map(asExpression)] });
  }
  not(): Condition {
    return new Condition({ kind: 'not', operand: this.expression });
  }
}

/** The plain value of a condition. Throws ArgumentError when it is none. */
export function asExpression(condition: Condition | Expression): Expression {
  if (condition instanceof Condition) return condition.expression;
  if (typeof condition === 'object' && condition !== null && kinds.has(condition.kind)) return condition;
  throw new ArgumentError('condition', "expected a condition, such as col('amount').gt(0)");
}

const kinds: ReadonlySet<unknown> = new Set<Expression['kind']>(['compare', 'in', 'isNull', 'not', 'and', 'or']);

/** A column, to be compared. */
export class ColumnReference {
  constructor(readonly column: string) {}

  eq(value: Literal): Condition {
    return this.compare('=', value);
  }
  ne(value: Literal): Condition {
    return this.compare('!=', value);
  }
  lt(value: Literal): Condition {
    return this.compare('<', value);
  }
  le(value: Literal): Condition {
    return this.compare('<=', value);
  }
  gt(value: Literal): Condition {
    return this.compare('>', value);
  }
  ge(value: Literal): Condition {
    return this.compare('>=', value);
  }
  /** Equal to one of the values. Of no values: false. */
  isIn(values: Iterable<Literal>): Condition {
    if (typeof values === 'string' || typeof values?.[Symbol.iterator] !== 'function') {
      throw new ArgumentError('isIn', `column ${this.column}: expected a list of values`);
    }
    return new Condition({ kind: 'in', column: this.column, values: Array.from(values, (value) => this.literal(value)) });
  }
  isNull(): Condition {
    return new Condition({ kind: 'isNull', column: this.column });
  }
  isNotNull(): Condition {
    return this.isNull().not();
  }

  private compare(operator: Comparison, value: Literal): Condition {
    return new Condition({ kind: 'compare', column: this.column, operator, value: this.literal(value) });
  }

  private literal(value: Literal): Literal {
    const isDate = value instanceof Date;
    if (isDate ? !Number.isNaN(value.getTime()) : value === null || literalTypes.has(typeof value)) return value;
    const found = isDate ? 'an invalid Date' : typeof value;
    throw new ArgumentError('condition', `column ${this.column}: cannot compare with ${found}; use a number, bigint, string, boolean, Date or null`);
  }
}

const literalTypes: ReadonlySet<string> = new Set(['number', 'bigint', 'string', 'boolean']);

/** The column of this name, to write a condition on. */
export function col(column: string): ColumnReference {
  if (typeof column !== 'string' || column === '') throw new ArgumentError('col', 'expected the name of a column');
  return new ColumnReference(column);
}

/** For a person; and the same text only for conditions that mean the same. */
export function formatExpression(expression: Expression): string {
  switch (expression.kind) {
    case 'compare':
      return `${formatColumn(expression.column)} ${expression.operator} ${formatLiteral(expression.value)}`;
    case 'in':
      return `${formatColumn(expression.column)} in (${expression.values.map(formatLiteral).join(', ')})`;
    case 'isNull':
      return `${formatColumn(expression.column)} is null`;
    case 'not':
      if (expression.operand.kind === 'isNull') return `${formatColumn(expression.operand.column)} is not null`;
      return `not (${formatExpression(expression.operand)})`;
    default:
      // Of no operands, `and` is true and `or` is false.
      if (expression.operands.length === 0) return expression.kind === 'and' ? 'true' : 'false';
      return expression.operands.map((operand) => `(${formatExpression(operand)})`).join(` ${expression.kind} `);
  }
}

/** Names that could be taken for something else stand in backquotes. */
function formatColumn(column: string): string {
  return /^[\p{L}_][\p{L}\p{N}_]*$/u.test(column) ? column : `\`${column.replaceAll('`', '``')}\``;
}

function formatLiteral(value: Literal): string {
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}
