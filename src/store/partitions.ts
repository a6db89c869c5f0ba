/**
 * Columns that are told by folder names: `day=2024-05-01/shop=M%C3%BCnchen/a.parquet`.
 *
 * A column's type follows from its values in all files: int64 if each is the one way to write its number, date32 if each
 * is a date, else strings. `__HIVE_DEFAULT_PARTITION__` is null. A column of the same name in the files gives way.
 */
import { ArrowTimeUnit, DataType, DateDay, Field, Int64 } from '../arrow/arrow.ts';
import { SchemaMismatchError } from '../base/errors.ts';
import { dayUs, parseInstant, type TimeRange } from '../base/time.ts';
import { type Constant, folderString } from './conform.ts';

/** The value of a folder whose rows have null. */
export const nullFolder = '__HIVE_DEFAULT_PARTITION__';

export interface PartitionColumn {
  readonly field: Field;
  /** One for each file. */
  readonly values: readonly Constant['value'][];
}

/** The partition columns of files with these paths, in the order of their folders. */
export function partitionColumns(table: string, paths: readonly string[]): PartitionColumn[] {
  const perFile = paths.map(keysAndValues);
  const keys = [...(perFile[0]?.keys() ?? [])];
  perFile.forEach((found, index) => {
    const odd = keys.find((key) => !found.has(key)) ?? [...found.keys()].find((key) => !keys.includes(key));
    if (odd === undefined) return;
    throw new SchemaMismatchError(
      table, odd,
      `only one of ${paths[0]!.replace(/^\//, '')} and ${paths[index]!.replace(/^\//, '')} lies in a folder ${odd}=…; give all files the same levels of key=value folders`,
    );
  });
  return keys.map((key) => typedColumn(key, perFile.map((found) => found.get(key)!)));
}

/** Whether a file whose path tells its event time may have rows in the range. Without such a column it may. */
export function mightContainConstant(constants: readonly Constant[], column: string, range: TimeRange): boolean {
  const constant = constants.find(({ field }) => field.name === column);
  if (constant === undefined || !isInstant(constant.field.type)) return true;
  const { value } = constant;
  if (typeof value !== 'number' && typeof value !== 'bigint') return false;
  const instantUs = typeof value === 'bigint' ? value : BigInt(value) * dayUs;
  return (range.startUs === undefined || instantUs >= range.startUs) && (range.endUs === undefined || instantUs < range.endUs);
}

/** Days, or microseconds, as which a log tells instants. */
function isInstant(type: DataType): boolean {
  return DataType.isDate(type) || (DataType.isTimestamp(type) && type.unit === ArrowTimeUnit.MICROSECOND);
}

function keysAndValues(path: string): Map<string, string | null> {
  const found = new Map<string, string | null>();
  for (const folder of path.split('/').slice(0, -1)) {
    const equals = folder.indexOf('=');
    if (equals <= 0) continue;
    const value = folder.slice(equals + 1);
    found.set(decoded(folder.slice(0, equals)), value === nullFolder ? null : decoded(value));
  }
  return found;
}

/** Names that are no URL encoding stand for themselves. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function typedColumn(name: string, texts: readonly (string | null)[]): PartitionColumn {
  const present = texts.filter((text) => text !== null);
  const nullable = present.length < texts.length;
  const column = (type: DataType, convert: (text: string) => Constant['value']): PartitionColumn => ({
    field: new Field(name, type, nullable),
    values: texts.map((text) => (text === null ? null : convert(text))),
  });
  if (present.length > 0 && present.every(isInteger)) return column(new Int64(), BigInt);
  if (present.length > 0 && present.every(isDate)) return column(new DateDay(), (text) => Number(parseInstant(text) / dayUs));
  return column(folderString, (text) => text);
}

function isInteger(text: string): boolean {
  return /^(0|-?[1-9]\d{0,18})$/.test(text) && BigInt.asIntN(64, BigInt(text)) === BigInt(text);
}

function isDate(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return false;
  try {
    parseInstant(text);
    return true;
  } catch {
    return false;
  }
}
