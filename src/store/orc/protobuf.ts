/**
 * Protocol Buffers' wire format, in which ORC writes its metadata.
 *
 *   message | key, value | key, value | …    key: varint of | field id | wire type, 3 bits |
 *   varint  | 1, 7 bits | 1, 7 bits | 0, 7 bits |    the lowest bits first, ten bytes at most
 *
 * A message is described once, as a shape; reading, writing and its TypeScript type follow from that (see metadata.ts).
 * Law: the input is hostile. No length is believed beyond the bytes that are there; nesting ends where the shape ends,
 * for unknown fields are skipped and not looked into; the number of values is bounded. What does not fit is a
 * DamagedFileError. Bytes alias the input.
 */
import { DamagedFileError, invariant } from '../../base/errors.ts';

const wireType = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;
type WireType = (typeof wireType)[keyof typeof wireType];

/** How one value is read and written. */
export interface Codec<Value> {
  readonly wireType: WireType;
  read(input: Input, earlier: Value | undefined): Value;
  write(output: Output, value: Value): void;
}

/** A field of a message; `isPacked` says how a repeated one is written, both ways are read. */
export interface FieldShape<Value, Repeats extends boolean> {
  readonly id: number;
  readonly codec: Codec<Value>;
  readonly repeats: Repeats;
  readonly isPacked: boolean;
}

// biome-ignore lint/suspicious/noExplicitAny: the values of a shape are of every type, and only inference looks at them.
export type Shape = Readonly<Record<string, FieldShape<any, boolean>>>;

type Single<Fields extends Shape> = { [Name in keyof Fields]: Fields[Name] extends FieldShape<unknown, false> ? Name : never }[keyof Fields];
type Many<Fields extends Shape> = Exclude<keyof Fields, Single<Fields>>;
type ValueOf<Field> = Field extends FieldShape<infer Value, boolean> ? Value : never;

/** A message of this shape: a field that was not written is undefined, a repeated one empty. */
export type MessageOf<Fields extends Shape> = {
  readonly [Name in Single<Fields>]?: ValueOf<Fields[Name]> | undefined;
} & { readonly [Name in Many<Fields>]: readonly ValueOf<Fields[Name]>[] };

export type MessageType<MessageCodec> = MessageCodec extends Codec<infer Message> ? Message : never;

export function optional<Value>(id: number, codec: Codec<Value>): FieldShape<Value, false> {
  return { id, codec, repeats: false, isPacked: false };
}

export function repeated<Value>(id: number, codec: Codec<Value>): FieldShape<Value, true> {
  return { id, codec, repeats: true, isPacked: false };
}

export function packed<Value>(id: number, codec: Codec<Value>): FieldShape<Value, true> {
  return { id, codec, repeats: true, isPacked: true };
}

/** Reads a whole message; `file` and `part` are for the message of the error. */
export function decodeMessage<Message>(codec: Codec<Message>, bytes: Uint8Array, file: string, part: string): Message {
  return codec.read(new Input(bytes, file, part), undefined);
}

export function encodeMessage<Message>(codec: Codec<Message>, message: Message): Uint8Array {
  const output = new Output();
  codec.write(output, message);
  return output.finish();
}

/** The codec of a message as a whole; inside another one, its length stands before it. */
export function message<Fields extends Shape>(shape: Fields): Codec<MessageOf<Fields>> {
  const names = Object.keys(shape);
  const byId = new Map(names.map((name) => [shape[name]!.id, [name, shape[name]!] as const]));
  return {
    wireType: wireType.bytes,
    read: (input, earlier) => readFields(input, byId, earlier) as MessageOf<Fields>,
    write: (output, value) => {
      for (const name of names) writeField(output, shape[name]!, (value as Record<string, unknown>)[name]);
    },
  };
}

type FieldsById = ReadonlyMap<number, readonly [string, FieldShape<unknown, boolean>]>;

/** A message that comes in parts is the sum of them, as the format has it: hence `earlier`. */
function readFields(input: Input, byId: FieldsById, earlier: unknown): Record<string, unknown> {
  const fields = (earlier ?? {}) as Record<string, unknown>;
  if (earlier === undefined) for (const [name, { repeats }] of byId.values()) if (repeats) fields[name] = [];
  while (!input.isAtEnd) {
    const key = input.uint32();
    const [id, wire] = [key >>> 3, key & 7];
    if (id === 0) input.fail('a field has the id 0');
    const known = byId.get(id);
    if (known === undefined) {
      input.skip(wire);
      continue;
    }
    const [name, { codec, repeats }] = known;
    if (!repeats) fields[name] = readValue(input, name, wire, codec, fields[name]);
    else if (wire === wireType.bytes && codec.wireType !== wireType.bytes) readPacked(input.span(), codec, fields[name] as unknown[]);
    else (fields[name] as unknown[]).push(readValue(input, name, wire, codec, undefined));
  }
  return fields;
}

function readValue(input: Input, name: string, wire: number, codec: Codec<unknown>, earlier: unknown): unknown {
  if (wire !== codec.wireType) input.fail(`field ${name} has the wire type ${wire}, not ${codec.wireType}`);
  input.count();
  return codec.read(codec.wireType === wireType.bytes ? input.span() : input, earlier);
}

function readPacked(input: Input, codec: Codec<unknown>, values: unknown[]): void {
  while (!input.isAtEnd) {
    input.count();
    values.push(codec.read(input, undefined));
  }
}

function writeField(output: Output, { id, codec, repeats, isPacked }: FieldShape<unknown, boolean>, value: unknown): void {
  if (value === undefined) return;
  if (!repeats) writeValue(output, id, codec, value);
  else if (!isPacked) for (const each of value as readonly unknown[]) writeValue(output, id, codec, each);
  else if ((value as readonly unknown[]).length > 0) {
    output.varint((id << 3) | wireType.bytes);
    output.span((part) => {
      for (const each of value as readonly unknown[]) codec.write(part, each);
    });
  }
}

function writeValue(output: Output, id: number, codec: Codec<unknown>, value: unknown): void {
  output.varint((id << 3) | codec.wireType);
  if (codec.wireType === wireType.bytes) output.span((part) => codec.write(part, value));
  else codec.write(output, value);
}

export const uint32: Codec<number> = {
  wireType: wireType.varint,
  read: (input) => input.uint32(),
  write: (output, value) => output.varint(value),
};

/** An enumeration. Values that are not known here are kept. */
export const enumeration: Codec<number> = uint32;

/** A uint64 that counts or measures something real, and so is below 2^53. */
export const size: Codec<number> = {
  wireType: wireType.varint,
  read: (input) => input.size(),
  write: (output, value) => output.varint(value),
};

export const int32: Codec<number> = {
  wireType: wireType.varint,
  read: (input) => Number(BigInt.asIntN(32, input.varint())),
  write: (output, value) => output.bigVarint(BigInt.asUintN(64, BigInt(value))),
};

export const sint32: Codec<number> = {
  wireType: wireType.varint,
  read: (input) => {
    const zigzag = input.uint32();
    return (zigzag >>> 1) ^ -(zigzag & 1);
  },
  write: (output, value) => output.varint(((value << 1) ^ (value >> 31)) >>> 0),
};

export const sint64: Codec<bigint> = {
  wireType: wireType.varint,
  read: (input) => {
    const zigzag = input.varint();
    return (zigzag >> 1n) ^ -(zigzag & 1n);
  },
  write: (output, value) => output.bigVarint(BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))),
};

export const bool: Codec<boolean> = {
  wireType: wireType.varint,
  read: (input) => input.varint() !== 0n,
  write: (output, value) => output.varint(value ? 1 : 0),
};

export const double: Codec<number> = {
  wireType: wireType.fixed64,
  read: (input) => input.fixed64().getFloat64(0, true),
  write: (output, value) => output.fixed64((view) => view.setFloat64(0, value, true)),
};

export const fixed64: Codec<bigint> = {
  wireType: wireType.fixed64,
  read: (input) => input.fixed64().getBigUint64(0, true),
  write: (output, value) => output.fixed64((view) => view.setBigUint64(0, value, true)),
};

export const bytes: Codec<Uint8Array> = {
  wireType: wireType.bytes,
  read: (input) => input.rest(),
  write: (output, value) => output.append(value),
};

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Bytes that are not UTF-8 become U+FFFD. */
export const text: Codec<string> = {
  wireType: wireType.bytes,
  read: (input) => decoder.decode(input.rest()),
  write: (output, value) => output.append(Buffer.from(value)),
};

/** A column's statistics are about six values; this is a thousand columns in six hundred stripes. */
const valuesMax = 4_000_000;

/** The bytes of one message, and how far they have been read. */
export class Input {
  private position = 0;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly file: string,
    private readonly part: string,
    private readonly budget: { values: number } = { values: valuesMax },
  ) {}

  get isAtEnd(): boolean {
    return this.position >= this.bytes.length;
  }

  fail(detail: string): never {
    throw new DamagedFileError(this.file, `the ${this.part} is not what ORC writes: ${detail}. The file is truncated or damaged; restore it, or write it again`);
  }

  count(): void {
    if (--this.budget.values < 0) this.fail(`it has more than ${valuesMax} values`);
  }

  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.bytes[this.take(1)]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    return this.fail('a number is longer than ten bytes');
  }

  size(): number {
    // Up to seven bytes are 49 bits, which a double holds; more are rare.
    const start = this.position;
    let value = 0;
    for (let scale = 1; scale < 2 ** 49; scale *= 128) {
      const byte = this.bytes[this.take(1)]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    this.position = start;
    const big = this.varint();
    if (big > BigInt(Number.MAX_SAFE_INTEGER)) this.fail(`${big} is not a size or a count`);
    return Number(big);
  }

  uint32(): number {
    const value = this.size();
    if (value > 0xffff_ffff) this.fail(`${value} does not fit 32 bits`);
    return value;
  }

  fixed64(): DataView {
    const at = this.take(8);
    return new DataView(this.bytes.buffer, this.bytes.byteOffset + at, 8);
  }

  /** The bytes whose length stands here, as an input of their own. */
  span(): Input {
    const length = this.size();
    const start = this.take(length);
    return new Input(this.bytes.subarray(start, start + length), this.file, this.part, this.budget);
  }

  /** What has not been read yet. */
  rest(): Uint8Array {
    return this.bytes.subarray(this.take(this.bytes.length - this.position));
  }

  skip(wire: number): void {
    switch (wire) {
      case wireType.varint:
        this.varint();
        return;
      case wireType.fixed64:
        this.take(8);
        return;
      case wireType.fixed32:
        this.take(4);
        return;
      case wireType.bytes:
        this.take(this.size());
        return;
      default:
        this.fail(`there is no wire type ${wire}`);
    }
  }

  /** Where the next `length` bytes start. */
  private take(length: number): number {
    const start = this.position;
    if (length > this.bytes.length - start) this.fail(`it ends within a value, ${length} bytes are wanted at ${start} of ${this.bytes.length}`);
    this.position = start + length;
    return start;
  }
}

/** Bytes that grow. */
export class Output {
  private bytes = new Uint8Array(64);
  private length = 0;

  finish(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  /** A whole number from 0 to 2^53 − 1. */
  varint(value: number): void {
    invariant(Number.isSafeInteger(value) && value >= 0, `${value} is not a size or a count`);
    this.reserve(8);
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 128)) this.bytes[this.length++] = (rest % 128) | 0x80;
    this.bytes[this.length++] = rest;
  }

  bigVarint(value: bigint): void {
    this.reserve(10);
    let rest = value;
    for (; rest >= 0x80n; rest >>= 7n) this.bytes[this.length++] = Number(rest & 0x7fn) | 0x80;
    this.bytes[this.length++] = Number(rest);
  }

  fixed64(set: (view: DataView) => void): void {
    this.reserve(8);
    set(new DataView(this.bytes.buffer, this.length, 8));
    this.length += 8;
  }

  append(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** What `write` writes, and its length before it. */
  span(write: (part: Output) => void): void {
    const part = new Output();
    write(part);
    this.varint(part.length);
    this.append(part.finish());
  }

  private reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(2 * this.bytes.length, this.length + count));
    grown.set(this.finish());
    this.bytes = grown;
  }
}
