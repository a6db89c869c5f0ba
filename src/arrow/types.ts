/**
 * Arrow's types by their numbers, for what importing the package loads: apache-arrow itself comes later (late.ts). The compiler holds
 * the numbers to apache-arrow's own.
 */
import type * as Arrow from './arrow.ts';

type DataType = Arrow.DataType;

export const Type: Pick<typeof Arrow.Type, TypeName> = {
  Dictionary: -1, Null: 1, Int: 2, Float: 3, Binary: 4, Utf8: 5, Bool: 6, Decimal: 7, Date: 8, Time: 9, Timestamp: 10, List: 12, Struct: 13,
  FixedSizeBinary: 15, FixedSizeList: 16, Map: 17, Duration: 18, LargeBinary: 19, LargeUtf8: 20, LargeList: 21,
};

type TypeName =
  | 'Dictionary' | 'Null' | 'Int' | 'Float' | 'Binary' | 'Utf8' | 'Bool' | 'Decimal' | 'Date' | 'Time' | 'Timestamp' | 'List' | 'Struct'
  | 'FixedSizeBinary' | 'FixedSizeList' | 'Map' | 'Duration' | 'LargeBinary' | 'LargeUtf8' | 'LargeList';

export const ArrowTimeUnit: Pick<typeof Arrow.ArrowTimeUnit, 'SECOND' | 'MILLISECOND'> = { SECOND: 0, MILLISECOND: 1 };

const is = <Narrow extends DataType>(typeId: Arrow.Type) => (type: DataType): type is Narrow => type.typeId === typeId;

export const isNull = is<Arrow.Null>(Type.Null);
export const isBool = is<Arrow.Bool>(Type.Bool);
export const isInt = is<Arrow.Int>(Type.Int);
export const isFloat = is<Arrow.Float>(Type.Float);
export const isDecimal = is<Arrow.Decimal>(Type.Decimal);
export const isDate = is<Arrow.Date_>(Type.Date);
export const isTimestamp = is<Arrow.Timestamp>(Type.Timestamp);
export const isUtf8 = is<Arrow.Utf8>(Type.Utf8);
export const isLargeUtf8 = is<Arrow.LargeUtf8>(Type.LargeUtf8);
export const isBinary = is<Arrow.Binary>(Type.Binary);
export const isLargeBinary = is<Arrow.LargeBinary>(Type.LargeBinary);
export const isFixedSizeBinary = is<Arrow.FixedSizeBinary>(Type.FixedSizeBinary);
export const isDictionary = is<Arrow.Dictionary>(Type.Dictionary);

/** The type that a column has once dictionaries are decoded. */
export function plainType(type: DataType): DataType {
  return isDictionary(type) ? type.dictionary : type;
}
