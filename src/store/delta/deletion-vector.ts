/**
 * Deletion vectors: which rows of a data file a Delta table has no more, as it keeps them.
 *
 *   i   in the log itself, in Z85                       u   beside the data, in a file called by a UUID
 *   p   in a file anywhere, told by its URI
 *
 *   file     | version 1 | … | size | bitmap | CRC-32 | …         one vector or several, big endian
 *   bitmap   | magic | buckets | upper 32 bits | roaring bitmap | …                little endian
 *   roaring  | cookie | key and cardinality of each container | offsets | containers: array, bits or runs
 *
 * By Delta's PROTOCOL.md and github.com/RoaringBitmap/RoaringFormatSpec. Law: positions come back ascending and distinct, as
 * many as the log says, all of them rows of the file. Nothing is allocated before their number was checked.
 */
import { crc32 } from 'node:zlib';
import { DamagedFileError, UnsupportedError } from '../../base/errors.ts';
import type { FileBytes, OpenFile } from '../bytes.ts';
import type { DeletedRows } from '../deleted-rows.ts';

/** As the log has it in add and remove actions. */
export interface DeletionVector {
  readonly storageType: string;
  readonly pathOrInlineDv: string;
  readonly offset?: number | undefined;
  readonly sizeInBytes: number;
  readonly cardinality: number;
}

export interface DeletionVectorSource {
  /** Of the data file, for messages. */
  readonly name: string;
  /** How many rows the data file has. */
  readonly rows: number;
  /** The vector's file by its path from the table's folder on, or by its URI; undefined when it is not there. */
  open(place: { readonly path: string } | { readonly uri: string }): Promise<OpenFile | undefined>;
}

/** Tells a file's vectors apart; together with the path it is the key of a logical file. */
export function deletionVectorId({ storageType, pathOrInlineDv, offset }: DeletionVector): string {
  return `${storageType}${pathOrInlineDv}${offset === undefined ? '' : `@${offset}`}`;
}

/** The positions of the deleted rows. Throws DamagedFileError, naming the vector's file where it has one. */
export async function readDeletionVector(vector: DeletionVector, source: DeletionVectorSource): Promise<DeletedRows> {
  const { sizeInBytes, cardinality, offset = 0 } = vector;
  for (const [field, value] of Object.entries({ sizeInBytes, cardinality, offset })) {
    if (!Number.isSafeInteger(value) || value < 0) throw new DamagedFileError(source.name, `its deletion vector has a ${field} of ${value}`);
  }
  if (cardinality > source.rows) throw new DamagedFileError(source.name, `its deletion vector leaves out ${cardinality} rows, but the file has ${source.rows}`);
  const place = placeOf(vector, source.name);
  if ('content' in place) return decodeBitmap(source.name, place.content, cardinality, source.rows);
  const file = await source.open(place);
  if (file === undefined) {
    throw new DamagedFileError(source.name, `its deletion vector ${'path' in place ? place.path : place.uri} is gone. If the version is older than the retention, vacuum took it; else restore the file`);
  }
  try {
    return decodeBitmap(file.name, await readVector(file, offset, sizeInBytes), cardinality, source.rows);
  } finally {
    await file.close();
  }
}

/** Where a vector's file stands from the table's folder on; undefined for one in the log, elsewhere, or nowhere. */
export function deletionVectorPath(vector: DeletionVector): string | undefined {
  if (vector.storageType !== 'u') return undefined;
  const place = placeOf(vector, 'deletion vector');
  return 'path' in place ? place.path : undefined;
}

type Place = { readonly content: Uint8Array } | { readonly path: string } | { readonly uri: string };

/** A UUID in Z85. */
const uuidLength = 20;

function placeOf({ storageType, pathOrInlineDv, sizeInBytes }: DeletionVector, name: string): Place {
  switch (storageType) {
    case 'i': {
      const content = z85(pathOrInlineDv, name);
      if (content.length < sizeInBytes) throw new DamagedFileError(name, `its deletion vector should have ${sizeInBytes} bytes; found ${content.length}`);
      return { content: content.subarray(0, sizeInBytes) };
    }
    case 'u': {
      const [prefix, encoded] = [pathOrInlineDv.slice(0, -uuidLength), pathOrInlineDv.slice(-uuidLength)];
      if (encoded.length < uuidLength || !/^[\w-]*$/.test(prefix)) throw new DamagedFileError(name, `${JSON.stringify(pathOrInlineDv)} names no deletion vector`);
      const hex = Buffer.from(z85(encoded, name)).toString('hex');
      const uuid = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
      return { path: `${prefix === '' ? '' : `${prefix}/`}deletion_vector_${uuid}.bin` };
    }
    case 'p':
      return { uri: pathOrInlineDv };
    default:
      throw new UnsupportedError(name, `deletion vector storage ${storageType}`, `its deletion vector is stored as ${JSON.stringify(storageType)}; i, p and u are known`);
  }
}

/** https://rfc.zeromq.org/spec/32 */
const z85Digits = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#';
const z85Values = new Map(Array.from(z85Digits, (digit, value) => [digit, value]));

/** Five digits make four bytes. */
function z85(text: string, name: string): Uint8Array {
  if (text.length % 5 !== 0) throw new DamagedFileError(name, `its deletion vector is no Z85: ${text.length} characters are not a multiple of five`);
  const content = Buffer.alloc((text.length / 5) * 4);
  for (let group = 0; group * 5 < text.length; group++) {
    let value = 0;
    for (const digit of text.slice(group * 5, group * 5 + 5)) value = value * 85 + (z85Values.get(digit) ?? Number.NaN);
    if (!(value <= 0xffff_ffff)) throw new DamagedFileError(name, `its deletion vector is no Z85: ${JSON.stringify(text.slice(group * 5, group * 5 + 5))} stands for no four bytes`);
    content.writeUInt32BE(value, group * 4);
  }
  return content;
}

const fileVersion = 1;

/** The bitmap at an offset of a file, verified by its size and checksum. Without an offset it is the first. */
async function readVector(file: FileBytes, offset: number, size: number): Promise<Uint8Array> {
  const start = Math.max(1, offset);
  const [head, framed] = await Promise.all([file.read(0, 1), file.read(start, start + size + 8)]);
  if (head[0] !== fileVersion) throw new UnsupportedError(file.name, `deletion vector format ${head[0]}`, `is a file of deletion vectors of format ${head[0]}; ${fileVersion} is known`);
  const view = new DataView(framed.buffer, framed.byteOffset, framed.byteLength);
  if (view.getUint32(0) !== size) throw new DamagedFileError(file.name, `the deletion vector at byte ${start} should have ${size} bytes; it says ${view.getUint32(0)}`);
  const bitmap = framed.subarray(4, 4 + size);
  if (view.getUint32(4 + size) !== crc32(bitmap)) throw new DamagedFileError(file.name, `the deletion vector at byte ${start} is damaged: its checksum differs`);
  return bitmap;
}

// ---- the bitmap

const bitmapMagic = 1_681_511_377;
const cookieWithRuns = 12_347;
const cookieWithoutRuns = 12_346;
/** Fewer containers than this have no offsets where there are runs. */
const offsetsFrom = 4;
/** More values than this are kept as bits. */
const arrayMax = 4_096;
const bitsBytes = 8_192;
const containerValues = 65_536;

/** Where a reader of the bitmap stands, and what it has found. */
class BitmapReader {
  private at = 0;
  private readonly view: DataView;
  private count = 0;
  private last = -1;
  private readonly positions: Float64Array;

  constructor(
    private readonly name: string,
    private readonly content: Uint8Array,
    private readonly cardinality: number,
    private readonly rows: number,
  ) {
    this.view = new DataView(content.buffer, content.byteOffset, content.byteLength);
    this.positions = new Float64Array(cardinality);
  }

  read(): DeletedRows {
    const magic = this.uint32();
    if (magic !== bitmapMagic) throw new UnsupportedError(this.name, `deletion vector bitmap ${magic}`, `is a deletion vector of a format that is not known: its magic number is ${magic}`);
    const [buckets, above] = [this.uint32(), this.uint32()];
    if (above !== 0) throw this.damage(`it has ${above} · 2^32 buckets`);
    for (let bucket = 0; bucket < buckets; bucket++) {
      const key = this.uint32();
      // Whole numbers are exact to 2^53, far beyond the rows of any file.
      if (key * 2 ** 32 >= this.rows) throw this.damage(`it leaves out rows from ${key * 2 ** 32} on`);
      this.readRoaring(key * 2 ** 32);
    }
    if (this.at !== this.content.length) throw this.damage(`it ends ${this.content.length - this.at} bytes too late`);
    if (this.count !== this.cardinality) throw this.damage(`it has ${this.count} rows`);
    return this.positions;
  }

  /** A bitmap of 32-bit values, all of which are above `base`. */
  private readRoaring(base: number): void {
    const cookie = this.uint32();
    const hasRuns = (cookie & 0xffff) === cookieWithRuns;
    if (!hasRuns && cookie !== cookieWithoutRuns) throw this.damage(`a bitmap in it begins with ${cookie}`);
    const containers = hasRuns ? (cookie >>> 16) + 1 : this.uint32();
    if (containers > containerValues) throw this.damage(`a bitmap in it has ${containers} containers`);
    const runs = hasRuns ? this.bytes((containers + 7) >> 3) : undefined;
    const heads = this.bytes(containers * 4);
    // They say where containers begin, which follow each other anyway.
    if (!hasRuns || containers >= offsetsFrom) this.bytes(containers * 4);
    const head = new DataView(heads.buffer, heads.byteOffset, heads.byteLength);
    for (let container = 0; container < containers; container++) {
      const start = base + head.getUint16(4 * container, true) * containerValues;
      const values = head.getUint16(4 * container + 2, true) + 1;
      if (this.count + values > this.cardinality) throw this.damage(`it has ${this.count + values} rows or more`);
      const before = this.count;
      if (runs !== undefined && ((runs[container >> 3]! >> (container & 7)) & 1) === 1) this.readRuns(start, values);
      else if (values > arrayMax) this.readBits(start, values);
      else this.readArray(start, values);
      if (this.count - before !== values) throw this.damage(`a container in it has ${this.count - before} rows instead of ${values}`);
    }
  }

  private readArray(start: number, values: number): void {
    const content = this.bytes(values * 2);
    for (let i = 0; i < content.length; i += 2) this.add(start + content[i]! + content[i + 1]! * 256);
  }

  private readBits(start: number, values: number): void {
    const content = this.bytes(bitsBytes);
    let left = values;
    for (let i = 0; i < bitsBytes; i++) {
      for (let bit = 0, byte = content[i]!; byte !== 0; bit++, byte >>= 1) {
        if ((byte & 1) === 0) continue;
        if (left-- === 0) throw this.damage(`a container in it has more than ${values} rows`);
        this.add(start + i * 8 + bit);
      }
    }
  }

  private readRuns(start: number, values: number): void {
    const runs = this.uint16();
    let left = values;
    for (let run = 0; run < runs; run++) {
      const first = this.uint16();
      const length = this.uint16() + 1;
      if (length > left || first + length > containerValues) throw this.damage(`a run of ${length} rows in it goes too far`);
      left -= length;
      for (let i = 0; i < length; i++) this.add(start + first + i);
    }
  }

  private add(position: number): void {
    if (position <= this.last) throw this.damage(`row ${position} comes after row ${this.last}`);
    if (position >= this.rows) throw this.damage(`it leaves out row ${position}`);
    this.positions[this.count++] = position;
    this.last = position;
  }

  private uint16(): number {
    this.need(2);
    this.at += 2;
    return this.view.getUint16(this.at - 2, true);
  }

  private uint32(): number {
    this.need(4);
    this.at += 4;
    return this.view.getUint32(this.at - 4, true);
  }

  private bytes(length: number): Uint8Array {
    this.need(length);
    this.at += length;
    return this.content.subarray(this.at - length, this.at);
  }

  private need(length: number): void {
    if (this.at + length > this.content.length) throw this.damage(`it is truncated: ${this.content.length} bytes are too few`);
  }

  private damage(detail: string): DamagedFileError {
    return new DamagedFileError(this.name, `the deletion vector of ${this.cardinality} out of ${this.rows} rows is damaged: ${detail}`);
  }
}

function decodeBitmap(name: string, content: Uint8Array, cardinality: number, rows: number): DeletedRows {
  return new BitmapReader(name, content, cardinality, rows).read();
}
