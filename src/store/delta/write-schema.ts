/**
 * What a Delta table says of the rows that we write: its schema in Delta's types, for every engine to read; the exact Arrow
 * schema beside it (write-exact.ts); and the protocol that both need.
 *
 * Law: columns that another engine has described stay as it described them, unless the schema is replaced. Pure.
 */
import { ArrowTimeUnit, Binary, Bool, DataType, DateDay, Decimal, Field, Float32, Float64, Int16, Int32, Int64, Int8, Null, Schema, Timestamp, Type, Utf8 } from '../../arrow/arrow.ts';
import { plainType } from '../../arrow/canonical.ts';
import { DamagedFileError, invariant, SchemaMismatchError, UnsupportedError } from '../../base/errors.ts';
import { storedType } from '../stored-types.ts';
import { checkWritable } from '../writable-schema.ts';
import type { Metadata, Protocol } from './write-actions.ts';
import { withExactSchema } from './write-exact.ts';

export interface NewMetadata {
  readonly id: string;
  readonly partitionBy: readonly string[];
  readonly createdTime: number;
  /** Of the version before; absent: there is none. */
  readonly before?: Metadata | undefined;
}

/** The metadata of a table whose rows are to have this schema from now on. */
export function metadataFor(table: string, schema: Schema, { id, partitionBy, createdTime, before }: NewMetadata): Metadata {
  checkDeltaSchema(table, schema);
  return {
    ...before,
    id,
    format: { provider: 'parquet', options: {} },
    schemaString: deltaSchemaString(schema),
    partitionColumns: partitionBy,
    configuration: withExactSchema(before?.configuration ?? {}, schema),
    createdTime: before?.createdTime ?? createdTime,
  };
}

/** The metadata with columns added behind those that are there, which stay as they are. */
export function metadataWith(table: string, before: Metadata, whole: Schema, added: readonly Field[]): Metadata {
  checkDeltaSchema(table, whole);
  const fields = schemaFields(table, before.schemaString);
  return {
    ...before,
    schemaString: JSON.stringify({ type: 'struct', fields: [...fields, ...added.map(deltaField)] }),
    configuration: withExactSchema(before.configuration, whole),
  };
}

/** Throws unless Delta can keep rows of this schema. */
export function checkDeltaSchema(table: string, schema: Schema): void {
  checkWritable(schema, 'Delta');
  const names = new Map<string, string>();
  for (const { name } of schema.fields) {
    const other = names.get(name.toLowerCase());
    if (other !== undefined) throw new SchemaMismatchError(table, name, `there is a column ${other} too, and Delta does not tell upper from lower case; rename one of them`);
    names.set(name.toLowerCase(), name);
  }
  if (schema.fields.every(({ type }) => DataType.isNull(type))) {
    throw new UnsupportedError(table, 'void', 'all its columns are of type Null, and Delta keeps none of these in files; add a column that has values');
  }
}

/** The schema as Delta writes it: what people and other tools read. */
export function deltaSchemaString(schema: Schema): string {
  return JSON.stringify({ type: 'struct', fields: schema.fields.map(deltaField) });
}

function deltaField({ name, type, nullable }: Field): object {
  return { name, type: deltaType(storedType(type)), nullable, metadata: {} };
}

function deltaType(type: DataType): string {
  switch (type.typeId) {
    case Type.Null:
      return 'void';
    case Type.Bool:
      return 'boolean';
    case Type.Int:
      return { 8: 'byte', 16: 'short', 32: 'integer', 64: 'long' }[(type as DataType & { bitWidth: 8 | 16 | 32 | 64 }).bitWidth];
    case Type.Float:
      return DataType.isFloat(type) && type.precision === 2 ? 'double' : 'float';
    case Type.Decimal:
      return DataType.isDecimal(type) ? `decimal(${type.precision},${type.scale})` : 'decimal';
    case Type.Date:
      return 'date';
    case Type.Timestamp:
      return DataType.isTimestamp(type) && type.timezone ? 'timestamp' : 'timestamp_ntz';
    case Type.Utf8:
      return 'string';
    default:
      invariant(DataType.isBinary(type), `no Delta type stands for ${type}`);
      return 'binary';
  }
}

/** What each writer version stands for, beyond those before it. */
export const featuresSince: readonly (readonly [version: number, features: readonly string[]])[] = [
  [2, ['appendOnly', 'invariants']],
  [3, ['checkConstraints']],
  [4, ['changeDataFeed', 'generatedColumns']],
  [5, ['columnMapping']],
  [6, ['identityColumns']],
];

/** The protocol that rows of this schema need: the one that is there, if that will do. */
export function protocolFor(schema: Schema, before: Protocol | undefined): Protocol {
  const isZoneless = schema.fields.some(({ type }) => {
    const stored = storedType(plainType(type));
    return DataType.isTimestamp(stored) && !stored.timezone;
  });
  if (!isZoneless) return before ?? { minReaderVersion: 1, minWriterVersion: 2 };
  const feature = 'timestampNtz';
  if (before === undefined) return { minReaderVersion: 3, minWriterVersion: 7, readerFeatures: [feature], writerFeatures: [feature] };
  if (before.readerFeatures?.includes(feature) && before.writerFeatures?.includes(feature)) return before;
  // What the versions stood for has to be named now, since a version of the past may have used it.
  const implied = before.minWriterVersion === 7 ? [] : featuresSince.flatMap(([version, features]) => (version <= before.minWriterVersion ? features : []));
  const withFeature = (...names: readonly string[]): string[] => [...new Set([...names, feature])];
  return {
    minReaderVersion: 3,
    minWriterVersion: 7,
    readerFeatures: withFeature(...(before.readerFeatures ?? []), ...(before.minReaderVersion === 2 ? ['columnMapping'] : [])),
    writerFeatures: withFeature(...(before.writerFeatures ?? []), ...implied),
  };
}

/** The Arrow schema of Delta's. */
export function arrowSchemaOf(table: string, { schemaString }: Metadata): Schema {
  return new Schema(schemaFields(table, schemaString).map(({ name, type, nullable }) => new Field(name, arrowType(table, name, type), nullable)));
}

export interface SchemaField {
  readonly name: string;
  readonly type: unknown;
  readonly nullable: boolean;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** As its writer described them. Throws DamagedFileError. */
export function schemaFields(table: string, schemaString: string): readonly SchemaField[] {
  let schema: { readonly fields?: unknown } | null;
  try {
    schema = JSON.parse(schemaString);
  } catch (thrown) {
    throw new DamagedFileError(table, 'the schema in its log is not JSON', thrown);
  }
  const fields = schema?.fields;
  const isField = (field: unknown): boolean => typeof field === 'object' && field !== null && 'type' in field && 'name' in field && typeof field.name === 'string';
  if (!Array.isArray(fields) || !fields.every(isField)) throw new DamagedFileError(table, 'the schema in its log is none: expected a struct of fields with name and type');
  return fields.map((field) => ({ ...field, nullable: field.nullable !== false }));
}

const arrowTypes: Readonly<Record<string, () => DataType>> = {
  void: () => new Null(), boolean: () => new Bool(), byte: () => new Int8(), short: () => new Int16(), integer: () => new Int32(), long: () => new Int64(),
  float: () => new Float32(), double: () => new Float64(), string: () => new Utf8(), binary: () => new Binary(), date: () => new DateDay(),
  timestamp: () => new Timestamp(ArrowTimeUnit.MICROSECOND, 'UTC'), timestamp_ntz: () => new Timestamp(ArrowTimeUnit.MICROSECOND),
};

/** Undefined for a type that is nested, or not known. */
export function tryArrowType(type: string): DataType | undefined {
  const [, precision, scale] = /^decimal\((\d+),\s*(\d+)\)$/.exec(type) ?? [];
  if (precision !== undefined) return new Decimal(Number(scale), Number(precision), 128);
  return Object.hasOwn(arrowTypes, type) ? arrowTypes[type]!() : undefined;
}

function arrowType(table: string, column: string, type: unknown): DataType {
  const known = typeof type === 'string' ? tryArrowType(type) : undefined;
  if (known !== undefined) return known;
  const what = typeof type === 'string' ? type : String((type as { readonly type?: unknown } | null)?.type);
  throw new UnsupportedError(`${table}, column ${column}`, what, `is of Delta's type ${what}, which this library does not write`);
}
