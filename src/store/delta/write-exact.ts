/**
 * What an Arrow schema says that Delta's cannot, kept in the table's configuration as JSON:
 *
 *   {"metadata":{…},"columns":{"id":{"type":"uint64"},"at":{"type":"timestamp[ms, Europe/Berlin]"},"shop":{"dictionary":"int32"}}}
 *
 * Law: it counts column by column, and only where Delta's type is still the one that stands for it, since another engine may
 * have changed the table. What cannot be understood is as good as absent. Pure.
 */
import {
  type ArrowTimeUnit, DataType, DateMillisecond, Dictionary, type Field, Float16, Int16, Int32, Int64, Int8, LargeBinary, LargeUtf8, Schema, Timestamp, Uint16,
  Uint32, Uint64, Uint8,
} from '../../arrow/arrow.ts';
import { plainType } from '../../arrow/canonical.ts';
import { sameType } from '../conform.ts';
import { storedType } from '../stored-types.ts';

const configurationKey = 'tauro.arrowSchema';

type Strings = Readonly<Record<string, string>>;

/** The configuration with what it has to hold for this schema. */
export function withExactSchema({ [configurationKey]: _, ...others }: Strings, schema: Schema): Strings {
  const columns = schema.fields.map((field) => [field.name, columnOf(field)] as const).filter(([, column]) => Object.keys(column).length > 0);
  const declared = { ...withMetadata(schema.metadata), ...(columns.length > 0 && { columns: Object.fromEntries(columns) }) };
  return Object.keys(declared).length === 0 ? others : { ...others, [configurationKey]: JSON.stringify(declared) };
}

/** The schema that the table's writer declared, as far as `delta`, which is in Delta's types, bears it out. */
export function exactSchema(delta: Schema, configuration: Strings): Schema {
  const declared = recordOf(tryParse(configuration[configurationKey]));
  const columns = recordOf(declared.columns);
  const fields = delta.fields.map((field) => {
    if (!Object.hasOwn(columns, field.name)) return field;
    const column = recordOf(columns[field.name]);
    const type = exactType(field.type, column);
    const isBorneOut = sameType(storedType(type), storedType(field.type));
    return field.clone({ type: isBorneOut ? type : field.type, metadata: metadataOf(column) });
  });
  return new Schema(fields, metadataOf(declared));
}

interface ExactColumn {
  readonly type?: string;
  readonly dictionary?: string;
  readonly isOrdered?: true;
  readonly metadata?: Strings;
}

function columnOf({ type, metadata }: Field): ExactColumn {
  const plain = plainType(type);
  return {
    ...(!sameType(plain, storedType(type)) && { type: typeText(plain) }),
    ...(DataType.isDictionary(type) && { dictionary: typeText(type.indices), ...(type.isOrdered && { isOrdered: true }) }),
    ...withMetadata(metadata),
  };
}

const units: readonly string[] = ['s', 'ms', 'us', 'ns'];

const named: Readonly<Record<string, () => DataType>> = {
  int8: () => new Int8(), int16: () => new Int16(), int32: () => new Int32(), int64: () => new Int64(),
  uint8: () => new Uint8(), uint16: () => new Uint16(), uint32: () => new Uint32(), uint64: () => new Uint64(),
  float16: () => new Float16(), date64: () => new DateMillisecond(), largeUtf8: () => new LargeUtf8(), largeBinary: () => new LargeBinary(),
};

function typeText(type: DataType): string {
  if (DataType.isTimestamp(type)) return `timestamp[${units[type.unit]}${type.timezone ? `, ${type.timezone}` : ''}]`;
  return Object.entries(named).find(([, make]) => sameType(make(), type))![0];
}

function tryType(text: unknown): DataType | undefined {
  if (typeof text !== 'string') return undefined;
  if (Object.hasOwn(named, text)) return named[text]!();
  const [, unit, timezone] = /^timestamp\[(s|ms|us|ns)(?:, (.+))?\]$/.exec(text) ?? [];
  return unit === undefined ? undefined : new Timestamp(units.indexOf(unit) as ArrowTimeUnit, timezone ?? null);
}

function exactType(delta: DataType, column: Readonly<Record<string, unknown>>): DataType {
  const type = tryType(column.type) ?? delta;
  const indices = tryType(column.dictionary);
  return indices !== undefined && DataType.isInt(indices) ? new Dictionary(type, indices as Int32, null, column.isOrdered === true) : type;
}

function withMetadata(metadata: ReadonlyMap<string, string>): { readonly metadata?: Strings } {
  return metadata.size === 0 ? {} : { metadata: Object.fromEntries(metadata) };
}

function metadataOf({ metadata }: Readonly<Record<string, unknown>>): Map<string, string> {
  return new Map(Object.entries(recordOf(metadata)).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

function tryParse(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '{}');
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown;
    return {};
  }
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Readonly<Record<string, unknown>>) : {};
}
