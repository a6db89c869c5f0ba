/**
 * Thrift's compact protocol, in which Parquet writes its footer and page headers.
 *
 *   struct   | field header, value | … | 0 |    header: | id delta, type | or | 0, type | id as zigzag |
 *   list     | size, element type | elements |
 *
 * A struct is read into its fields as they stand, known or not, and written back with nothing lost.
 * Law: the input is hostile. No length is believed beyond the bytes that are there, nesting and the number of values are
 * bounded, and what does not fit is a ThriftError. Binary values alias the input.
 */
import { Pace, type Steps } from '../../base/steps.ts';

/** The bytes are not the compact protocol. The caller knows which file they are from. */
export class ThriftError extends Error {}

export const thriftType = {
  true: 1, false: 2, i8: 3, i16: 4, i32: 5, i64: 6, double: 7, binary: 8, list: 9, set: 10, map: 11, struct: 12, uuid: 13,
} as const;

export type ThriftValue = boolean | number | bigint | Uint8Array | ThriftStruct | ThriftList | ThriftMap;

export interface ThriftList {
  readonly elementType: number;
  readonly elements: readonly ThriftValue[];
}

export interface ThriftMap {
  readonly keyType: number;
  readonly valueType: number;
  readonly entries: readonly (readonly [ThriftValue, ThriftValue])[];
}

/** The fields of one struct, in the order of the bytes. The getters answer undefined for a field of another type. */
export class ThriftStruct {
  private readonly ids: number[] = [];
  private readonly types: number[] = [];
  private readonly values: ThriftValue[] = [];

  /** Replaces the field with this id, or adds it in the order of ids. */
  set(id: number, type: number, value: ThriftValue): this {
    let at = this.ids.indexOf(id);
    if (at < 0) {
      at = this.ids.findIndex((other) => other > id);
      if (at < 0) at = this.ids.length;
      this.ids.splice(at, 0, id);
      this.types.splice(at, 0, type);
      this.values.splice(at, 0, value);
    }
    [this.types[at], this.values[at]] = [type, value];
    return this;
  }

  /** Adds a field behind the others, as it was read. */
  append(id: number, type: number, value: ThriftValue): void {
    this.ids.push(id);
    this.types.push(type);
    this.values.push(value);
  }

  delete(id: number): this {
    const at = this.ids.indexOf(id);
    if (at >= 0) for (const part of [this.ids, this.types, this.values]) part.splice(at, 1);
    return this;
  }

  has(id: number): boolean {
    return this.ids.includes(id);
  }

  bool(id: number): boolean | undefined {
    return this.get(id, thriftType.true) as boolean | undefined;
  }

  /** An i8, i16 or i32. */
  int(id: number): number | undefined {
    return (this.get(id, thriftType.i32) ?? this.get(id, thriftType.i16) ?? this.get(id, thriftType.i8)) as number | undefined;
  }

  long(id: number): bigint | undefined {
    return this.get(id, thriftType.i64) as bigint | undefined;
  }

  binary(id: number): Uint8Array | undefined {
    return this.get(id, thriftType.binary) as Uint8Array | undefined;
  }

  /** Bytes that are not UTF-8 become U+FFFD. */
  string(id: number): string | undefined {
    const bytes = this.binary(id);
    return bytes === undefined ? undefined : textOf(bytes);
  }

  struct(id: number): ThriftStruct | undefined {
    return this.get(id, thriftType.struct) as ThriftStruct | undefined;
  }

  structs(id: number): readonly ThriftStruct[] | undefined {
    return this.elements(id, thriftType.struct) as readonly ThriftStruct[] | undefined;
  }

  ints(id: number): readonly number[] | undefined {
    return this.elements(id, thriftType.i32) as readonly number[] | undefined;
  }

  longs(id: number): readonly bigint[] | undefined {
    return this.elements(id, thriftType.i64) as readonly bigint[] | undefined;
  }

  binaries(id: number): readonly Uint8Array[] | undefined {
    return this.elements(id, thriftType.binary) as readonly Uint8Array[] | undefined;
  }

  /** In a list, either of the two types stands for booleans of both values. */
  bools(id: number): readonly boolean[] | undefined {
    return (this.elements(id, thriftType.true) ?? this.elements(id, thriftType.false)) as readonly boolean[] | undefined;
  }

  /** The id of the first field: which member of a union is set. */
  get member(): number | undefined {
    return this.ids[0];
  }

  /** Calls back for each field, in order. */
  forEach(visit: (id: number, type: number, value: ThriftValue) => void): void {
    for (let i = 0; i < this.ids.length; i++) visit(this.ids[i]!, this.types[i]!, this.values[i]!);
  }

  private elements(id: number, elementType: number): readonly ThriftValue[] | undefined {
    const list = this.get(id, thriftType.list) as ThriftList | undefined;
    return list === undefined || (list.elements.length > 0 && list.elementType !== elementType) ? undefined : list.elements;
  }

  private get(id: number, type: number): ThriftValue | undefined {
    const at = this.ids.indexOf(id);
    return at >= 0 && this.types[at] === type ? this.values[at] : undefined;
  }
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** The text of a binary value. */
export function textOf(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

const depthMax = 24;
const valuesMax = 32_000_000;

/** Reads one struct that starts at `start`; `end` is where it stopped. */
export function readThrift(bytes: Uint8Array, start = 0): { readonly value: ThriftStruct; readonly end: number } {
  const reader = new Reader(bytes, start);
  const value = reader.struct(0);
  return { value, end: reader.position };
}

/** Values after which others may have their turn: code that has just begun to run takes a microsecond for each. */
const valuesPerStep = 1_024;

/** The same of a struct with long lists, in steps. */
export function readingThrift(bytes: Uint8Array): Steps<ThriftStruct> {
  return new Reader(bytes, 0).structInSteps();
}

class Reader {
  private readonly view: DataView;
  private values = 0;
  /** Of the field whose header was read last. */
  private id = 0;
  private type = 0;

  constructor(
    private readonly bytes: Uint8Array,
    public position: number,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  struct(depth: number): ThriftStruct {
    if (depth > depthMax) throw new ThriftError(`structs are nested deeper than ${depthMax}`);
    const struct = new ThriftStruct();
    for (let id = 0; this.header(id); ) {
      id = this.id;
      this.appendTo(struct, depth);
    }
    return struct;
  }

  /** A struct, with steps between the elements of its lists. */
  *structInSteps(): Steps<ThriftStruct> {
    const struct = new ThriftStruct();
    for (let id = 0; this.header(id); ) {
      id = this.id;
      if (this.type === thriftType.list) struct.append(id, this.type, yield* this.listInSteps());
      else this.appendTo(struct, 0);
    }
    return struct;
  }

  /** Reads the header of the field behind the one with this id; false where there is none. */
  private header(before: number): boolean {
    const header = this.byte();
    if (header === 0) return false;
    this.type = header & 15;
    this.id = header >> 4 === 0 ? this.int() : before + (header >> 4);
    if (this.id < -0x8000 || this.id > 0x7fff) throw new ThriftError(`a field has the id ${this.id}`);
    return true;
  }

  /** Reads the field whose header was read. */
  private appendTo(struct: ThriftStruct, depth: number): void {
    const { id, type } = this;
    // A boolean field is its type; both are kept as one type, and written by value.
    if (type === thriftType.true || type === thriftType.false) struct.append(id, thriftType.true, type === thriftType.true);
    else struct.append(id, type, this.value(type, depth));
  }

  private value(type: number, depth: number): ThriftValue {
    if (++this.values > valuesMax) throw new ThriftError(`there are more than ${valuesMax} values`);
    switch (type) {
      case thriftType.true:
      case thriftType.false:
        return this.byte() === 1;
      case thriftType.i8:
        return (this.byte() << 24) >> 24;
      case thriftType.i16:
      case thriftType.i32:
        return this.int();
      case thriftType.i64:
        return this.long();
      case thriftType.double: {
        const at = this.take(8);
        return this.view.getFloat64(at, true);
      }
      case thriftType.binary:
        return this.binary(this.size());
      case thriftType.uuid:
        return this.binary(16);
      case thriftType.list:
      case thriftType.set:
        return this.list(depth + 1);
      case thriftType.map:
        return this.map(depth + 1);
      case thriftType.struct:
        return this.struct(depth + 1);
      default:
        throw new ThriftError(`there is no type ${type}`);
    }
  }

  private list(depth: number): ThriftList {
    if (depth > depthMax) throw new ThriftError(`lists are nested deeper than ${depthMax}`);
    const { elementType, size } = this.listHeader();
    const elements: ThriftValue[] = [];
    for (let i = 0; i < size; i++) elements.push(this.value(elementType, depth));
    return { elementType, elements };
  }

  private *listInSteps(): Steps<ThriftList> {
    const { elementType, size } = this.listHeader();
    const elements: ThriftValue[] = [];
    const pace = new Pace(valuesPerStep);
    for (let i = 0; i < size; i++) {
      const before = this.values;
      elements.push(this.value(elementType, 1));
      if (pace.isDue(this.values - before)) yield;
    }
    return { elementType, elements };
  }

  private listHeader(): { readonly elementType: number; readonly size: number } {
    const header = this.byte();
    const size = header >> 4 === 15 ? this.size() : header >> 4;
    this.expectRoomFor(size);
    return { elementType: header & 15, size };
  }

  private map(depth: number): ThriftMap {
    if (depth > depthMax) throw new ThriftError(`maps are nested deeper than ${depthMax}`);
    const size = this.size();
    if (size === 0) return { keyType: 0, valueType: 0, entries: [] };
    this.expectRoomFor(2 * size);
    const types = this.byte();
    const [keyType, valueType] = [types >> 4, types & 15];
    const entries: [ThriftValue, ThriftValue][] = [];
    for (let i = 0; i < size; i++) entries.push([this.value(keyType, depth), this.value(valueType, depth)]);
    return { keyType, valueType, entries };
  }

  /** Every value takes at least a byte, so no container can be larger than what is left. */
  private expectRoomFor(size: number): void {
    const left = this.bytes.length - this.position;
    if (size > left) throw new ThriftError(`a container claims ${size} values where ${left} bytes are left`);
  }

  private byte(): number {
    if (this.position >= this.bytes.length) throw new ThriftError(`it ends within a value, after ${this.bytes.length} bytes`);
    return this.bytes[this.position++]!;
  }

  private take(size: number): number {
    const at = this.position;
    if (size > this.bytes.length - at) {
      throw new ThriftError(`a value claims ${size} bytes where ${this.bytes.length - at} are left`);
    }
    this.position = at + size;
    return at;
  }

  private binary(size: number): Uint8Array {
    const at = this.take(size);
    return this.bytes.subarray(at, at + size);
  }

  private size(): number {
    const size = this.varint(5);
    if (size > 0x7fff_ffff) throw new ThriftError(`a size of ${size} is out of range`);
    return size;
  }

  private int(): number {
    const raw = this.varint(5);
    if (raw > 0xffff_ffff) throw new ThriftError('a 32-bit integer is out of range');
    return (raw >>> 1) ^ -(raw & 1);
  }

  private long(): bigint {
    // Most take few bytes, and numbers are faster than bigints, which each further byte would make another of.
    let low = 0;
    for (let i = 0, factor = 1; i < 7; i++, factor *= 128) {
      const byte = this.byte();
      low += (byte & 127) * factor;
      if (byte < 128) return BigInt(low % 2 === 0 ? low / 2 : -(low + 1) / 2);
    }
    let raw = BigInt(low);
    for (let i = 7; i < 10; i++) {
      const byte = this.byte();
      raw |= BigInt(byte & 127) << BigInt(7 * i);
      if (byte < 128) return BigInt.asIntN(64, (raw >> 1n) ^ -(raw & 1n));
    }
    throw new ThriftError('an integer is longer than 64 bits');
  }

  private varint(bytesMax: number): number {
    let value = 0;
    let factor = 1;
    for (let i = 0; i < bytesMax; i++) {
      const byte = this.byte();
      value += (byte & 127) * factor;
      if (byte < 128) return value;
      factor *= 128;
    }
    throw new ThriftError('an integer is longer than 32 bits');
  }
}

/** The bytes of a struct. */
export function writeThrift(struct: ThriftStruct): Uint8Array {
  const writer = new Writer();
  writer.struct(struct);
  return writer.finish();
}

class Writer {
  private bytes = new Uint8Array(1024);
  private length = 0;

  finish(): Uint8Array {
    return this.bytes.slice(0, this.length);
  }

  struct(struct: ThriftStruct): void {
    let last = 0;
    struct.forEach((id, type, value) => {
      const written = type === thriftType.true && value === false ? thriftType.false : type;
      const delta = id - last;
      if (delta > 0 && delta < 16) this.byte((delta << 4) | written);
      else {
        this.byte(written);
        this.int(id);
      }
      last = id;
      if (type !== thriftType.true) this.value(type, value);
    });
    this.byte(0);
  }

  private value(type: number, value: ThriftValue): void {
    switch (type) {
      case thriftType.true:
      case thriftType.false:
        this.byte(value === true ? 1 : 2);
        break;
      case thriftType.i8:
        this.byte((value as number) & 255);
        break;
      case thriftType.i16:
      case thriftType.i32:
        this.int(value as number);
        break;
      case thriftType.i64:
        this.long(value as bigint);
        break;
      case thriftType.double: {
        const at = this.room(8);
        new DataView(this.bytes.buffer).setFloat64(at, value as number, true);
        break;
      }
      case thriftType.binary:
        this.varint((value as Uint8Array).length);
        this.raw(value as Uint8Array);
        break;
      case thriftType.uuid:
        this.raw(value as Uint8Array);
        break;
      case thriftType.list:
      case thriftType.set: {
        const { elementType, elements } = value as ThriftList;
        this.byte((Math.min(elements.length, 15) << 4) | elementType);
        if (elements.length >= 15) this.varint(elements.length);
        for (const element of elements) this.value(elementType, element);
        break;
      }
      case thriftType.map: {
        const { keyType, valueType, entries } = value as ThriftMap;
        this.varint(entries.length);
        if (entries.length > 0) this.byte((keyType << 4) | valueType);
        for (const [key, mapped] of entries) {
          this.value(keyType, key);
          this.value(valueType, mapped);
        }
        break;
      }
      default:
        this.struct(value as ThriftStruct);
    }
  }

  private byte(value: number): void {
    const at = this.room(1);
    this.bytes[at] = value;
  }

  private raw(bytes: Uint8Array): void {
    const at = this.room(bytes.length);
    this.bytes.set(bytes, at);
  }

  private int(value: number): void {
    this.varint(((value << 1) ^ (value >> 31)) >>> 0);
  }

  private long(value: bigint): void {
    let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
    for (; rest > 127n; rest >>= 7n) this.byte(Number(rest & 127n) | 128);
    this.byte(Number(rest));
  }

  private varint(value: number): void {
    let rest = value;
    for (; rest > 127; rest = Math.floor(rest / 128)) this.byte((rest & 127) | 128);
    this.byte(rest);
  }

  /** Where `size` further bytes go. */
  private room(size: number): number {
    const at = this.length;
    this.length += size;
    if (this.length > this.bytes.length) {
      const grown = new Uint8Array(Math.max(this.length, 2 * this.bytes.length));
      grown.set(this.bytes);
      this.bytes = grown;
    }
    return at;
  }
}
