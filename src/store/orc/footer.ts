/**
 * What an ORC file says of itself: postscript, footer and statistics of stripes, in one or two reads from its end, checked
 * against the file.
 */
import { Field, Schema } from '../../arrow/arrow.ts';
import { DamagedFileError, UnsupportedError } from '../../base/errors.ts';
import type { FileBytes } from '../bytes.ts';
import { type EmbeddedType, embeddedTypes } from '../parquet/arrow-schema.ts';
import { readExactly } from '../parquet/fetch.ts';
import { areFiltersSound } from './bloom-filter.ts';
import { isHybrid, isJava } from './calendar.ts';
import { checkCompression, type Compression, decompress } from './decompress.ts';
import {
  type ColumnStatistics, compressionKind, type Footer, footerCodec, type Metadata, metadataCodec, orcMagic, type PostScript, postScriptCodec, type StripeInformation, typeKind,
} from './metadata.ts';
import { decodeMessage } from './protobuf.ts';
import { arrowTypeOf, kindName } from './read-types.ts';
import type { StatedColumn } from './statistics.ts';

export type OrcColumn = StatedColumn;

export interface OrcStripe {
  readonly rows: number;
  readonly offset: number;
  readonly indexLength: number;
  readonly dataLength: number;
  readonly footerLength: number;
  /** By the number of the column; absent where the file has none. */
  readonly statistics: readonly ColumnStatistics[] | undefined;
}

export interface OrcFile {
  readonly name: string;
  readonly rows: number;
  readonly schema: Schema;
  readonly columns: ReadonlyMap<string, OrcColumn>;
  readonly passedOver: readonly { readonly column: string; readonly why: string }[];
  readonly stripes: readonly OrcStripe[];
  readonly compression: Compression;
  /** How many rows the row groups of a stripe have, but for the last; 0 where there are none. */
  readonly groupRows: number;
  /** Of the writer's fixes the newest that it has. */
  readonly writerVersion: number;
  readonly areFiltersSound: boolean;
  /** Whether Java has written it. */
  readonly isJava: boolean;
}

const tailBytes = 64 * 1024;
const blockSizeDefault = 256 * 1024;
/** The header of a block has 23 bits for its length. */
const blockSizeMax = 1 << 23;

export async function openOrc(bytes: FileBytes): Promise<OrcFile> {
  const { name, size } = bytes;
  const notOrc = (found: string): DamagedFileError => new DamagedFileError(name, `not an ORC file, or truncated: ${found}. Check the path, or write the file again`);
  if (size < 4) throw notOrc(`it has ${size} bytes`);
  const tailStart = Math.max(0, size - tailBytes);
  const tail = await readExactly(bytes, tailStart, size);
  const postScriptBytes = tail[tail.length - 1]!;
  const postScriptStart = tail.length - 1 - postScriptBytes;
  if (postScriptBytes === 0 || postScriptStart < 0) throw notOrc(`its postscript should have ${postScriptBytes} bytes`);
  const magic = Buffer.from(tail.buffer, tail.byteOffset + tail.length - 1 - orcMagic.length, orcMagic.length).toString('latin1');
  const head = tailStart === 0 ? tail.subarray(0, 3) : await readExactly(bytes, 0, 3);
  const begins = Buffer.from(head).toString('latin1') === orcMagic;
  // Files of the first version have it in the postscript only.
  if (!begins && magic !== orcMagic) throw notOrc(`it should begin with ORC, but begins with ${JSON.stringify(Buffer.from(head).toString('latin1'))}`);
  const postScript = decodeMessage(postScriptCodec, tail.subarray(postScriptStart, tail.length - 1), name, 'postscript');
  const compression = compressionOf(name, postScript.compression ?? 0, postScript.compressionBlockSize);
  const { footerLength = 0, metadataLength = 0 } = postScript;
  const end = size - 1 - postScriptBytes;
  const start = end - footerLength - metadataLength;
  if (footerLength === 0 || start < 0) throw notOrc(`its footer and metadata should have ${footerLength} and ${metadataLength} bytes, and the file has ${size}`);
  const meta = start >= tailStart ? tail.subarray(start - tailStart, end - tailStart) : await readExactly(bytes, start, end);
  const unpacked = (part: Uint8Array, what: string): Uint8Array => decompress({ file: name, stream: what }, compression, part);
  const footer = decodeMessage(footerCodec, unpacked(meta.subarray(metadataLength), 'footer'), name, 'footer');
  const metadata = metadataLength === 0 ? undefined : decodeMessage(metadataCodec, unpacked(meta.subarray(0, metadataLength), 'metadata'), name, 'metadata');
  return fileOf(name, start, footer, metadata, compression, postScript);
}

function compressionOf(file: string, kind: number, size: number | undefined): Compression {
  checkCompression(file, kind);
  const blockSize = size === undefined || size === 0 ? blockSizeDefault : size;
  if (kind !== compressionKind.none && blockSize > blockSizeMax) throw new DamagedFileError(file, `its blocks should have ${blockSize} bytes, and ${blockSizeMax} is the most; the file is damaged`);
  return { kind, blockSize };
}

function fileOf(name: string, contentEnd: number, footer: Footer, metadata: Metadata | undefined, compression: Compression, { writerVersion = 0 }: PostScript): OrcFile {
  if (footer.encryption !== undefined && footer.encryption.variants.length > 0) {
    throw new UnsupportedError(name, 'encryption', 'the file has encrypted columns, which cannot be read here; write it again without encryption');
  }
  const root = footer.types[0];
  if (root === undefined) throw new DamagedFileError(name, 'its footer names no type; the file is damaged');
  if ((root.kind ?? 0) !== typeKind.struct) {
    throw new UnsupportedError(name, `a root of type ${kindName(root.kind)}`, `its rows are ${kindName(root.kind)}, not a struct of columns; write it again with named columns`);
  }
  if (root.subtypes.length !== root.fieldNames.length) throw new DamagedFileError(name, `it has ${root.subtypes.length} columns and ${root.fieldNames.length} names; the file is damaged`);
  const hints = embeddedTypes(textOf(footer.metadata.find((item) => item.name === 'ARROW:schema')?.value));
  const columns = new Map<string, OrcColumn>();
  const passedOver: { column: string; why: string }[] = [];
  root.fieldNames.forEach((column, i) => {
    const id = root.subtypes[i]!;
    const orcType = footer.types[id];
    if (orcType === undefined || id === 0) throw new DamagedFileError(name, `column ${column} is of type ${id}, and there are ${footer.types.length}; the file is damaged`);
    if (columns.has(column)) throw new UnsupportedError(name, `two columns ${column}`, 'columns are asked for by name; write it again with names that differ');
    const type = arrowTypeOf(orcType, hints.get(column) as EmbeddedType | undefined, footer.statistics[id]);
    if (type === undefined) passedOver.push({ column, why: `it is ${kindName(orcType.kind)}, and only flat columns are read` });
    else columns.set(column, { name: column, id, orcType, type, isHybrid: isHybrid(footer) });
  });
  const stripes = footer.stripes.map((stripe, index) => stripeOf(name, contentEnd, stripe, index, metadata?.stripeStatistics[index]?.columns));
  const rows = stripes.reduce((sum, stripe) => sum + stripe.rows, 0);
  if (footer.numberOfRows !== undefined && rows !== footer.numberOfRows) {
    throw new DamagedFileError(name, `its stripes have ${rows} rows, and its footer says ${footer.numberOfRows}; the file is damaged`);
  }
  const schema = new Schema([...columns.values()].map((column) => new Field(column.name, column.type, true)));
  return {
    name, rows, schema, columns, passedOver, stripes, compression, groupRows: footer.rowIndexStride ?? 0, writerVersion, areFiltersSound: areFiltersSound(footer), isJava: isJava(footer),
  };
}

function textOf(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : Buffer.from(bytes).toString('latin1');
}

function stripeOf(name: string, contentEnd: number, stripe: StripeInformation, index: number, statistics: readonly ColumnStatistics[] | undefined): OrcStripe {
  const { offset = 0, indexLength = 0, dataLength = 0, footerLength = 0, numberOfRows: rows = 0 } = stripe;
  if (offset + indexLength + dataLength + footerLength > contentEnd || rows > 0x7fffffff) {
    throw new DamagedFileError(name, `stripe ${index} should have ${rows} rows in ${indexLength + dataLength + footerLength} bytes from ${offset} on, and the stripes end at ${contentEnd}; the file is truncated or damaged`);
  }
  return { rows, offset, indexLength, dataLength, footerLength, statistics };
}
