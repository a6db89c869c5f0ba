/**
 * Which ORC type keeps an Arrow type, and what its statistics are.
 *
 *   Bool, Null          boolean (Null: without any value)        Utf8, LargeUtf8      string
 *   Int8, 16, 32, 64    tinyint, smallint, int, bigint           Binary, LargeBinary  binary
 *   Uint8, 16, 32       smallint, int, bigint: the next wider    Date32               date
 *   Uint64              bigint; above 2^63 − 1 it is refused     Date64, Timestamp    timestamp; with a zone: instant
 *   Float16, 32, 64     float, float, double                     Decimal128           decimal
 *
 * What ORC has no type for comes back through the Arrow schema in the file's user metadata.
 */
import type { ArrowTimeUnit as Unit, DataType, Field } from '../../arrow/arrow.ts';
import { ArrowTimeUnit, isBool, isDate, isDecimal, isFloat, isInt, isNull, isTimestamp, plainType, Type } from '../../arrow/types.ts';
import { InvariantError } from '../../base/errors.ts';
import type { StatisticsKind } from './encode-statistics.ts';
import { type OrcType, sparkTypeAttribute, typeKind } from './metadata.ts';

/** How a plain column is encoded. */
export type Storage =
  | { readonly as: 'booleans' | 'bytes' | 'wide integers' | 'narrow integers' | 'halves' | 'floats' | 'doubles' | 'text' | 'binary' }
  | { readonly as: 'timestamps'; readonly perSecond: bigint }
  | { readonly as: 'decimals'; readonly scale: number };

export interface StoredColumn {
  readonly name: string;
  /** The plain Arrow type. */
  readonly type: DataType;
  readonly orcType: OrcType;
  readonly storage: Storage;
  readonly statistics: StatisticsKind;
}

export function storedColumn(field: Field): StoredColumn {
  const type = plainType(field.type);
  return { name: field.name, type, ...stored(type) };
}

type Stored = Pick<StoredColumn, 'orcType' | 'storage' | 'statistics'>;

function stored(type: DataType): Stored {
  if (isNull(type) || isBool(type)) return { orcType: orcType('boolean'), storage: { as: 'booleans' }, statistics: { kind: 'booleans' } };
  if (isInt(type)) return storedInteger(type.bitWidth, type.isSigned);
  if (isFloat(type)) {
    const storage = { as: (['halves', 'floats', 'doubles'] as const)[type.precision] };
    return { orcType: orcType(storage.as === 'doubles' ? 'double' : 'float'), storage, statistics: { kind: 'doubles' } };
  }
  if (isDecimal(type)) {
    const { precision, scale } = type;
    return { orcType: { ...orcType('decimal'), precision, scale }, storage: { as: 'decimals', scale }, statistics: { kind: 'decimals', scale } };
  }
  if (isDate(type) && type.unit === 0) return { orcType: orcType('date'), storage: { as: 'narrow integers' }, statistics: { kind: 'dates' } };
  if (isDate(type)) return storedTimestamp(ArrowTimeUnit.MILLISECOND, false);
  if (isTimestamp(type)) return storedTimestamp(type.unit, type.timezone !== null && type.timezone !== undefined && type.timezone !== '');
  switch (type.typeId) {
    case Type.Utf8:
    case Type.LargeUtf8:
      return { orcType: orcType('string'), storage: { as: 'text' }, statistics: { kind: 'strings' } };
    case Type.Binary:
    case Type.LargeBinary:
      return { orcType: orcType('binary'), storage: { as: 'binary' }, statistics: { kind: 'binaries' } };
    default:
      throw new InvariantError(`${type} passed as writable to ORC`);
  }
}

function storedInteger(bits: number, isSigned: boolean): Stored {
  const kinds = { 8: 'byte', 16: 'short', 32: 'int', 64: 'long' } as const;
  const kind = kinds[(isSigned || bits === 64 ? bits : 2 * bits) as keyof typeof kinds];
  const as = kind === 'byte' ? 'bytes' : bits === 64 ? 'wide integers' : 'narrow integers';
  return { orcType: orcType(kind), storage: { as }, statistics: { kind: 'integers' } };
}

function storedTimestamp(unit: Unit, hasZone: boolean): Stored {
  const perSecond = 1_000n ** BigInt(unit);
  return { orcType: hasZone ? instantType : orcType('timestamp'), storage: { as: 'timestamps', perSecond }, statistics: { kind: 'timestamps', perSecond } };
}

/** Spark has no word for `timestamp with local time zone`, and opens no file with one, but for what its own attribute says. */
const instantType: OrcType = { kind: typeKind.timestampInstant, subtypes: [], fieldNames: [], attributes: [{ key: sparkTypeAttribute, value: 'timestamp' }] };

function orcType(kind: keyof typeof typeKind): OrcType {
  return { kind: typeKind[kind], subtypes: [], fieldNames: [], attributes: [] };
}
