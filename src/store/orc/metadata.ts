/**
 * What an ORC file says about itself: the messages of `orc_proto.proto` (apache/orc-format), by their field ids.
 *
 *   file     | "ORC" | stripes | metadata: stripe statistics | footer | postscript | its length, 1 byte |
 *   stripe   | index streams | data streams | stripe footer |
 *
 * All but the postscript are compressed like the data. Sizes, counts and positions are numbers, values of columns in
 * statistics are bigint where they may be beyond 2^53. Here is only what stands in the messages; whether offsets lie
 * inside the file and counts agree is for the reader to check.
 */
import {
  bool, bytes, double, enumeration, fixed64, int32, message, type MessageType, optional, packed, repeated, sint32, sint64, size, text, uint32,
} from './protobuf.ts';

export const compressionKind = { none: 0, zlib: 1, snappy: 2, lzo: 3, lz4: 4, zstd: 5, brotli: 6 } as const;

export const typeKind = {
  boolean: 0, byte: 1, short: 2, int: 3, long: 4, float: 5, double: 6, string: 7, binary: 8, timestamp: 9, list: 10, map: 11, struct: 12,
  union: 13, decimal: 14, date: 15, varchar: 16, char: 17, timestampInstant: 18, geometry: 19, geography: 20,
} as const;

export const streamKind = {
  present: 0, data: 1, length: 2, dictionaryData: 3, dictionaryCount: 4, secondary: 5, rowIndex: 6, bloomFilter: 7, bloomFilterUtf8: 8,
  encryptedIndex: 9, encryptedData: 10, stripeStatistics: 100, fileStatistics: 101,
} as const;

export const encodingKind = { direct: 0, dictionary: 1, directV2: 2, dictionaryV2: 3 } as const;

/** What Spark says of a column whose type is not one of ORC's: its own name of it. */
export const sparkTypeAttribute = 'spark.sql.catalyst.type';

export const calendarKind = { unknown: 0, julianGregorian: 1, prolepticGregorian: 2 } as const;

/** What the postscript ends with, and the file begins with. */
export const orcMagic = 'ORC';

export type PostScript = MessageType<typeof postScriptCodec>;
export const postScriptCodec = message({
  footerLength: optional(1, size),
  compression: optional(2, enumeration),
  compressionBlockSize: optional(3, size),
  version: packed(4, uint32),
  metadataLength: optional(5, size),
  writerVersion: optional(6, uint32),
  stripeStatisticsLength: optional(7, size),
  magic: optional(8000, text),
});

/** Bounds are inclusive and exact; a sum that does not fit 64 bits is left out. */
export type ColumnStatistics = MessageType<typeof columnStatisticsCodec>;
export const columnStatisticsCodec = message({
  numberOfValues: optional(1, size),
  integers: optional(2, message({ minimum: optional(1, sint64), maximum: optional(2, sint64), sum: optional(3, sint64) })),
  doubles: optional(3, message({ minimum: optional(1, double), maximum: optional(2, double), sum: optional(3, double) })),
  /** Of long strings only bounds are kept: below the least one, above the greatest. `sum` is that of the lengths. */
  strings: optional(4, message({
    minimum: optional(1, text), maximum: optional(2, text), sum: optional(3, sint64), lowerBound: optional(4, text), upperBound: optional(5, text),
  })),
  /** How many are true. */
  buckets: optional(5, message({ count: packed(1, size) })),
  decimals: optional(6, message({ minimum: optional(1, text), maximum: optional(2, text), sum: optional(3, text) })),
  /** Days since 1970. */
  dates: optional(7, message({ minimum: optional(1, sint32), maximum: optional(2, sint32) })),
  binaries: optional(8, message({ sum: optional(1, sint64) })),
  /** Milliseconds since 1970: by the writer's wall clock, and in UTC. Nanoseconds beyond those are written plus one. */
  timestamps: optional(9, message({
    minimum: optional(1, sint64), maximum: optional(2, sint64), minimumUtc: optional(3, sint64), maximumUtc: optional(4, sint64),
    minimumNanos: optional(5, int32), maximumNanos: optional(6, int32),
  })),
  hasNull: optional(10, bool),
  bytesOnDisk: optional(11, size),
  collections: optional(12, message({ minChildren: optional(1, size), maxChildren: optional(2, size), totalChildren: optional(3, size) })),
});

/** A node of the tree of types, whose root is a struct; children by their index in the list. */
export type OrcType = MessageType<typeof typeCodec>;
const typeCodec = message({
  kind: optional(1, enumeration),
  subtypes: packed(2, uint32),
  fieldNames: repeated(3, text),
  maximumLength: optional(4, uint32),
  precision: optional(5, uint32),
  scale: optional(6, uint32),
  attributes: repeated(7, message({ key: optional(1, text), value: optional(2, text) })),
});

export type StripeInformation = MessageType<typeof stripeInformationCodec>;
const stripeInformationCodec = message({
  offset: optional(1, size),
  indexLength: optional(2, size),
  dataLength: optional(3, size),
  footerLength: optional(4, size),
  numberOfRows: optional(5, size),
  encryptStripeId: optional(6, size),
  encryptedLocalKeys: repeated(7, bytes),
});

export type Stream = MessageType<typeof streamCodec>;
const streamCodec = message({ kind: optional(1, enumeration), column: optional(2, uint32), length: optional(3, size) });

/** Of encryption only what is needed to refuse it by name: which columns (`root` is a type) under which key. */
export type Encryption = MessageType<typeof encryptionCodec>;
const encryptionCodec = message({
  keys: repeated(2, message({ name: optional(1, text), version: optional(2, uint32), algorithm: optional(3, enumeration) })),
  variants: repeated(3, message({ root: optional(1, uint32), key: optional(2, uint32) })),
});

export type Footer = MessageType<typeof footerCodec>;
export const footerCodec = message({
  headerLength: optional(1, size),
  contentLength: optional(2, size),
  stripes: repeated(3, stripeInformationCodec),
  types: repeated(4, typeCodec),
  metadata: repeated(5, message({ name: optional(1, text), value: optional(2, bytes) })),
  numberOfRows: optional(6, size),
  statistics: repeated(7, columnStatisticsCodec),
  rowIndexStride: optional(8, uint32),
  writer: optional(9, uint32),
  encryption: optional(10, encryptionCodec),
  calendar: optional(11, enumeration),
  softwareVersion: optional(12, text),
});

/** The statistics of each stripe, by type. */
export type Metadata = MessageType<typeof metadataCodec>;
export const metadataCodec = message({
  stripeStatistics: repeated(1, message({ columns: repeated(1, columnStatisticsCodec) })),
});

export type ColumnEncoding = MessageType<typeof columnEncodingCodec>;
const columnEncodingCodec = message({ kind: optional(1, enumeration), dictionarySize: optional(2, uint32), bloomEncoding: optional(3, uint32) });

/** The streams in the order of their bytes, those of the index first. */
export type StripeFooter = MessageType<typeof stripeFooterCodec>;
export const stripeFooterCodec = message({
  streams: repeated(1, streamCodec),
  columns: repeated(2, columnEncodingCodec),
  writerTimezone: optional(3, text),
  encryption: repeated(4, message({ streams: repeated(1, streamCodec), encoding: repeated(2, columnEncodingCodec) })),
});

/** One entry per row group of one column: where it starts in each of the column's streams, and what is in it. */
export type RowIndex = MessageType<typeof rowIndexCodec>;
export const rowIndexCodec = message({
  entries: repeated(1, message({ positions: packed(1, size), statistics: optional(2, columnStatisticsCodec) })),
});

/** `bits` are the words of old files, `utf8Bits` the same as bytes, little-endian. */
export type BloomFilterIndex = MessageType<typeof bloomFilterIndexCodec>;
export const bloomFilterIndexCodec = message({
  filters: repeated(1, message({ hashFunctions: optional(1, uint32), bits: repeated(2, fixed64), utf8Bits: optional(3, bytes) })),
});
