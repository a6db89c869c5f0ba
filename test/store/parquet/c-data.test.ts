/** Arrays in the C data interface, laid out by hand in a memory of our own: slices, nulls, dictionaries. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { copyStructChildren, type DictionaryCache } from '../../../src/arrow/c-data.ts';
import { type Cell, batchOf, cellsOf } from './support.ts';
import { type Data, Field, Schema } from '../../../src/arrow/arrow.ts';

/** A bump allocator over a wasm32 memory; nothing is ever freed. */
class Memory {
  readonly buffer = new ArrayBuffer(65_536);
  private readonly view = new DataView(this.buffer);
  private top = 64;

  put(bytes: Uint8Array): number {
    const at = this.top;
    new Uint8Array(this.buffer).set(bytes, at);
    this.top = (at + bytes.length + 15) & ~7;
    return at;
  }

  pointers(addresses: readonly number[]): number {
    return this.put(new Uint8Array(Uint32Array.from(addresses).buffer));
  }

  schema(format: string, children: readonly number[] = [], dictionary = 0): number {
    const at = this.put(new Uint8Array(48));
    this.view.setUint32(at, this.put(Buffer.from(`${format}\0`)), true);
    this.view.setBigInt64(at + 24, BigInt(children.length), true);
    this.view.setUint32(at + 32, this.pointers(children), true);
    this.view.setUint32(at + 36, dictionary, true);
    return at;
  }

  array(length: number, offset: number, buffers: readonly number[], children: readonly number[] = [], dictionary = 0): number {
    const at = this.put(new Uint8Array(64));
    const longs = [length, -1, offset, buffers.length, children.length];
    for (const [i, long] of longs.entries()) this.view.setBigInt64(at + 8 * i, BigInt(long), true);
    this.view.setUint32(at + 40, this.pointers(buffers), true);
    this.view.setUint32(at + 44, this.pointers(children), true);
    this.view.setUint32(at + 48, dictionary, true);
    return at;
  }
}

const bytesOf = (values: ArrayBufferView): Uint8Array => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

function cells(data: Data): Cell[] {
  const schema = new Schema([new Field('x', data.type, true)]);
  return cellsOf([batchOf(schema, [data])], 'x');
}

test('a batch of slices, copied out of the memory', () => {
  const memory = new Memory();
  const validity = memory.put(Uint8Array.of(0b1011_0111, 0b1111_1110));
  const numbers = memory.put(bytesOf(BigInt64Array.from({ length: 16 }, (_, i) => BigInt(i) - 3n)));
  const bits = memory.put(Uint8Array.of(0b0101_0101, 0b0000_1111));
  const offsets = Array.from({ length: 17 }, (_, i) => 2 * i);
  const text = memory.put(Buffer.from('aabbccddeeffgghhiijjkkllmmnnoopp'));
  const [spans, wideSpans] = [memory.put(bytesOf(Int32Array.from(offsets))), memory.put(bytesOf(BigInt64Array.from(offsets, BigInt)))];
  const fixed = memory.put(Buffer.from('AABBCCDDEEFFGGHHIIJJKKLLMMNNOOPP'));
  const slice = (...buffers: number[]): number => memory.array(5, 5, buffers);
  const children = [slice(validity, numbers), slice(0, bits), slice(validity, spans, text), slice(0, wideSpans, text), slice(validity, fixed)];
  const schemas = ['l', 'b', 'u', 'Z', 'w:2'].map((format) => memory.schema(format));
  const columns = copyStructChildren(memory.buffer, memory.array(5, 0, [0], children), memory.schema('+s', schemas), new Map());
  // Rows 5 to 9; of these 6 and 8 are null.
  new Uint8Array(memory.buffer).fill(0xee);
  assert.deepEqual(columns.map(cells), [
    [2n, null, 4n, null, 6n], [false, true, false, true, true], ['ff', null, 'hh', null, 'jj'],
    ['b:6666', 'b:6767', 'b:6868', 'b:6969', 'b:6a6a'], ['b:4646', null, 'b:4848', null, 'b:4a4a'],
  ]);
  assert.deepEqual(columns.map((data) => [data.offset, data.nullCount]), [[0, 2], [0, 0], [0, 2], [0, 0], [0, 2]]);
  assert.deepEqual([columns[2]!.values.length, columns[3]!.values.length], [10, 10]);
});

test('a dictionary that batches share is copied once', () => {
  const memory = new Memory();
  const entries = memory.array(3, 0, [0, memory.put(bytesOf(Int32Array.of(0, 1, 3, 6))), memory.put(Buffer.from('abbccc'))]);
  const schema = memory.schema('+s', [memory.schema('i', [], memory.schema('u'))]);
  const batch = (codes: number[]): number => memory.array(codes.length, 0, [0], [memory.array(codes.length, 0, [0, memory.put(bytesOf(Int32Array.from(codes)))], [], entries)]);
  const dictionaries: DictionaryCache = new Map();
  const [first] = copyStructChildren(memory.buffer, batch([2, 0]), schema, dictionaries);
  const [second] = copyStructChildren(memory.buffer, batch([1]), schema, dictionaries);
  assert.deepEqual([cells(first!), cells(second!)], [['ccc', 'a'], ['bb']]);
  assert.equal(first!.dictionary, second!.dictionary);
});

test('a format that nobody asked for is our mistake', () => {
  const memory = new Memory();
  const array = memory.array(0, 0, [0], [memory.array(0, 0, [0])]);
  assert.throws(() => copyStructChildren(memory.buffer, array, memory.schema('+s', [memory.schema('+l')]), new Map()), { tag: 'Invariant', message: /the format '\+l'/ });
});
