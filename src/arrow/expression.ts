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
