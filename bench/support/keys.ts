/**
 * The keys of group 0, 1, 2, … of each kind, in every language that the contenders speak, and the way back.
 *
 *   integer      5                     the group itself, 32 bits
 *   spread       -4872…                its 64 bits mixed: two bijections of 32 bits
 *   string       "us50000000"          1 to 4 letters, and eight digits, backwards
 *   dictionary   as string             32-bit codes; DuckDB gets an ENUM
 *   two-column   (string of 5 >> 3, 5 & 7)
 */
import { type Data, type DataType, Dictionary, Field, Int32, Int64, makeData, Utf8, type Vector, makeVector } from '../../src/arrow/arrow.ts';
import type { KeyKind } from '../questions.ts';

export type KeyValue = number | bigint | string;

/** The columns of a key: their names, and their types in DuckDB. */
export function keyColumns(kind: KeyKind): readonly { readonly name: string; readonly sqlType: string }[] {
  switch (kind) {
    case 'integer':
      return [{ name: 'customer', sqlType: 'INTEGER' }];
    case 'spread':
      return [{ name: 'customer', sqlType: 'BIGINT' }];
    case 'string':
      return [{ name: 'customer', sqlType: 'VARCHAR' }];
    case 'dictionary':
      return [{ name: 'customer', sqlType: 'customer_names' }];
    case 'two-column':
      return [{ name: 'customer', sqlType: 'VARCHAR' }, { name: 'region', sqlType: 'INTEGER' }];
  }
}

/** The key's columns in SQL, from a column `k`: the group, or for spread keys the key. */
export function keySql(kind: KeyKind): string {
  const name = (group: string): string => `left('user', 1 + (${group} & 3)) || reverse(lpad((${group})::VARCHAR, 8, '0'))`;
  if (kind === 'string' || kind === 'dictionary') return `${name('k')} AS customer`;
  if (kind === 'two-column') return `${name('(k >> 3)')} AS customer, (k & 7)::INTEGER AS region`;
  return 'k AS customer';
}

/** The key's columns in Arrow, row by row. */
export function keyArrow(kind: KeyKind, groupOfRow: Int32Array, groups: number): { fields: Field[]; columns: Data[] } {
  const of = (name: string, type: DataType, data: Data): { fields: Field[]; columns: Data[] } => ({ fields: [new Field(name, type, false)], columns: [data] });
  switch (kind) {
    case 'integer':
      return of('customer', new Int32(), makeData({ type: new Int32(), data: groupOfRow }));
    case 'spread':
      return of('customer', new Int64(), makeData({ type: new Int64(), data: spreadKeys(groupOfRow) }));
    case 'string':
      return of('customer', new Utf8(), stringData(groupOfRow, groups));
    case 'dictionary': {
      const type = new Dictionary(new Utf8(), new Int32(), 1);
      const names = makeVector(stringData(Int32Array.from({ length: groups }, (_, group) => group), groups)) as Vector<Utf8>;
      return of('customer', type, makeData({ type, data: groupOfRow, dictionary: names }));
    }
    case 'two-column': {
      const strings = of('customer', new Utf8(), stringData(groupOfRow.map((group) => group >> 3), (groups >> 3) + 1));
      const regions = makeData({ type: new Int32(), data: groupOfRow.map((group) => group & 7) });
      return { fields: [...strings.fields, new Field('region', new Int32(), false)], columns: [...strings.columns, regions] };
    }
  }
}

/** The group that has this key; −1 where none has. */
export function groupOf(kind: KeyKind, first: KeyValue, second?: KeyValue): number {
  if (kind === 'integer') return Number(first);
  if (kind === 'spread') {
    const key = BigInt(first);
    const group = unmixLow(Number(BigInt.asIntN(32, key)));
    return BigInt(mixHigh(group)) === key >> 32n ? group : -1;
  }
  const named = groupOfName(String(first));
  return kind === 'two-column' && named >= 0 ? named * 8 + Number(second) : named;
}

/** Without objects: there may be ten million of them. */
function groupOfName(name: string): number {
  const letters = name.length - 8;
  if (letters < 1 || letters > 4 || !'user'.startsWith(name.slice(0, letters))) return -1;
  let group = 0;
  for (let i = name.length - 1; i >= letters; i--) {
    const digit = name.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    group = group * 10 + digit;
  }
  return (group & 3) + 1 === letters ? group : -1;
}

/** The key that a group has. */
export function keyOf(kind: KeyKind, group: number): KeyValue[] {
  if (kind === 'integer') return [group];
  if (kind === 'spread') return [(BigInt(mixHigh(group)) << 32n) | BigInt(mixLow(group) >>> 0)];
  if (kind === 'two-column') return [nameOf(group >> 3), group & 7];
  return [nameOf(group)];
}

function nameOf(group: number): string {
  return 'user'.slice(0, 1 + (group & 3)) + [...String(group).padStart(8, '0')].reverse().join('');
}

export function spreadKeys(groupOfRow: Int32Array): BigInt64Array {
  const halves = new Int32Array(groupOfRow.length * 2);
  for (let i = 0; i < groupOfRow.length; i++) {
    halves[2 * i] = mixLow(groupOfRow[i]!);
    halves[2 * i + 1] = mixHigh(groupOfRow[i]!);
  }
  return new BigInt64Array(halves.buffer);
}

function mixLow(group: number): number {
  let mixed = group | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

function unmixLow(mixed: number): number {
  let group = Math.imul(mixed ^ (mixed >>> 16), 0x7ed1b41d);
  group = Math.imul(group ^ (group >>> 13) ^ (group >>> 26), 0xa5cb9243);
  return (group ^ (group >>> 16)) >>> 0;
}

function mixHigh(group: number): number {
  return mixLow(group ^ 0x5bd1e995);
}

function stringData(groupOfRow: Int32Array, groups: number): Data {
  const texts = new Uint8Array(groups * 12);
  for (let group = 0; group < groups; group++) {
    const letters = 1 + (group & 3);
    for (let i = 0; i < letters; i++) texts[group * 12 + i] = 'user'.charCodeAt(i);
    for (let i = 0, rest = group; i < 8; i++, rest = Math.floor(rest / 10)) texts[group * 12 + letters + i] = 48 + (rest % 10);
  }
  const valueOffsets = new Int32Array(groupOfRow.length + 1);
  for (let row = 0; row < groupOfRow.length; row++) valueOffsets[row + 1] = valueOffsets[row]! + 9 + (groupOfRow[row]! & 3);
  const data = new Uint8Array(valueOffsets[groupOfRow.length]!);
  for (let row = 0; row < groupOfRow.length; row++) {
    const [from, to] = [groupOfRow[row]! * 12, valueOffsets[row]!];
    const length = valueOffsets[row + 1]! - to;
    for (let i = 0; i < length; i++) data[to + i] = texts[from + i]!;
  }
  return makeData({ type: new Utf8(), valueOffsets, data });
}
