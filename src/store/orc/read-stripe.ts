/**
 * The rows of a stripe: all, or those of the row groups that may have wanted ones.
 *
 *   nothing is filtered, or no row index helps   → the streams of the wanted columns, whole
 *   otherwise                                    → the index and bloom filters, then of each stream what some groups need
 *
 * Law: an index is believed only as far as the data bear it out. Where anything that was read by it does not fit, the stripe is
 * read whole, and what is wrong then is damage.
 */
import type { Data, Vector } from '../../arrow/arrow.ts';
import { DamagedFileError } from '../../base/errors.ts';
import type { FileBytes } from '../bytes.ts';
import { coalesce, readExactly } from '../parquet/fetch.ts';
import type { ByteRange } from '../parquet/footer.ts';
import { decodeColumn } from './decode-column.ts';
import { damaged, type StreamName, type StreamPart } from './decode-runs.ts';
import { decompress } from './decompress.ts';
import type { OrcColumn, OrcFile } from './footer.ts';
import { bloomFilterIndexCodec, type RowIndex, rowIndexCodec, type StripeFooter, stripeFooterCodec, streamKind, typeKind } from './metadata.ts';
import { type Codec, decodeMessage } from './protobuf.ts';
import { type GroupRange, indexedStreams, positionsOf, wantedGroups } from './row-index.ts';
import type { RowFilter } from './statistics.ts';
import { storedRange, type StreamPositions, streamPart } from './stream-part.ts';
import { WallClock } from './wall-clock.ts';

/** Neighbouring rows of a stripe; data by the columns that were asked for. */
export interface StripeRows {
  readonly rows: number;
  readonly data: readonly Data[];
}

/** `columns` is not empty. */
export async function readStripe(bytes: FileBytes, file: OrcFile, columns: readonly OrcColumn[], index: number, filters: readonly RowFilter[]): Promise<StripeRows[]> {
  const reader = new StripeReader(bytes, file, columns, index, await openStripe(bytes, file, index));
  const groups = filters.length === 0 ? undefined : await reader.chooseGroups(filters);
  if (groups === undefined) return [await reader.readAll()];
  try {
    return await reader.readGroups(groups);
  } catch (thrown) {
    if (!(thrown instanceof DamagedFileError)) throw thrown;
    return [await reader.readAll()];
  }
}

interface OpenStripe {
  readonly footer: StripeFooter;
  /** Where each stream is: by column, by kind. */
  readonly places: ReadonlyMap<number, ReadonlyMap<number, ByteRange>>;
}

async function openStripe(bytes: FileBytes, file: OrcFile, index: number): Promise<OpenStripe> {
  const { name, compression } = file;
  const { offset, indexLength, dataLength, footerLength } = file.stripes[index]!;
  const end = offset + indexLength + dataLength;
  const packed = await readExactly(bytes, end, end + footerLength);
  const stream = `footer of stripe ${index}`;
  const footer = decodeMessage(stripeFooterCodec, decompress({ file: name, stream }, compression, packed), name, stream);
  const places = new Map<number, Map<number, ByteRange>>();
  let start = offset;
  // They stand one after the other, those of the index first.
  for (const { kind = 0, column = 0, length = 0 } of footer.streams) {
    if (start + length > end) throw new DamagedFileError(name, `the streams of stripe ${index} reach beyond its end; the file is damaged`);
    const ofColumn = places.get(column);
    if (ofColumn === undefined) places.set(column, new Map([[kind, { start, end: start + length }]]));
    else ofColumn.set(kind, { start, end: start + length });
    start += length;
  }
  return { footer, places };
}

const dataKinds = [streamKind.present, streamKind.data, streamKind.length, streamKind.dictionaryData, streamKind.secondary] as const;

/** The index of a stripe's columns, where all of it is there. */
interface ChosenGroups {
  readonly ranges: readonly GroupRange[];
  readonly groupRows: readonly number[];
  /** By the columns that were asked for. */
  readonly positions: readonly (readonly StreamPositions[])[];
}

class StripeReader {
  private readonly rows: number;
  private readonly wallClock: WallClock;
  /** By column: the entries of its dictionary, once they were decoded. */
  private readonly dictionaries = new Map<number, Vector>();

  constructor(
    private readonly bytes: FileBytes,
    private readonly file: OrcFile,
    private readonly columns: readonly OrcColumn[],
    private readonly index: number,
    private readonly stripe: OpenStripe,
  ) {
    this.rows = file.stripes[index]!.rows;
    this.wallClock = new WallClock(file.name, stripe.footer.writerTimezone, file.isJava);
  }

  async readAll(): Promise<StripeRows> {
    const { compression } = this.file;
    this.dictionaries.clear();
    const streams = this.columns.flatMap((column) => dataKinds.flatMap((kind) => {
      const place = this.placeOf(column, kind);
      return place === undefined ? [] : [{ column, kind, place }];
    }));
    const stored = await readPlaces(this.bytes, streams.map(({ place }) => place));
    const data = this.columns.map((wanted) => {
      const parts = streams.flatMap(({ column, kind }, i): [number, StreamPart][] =>
        column === wanted ? [[kind, { bytes: decompress(this.named(column), compression, stored[i]!), skip: 0 }]] : []);
      return this.decode(wanted, this.rows, new Map(parts));
    });
    return { rows: this.rows, data };
  }

  /** Undefined where all of them are wanted, or the index does not tell. */
  async chooseGroups(filters: readonly RowFilter[]): Promise<ChosenGroups | undefined> {
    const { groupRows: most, compression, stripes } = this.file;
    if (most === 0 || this.rows <= most) return undefined;
    const groupRows = Array.from({ length: Math.ceil(this.rows / most) }, (_, group) => Math.min(most, this.rows - group * most));
    const indexed = [...new Set([...filters.map(({ column }) => column), ...this.columns])];
    const indexPlaces = indexed.map((column) => this.placeOf(column, streamKind.rowIndex));
    if (indexPlaces.some((place) => place === undefined)) return undefined;
    const dataBytes = sizeOf(this.columns.flatMap((column) => dataKinds.flatMap((kind) => this.placeOf(column, kind) ?? [])));
    const isWorth = (places: readonly (ByteRange | undefined)[]): boolean => 2 * sizeOf(places.filter((place) => place !== undefined)) <= dataBytes;
    if (!isWorth(indexPlaces)) return undefined;
    const filterPlaces = filters.map((filter) => ('keys' in filter ? this.bloomPlace(filter.column) : undefined));
    const bloomPlaces = isWorth([...indexPlaces, ...filterPlaces]) ? filterPlaces : [];
    const places = [...indexPlaces, ...bloomPlaces].filter((place) => place !== undefined);
    const stored = new Map<ByteRange, Uint8Array>((await readPlaces(this.bytes, places)).map((bytes, i) => [places[i]!, bytes]));
    const indexes = new Map(indexed.map((column, i) => [column, this.tryDecode(rowIndexCodec, column, stored.get(indexPlaces[i]!)!)]));
    const asked = filters.map((filter, i) => {
      const place = bloomPlaces[i];
      return { filter, index: indexes.get(filter.column), blooms: place && this.tryDecode(bloomFilterIndexCodec, filter.column, stored.get(place)!) };
    });
    const ranges = wantedGroups(asked, groupRows, stripes[this.index]!.statistics);
    if (ranges === undefined || (ranges.length === 1 && ranges[0]!.end - ranges[0]!.start === groupRows.length)) return undefined;
    const positions = this.columns.map((column) => this.positions(column, indexes.get(column), groupRows.length, compression.kind !== 0));
    return positions.some((each) => each === undefined) ? undefined : { ranges, groupRows, positions: positions as StreamPositions[][] };
  }

  /** Text by filters of the first kind was hashed in whatever encoding the writer's machine had. */
  private bloomPlace(column: OrcColumn): ByteRange | undefined {
    if (!this.file.areFiltersSound) return undefined;
    const { kind = 0 } = column.orcType;
    const isText = kind === typeKind.string || kind === typeKind.varchar;
    return this.placeOf(column, streamKind.bloomFilterUtf8) ?? (isText ? undefined : this.placeOf(column, streamKind.bloomFilter));
  }

  private positions(column: OrcColumn, index: RowIndex | undefined, groups: number, isCompressed: boolean): StreamPositions[] | undefined {
    const encoding = this.stripe.footer.columns[column.id]?.kind ?? 0;
    const streams = indexedStreams(column.orcType, encoding, this.placeOf(column, streamKind.present) !== undefined);
    const all = positionsOf(index, streams, groups, isCompressed);
    return all && streams.map((stream, i) => ({ stream, all: all.map((ofGroup) => ofGroup[i]!) }));
  }

  /** Throws DamagedFileError where the index does not fit the data, too. */
  async readGroups({ ranges, groupRows, positions }: ChosenGroups): Promise<StripeRows[]> {
    const { compression } = this.file;
    const pieces = this.columns.flatMap((column, i) => [
      ...ranges.flatMap((range) => positions[i]!.flatMap((stream) => {
        const place = this.placeOf(column, stream.stream.kind);
        return place === undefined ? [] : [{ column, range, stream, place: this.pieceOf(column, place, stream, range) }];
      })),
      // A dictionary is read as a whole.
      ...(ranges.length === 0 ? [] : this.unindexed(column, positions[i]!).map(({ kind, place }) => ({ column, kind, place }))),
    ]);
    const stored = await readPlaces(this.bytes, pieces.map(({ place }) => place));
    return ranges.map((range) => {
      const rows = groupRows.slice(range.start, range.end).reduce((sum, each) => sum + each, 0);
      const data = this.columns.map((column) => {
        const parts = new Map<number, StreamPart>();
        pieces.forEach((piece, i) => {
          if (piece.column !== column) return;
          const name = this.named(column);
          if (!('stream' in piece)) {
            if (!this.dictionaries.has(column.id)) parts.set(piece.kind, { bytes: decompress(name, compression, stored[i]!), skip: 0 });
          } else if (piece.range === range) parts.set(piece.stream.stream.kind, streamPart(name, piece.stream, range.start, range.end, stored[i]!, compression));
        });
        return this.decode(column, rows, parts);
      });
      return { rows, data };
    });
  }

  private pieceOf(column: OrcColumn, place: ByteRange, stream: StreamPositions, range: GroupRange): ByteRange {
    const length = place.end - place.start;
    const { start, end } = storedRange(stream, range.start, range.end, length, this.file.compression);
    if (start > end || end > length) throw damaged(this.named(column), `the row index names bytes ${start} to ${end} of ${length}`);
    return { start: place.start + start, end: place.start + end };
  }

  /** The streams that a row index has no positions in. */
  private unindexed(column: OrcColumn, positions: readonly StreamPositions[]): { kind: number; place: ByteRange }[] {
    return dataKinds.flatMap((kind) => {
      const place = this.placeOf(column, kind);
      return place === undefined || positions.some(({ stream }) => stream.kind === kind) ? [] : [{ kind, place }];
    });
  }

  private decode(column: OrcColumn, rows: number, streams: ReadonlyMap<number, StreamPart>): Data {
    const { name } = this.file;
    const encoding = this.stripe.footer.columns[column.id];
    if (encoding === undefined) throw new DamagedFileError(name, `the footer of stripe ${this.index} says nothing of column ${column.name}; the file is damaged`);
    return decodeColumn({
      file: name, name: column.name, stripe: this.index, rows, orcType: column.orcType, type: column.type, isHybrid: column.isHybrid, encoding: encoding.kind ?? 0,
      dictionarySize: encoding.dictionarySize ?? 0, dictionary: (make) => this.dictionaryOf(column, make), streams, wallClock: this.wallClock,
    });
  }

  private dictionaryOf({ id }: OrcColumn, make: () => Vector): Vector {
    const entries = this.dictionaries.get(id) ?? make();
    this.dictionaries.set(id, entries);
    return entries;
  }

  private placeOf({ id }: OrcColumn, kind: number): ByteRange | undefined {
    return this.stripe.places.get(id)?.get(kind);
  }

  /** What is damaged is as if it were not there. */
  private tryDecode<Message>(codec: Codec<Message>, column: OrcColumn, stored: Uint8Array): Message | undefined {
    const name = this.named(column);
    try {
      return decodeMessage(codec, decompress(name, this.file.compression, stored), name.file, name.stream);
    } catch (thrown) {
      if (thrown instanceof DamagedFileError) return undefined;
      throw thrown;
    }
  }

  private named({ name }: OrcColumn): StreamName {
    return { file: this.file.name, stream: `column ${name}, stripe ${this.index}` };
  }
}

function sizeOf(places: readonly ByteRange[]): number {
  return places.reduce((sum, { start, end }) => sum + end - start, 0);
}

/** The bytes of each place; what lies between near ones is read along. */
async function readPlaces(bytes: FileBytes, places: readonly ByteRange[]): Promise<Uint8Array[]> {
  const ranges = coalesce(places);
  const parts = await Promise.all(ranges.map(({ start, end }) => readExactly(bytes, start, end)));
  return places.map((place) => {
    const at = ranges.findIndex(({ start, end }) => start <= place.start && place.end <= end);
    return parts[at]!.subarray(place.start - ranges[at]!.start, place.end - ranges[at]!.start);
  });
}
