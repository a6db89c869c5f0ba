/**
 * Keys of few values in resident tables: text, also in dictionaries, and 64-bit integers that lie far apart. Beside such a column stand codes, 32 bits a
 * row, that order as its values do, which those of dictionaries need not:
 *
 *   kept ─▶ | … arrays of the table … | codes of column a | codes of column b | what a run needs …       values of a, of b: ascending
 *
 * To group by the column is to group by its codes, which lie close together: nothing is hashed or compared, and of the answer's keys each
 * is looked up once. Law: that is the same answer.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Data, DataType, Field, Int32, type Int64, RecordBatch, Schema, Struct, Table, Utf8, makeData } from '../../arrow/arrow.ts';
import { columnsOf } from '../../arrow/expression.ts';
import { Pace, type Steps, within } from '../../base/steps.ts';
import { Beside, type BesidePlace, type BesideRows, makeBeside } from '../beside.ts';
import { intColumn, sortWords } from '../grouper.ts';
import { borrowInstance, type Instance } from '../instance.ts';
import type { GroupByPlan } from '../plan.ts';
import { hasNulls } from '../staging.ts';
import { readingSpans, spanColumn } from '../states/spans.ts';

/** Each value is to stand in so many rows, in the middle. */
const rowsEach = 4;
/** Rows after which a column is given up where most of them had a value of their own. */
const rowsToTell = 1 << 20;
const mostNew = 0.8;

/** The codes of rows, and what they stand for, ascending. */
const codesBeside = new Beside<Int32Array, Data>();

const isWideInteger = (type: DataType): boolean => DataType.isInt(type) && type.bitWidth === 64;

const isTextDictionary = (type: DataType): boolean => DataType.isDictionary(type) && DataType.isUtf8(type.dictionary) && type.indices.bitWidth <= 32;

/** Whether a column of this type may have codes. */
export const isCodable = (type: DataType): boolean => DataType.isUtf8(type) || isWideInteger(type) || isTextDictionary(type);

/** Gives a column that lies in the memory of a table its codes, where it has few values. */
export function encodeColumn(parts: readonly Data[], place: BesidePlace): Promise<void> {
  if (parts.length > 0 && isTextDictionary(parts[0]!.type)) return encodeDictionaries(parts, place);
  return makeBeside(parts, place, 4, async (beside) => {
    const { instance, at, rows } = beside;
    const coder = instance.guard(() => (DataType.isUtf8(parts[0]!.type) ? textCoder(instance) : integerCoder(instance, parts, rows)));
    if (coder === undefined || !(await groupRows(beside, coder))) return 0;
    const { values, ranks } = instance.guard(() => coder.sorted());
    const codes = new Int32Array(instance.view32(at, rows).buffer, at, rows);
    for (let start = 0; start < rows; start += rowsToTell) {
      for (let row = start; row < Math.min(start + rowsToTell, rows); row++) codes[row] = ranks[codes[row]!]!;
      await nextTurn();
    }
    codesBeside.keep(parts, codes, values);
    return 4;
  });
}

/** The same of codes into dictionaries, which batches need not share. */
function encodeDictionaries(parts: readonly Data[], place: BesidePlace): Promise<void> {
  return makeBeside(parts, place, 4, async ({ instance, at, rows, each }) => {
    const coder = instance.guard(() => textCoder(instance));
    const numbers = new Map<Data, Uint32Array>();
    for (const entries of new Set(parts.flatMap((part) => part.dictionary!.data))) {
      if (hasNulls(entries)) return 0;
      numbers.set(entries, instance.guard(() => numbersOf(instance, coder, entries)));
      if (instance.kernels.groupCount(coder.grouper) * rowsEach > rows) return 0;
      await nextTurn();
    }
    const { values, ranks } = instance.guard(() => coder.sorted());
    for (const [entries, some] of numbers) numbers.set(entries, some.map((number) => ranks[number]!));
    const ranksByPart = new Map(parts.map((part) => [part, joined(part.dictionary!.data.map((entries) => numbers.get(entries)!))]));
    const codes = new Int32Array(instance.view32(at, rows).buffer, at, rows);
    await each((part, start, count, before) => {
      const [indices, found] = [part.values as Int32Array, ranksByPart.get(part)!];
      // Under a null there may be anything.
      for (let i = 0; i < count; i++) codes[before + i] = found[indices[start + i]!] ?? 0;
      return true;
    });
    codesBeside.keep(parts, codes, values);
    return 4;
  });
}

function joined(arrays: readonly Uint32Array[]): Uint32Array {
  return arrays.length === 1 ? arrays[0]! : Uint32Array.from(arrays.flatMap((array) => [...array]));
}

/** The numbers of texts. */
function numbersOf(instance: Instance, { group }: Coder, texts: Data): Uint32Array {
  const { length } = texts;
  const numbers = instance.alloc(length * 4);
  if (length > 0) group(texts, 0, length, numbers);
  const found = instance.view32(numbers, length).slice();
  instance.free(numbers, length * 4);
  return found;
}

/** Numbers values in order of first appearance. */
interface Coder {
  readonly grouper: number;
  /** Writes the numbers of rows to `codes`. */
  group(part: Data, start: number, count: number, codes: number): void;
  /** The values in ascending order, and the place of each among them. */
  sorted(): { readonly values: Data; readonly ranks: Uint32Array };
}

function textCoder(instance: Instance): Coder {
  const { kernels } = instance;
  const grouper = kernels.newStringGrouper() >>> 0;
  return {
    grouper,
    group: ({ valueOffsets, values }, start, count, codes) =>
      kernels.groupStrings(grouper, valueOffsets.byteOffset + start * 4, (values as Uint8Array).byteOffset, 0, count, codes),
    sorted: () => {
      const count = kernels.groupCount(grouper);
      const [positions, spans] = [instance.alloc(count * 4), instance.alloc(count * 8)];
      kernels.argsortStrings(grouper, positions);
      kernels.stringSpans(grouper, positions, count, spans);
      const values = spanColumn(instance, 'text', new Utf8(), instance.view32(spans, count * 2).slice(), { nullCount: 0 });
      return { values, ranks: ranksOf(instance, positions, count) };
    },
  };
}

/** Undefined where the integers lie as close together as codes would. */
function integerCoder(instance: Instance, parts: readonly Data[], rows: number): Coder | undefined {
  const { kernels } = instance;
  const { type } = parts[0]!;
  const isSigned = (type as Int64).isSigned;
  if (areClose(parts, rows)) return undefined;
  const grouper = kernels.newIntGrouper(0) >>> 0;
  return {
    grouper,
    group: ({ values }, start, count, codes) => kernels.groupInts(grouper, (values as BigInt64Array).byteOffset + start * 8, count, codes),
    sorted: () => {
      const count = kernels.groupCount(grouper);
      const words = kernels.intKeys(grouper) >>> 0;
      const positions = instance.alloc(count * 4);
      sortWords(instance, words, count, isSigned, positions);
      const values = wordsColumn(instance, type, words, instance.view32(positions, count).slice());
      return { values, ranks: ranksOf(instance, positions, count) };
    },
  };
}

/** Whether a look at some of the integers finds them within a range that the rows may fill. */
function areClose(parts: readonly Data[], rows: number): boolean {
  let [least, greatest]: (bigint | undefined)[] = [];
  for (const { values, length } of parts) {
    for (let row = 0; row < length; row += Math.max(1, length >> 8)) {
      const value = (values as BigInt64Array)[row]!;
      if (least === undefined || value < least) least = value;
      if (greatest === undefined || value > greatest) greatest = value;
    }
  }
  return least === undefined || greatest! - least <= BigInt(rows);
}

function ranksOf(instance: Instance, positions: number, count: number): Uint32Array {
  const ranks = instance.alloc(count * 4);
  instance.kernels.ranksOf(positions, count, ranks);
  return instance.view32(ranks, count).slice();
}

/** Writes the number of each row's value; false when there are too many. */
function groupRows({ instance, at, rows, each }: BesideRows, { grouper, group }: Coder): Promise<boolean> {
  return each((part, start, count, before) => {
    group(part, start, count, at + before * 4);
    const seen = before + count;
    const met = instance.kernels.groupCount(grouper);
    return met * rowsEach <= rows && (seen < rowsToTell || met <= seen * mostNew);
  });
}

/** A table some of whose keys are their codes, and the way back for its answers. */
export interface CodedTable {
  readonly table: Table;
  /** `schema`: the answer's, with the keys themselves. */
  decoding(answer: Table, schema: Schema): Steps<Table>;
}

/** Undefined where no key has codes in all batches, or is only a key. */
export function codedTable(table: Table, plan: GroupByPlan): CodedTable | undefined {
  const used = new Set([...plan.outputs.map(({ column }) => column), ...(plan.filter === undefined ? [] : columnsOf(plan.filter)), plan.timestamp, plan.tieBreaker, plan.arrival?.column]);
  const valuesOf = new Map<number, Data>();
  for (const [i, { name }] of table.schema.fields.entries()) {
    if (!plan.keys.includes(name) || used.has(name)) continue;
    const coded = table.batches.map(({ data }) => codesBeside.of(data.children[i]!));
    const [first] = coded;
    if (first !== undefined && coded.every((each) => each?.facts === first.facts)) valuesOf.set(i, first.facts);
  }
  if (valuesOf.size === 0) return undefined;
  const { schema } = table;
  const fields = schema.fields.map((field, i) => (valuesOf.has(i) ? new Field(field.name, new Int32(), field.nullable) : field));
  const codedSchema = new Schema(fields);
  const batches = table.batches.map(({ numRows, data }) => {
    const children = data.children.map((child, i) => (valuesOf.has(i) ? codesData(child!) : child!));
    return new RecordBatch(codedSchema, makeData({ type: new Struct(fields), length: numRows, nullCount: 0, children }));
  });
  const keys = new Map([...valuesOf].map(([i, values]) => [schema.fields[i]!.name, values]));
  return { table: new Table(codedSchema, batches), decoding: (answer, answerSchema) => decoding(answer, answerSchema, keys) };
}

function codesData(data: Data): Data {
  return new Data(new Int32(), data.offset, data.length, data.nullCount, [undefined, codesBeside.of(data)!.elements, data.nullBitmap] as never);
}

function* decoding(answer: Table, schema: Schema, keys: ReadonlyMap<string, Data>): Steps<Table> {
  const instance = borrowInstance(undefined);
  try {
    return yield* within(decodingIn(instance, answer, schema, keys), (step) => instance.guard(step));
  } finally {
    instance.giveBack();
  }
}

/** Rows whose keys are looked up before others may have their turn, at first and at the most. */
const rowsPerStep = { first: 2 ** 14, most: 2 ** 17 } as const;

function* decodingIn(instance: Instance, answer: Table, schema: Schema, keys: ReadonlyMap<string, Data>): Steps<Table> {
  const pace = new Pace(rowsPerStep.first, rowsPerStep.most);
  const readers = schema.fields.map(({ name }) => {
    const values = keys.get(name);
    return values && (DataType.isUtf8(values.type) ? textReader : integerReader)(instance, values, pace);
  });
  const batches: RecordBatch[] = [];
  for (const { numRows, data } of answer.batches) {
    const children: Data[] = [];
    for (const [i, child] of data.children.entries()) children.push(readers[i] === undefined ? child! : yield* readers[i](child!.values as Int32Array));
    batches.push(new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length: numRows, nullCount: 0, children })));
  }
  return new Table(schema, batches);
}

type Reader = (codes: Int32Array) => Steps<Data>;

/** From codes to texts, as a column. */
function textReader(instance: Instance, { type, valueOffsets, values, length }: Data, pace: Pace): Reader {
  const bytes = instance.placed(values as Uint8Array);
  const offsets = instance.placed(valueOffsets);
  return function* (codes) {
    const blockBytes = codes.length * 12;
    const spans = instance.alloc(blockBytes);
    const wanted = spans + codes.length * 8;
    instance.put(codes, wanted);
    instance.kernels.gatherCodeSpans(wanted, length, offsets, bytes, 0, codes.length, spans);
    const found = instance.view32(spans, codes.length * 2).slice();
    instance.free(spans, blockBytes);
    if (pace.isDue(codes.length)) yield;
    return yield* readingSpans(instance, 'text', type, found, { nullCount: 0 }, pace);
  };
}

function integerReader(instance: Instance, { type, values }: Data, pace: Pace): Reader {
  const words = instance.placed(values as BigInt64Array);
  return function* (codes) {
    if (pace.isDue(codes.length)) yield;
    return wordsColumn(instance, type, words, new Uint32Array(codes.buffer, codes.byteOffset, codes.length));
  };
}

/** Of 64-bit words in memory those with these ids, as a column. */
function wordsColumn(instance: Instance, type: DataType, words: number, ids: Uint32Array): Data {
  return intColumn(instance, type, ids, (some, count, bytes, out) => instance.kernels.keysOf(words, some, count, bytes, out));
}
