/**
 * The footer of a Parquet file: parsed, and checked against the file before anything is read by it.
 *
 *   | PAR1 | column chunks … | footer, in Thrift | its length, 4 bytes | PAR1 |
 *
 * Law: whatever a RowGroup says lies inside the file: every chunk has its bytes between the magics, and as many values
 * as the group has rows. Columns that cannot be read are passed over, with the reason.
 * Read next: types.ts for what a column is in Arrow, decode.ts for how its bytes become one.
 */
import { Field, Schema } from '../../arrow/arrow.ts';
import { DamagedFileError, UnsupportedError } from '../../base/errors.ts';
import { Pace, type Steps } from '../../base/steps.ts';
import { embeddedTypes } from './arrow-schema.ts';
import { magic, ourName } from './marks.ts';
import { type ColumnStatistics, statisticsOf } from './statistics.ts';
import { readingThrift, ThriftError, type ThriftStruct, textOf } from './thrift.ts';
import { type ColumnType, columnTypeOf, isText, physicalType, type TypeHint } from './types.ts';

/** Magic, length, magic: less cannot be Parquet. */
export const fileSizeMin = 12;

export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** One column of one row group: a stretch of the file. `end` excludes. */
export interface ColumnChunk {
  readonly start: number;
  readonly end: number;
  readonly codec: number;
  readonly uncompressedBytes: number;
  /** Text, and all of it codes into the chunk's dictionary. */
  readonly isCodes: boolean;
  /** Integers of 32 bits by a writer whose steps between them may have more, which only our decoder reads. */
  readonly areStepsWide?: boolean;
  readonly statistics: ColumnStatistics;
  /** Where in the file its page index is: the places of its pages, and their bounds. */
  readonly pageIndex?: { readonly offsets: ByteRange; readonly bounds: ByteRange | undefined };
}

export interface RowGroup {
  readonly rows: number;
  /** Stored size of the columns that can be read. */
  readonly bytes: number;
  /** By name, for each column of the schema. */
  readonly columns: ReadonlyMap<string, ColumnChunk>;
}

export interface Column extends ColumnType {
  readonly name: string;
  readonly nullable: boolean;
}

export interface Footer {
  readonly rows: number;
  readonly schema: Schema;
  readonly columns: ReadonlyMap<string, Column>;
  readonly passedOver: readonly { readonly column: string; readonly why: string }[];
  /** The names of columns that have a field id. */
  readonly fieldIds: ReadonlyMap<number, string>;
  readonly rowGroups: readonly RowGroup[];
  readonly createdBy: string | undefined;
  readonly keyValueMetadata: ReadonlyMap<string, string>;
}

/** Column chunks after which others may have their turn. */
const chunksPerStep = 64;

/** A top-level column, as the schema has it: one leaf, or a group of them. */
interface TopLevel {
  readonly name: string;
  readonly element: ThriftStruct;
  readonly firstLeaf: number;
  readonly leaves: number;
  readonly repetition: number;
}

/** The footer in `bytes`, in steps; `footerStart` is where it stands in the file called `name`. */
export function* readingFooter(name: string, bytes: Uint8Array, footerStart: number): Steps<Footer> {
  let meta: ThriftStruct;
  try {
    meta = yield* readingThrift(bytes);
  } catch (thrown) {
    if (!(thrown instanceof ThriftError)) throw thrown;
    throw damaged(name, `cannot be read: ${thrown.message}`, thrown);
  }
  if (meta.has(8)) throw new UnsupportedError(name, 'encryption', 'the file is encrypted, which cannot be read here; write it again without encryption');
  const { topLevel, leaves } = schemaTree(name, meta);
  const keyValueMetadata = keyValues(meta.structs(5) ?? []);
  const groups = meta.structs(4);
  if (groups === undefined) throw damaged(name, 'has no list of row groups');
  const rowsClaimed = countOf(name, meta.long(3), 'the number of rows');
  const passedOver: { column: string; why: string }[] = [];
  const hints = embeddedTypes(keyValueMetadata.get('ARROW:schema'));
  const createdBy = meta.string(6);
  const readable: { column: Column; leaf: number }[] = [];
  const repeated = repeatedNames(topLevel);
  for (const column of repeated) passedOver.push({ column, why: 'several columns have this name, so it does not tell which is meant' });
  for (const { name: column, element, firstLeaf, repetition } of topLevel) {
    if (repeated.has(column)) continue;
    const type = typeOrReason(element, repetition, { type: hints.get(column), isOurs: createdBy === ourName }, groups, firstLeaf);
    if ('why' in type) passedOver.push({ column, why: type.why });
    else readable.push({ column: { ...type, name: column, nullable: repetition === 1 }, leaf: firstLeaf });
  }
  const ordered = columnOrders(meta);
  const padding = paddingOf(createdBy);
  const layout = { readable, leaves, footerStart, ordered, padding, areStepsWide: areStepsWide(createdBy) };
  const rowGroups: RowGroup[] = [];
  const pace = new Pace(chunksPerStep);
  for (const [index, group] of groups.entries()) {
    rowGroups.push(rowGroupOf(name, index, group, layout));
    if (pace.isDue(leaves)) yield;
  }
  const rows = rowGroups.reduce((sum, group) => sum + group.rows, 0);
  // There were writers that left it at zero.
  if (rowsClaimed !== 0 && rowsClaimed !== rows) throw damaged(name, `says ${rowsClaimed} rows, but its row groups hold ${rows}`);
  const fields = readable.map(({ column }) => new Field(column.name, column.type, column.nullable));
  return {
    rows, schema: new Schema(fields), columns: new Map(readable.map(({ column }) => [column.name, column])), passedOver,
    fieldIds: fieldIdsOf(topLevel), rowGroups, createdBy, keyValueMetadata,
  };
}

function repeatedNames(columns: readonly TopLevel[]): Set<string> {
  const [names, repeated] = [new Set<string>(), new Set<string>()];
  for (const { name } of columns) (names.has(name) ? repeated : names).add(name);
  return repeated;
}

function fieldIdsOf(columns: readonly TopLevel[]): Map<number, string> {
  return new Map(columns.flatMap(({ name, element }): [number, string][] => (element.has(9) ? [[element.int(9)!, name]] : [])));
}

function damaged(file: string, detail: string, cause?: unknown): DamagedFileError {
  return new DamagedFileError(
    file,
    `the Parquet footer ${detail}. The file is damaged or was not written to its end; restore it, or write it again`,
    cause,
  );
}

function countOf(file: string, value: bigint | undefined, what: string): number {
  if (value === undefined) throw damaged(file, `does not say ${what}`);
  if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) throw damaged(file, `says that ${what} is ${value}`);
  return Number(value);
}

/** The columns under the root, and how many leaves there are in all. */
function schemaTree(file: string, meta: ThriftStruct): { topLevel: TopLevel[]; leaves: number } {
  const elements = meta.structs(2);
  if (elements === undefined || elements.length === 0) throw damaged(file, 'has no schema');
  const childrenOf = (at: number): number => {
    const children = elements[at]!.int(5) ?? 0;
    if (children < 0 || children > elements.length) throw damaged(file, `has a schema element with ${children} children`);
    return children;
  };
  const topLevel: TopLevel[] = [];
  let at = 1;
  let leaves = 0;
  for (let child = childrenOf(0); child > 0; child--) {
    const first = at;
    const firstLeaf = leaves;
    // Depth first: what is still to come below this column.
    for (let pending = 1; pending > 0; pending--) {
      const element = elements[at];
      if (element === undefined) throw damaged(file, 'has a schema that ends too early');
      const isGroup = element.int(1) === undefined;
      if (!isGroup) leaves++;
      pending += isGroup ? childrenOf(at) : 0;
      at++;
    }
    const element = elements[first]!;
    const name = element.string(4);
    if (name === undefined) throw damaged(file, 'has a column without a name');
    topLevel.push({ name, element, firstLeaf, leaves: leaves - firstLeaf, repetition: element.int(3) ?? 0 });
  }
  if (at !== elements.length) throw damaged(file, `has ${elements.length} schema elements, but ${at} in the tree`);
  return { topLevel, leaves };
}

function typeOrReason(
  element: ThriftStruct, repetition: number, hint: TypeHint, groups: readonly ThriftStruct[], leaf: number,
): ColumnType | { why: string } {
  if (element.int(1) === undefined) return { why: 'it is nested (a list, map or struct), and only flat columns are read' };
  if (repetition > 1) return { why: 'it is nested (a repeated field), and only flat columns are read' };
  const chunks = groups.map((group) => group.structs(1)?.[leaf]);
  if (chunks.some((chunk) => chunk !== undefined && (chunk.has(8) || chunk.has(9)))) return { why: 'it is encrypted' };
  return columnTypeOf(element, hint);
}

const plainDictionary = 2;
const rleDictionary = 8;

/** Whether, as far as the footer says, all values of a chunk are codes into its dictionary. */
function isDictionaryEncoded(meta: ThriftStruct): boolean {
  const isDictionary = (encoding: number | undefined): boolean => encoding === plainDictionary || encoding === rleDictionary;
  const pages = meta.structs(13)?.filter((page) => page.int(1) === 0 || page.int(1) === 3);
  if (pages !== undefined && pages.length > 0) return pages.every((page) => isDictionary(page.int(2)));
  // Without counts of pages, a PLAIN beside the codes may be the dictionary's own or that of pages that gave it up. The
  // writers that leave the counts out do not give up half way; if one does, its values are put into a dictionary here.
  return (meta.ints(2) ?? []).some(isDictionary);
}

function keyValues(pairs: readonly ThriftStruct[]): Map<string, string> {
  const metadata = new Map<string, string>();
  for (const pair of pairs) {
    const [key, value] = [pair.binary(1), pair.binary(2)];
    if (key !== undefined && value !== undefined) metadata.set(textOf(key), textOf(value));
  }
  return metadata;
}

/** For each leaf, whether min_value and max_value are in the order of its type. */
function columnOrders(meta: ThriftStruct): (leaf: number) => boolean {
  const orders = meta.structs(7) ?? [];
  return (leaf) => orders[leaf]?.member === 1;
}

/**
 * How far a chunk may reach beyond its stated size. Before version 1.2.9 parquet-mr did not count the header of the
 * dictionary page.
 */
function paddingOf(createdBy: string | undefined): number {
  const match = /^parquet-mr(?: version (\d+)\.(\d+)\.(\d+))?/.exec(createdBy ?? '');
  if (match === null) return 0;
  const [major, minor, patch] = match.slice(1).map((part) => Number(part ?? 0)) as [number, number, number];
  return major * 1_000_000 + minor * 1_000 + patch < 1_002_009 ? 100 : 0;
}

/** DuckDB subtracts in 64 bits. */
function areStepsWide(createdBy: string | undefined): boolean {
  return createdBy?.startsWith('DuckDB') ?? false;
}

/** What is the same for all row groups of a file. */
interface Layout {
  readonly readable: readonly { readonly column: Column; readonly leaf: number }[];
  readonly leaves: number;
  readonly footerStart: number;
  readonly ordered: (leaf: number) => boolean;
  readonly padding: number;
  readonly areStepsWide: boolean;
}

function rowGroupOf(file: string, index: number, group: ThriftStruct, layout: Layout): RowGroup {
  const { readable, leaves } = layout;
  const rows = countOf(file, group.long(3), `the number of rows of row group ${index}`);
  const chunks = group.structs(1);
  if (chunks === undefined || chunks.length !== leaves) {
    throw damaged(file, `lists ${chunks?.length ?? 0} columns in row group ${index} where its schema has ${leaves}`);
  }
  const columns = new Map<string, ColumnChunk>();
  let bytes = 0;
  for (const { column, leaf } of readable) {
    const chunk = chunkOf(file, index, rows, chunks[leaf]!, column, leaf, layout);
    bytes += chunk.end - chunk.start;
    columns.set(column.name, chunk);
  }
  return { rows, bytes, columns };
}

function chunkOf(file: string, group: number, rows: number, chunk: ThriftStruct, column: Column, leaf: number, layout: Layout): ColumnChunk {
  const { footerStart, padding } = layout;
  const where = `column ${column.name} in row group ${group}`;
  if (chunk.has(1) && chunk.string(1) !== '') {
    throw new UnsupportedError(file, 'columns in other files', `${where} is stored in another file, which cannot be read here; write the file again in one piece`);
  }
  const meta = chunk.struct(3);
  if (meta === undefined) throw damaged(file, `says nothing about ${where}`);
  if (meta.int(1) !== column.physical) throw damaged(file, `gives ${where} the physical type ${meta.int(1)} where its schema says ${column.physical}`);
  const values = countOf(file, meta.long(5), `the number of values of ${where}`);
  if (values !== rows) throw damaged(file, `says ${values} values for ${where}, which has ${rows} rows`);
  const codec = meta.int(4) ?? -1;
  if (rows === 0) return { start: 0, end: 0, codec, uncompressedBytes: 0, isCodes: false, statistics: {} };
  const size = countOf(file, meta.long(7), `the size of ${where}`);
  const uncompressedBytes = countOf(file, meta.long(6), `the uncompressed size of ${where}`);
  const dataStart = countOf(file, meta.long(9), `the start of ${where}`);
  const dictionary = meta.long(11);
  // Some writers set the dictionary's offset to zero where there is none.
  const dictionaryStart = dictionary === undefined || dictionary === 0n ? dataStart : countOf(file, dictionary, `the dictionary of ${where}`);
  const start = Math.min(dataStart, dictionaryStart);
  const end = start + size;
  if (start < magic.length || end > footerStart) {
    throw damaged(file, `puts ${where} at bytes ${start} to ${end}, but data can only be from ${magic.length} to ${footerStart}`);
  }
  return {
    start, end: Math.min(end + padding, footerStart), codec, uncompressedBytes, isCodes: isText(column.type) && isDictionaryEncoded(meta),
    statistics: statisticsOf(column, rows, meta.struct(12), layout.ordered(leaf)), ...pageIndexOf(chunk, footerStart),
    ...(layout.areStepsWide && column.physical === physicalType.int32 && { areStepsWide: true }),
  };
}

/** Where the page index is said to be. One that does not lie in the file is none. */
function pageIndexOf(chunk: ThriftStruct, footerStart: number): Pick<ColumnChunk, 'pageIndex'> {
  const rangeAt = (start: bigint | undefined, length: number | undefined): ByteRange | undefined => {
    if (start === undefined || length === undefined || start < BigInt(magic.length) || length <= 0) return undefined;
    return start + BigInt(length) > BigInt(footerStart) ? undefined : { start: Number(start), end: Number(start) + length };
  };
  const offsets = rangeAt(chunk.long(4), chunk.int(5));
  return offsets === undefined ? {} : { pageIndex: { offsets, bounds: rangeAt(chunk.long(6), chunk.int(7)) } };
}
