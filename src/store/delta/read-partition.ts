/**
 * Partition values as a Delta log has them: text of the type of the column, or nothing.
 *
 *   timestamp   2020-01-01 08:09:10.001 in UTC, or 2020-01-01T08:09:10.001000Z
 *   binary      each byte a code point below 256
 *   null        null, or the empty string
 */
import { DataType, type Decimal } from '../../arrow/arrow.ts';
import { plainType } from '../../arrow/canonical.ts';
import { DamagedFileError } from '../../base/errors.ts';
import { dayUs, parseInstant } from '../../base/time.ts';
import type { Constant } from '../conform.ts';
import type { Strings } from './write-actions.ts';
import type { TableSchema } from './read-schema.ts';

/** What all rows of a file have in the table's partition columns. Columns that are passed over are left out. */
export function deltaConstants(table: string, { schema, physicalName }: TableSchema, partitionColumns: readonly string[], values: Strings): Constant[] {
  return partitionColumns.flatMap((column): Constant[] => {
    const field = schema.fields.find(({ name }) => name === column);
    if (field === undefined) return [];
    const physical = physicalName(column);
    const text = Object.hasOwn(values, physical) ? values[physical]! : values[column];
    const isNull = text === null || text === undefined || text === '';
    return [{ field, value: isNull ? null : parsedValue(table, column, plainType(field.type), text) }];
  });
}

function parsedValue(table: string, column: string, type: DataType, text: string): Constant['value'] {
  const wrong = (cause?: unknown): DamagedFileError => new DamagedFileError(table, `its log has files with ${column} = ${JSON.stringify(text.slice(0, 80))}, which is no ${type}`, cause);
  const matching = (pattern: RegExp): string => {
    if (!pattern.test(text)) throw wrong();
    return text;
  };
  if (DataType.isInt(type)) {
    const value = BigInt(matching(/^[+-]?\d{1,20}$/));
    if ((type.isSigned ? BigInt.asIntN(type.bitWidth, value) : BigInt.asUintN(type.bitWidth, value)) !== value) throw wrong();
    return type.bitWidth === 64 ? value : Number(value);
  }
  if (DataType.isFloat(type)) {
    const value = { NaN: Number.NaN, Infinity: Number.POSITIVE_INFINITY, '-Infinity': Number.NEGATIVE_INFINITY }[text] ?? Number(text);
    if (text.trim() === '' || (Number.isNaN(value) && text !== 'NaN')) throw wrong();
    return value;
  }
  if (DataType.isBool(type)) return matching(/^(true|false)$/i).toLowerCase() === 'true';
  if (DataType.isDecimal(type)) return unscaled(matching(/^[+-]?\d*\.?\d+(E[+-]?\d{1,3})?$/i), type) ?? fail(wrong());
  if (DataType.isBinary(type)) return Uint8Array.from(text, (character) => character.codePointAt(0)!);
  if (!DataType.isDate(type) && !DataType.isTimestamp(type)) return text;
  try {
    const instantUs = parseInstant(text.replace(/^(\d{4,}-\d\d-\d\d) (\d)/, '$1T$2').replace(/(T\d\d:\d\d:\d\d(?:\.\d+)?)$/, '$1Z'));
    return DataType.isDate(type) ? Number(instantUs / dayUs) : instantUs;
  } catch (thrown) {
    throw wrong(thrown);
  }
}

function fail(error: Error): never {
  throw error;
}

/** A decimal as whole numbers of its last digit; undefined when it has more digits than that. */
function unscaled(text: string, { scale }: Decimal): bigint | undefined {
  const [, sign, whole = '', fraction = '', exponent = '0'] = /^([+-]?)(\d*)\.?(\d*)(?:E([+-]?\d+))?$/i.exec(text) ?? [];
  const digits = BigInt(`${whole}${fraction}` || '0');
  const shift = scale - fraction.length + Number(exponent);
  const value = shift >= 0 ? digits * 10n ** BigInt(shift) : digits / 10n ** BigInt(-shift);
  if (shift < 0 && value * 10n ** BigInt(-shift) !== digits) return undefined;
  return sign === '-' ? -value : value;
}
