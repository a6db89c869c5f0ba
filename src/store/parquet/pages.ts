/**
 * The pages of a column chunk, walked by their headers before the decoder sees them.
 *
 *   | header, in Thrift | page, compressed | header | page | …      a dictionary page, if any, comes first
 *
 * The decoders trust sizes and counts, and check no checksums: here they are checked.
 */
import { crc32 } from 'node:zlib';
import type { ColumnChunk } from './footer.ts';
import { readThrift, ThriftError, type ThriftStruct } from './thrift.ts';

/** What is wrong with a chunk; the caller knows file and column. */
export class PageError extends Error {}

const pageType = { data: 0, index: 1, dictionary: 2, dataV2: 3 } as const;

/** Beyond what the footer says of a whole chunk, since some writers do not count all of it. */
const slackBytes = 16 * 1024 * 1024;

/** One page that holds values or a dictionary, as its header has it. Its bytes are `start` to `end` of the chunk. */
export interface Page {
  readonly kind: 'dictionary' | 'v1' | 'v2';
  readonly start: number;
  readonly end: number;
  readonly uncompressedBytes: number;
  /** Nulls among them; for a dictionary, its entries. */
  readonly values: number;
  readonly encoding: number;
  /** Of v1, how definition levels are encoded. */
  readonly levelEncoding: number;
  /** Of v2: the nulls, the sizes of the levels before the values, and whether the values are compressed. */
  readonly nulls: number;
  readonly repetitionBytes: number;
  readonly definitionBytes: number;
  readonly isCompressed: boolean;
}

export interface Pages {
  /** How many of the chunk's bytes are pages, up to the last value. */
  readonly end: number;
  /** In file order. */
  readonly pages: readonly Page[];
}

/** The pages in `bytes`. Throws PageError unless they lie inside, hold `rows` values, and match their checksums. */
export function checkPages(bytes: Uint8Array, chunk: ColumnChunk, rows: number): Pages {
  const pages: Page[] = [];
  let at = 0;
  let values = 0;
  for (let page = 0; values < rows; page++) {
    if (at >= bytes.length) throw new PageError(`its pages hold ${values} values where the footer says ${rows}`);
    const { header, end } = headerAt(bytes, at, page);
    const [type, size, uncompressedSize, crc] = [header.int(1), header.int(3), header.int(2), header.int(4)];
    if (size === undefined || uncompressedSize === undefined || size < 0 || uncompressedSize < 0 || size > bytes.length - end) {
      throw new PageError(`page ${page} claims ${size} bytes where ${bytes.length - end} are left`);
    }
    if (uncompressedSize > chunk.uncompressedBytes + slackBytes) {
      throw new PageError(`page ${page} claims ${uncompressedSize} bytes uncompressed where the whole column has ${chunk.uncompressedBytes}`);
    }
    if (crc !== undefined && (crc >>> 0) !== crc32(bytes.subarray(end, end + size))) {
      throw new PageError(`page ${page} does not match its checksum`);
    }
    values += valuesOf(header, type, page, uncompressedSize);
    at = end + size;
    if (type !== pageType.index) pages.push(pageOf(header, type!, end, at, uncompressedSize));
  }
  if (values > rows) throw new PageError(`its pages hold ${values} values where the footer says ${rows}`);
  return { end: at, pages };
}

/** From a header that was checked. */
function pageOf(header: ThriftStruct, type: number, start: number, end: number, uncompressedBytes: number): Page {
  const details = header.struct(type === pageType.data ? 5 : type === pageType.dictionary ? 7 : 8)!;
  const isV2 = type === pageType.dataV2;
  return {
    start,
    end,
    uncompressedBytes,
    kind: type === pageType.data ? 'v1' : type === pageType.dictionary ? 'dictionary' : 'v2',
    values: details.int(1)!,
    encoding: details.int(isV2 ? 4 : 2) ?? -1,
    levelEncoding: type === pageType.data ? (details.int(3) ?? -1) : -1,
    nulls: isV2 ? details.int(2)! : 0,
    definitionBytes: isV2 ? details.int(5)! : 0,
    repetitionBytes: isV2 ? details.int(6)! : 0,
    isCompressed: isV2 ? (details.bool(7) ?? true) : true,
  };
}

function headerAt(bytes: Uint8Array, at: number, page: number): { header: ThriftStruct; end: number } {
  try {
    const { value, end } = readThrift(bytes, at);
    return { header: value, end };
  } catch (thrown) {
    if (!(thrown instanceof ThriftError)) throw thrown;
    throw new PageError(`the header of page ${page} cannot be read: ${thrown.message}`, { cause: thrown });
  }
}

/** How many values a page adds to the column. */
function valuesOf(header: ThriftStruct, type: number | undefined, page: number, uncompressedSize: number): number {
  switch (type) {
    case pageType.data:
      return countOf(header.struct(5)?.int(1), page);
    case pageType.dataV2: {
      const details = header.struct(8);
      const levels = [details?.int(5) ?? -1, details?.int(6) ?? -1];
      if (levels.some((size) => size < 0) || levels[0]! + levels[1]! > uncompressedSize) {
        throw new PageError(`page ${page} claims ${levels.join(' and ')} bytes of levels within ${uncompressedSize}`);
      }
      const [values, nulls, rows] = [countOf(details!.int(1), page), countOf(details!.int(2), page), countOf(details!.int(3), page)];
      if (nulls > values || rows !== values) throw new PageError(`page ${page} claims ${nulls} nulls and ${rows} rows among ${values} values`);
      return values;
    }
    case pageType.dictionary: {
      if (page !== 0) throw new PageError(`page ${page} is a dictionary, which should come first`);
      const entries = countOf(header.struct(7)?.int(1), page);
      if (entries > 0 && entries > 8 * uncompressedSize) throw new PageError(`the dictionary claims ${entries} values in ${uncompressedSize} bytes`);
      return 0;
    }
    case pageType.index:
      return 0;
    default:
      throw new PageError(`page ${page} has the type ${type}`);
  }
}

function countOf(count: number | undefined, page: number): number {
  if (count === undefined || count < 0) throw new PageError(`page ${page} claims ${count} values`);
  return count;
}
