/**
 * Conditions on a row, as plain values: what `Frame.filter` builds, the engine evaluates and the store prunes by.
 *
 * Three-valued, as in SQL: a comparison with null is unknown, and a row is kept only where the condition is true.
 * NaN equals NaN and is greater than every number; −0 equals 0.
 */

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

export function asExpression(condition: Condition | Expression): Expression {
  return condition instanceof Condition ? condition.expression : condition;
}

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
  isIn(values: readonly Literal[]): Condition {
    return new Condition({ kind: 'in', column: this.column, values: [...values] });
  }
  isNull(): Condition {
    return new Condition({ kind: 'isNull', column: this.column });
  }
  isNotNull(): Condition {
    return this.isNull().not();
  }

  private compare(operator: Comparison, value: Literal): Condition {
    return new Condition({ kind: 'compare', column: this.column, operator, value });
  }
}

export function col(column: string): ColumnReference {
  return new ColumnReference(column);
}

/** For a person, and the same text for the same condition. */
export function formatExpression(expression: Expression): string {
  switch (expression.kind) {
    case 'compare':
      return `${expression.column} ${expression.operator} ${formatLiteral(expression.value)}`;
    case 'in':
      return `${expression.column} in (${expression.values.map(formatLiteral).join(', ')})`;
    case 'isNull':
      return `${expression.column} is null`;
    case 'not':
      return `not (${formatExpression(expression.operand)})`;
    default:
      return expression.operands.map((operand) => `(${formatExpression(operand)})`).join(` ${expression.kind} `);
  }
}

function formatLiteral(value: Literal): string {
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}
