/**
 * Which Arrow type a column of an ORC file has.
 *
 *   boolean                 Bool                      string, varchar, char   Utf8
 *   tinyint … bigint        Int8 … Int64              binary                  Binary
 *   float, double           Float32, Float64          date                    Date32
 *   decimal(p, s)           Decimal128; without p, as Hive 0.11 wrote it, (38, 6)
 *   timestamp               Timestamp without zone    timestamp with local time zone   Timestamp, UTC
 *
 * Timestamps are in nanoseconds, in microseconds where the statistics say that nanoseconds would not fit 64 bits. The Arrow
 * schema that our writer keeps in the file brings back what ORC has no type for. Spark's timestamp_ntz is a bigint that says so:
 * microseconds, without zone.
 */
import {
  ArrowTimeUnit, Binary, Bool, type DataType, DateDay, DateMillisecond, Decimal, Float16, Float32, Float64, Int, Int16, Int32, Int64, Int8, LargeBinary, LargeUtf8,
  Null, Timestamp, Utf8,
} from '../../arrow/arrow.ts';
import type { EmbeddedType } from '../parquet/arrow-schema.ts';
import { type ColumnStatistics, type OrcType, sparkTypeAttribute, typeKind } from './metadata.ts';

const kindNames = Object.fromEntries(Object.entries(typeKind).map(([name, kind]) => [kind, name]));

/** The type's name in ORC's words. */
export function kindName(kind: number | undefined): string {
  return kindNames[kind ?? 0] ?? `type number ${kind}`;
}

/** Undefined for types that are passed over. */
export function arrowTypeOf(type: OrcType, embedded: EmbeddedType | undefined, statistics: ColumnStatistics | undefined): DataType | undefined {
  switch (type.kind ?? 0) {
    case typeKind.boolean:
      return embedded?.kind === 'null' ? new Null() : new Bool();
    case typeKind.byte:
      return integerOf(embedded, 8) ?? new Int8();
    case typeKind.short:
      return integerOf(embedded, 16) ?? new Int16();
    case typeKind.int:
      return integerOf(embedded, 32) ?? new Int32();
    case typeKind.long:
      return isSparkTimestamp(type) ? new Timestamp(ArrowTimeUnit.MICROSECOND) : (integerOf(embedded, 64) ?? new Int64());
    case typeKind.float:
      return embedded?.kind === 'half' ? new Float16() : new Float32();
    case typeKind.double:
      return new Float64();
    case typeKind.string:
    case typeKind.varchar:
    case typeKind.char:
      return embedded?.kind === 'large' ? new LargeUtf8() : new Utf8();
    case typeKind.binary:
      return embedded?.kind === 'large' ? new LargeBinary() : new Binary();
    case typeKind.date:
      return new DateDay();
    case typeKind.timestamp:
      if (embedded?.kind === 'date64') return new DateMillisecond();
      return embedded?.kind === 'timestamp' && embedded.timezone === undefined ? new Timestamp(embedded.unit) : new Timestamp(unitFor(statistics));
    case typeKind.timestampInstant:
      return embedded?.kind === 'timestamp' && embedded.timezone !== undefined ? new Timestamp(embedded.unit, embedded.timezone) : new Timestamp(unitFor(statistics), 'UTC');
    case typeKind.decimal: {
      const { precision = 0, scale = 0 } = type;
      if (precision === 0) return new Decimal(6, 38, 128);
      return precision <= 38 && scale <= precision ? new Decimal(scale, precision, 128) : undefined;
    }
    default:
      return undefined;
  }
}

function isSparkTimestamp({ attributes }: OrcType): boolean {
  return attributes.some(({ key, value }) => key === sparkTypeAttribute && value === 'timestamp_ntz');
}

/** Unsigned and narrow integers are stored in the next wider type; wider ones would not fit. */
function integerOf(embedded: EmbeddedType | undefined, storedBits: number): DataType | undefined {
  if (embedded?.kind !== 'integer') return undefined;
  const { bitWidth, isSigned } = embedded;
  const fits = isSigned ? bitWidth === storedBits : bitWidth * 2 === storedBits || (bitWidth === 64 && storedBits === 64);
  return fits ? new Int(isSigned, bitWidth as 8) : undefined;
}

const nanosecondsMaxMs = 9_223_372_036_000n;

function unitFor(statistics: ColumnStatistics | undefined): ArrowTimeUnit {
  const { minimumUtc, maximumUtc, minimum, maximum } = statistics?.timestamps ?? {};
  const day = 86_400_000n;
  const beyond = [minimumUtc ?? minimum, maximumUtc ?? maximum].some((ms) => ms !== undefined && (ms > nanosecondsMaxMs - day || ms < day - nanosecondsMaxMs));
  return beyond ? ArrowTimeUnit.MICROSECOND : ArrowTimeUnit.NANOSECOND;
}
