/** What can be written to a file of any format: which schemas, said before there are bytes. */
import type { DataType, Schema } from '../arrow/arrow.ts';
import { isDecimal, plainType, Type } from '../arrow/types.ts';
import { ArgumentError, UnsupportedError } from '../base/errors.ts';

/** Throws unless each column has a name of its own and a type that `format` can keep. */
export function checkWritable(schema: Schema, format: string): void {
  if (schema.fields.length === 0) throw new ArgumentError('schema', `${format} needs at least one column`);
  const names = new Set<string>();
  for (const { name, type } of schema.fields) {
    if (names.has(name)) throw new ArgumentError('schema', `two columns are called ${name}`);
    names.add(name);
    if (!isWritable(plainType(type))) {
      throw new UnsupportedError(`column ${name}`, `${type} in ${format}`, `${type} cannot be written; cast it to a number, string, date, timestamp or decimal first`);
    }
  }
}

function isWritable(type: DataType): boolean {
  switch (type.typeId) {
    case Type.Null:
    case Type.Bool:
    case Type.Int:
    case Type.Float:
    case Type.Utf8:
    case Type.LargeUtf8:
    case Type.Binary:
    case Type.LargeBinary:
    case Type.Date:
    case Type.Timestamp:
      return true;
    case Type.Decimal:
      return isDecimal(type) && type.bitWidth === 128 && type.scale >= 0 && type.scale <= type.precision && type.precision <= 38;
    default:
      return false;
  }
}
