/**
 * Column chunks of the common kinds to Arrow columns, page by page.
 *
 *   page in the file → unpacked → levels │ values → one value, code or offset per row → cut into batches
 *
 * Fixed-width integers and floats, text and binary; plain or by dictionary, 32-bit integers of DuckDB in steps, too; uncompressed or by Snappy;
 * data pages of both versions. Whatever else there is `canRead` leaves to the other decoder. The format is that of apache/parquet-format.
 * Law: one page of a chunk is unpacked at a time. What is handed out is copied from the kernels' memory, unless somebody lent it: then
 * it is good until the reader is asked for more.
 */
import { Data, DataType, Int64, makeData, Utf8, Vector } from '../../arrow/arrow.ts';
import { invariant } from '../../base/errors.ts';
import type { Column, ColumnChunk } from './footer.ts';
import type { Block, PageMemory } from './page-memory.ts';
import { Validity } from './page-validity.ts';
import { type Page, PageError } from './pages.ts';
import { decodeSteps, paddingBytes } from './steps.ts';
import { physicalType } from './types.ts';
import { isUnpackable, tryUnpack } from './unpack.ts';

export interface PagedChunk {
  readonly column: Column;
  readonly chunk: ColumnChunk;
  readonly bytes: Uint8Array;
  /** Where the bytes are in the memory that pages are read in; absent: elsewhere. */
  readonly at?: number | undefined;
  readonly pages: readonly Page[];
}

const codecOf = { uncompressed: 0, snappy: 1 } as const;
const encodingOf = { plain: 0, plainDictionary: 2, rle: 3, steps: 5, rleDictionary: 8 } as const;
const bitWidthMax = 32;
const bytesMax = 2 ** 31 - 1;

/** Whether a chunk is of a kind that is read here. */
export function canRead({ column, chunk, pages }: PagedChunk): boolean {
  const isPackedElse = chunk.codec !== codecOf.uncompressed && chunk.codec !== codecOf.snappy;
  if (isPackedElse && !(chunk.areStepsWide && isUnpackable(chunk.codec) && pages.some(({ encoding }) => encoding === encodingOf.steps))) return false;
  if (!isReadableType(column)) return false;
  const hasDictionary = pages[0]?.kind === 'dictionary';
  return pages.every((page) => {
    if (page.kind === 'dictionary') return page.encoding === encodingOf.plain || page.encoding === encodingOf.plainDictionary;
    if (page.kind === 'v1' && column.nullable && page.levelEncoding !== encodingOf.rle) return false;
    if (isDictionaryPage(page)) return hasDictionary;
    return (page.encoding === encodingOf.plain || (page.encoding === encodingOf.steps && chunk.areStepsWide === true)) && !DataType.isDictionary(column.type);
  });
}

/** About how many bytes of memory a chunk takes at most while it is read. */
export function workBytes({ column, pages }: PagedChunk): number {
  const width = Math.max(4, widthOf(column));
  const ofPage = (page: Page): number => page.end - page.start + 2 * page.uncompressedBytes + page.values * (2 * width + 4);
  const dictionary = pages[0]?.kind === 'dictionary' ? ofPage(pages[0]) : 0;
  return dictionary + pages.reduce((most, page) => Math.max(most, ofPage(page)), 0);
}

function isReadableType({ physical, type, annotation }: Column): boolean {
  if (annotation.kind === 'decimal' || DataType.isNull(type)) return false;
  if (physical !== physicalType.byteArray) return widthOf({ physical }) > 0;
  const plain = DataType.isDictionary(type) ? type.dictionary : type;
  return DataType.isUtf8(plain) || DataType.isBinary(plain);
}

function isDictionaryPage({ encoding }: Page): boolean {
  return encoding === encodingOf.plainDictionary || encoding === encodingOf.rleDictionary;
}

/** Of a value, in bytes; 0 where it is not fixed, or not read here. */
function widthOf({ physical }: Pick<Column, 'physical'>): number {
  if (physical === physicalType.int32 || physical === physicalType.float) return 4;
  return physical === physicalType.int64 || physical === physicalType.double ? 8 : 0;
}

/** The rows of one page, unpacked. Pointers are into the kernels' memory. */
interface Rows {
  readonly count: number;
  /** 0 where no row is null. */
  readonly bitmap: number;
  readonly content:
    | { readonly kind: 'words'; readonly at: number }
    | { readonly kind: 'bytes'; readonly offsets: number; readonly data: number }
    | { readonly kind: 'indices'; readonly at: number };
}

/** Byte arrays of some rows. Their offsets count from `data`; the first is `start`, the last `end`. */
interface BytesPart {
  readonly offsets: number;
  readonly data: number;
  readonly start: number;
  readonly end: number;
}

interface Dictionary {
  readonly entries: number;
  /** Of byte arrays. */
  readonly offsets: number;
  readonly data: number;
}

const block = (): Block => ({ at: 0, bytes: 0 });

/** The rows of a chunk, in order. Its methods throw PageError for what is damaged, RangeError where memory does not do. */
export class PageReader {
  private readonly width: number;
  private readonly isCodes: boolean;
  private readonly isText: boolean;
  private nextPage = 0;
  private rows: Rows = { count: 0, bitmap: 0, content: { kind: 'words', at: 0 } };
  private row = 0;
  /** Rows of the chunk that are behind. */
  private done = 0;
  private dictionary: Dictionary | undefined;
  private dictionaryVector: Vector | undefined;
  private readonly blocks = {
    packed: block(), page: block(), bitmap: block(), dense: block(), spread: block(), values: block(), offsets: block(), data: block(),
    dictionary: block(), dictionaryOffsets: block(), validity: block(), outOffsets: block(), partOffsets: block(), out: block(), assembled: block(),
  };

  constructor(
    private readonly memory: PageMemory,
    private readonly chunk: PagedChunk,
  ) {
    const { type } = chunk.column;
    this.width = widthOf(chunk.column);
    this.isCodes = DataType.isDictionary(type);
    this.isText = DataType.isUtf8(DataType.isDictionary(type) ? type.dictionary : type);
  }

  /** The next rows, as the column's type; what has a divisor as the integers that are stored. */
  next(count: number): Data {
    const validity = new Validity(this.memory, this.blocks.validity, count);
    if (this.width > 0 || this.isCodes) return this.wordsOf(count, validity);
    return this.bytesOf(count, validity);
  }

  /** Gives the blocks to whoever reads next; what was handed out of them is good no more. */
  release(): void {
    for (const each of Object.values(this.blocks)) this.memory.release(each);
  }

  /** Goes on to a row of the chunk, not before the one at hand. Pages up to there are not unpacked. */
  skipTo(row: number): void {
    while (this.done < row) {
      const page = this.chunk.pages[this.nextPage];
      const left = this.rows.count - this.row;
      if (left > 0) this.pass(Math.min(left, row - this.done));
      else if (page !== undefined && page.kind !== 'dictionary' && this.done + page.values <= row) {
        this.done += page.values;
        this.nextPage++;
      } else this.loadNext();
    }
  }

  private wordsOf(count: number, validity: Validity): Data {
    const { memory, blocks } = this;
    const width = this.width || 4;
    let at = 0;
    for (let done = 0; done < count; ) {
      const { rows, row, take } = this.take(count - done);
      invariant(rows.content.kind === 'words', 'words are cut from pages of words');
      const from = rows.content.at + row * width;
      // Values may begin at any address in a page; where they are handed out in place, at multiples of their width only.
      if (take === count && (!memory.isInPlace || from % width === 0)) at = from;
      else {
        at = memory.fit(blocks.assembled, count * width);
        memory.kernels.copyBytes(from, take * width, at + done * width);
      }
      validity.add(rows.bitmap, row, take);
      done += take;
    }
    return this.dataOf(memory.handOut(at, count * width), count, validity);
  }

  private dataOf(words: Uint8Array, length: number, validity: Validity): Data {
    const { type, divisor } = this.chunk.column;
    // Not by makeData, which takes ten times as long, once for each column of each row group.
    const { nullCount, nullBitmap } = validity.finish();
    const made = (of: DataType, values: ArrayBufferView, dictionary?: Vector): Data =>
      new Data(of, 0, length, nullCount, [undefined, values, nullBitmap] as never, [], dictionary);
    if (this.isCodes) return made(type, arrayOf(Int32Array, words, length), this.vectorOfDictionary());
    if (divisor !== undefined) return made(new Int64(), arrayOf(BigInt64Array, words, length));
    const ArrayType = type.ArrayType as unknown as WordsConstructor;
    // Integers of 8 and 16 bits are stored as 32.
    return made(type, ArrayType.BYTES_PER_ELEMENT === this.width ? arrayOf(ArrayType, words, length) : ArrayType.from(arrayOf(Int32Array, words, length)));
  }

  private bytesOf(count: number, validity: Validity): Data {
    const { memory, blocks } = this;
    let part: BytesPart = { offsets: memory.fit(blocks.outOffsets, 4), data: memory.fit(blocks.assembled, 0), start: 0, end: 0 };
    memory.bytes.fill(0, part.offsets, part.offsets + 4);
    for (let done = 0; done < count; ) {
      const { rows, row, take } = this.take(count - done);
      const next = this.partOf(rows, row, take);
      part = take === count ? next : this.appended(part, next, { done, take, count });
      validity.add(rows.bitmap, row, take);
      done += take;
    }
    const { data, start, end } = part;
    let { offsets } = part;
    // In place, offsets may count from before the first value.
    const first = memory.isInPlace ? 0 : start;
    if (first > 0) {
      offsets = memory.fit(blocks.outOffsets, 4 * (count + 1));
      memory.kernels.shiftOffsets(part.offsets, count + 1, -first, offsets);
    }
    const bytes = memory.handOut(data + first, end - first);
    const outOffsets = memory.handOut(offsets, 4 * (count + 1));
    const { nullCount, nullBitmap } = validity.finish();
    return new Data(this.chunk.column.type, 0, count, nullCount, [arrayOf(Int32Array, outOffsets, count + 1), bytes, nullBitmap] as never);
  }

  /** Some rows of the page at hand. */
  private partOf({ bitmap, content }: Rows, row: number, count: number): BytesPart {
    const { memory, blocks } = this;
    const { kernels } = memory;
    invariant(content.kind !== 'words', 'bytes are cut from pages of bytes');
    if (content.kind === 'bytes') {
      const at = content.offsets + 4 * row;
      return { offsets: at, data: content.data, start: memory.wordAt(at), end: memory.wordAt(at + 4 * count) };
    }
    const { offsets, data } = this.dictionary!;
    const indices = content.at + 4 * row;
    const bytes = kernels.sizeOfCodes(offsets, indices, bitmap, row, count);
    if (bytes > bytesMax) throw new RangeError('a batch holds more than 2 GB');
    const part = { offsets: memory.fit(blocks.partOffsets, 4 * (count + 1)), data: memory.fit(blocks.out, bytes), start: 0, end: bytes };
    kernels.gatherBytes(offsets, data, indices, bitmap, row, count, part.offsets, part.data, 0);
    return part;
  }

  /** What there is of a batch of `count` rows, `done` of them, with `take` more behind it: the page that they are from goes when the next comes. */
  private appended(before: BytesPart, part: BytesPart, { done, take, count }: { readonly done: number; readonly take: number; readonly count: number }): BytesPart {
    const { memory, blocks } = this;
    const bytes = part.end - part.start;
    const end = before.end + bytes;
    if (end > bytesMax) throw new RangeError('a batch holds more than 2 GB');
    const offsets = memory.enlarge(blocks.outOffsets, 4 * (done + 1), 4 * (count + 1));
    const data = memory.enlarge(blocks.assembled, before.end, end);
    memory.kernels.copyBytes(part.data + part.start, bytes, data + before.end);
    memory.kernels.shiftOffsets(part.offsets, take + 1, before.end - part.start, offsets + 4 * done);
    return { offsets, data, start: 0, end };
  }

  /** Up to `count` rows of the page at hand, or of the next one. */
  private take(count: number): { rows: Rows; row: number; take: number } {
    while (this.row === this.rows.count) this.loadNext();
    const { rows, row } = this;
    const take = Math.min(count, rows.count - row);
    this.pass(take);
    return { rows, row, take };
  }

  private pass(rows: number): void {
    this.row += rows;
    this.done += rows;
  }

  private loadNext(): void {
    const page = this.chunk.pages[this.nextPage];
    if (page === undefined) throw new PageError('its pages end too early');
    this.load(page);
    this.nextPage++;
  }

  private load(page: Page): void {
    this.row = 0;
    if (page.kind === 'dictionary') {
      this.rows = { ...this.rows, count: 0 };
      this.dictionary = this.dictionaryOf(page);
      return;
    }
    const { at, end } = this.unpack(page);
    const levels = this.levelsOf(page, at, end);
    this.rows = { count: page.values, bitmap: levels.bitmap, content: this.contentOf(page, levels, end) };
  }

  /** The page as it was before compression; of v2, levels and values. */
  private unpack(page: Page): { at: number; end: number } {
    const { memory, chunk } = this;
    const stored = page.end - page.start;
    const levelBytes = page.definitionBytes + page.repetitionBytes;
    const { codec } = chunk.chunk;
    const isPacked = codec !== codecOf.uncompressed && page.isCompressed && stored > levelBytes;
    if (!isPacked && stored !== page.uncompressedBytes) throw this.damage(`it has ${stored} bytes where its header says ${page.uncompressedBytes}`);
    if (!isPacked && chunk.at !== undefined) return { at: chunk.at + page.start, end: chunk.at + page.end };
    const at = this.placeOf(page);
    const end = at + page.uncompressedBytes;
    if (!isPacked) {
      memory.put(chunk.bytes.subarray(page.start, page.end), at);
      return { at, end };
    }
    if (codec !== codecOf.snappy) {
      const content = tryUnpack(codec, chunk.bytes.subarray(page.start + levelBytes, page.end), page.uncompressedBytes - levelBytes);
      if (content === undefined) throw this.damage('its compressed data is not sound');
      memory.put(chunk.bytes.subarray(page.start, page.start + levelBytes), at);
      memory.put(content, at + levelBytes);
      return { at, end };
    }
    const packed = this.packedAt(page);
    memory.kernels.copyBytes(packed, levelBytes, at);
    if (memory.kernels.unsnap(packed + levelBytes, stored - levelBytes, at + levelBytes, end - at - levelBytes) === 0) {
      throw this.damage('its Snappy data is not sound');
    }
    return { at, end };
  }

  private packedAt({ start, end }: Page): number {
    const { at, bytes } = this.chunk;
    if (at !== undefined) return at + start;
    const packed = this.memory.fit(this.blocks.packed, end - start);
    this.memory.put(bytes.subarray(start, end), packed);
    return packed;
  }

  /** Room for a page, so that its values begin at a multiple of their width where none is null. */
  private placeOf({ uncompressedBytes, values }: Page): number {
    const before = uncompressedBytes - values * this.width;
    return this.memory.fit(this.blocks.page, uncompressedBytes + 8) + (before > 0 ? -before & 7 : 0);
  }

  /** Which rows have a value, and where the values begin. */
  private levelsOf(page: Page, at: number, end: number): { bitmap: number; valid: number; values: number } {
    const { memory } = this;
    const isV2 = page.kind === 'v2';
    const afterLevels = isV2 ? at + page.repetitionBytes + page.definitionBytes : at;
    if (!this.chunk.column.nullable) {
      if (page.nulls > 0) throw this.damage(`it claims ${page.nulls} nulls in a column that has none`);
      return { bitmap: 0, valid: page.values, values: afterLevels };
    }
    if (!isV2 && end - at < 4) throw this.damage('it ends within its levels');
    const start = isV2 ? at + page.repetitionBytes : at + 4;
    const levelsEnd = isV2 ? afterLevels : start + memory.wordAt(at);
    if (levelsEnd > end) throw this.damage('its levels are longer than the page');
    const bitmap = memory.fit(this.blocks.bitmap, (page.values >> 3) + 1);
    const valid = memory.kernels.decodeLevels(start, levelsEnd, page.values, bitmap);
    if (valid < 0) throw this.damage('its levels cannot be read');
    if (isV2 && page.values - valid !== page.nulls) throw this.damage(`it claims ${page.nulls} nulls and has ${page.values - valid}`);
    return { bitmap: valid === page.values ? 0 : bitmap, valid, values: levelsEnd };
  }

  private contentOf(page: Page, levels: { bitmap: number; valid: number; values: number }, end: number): Rows['content'] {
    if (isDictionaryPage(page)) return this.lookedUp(page, levels, end);
    if (page.encoding === encodingOf.steps) return this.steps(page, levels, end);
    return this.width > 0 ? this.plainWords(page, levels, end) : this.plainBytes(page, levels, end);
  }

  private plainWords(page: Page, { bitmap, valid, values }: { bitmap: number; valid: number; values: number }, end: number): Rows['content'] {
    const { width, memory, blocks } = this;
    if (valid * width > end - values) throw this.damage(`${valid} values of ${width} bytes are more than its ${end - values}`);
    if (bitmap === 0) return { kind: 'words', at: values };
    const at = memory.fit(blocks.values, page.values * width);
    const spread = width === 4 ? memory.kernels.spread4 : memory.kernels.spread8;
    spread(values, bitmap, page.values, at);
    return { kind: 'words', at };
  }

  private steps(page: Page, { bitmap, valid, values }: { bitmap: number; valid: number; values: number }, end: number): Rows['content'] {
    const { memory, blocks } = this;
    const dense = memory.fit(blocks.dense, 4 * valid);
    try {
      const content = new Uint8Array(end - values + paddingBytes);
      content.set(memory.bytes.subarray(values, end));
      decodeSteps(content, new Int32Array(memory.bytes.buffer, dense, valid));
    } catch (thrown) {
      throw thrown instanceof PageError ? this.damage(thrown.message) : thrown;
    }
    if (bitmap === 0) return { kind: 'words', at: dense };
    const at = memory.fit(blocks.values, 4 * page.values);
    memory.kernels.spread4(dense, bitmap, page.values, at);
    return { kind: 'words', at };
  }

  private plainBytes(page: Page, { bitmap, valid, values }: { bitmap: number; valid: number; values: number }, end: number): Rows['content'] {
    const { memory, blocks } = this;
    const dense = memory.fit(blocks.dense, 4 * (valid + 1));
    const data = memory.fit(blocks.data, end - values);
    this.splitBytes(values, end, valid, dense, data);
    if (bitmap === 0) return { kind: 'bytes', offsets: dense, data };
    const offsets = memory.fit(blocks.offsets, 4 * (page.values + 1));
    memory.kernels.spreadOffsets(dense, bitmap, page.values, offsets);
    return { kind: 'bytes', offsets, data };
  }

  private splitBytes(at: number, end: number, count: number, offsets: number, data: number): void {
    const { kernels } = this.memory;
    if (kernels.plainBytes(at, end, count, offsets, data) === 0) throw this.damage(`its ${count} values are longer than the page`);
    if (this.isText && kernels.checkUtf8(offsets, data, count) === 0) throw this.damage('its text is not UTF-8');
  }

  private lookedUp(page: Page, { bitmap, valid, values }: { bitmap: number; valid: number; values: number }, end: number): Rows['content'] {
    const { memory, blocks, width } = this;
    const { kernels } = memory;
    let indices = this.indicesOf(valid, values, end);
    if (bitmap !== 0) {
      const spread = memory.fit(blocks.spread, 4 * page.values);
      kernels.spread4(indices, bitmap, page.values, spread);
      indices = spread;
    }
    if (this.isCodes) return { kind: 'words', at: indices };
    if (width === 0) return { kind: 'indices', at: indices };
    const at = memory.fit(blocks.values, page.values * width);
    const gather = width === 4 ? kernels.gather4 : kernels.gather8;
    gather(blocks.dictionary.at, indices, page.values, at);
    return { kind: 'words', at };
  }

  /** One index per value that is not null; each is in the dictionary. */
  private indicesOf(valid: number, at: number, end: number): number {
    const { memory } = this;
    const { entries } = this.dictionary!;
    const indices = memory.fit(this.blocks.dense, 4 * valid);
    if (valid === 0) return indices;
    const bitWidth = at < end ? memory.bytes[at]! : bitWidthMax + 1;
    if (bitWidth > bitWidthMax || memory.kernels.decodeIndices(at + 1, end, bitWidth, valid, entries, indices) === 0) {
      throw this.damage(`its ${valid} indices into a dictionary of ${entries} cannot be read`);
    }
    return indices;
  }

  private dictionaryOf(page: Page): Dictionary {
    const { memory, blocks, width } = this;
    const { at, end } = this.unpack(page);
    const entries = page.values;
    const size = end - at;
    const data = memory.fit(blocks.dictionary, Math.max(size, 8));
    if (width > 0) {
      if (entries * width > size) throw this.damage(`${entries} entries of ${width} bytes are more than its ${size}`);
      // A row that is null is looked up like any other, so there is to be a first entry.
      memory.bytes.fill(0, data, data + 8);
      memory.bytes.copyWithin(data, at, end);
      return { entries, offsets: 0, data };
    }
    const offsets = memory.fit(blocks.dictionaryOffsets, Math.max(4 * (entries + 1), 8));
    this.splitBytes(at, end, entries, offsets, data);
    return { entries, offsets, data };
  }

  private vectorOfDictionary(): Vector {
    if (this.dictionaryVector === undefined) {
      const { entries, offsets, data } = this.dictionary!;
      const valueOffsets = new Int32Array(this.memory.copyForKeeps(offsets, 4 * (entries + 1)));
      const bytes = new Uint8Array(this.memory.copyForKeeps(data, valueOffsets[entries]!));
      this.dictionaryVector = new Vector([makeData({ type: new Utf8(), length: entries, nullCount: 0, valueOffsets, data: bytes })]);
    }
    return this.dictionaryVector;
  }

  private damage(what: string): PageError {
    return new PageError(`page ${this.nextPage} cannot be decoded: ${what}`);
  }
}

interface WordsConstructor {
  new (buffer: ArrayBufferLike, offset: number, length: number): ArrayBufferView;
  from(words: Int32Array): ArrayBufferView;
  readonly BYTES_PER_ELEMENT: number;
}

function arrayOf<Words>(ArrayType: new (buffer: ArrayBufferLike, offset: number, length: number) => Words, { buffer, byteOffset }: Uint8Array, length: number): Words {
  return new ArrayType(buffer, byteOffset, length);
}
