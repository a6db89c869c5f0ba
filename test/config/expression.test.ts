import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { asExpression, col, columnsOf, type Condition, type Expression, formatExpression, type Literal } from '../../src/arrow/expression.ts';

test('a condition is a plain value, written like a sentence', () => {
  const condition = col('amount').gt(0).and(col('country').isIn(['ES', 'PT'])).not();
  assert.deepEqual(condition.expression, {
    kind: 'not',
    operand: {
      kind: 'and',
      operands: [
        { kind: 'compare', column: 'amount', operator: '>', value: 0 },
        { kind: 'in', column: 'country', values: ['ES', 'PT'] },
      ],
    },
  });
  assert.equal(formatExpression(condition.expression), 'not ((amount > 0) and (country in ("ES", "PT")))');
  assert.deepEqual(columnsOf(condition.expression), ['amount', 'country']);
});

test('every comparison', () => {
  const at = new Date('2001-07-01T00:00:00Z');
  const texts: readonly (readonly [Condition, string])[] = [
    [col('a').eq(1n), 'a = 1'],
    [col('a').ne('x "y"'), 'a != "x \\"y\\""'],
    [col('a').lt(at), 'a < 2001-07-01T00:00:00.000Z'],
    [col('a').le(-1.5), 'a <= -1.5'],
    [col('a').gt(true), 'a > true'],
    [col('a').ge(null), 'a >= null'],
    [col('a').isIn([]), 'a in ()'],
    [col('a').isNull(), 'a is null'],
    [col('a').isNotNull(), 'a is not null'],
    [col('a b').isNull().or(col('c').isNull(), col('d').isNull().expression), '(`a b` is null) or (c is null) or (d is null)'],
  ];
  for (const [condition, text] of texts) assert.equal(formatExpression(condition.expression), text);
});

test('what cannot be compared with is refused', () => {
  for (const value of [undefined, {}, [], Symbol('x'), new Date(Number.NaN)]) assert.throws(() => col('a').eq(value as Literal), /column a: cannot compare/);
  assert.throws(() => col('a').isIn('ES' as never), /column a: expected a list/);
  assert.throws(() => col('a').isIn(5 as never), /column a: expected a list/);
  assert.throws(() => col('' as string), /the name of a column/);
  for (const value of [undefined, null, 'a > 1', {}, col('a')]) assert.throws(() => asExpression(value as never), /expected a condition/);
});

test('law: the same text only for the same condition', () => {
  const column = fc.constantFrom('a', 'a b', '`', 'a = 1', 'null', 'a`', '');
  const value = fc.constantFrom<Literal>(0, 1, '1', 'null', null, true, 'true', '") or (a');
  const { expression } = fc.letrec<{ expression: Expression }>((tie) => ({
    expression: fc.oneof(
      { maxDepth: 2 },
      fc.record({ kind: fc.constant('compare' as const), column, operator: fc.constantFrom('=' as const, '<' as const, '<=' as const), value }),
      fc.record({ kind: fc.constant('in' as const), column, values: fc.array(value, { maxLength: 2 }) }),
      fc.record({ kind: fc.constant('isNull' as const), column }),
      fc.record({ kind: fc.constant('not' as const), operand: tie('expression') }),
      fc.record({ kind: fc.constantFrom('and' as const, 'or' as const), operands: fc.array(tie('expression'), { minLength: 2, maxLength: 3 }) }),
    ),
  }));
  const known = new Map<string, Expression>();
  fc.assert(
    fc.property(expression, (condition) => {
      const text = formatExpression(condition);
      const other = known.get(text);
      if (other === undefined) known.set(text, condition);
      else assert.deepEqual(JSON.stringify(condition), JSON.stringify(other));
    }),
    { numRuns: 5_000 },
  );
});
