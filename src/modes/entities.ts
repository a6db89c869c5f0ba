/**
 * The entities of a read. A condition per key column goes down to the engine, which may let too much through when there
 * are several keys; `keep` then leaves exactly the rows that were asked for.
 */
import { DataType, type RecordBatch, type Schema, type Table } from '../arrow/arrow.ts';
import type { Expression, Literal } from '../arrow/expression.ts';
import { plainType } from '../arrow/canonical.ts';
import { ArgumentError, SchemaMismatchError } from '../base/errors.ts';
import { didYouMean } from '../base/names.ts';
import { parseInstant } from '../base/time.ts';
import type { FeatureSetDefinition } from '../config/definition.ts';

export interface EntityFilter {
  readonly expression: Expression;
  /** One list per key, of equal length: row i is the i-th entity. */
  readonly columns: ReadonlyMap<string, readonly Literal[]>;
}

export function entityFilter(
  entities: readonly unknown[] | Readonly<Record<string, readonly unknown[]>>,
  definition: FeatureSetDefinition,
  schema: Schema,
): EntityFilter {
  const lists = entityLists(entities, definition);
  const columns = new Map<string, Literal[]>();
  for (const [key, values] of lists) {
    const field = schema.fields.find((candidate) => candidate.name === key);
    if (field === undefined) throw new SchemaMismatchError(`feature set ${definition.name}`, key, 'the key column is not there');
    columns.set(key, values.map((value) => keyLiteral(value, plainType(field.type), key)));
  }
  const operands = [...columns].map(([column, values]): Expression => ({ kind: 'in', column, values: [...new Set(values)] }));
  return { expression: operands.length === 1 ? operands[0]! : { kind: 'and', operands }, columns };
}

function entityLists(
  entities: readonly unknown[] | Readonly<Record<string, readonly unknown[]>>,
  definition: FeatureSetDefinition,
): Map<string, readonly unknown[]> {
  const keys = definition.entityKeys;
  if (Array.isArray(entities)) {
    if (keys.length === 1) return new Map([[keys[0]!, entities]]);
    throw new ArgumentError('entities', `feature set ${definition.name} has the keys ${keys.join(', ')}; give { ${keys.map((key) => `${key}: […]`).join(', ')} }`);
  }
  const given = entities as Readonly<Record<string, readonly unknown[]>>;
  for (const name of Object.keys(given)) {
    if (!keys.includes(name)) throw new ArgumentError('entities', `${name} is not a key of ${definition.name}; its keys are ${keys.join(', ')}${didYouMean(name, keys)}`);
  }
  const lists = new Map<string, readonly unknown[]>();
  for (const key of keys) {
    const values = given[key];
    if (!Array.isArray(values)) throw new ArgumentError('entities', `expected a list of values for key ${key}`);
    if (values.length !== given[keys[0]!]!.length) throw new ArgumentError('entities', 'the lists of the keys must be equally long: row i of each is one entity');
    lists.set(key, values);
  }
  return lists;
}

/** A value as the engine compares it with a key of this type; texts of numbers and instants are understood. */
function keyLiteral(value: unknown, type: DataType, key: string): Literal {
  const wrong = (): ArgumentError => new ArgumentError('entities', `${JSON.stringify(String(value))} cannot be a value of key ${key}, which is ${type}`);
  if (value === null || value === undefined) return null;
  if (DataType.isInt(type)) {
    if (typeof value === 'bigint') return value;
    if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
    if (typeof value === 'string' && /^-?\d{1,20}$/.test(value)) return BigInt(value);
    throw wrong();
  }
  if (DataType.isBool(type)) {
    if (typeof value === 'boolean') return value;
    if (value === 'true' || value === 'false') return value === 'true';
    throw wrong();
  }
  if (DataType.isDate(type) || DataType.isTimestamp(type)) {
    if (value instanceof Date) return value;
    if (typeof value === 'string') return new Date(Number(parseInstant(value, 'entities') / 1_000n));
    throw wrong();
  }
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value);
  throw wrong();
}

/** For composite keys: says of each row of a table whose keys are exact whether it is one of the entities. */
export function entityRows(filter: EntityFilter, table: Table): ((batch: RecordBatch, row: number) => boolean) | undefined {
  if (filter.columns.size === 1) return undefined;
  const lists = [...filter.columns.values()];
  const wanted = new Set(lists[0]!.map((_, i) => lists.map((values) => keyText(values[i])).join('\u0000')));
  const positions = [...filter.columns.keys()].map((key) => table.schema.fields.findIndex((field) => field.name === key));
  return (batch, row) => wanted.has(positions.map((column) => keyText(batch.getChildAt(column)!.get(row))).join('\u0000'));
}

function keyText(value: unknown): string {
  if (value instanceof Date) return `${value.getTime()}`;
  return String(value).replaceAll('\u0000', '\u0000\u0001');
}
