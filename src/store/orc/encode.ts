/**
 * Writing ORC: Arrow batches to the bytes of one file, version 0.12.
 *
 *   "ORC" | stripe | stripe | … | stripe statistics | footer | postscript | its size, one byte |
 *   stripe: | row index of each column | streams of each column | stripe footer |
 *
 * The caller's Arrow schema stands in the user metadata and brings back what ORC has no type for; see encode-types.ts.
 * Law: what is read back has the same types and values; only text may come back as a dictionary, or no longer as one.
 * What ORC cannot store is refused before there is a file.
 */
import { plainData } from '../../arrow/build.ts';
import type { Data, RecordBatch, Schema } from '../../arrow/arrow.ts';
import { concatColumn } from '../../arrow/canonical.ts';
import { ArgumentError, invariant, MemoryLimitError } from '../../base/errors.ts';
import { embeddedSchema } from '../parquet/arrow-schema.ts';
import { ourName } from '../parquet/marks.ts';
import { checkWritable } from '../writable-schema.ts';
import { type EncodedColumn, encodeColumn } from './encode-column.ts';
import { blockBytes, type Compressed, compress, compressionCode, type OrcCompression, positionOf } from './encode-compress.ts';
import { mergeSummaries, statisticsMessage, type Summary } from './encode-statistics.ts';
import { type EncodedStream, rowGroupRows } from './encode-streams.ts';
import { type StoredColumn, storedColumn } from './encode-types.ts';
import {
  calendarKind, encodingKind, footerCodec, metadataCodec, orcMagic, type OrcType, postScriptCodec, rowIndexCodec, type Stream, stripeFooterCodec,
  type StripeInformation, streamKind, typeKind,
} from './metadata.ts';
import { type Codec, encodeMessage } from './protobuf.ts';

export interface EncodeOptions {
  /** Absent: as many as make about 64 MB, between 128 Ki and 1 Mi. */
  readonly stripeRows?: number;
  /** Absent: zlib. zstd needs a Node.js that has it. */
  readonly compression?: OrcCompression;
}

const stripeRowsMin = 131_072;
const stripeRowsDefaultMax = 1_048_576;
/** A stripe's columns are encoded whole, each in memory of at most 4 GB. */
const stripeRowsMax = 16_777_216;
const stripeBytes = 64 * 1024 * 1024;

/** The file is made in memory, and beside its input. */
const inputBytesMax = 1024 * 1024 * 1024;

/** The newest of the fixes that readers ask for ("ORC-14"): all that concern what is written here are kept. */
const writerVersion = 9;

/** One ORC file; the columns of each batch are those of `schema`, in its order. */
export function encodeOrc(schema: Schema, batches: readonly RecordBatch[], options: EncodeOptions = {}): Uint8Array {
  checkWritable(schema, 'ORC');
  const { stripeRows, compression = 'zlib' } = options;
  if (stripeRows !== undefined && !(Number.isSafeInteger(stripeRows) && stripeRows > 0 && stripeRows <= stripeRowsMax)) {
    throw new ArgumentError('stripeRows', `expected a whole number from 1 to ${stripeRowsMax}, found ${stripeRows}`);
  }
  const rows = batches.reduce((sum, batch) => sum + batch.numRows, 0);
  const bytes = batches.reduce((sum, batch) => sum + batch.data.children.reduce((part, data) => part + data.byteLength, 0), 0);
  if (bytes > inputBytesMax) {
    throw new MemoryLimitError('encoding an ORC file', inputBytesMax, `${rows} rows of ${bytes} bytes are too much for one file; write them as several`);
  }
  const file = new FileBuilder(schema, compression);
  for (const stripe of stripesOf(batches, stripeRows ?? defaultStripeRows(rows, bytes))) file.addStripe(stripe);
  return file.finish();
}

function defaultStripeRows(rows: number, bytes: number): number {
  return Math.min(stripeRowsDefaultMax, Math.max(stripeRowsMin, Math.ceil((rows * stripeBytes) / Math.max(1, bytes))));
}

/** Rows [start, end) of a batch. */
interface Slice {
  readonly batch: RecordBatch;
  readonly start: number;
  readonly end: number;
}

interface StripeRows {
  readonly slices: readonly Slice[];
  readonly rows: number;
}

/** The rows in order, so many to a stripe. */
function* stripesOf(batches: readonly RecordBatch[], stripeRows: number): Generator<StripeRows, void, void> {
  let slices: Slice[] = [];
  let rows = 0;
  for (const batch of batches) {
    for (let start = 0; start < batch.numRows; ) {
      const end = Math.min(batch.numRows, start + stripeRows - rows);
      slices.push({ batch, start, end });
      rows += end - start;
      start = end;
      if (rows === stripeRows) {
        yield { slices, rows };
        [slices, rows] = [[], 0];
      }
    }
  }
  if (rows > 0) yield { slices, rows };
}

function columnOf({ slices, rows }: StripeRows, { name, type }: StoredColumn, index: number): Data {
  const parts = slices.map(({ batch, start, end }) => {
    const data = batch.data.children[index];
    invariant(data !== undefined, `a batch lacks column ${name}`);
    return start === 0 && end === batch.numRows ? data : data.slice(start, end - start);
  });
  const data = parts.length === 1 ? plainData(parts[0]!) : concatColumn(type, parts, rows);
  invariant(data.type.typeId === type.typeId, `column ${name} is ${data.type} in a batch, and ${type} in the schema`);
  return data;
}

class FileBuilder {
  private readonly columns: readonly StoredColumn[];
  private readonly parts: Uint8Array[] = [Buffer.from(orcMagic)];
  private size = orcMagic.length;
  private rows = 0;
  private readonly stripes: StripeInformation[] = [];
  /** Of each stripe by column, the root first. */
  private readonly summaries: (readonly Summary[])[] = [];
  private readonly compressionCode: number;

  constructor(
    private readonly schema: Schema,
    private readonly compression: OrcCompression,
  ) {
    this.columns = schema.fields.map(storedColumn);
    this.compressionCode = compressionCode(compression);
  }

  addStripe(stripe: StripeRows): void {
    const groups = Array.from({ length: Math.ceil(stripe.rows / rowGroupRows) }, (_, group) => Math.min(rowGroupRows, stripe.rows - group * rowGroupRows));
    const root: EncodedColumn = {
      encoding: { kind: encodingKind.direct }, streams: [], summaries: groups.map((count) => ({ count, hasNull: false })),
    };
    const columns = [root, ...this.columns.map((column, i) => encodeColumn(column, columnOf(stripe, column, i), this.rows))];
    const streams: Stream[] = [];
    const data: Uint8Array[] = [];
    const indexes = columns.map(({ streams: encoded, summaries }, column) => {
      const compressed = encoded.map(({ bytes }) => compress(bytes, this.compression));
      compressed.forEach(({ bytes }, i) => {
        streams.push({ kind: encoded[i]!.kind, column, length: bytes.length });
        data.push(bytes);
      });
      return this.message(rowIndexCodec, {
        entries: summaries.map((summary, group) => ({
          positions: positionsOf(encoded, compressed, group),
          statistics: statisticsMessage(this.kindOf(column), summary),
        })),
      });
    });
    const footer = this.message(stripeFooterCodec, {
      streams: [...indexes.map(({ length }, column) => ({ kind: streamKind.rowIndex, column, length })), ...streams],
      columns: columns.map(({ encoding }) => encoding),
      writerTimezone: 'UTC',
      encryption: [],
    });
    this.stripes.push({
      offset: this.size, indexLength: sizeOf(indexes), dataLength: sizeOf(data), footerLength: footer.length, numberOfRows: stripe.rows, encryptedLocalKeys: [],
    });
    this.append(...indexes, ...data, footer);
    this.rows += stripe.rows;
    this.summaries.push(columns.map(({ summaries }) => mergeSummaries(summaries)));
  }

  finish(): Uint8Array {
    const contentLength = this.size;
    const metadata = this.message(metadataCodec, {
      stripeStatistics: this.summaries.map((columns) => ({ columns: columns.map((summary, column) => statisticsMessage(this.kindOf(column), summary)) })),
    });
    const footer = this.message(footerCodec, {
      headerLength: orcMagic.length,
      contentLength,
      stripes: this.stripes,
      types: this.types(),
      metadata: [{ name: 'ARROW:schema', value: Buffer.from(embeddedSchema(this.schema)) }],
      numberOfRows: this.rows,
      statistics: this.types().map((_, column) =>
        statisticsMessage(this.kindOf(column), mergeSummaries(this.summaries.map((columns) => columns[column]!))),
      ),
      rowIndexStride: rowGroupRows,
      calendar: calendarKind.prolepticGregorian,
      softwareVersion: ourName,
    });
    const postScript = encodeMessage(postScriptCodec, {
      footerLength: footer.length,
      compression: this.compressionCode,
      compressionBlockSize: blockBytes,
      version: [0, 12],
      metadataLength: metadata.length,
      writerVersion,
      magic: orcMagic,
    });
    invariant(postScript.length < 256, 'the size of a postscript is one byte');
    this.append(metadata, footer, postScript, new Uint8Array([postScript.length]));
    return Buffer.concat(this.parts, this.size);
  }

  private types(): OrcType[] {
    const subtypes = this.columns.map((_, i) => i + 1);
    const fieldNames = this.columns.map(({ name }) => name);
    return [{ kind: typeKind.struct, subtypes, fieldNames, attributes: [] }, ...this.columns.map(({ orcType }) => orcType)];
  }

  private kindOf(column: number): StoredColumn['statistics'] {
    return column === 0 ? { kind: 'rows' } : this.columns[column - 1]!.statistics;
  }

  private message<Message>(codec: Codec<Message>, message: Message): Uint8Array {
    return compress(encodeMessage(codec, message), this.compression).bytes;
  }

  private append(...parts: readonly Uint8Array[]): void {
    for (const part of parts) this.parts.push(part);
    this.size += sizeOf(parts);
  }
}

/** Where a row group starts in each of the column's streams, all in one list. */
function positionsOf(streams: readonly EncodedStream[], compressed: readonly Compressed[], group: number): number[] {
  return streams.flatMap(({ starts }, i) => {
    if (starts === undefined) return [];
    const [byte, ...skips] = starts[group]!;
    return [...positionOf(byte!, compressed[i]!), ...skips];
  });
}

function sizeOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}
