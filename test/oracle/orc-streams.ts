/**
 * ORC's streams decoded the slow and obvious way: bit by bit, value by value, from any position, by the published
 * specification. It trusts its input.
 */
import { inflateRawSync } from 'node:zlib';
import {
  type Footer, footerCodec, postScriptCodec, type RowIndex, rowIndexCodec, type StripeFooter, stripeFooterCodec, streamKind,
} from '../../src/store/orc/metadata.ts';
import { decodeMessage } from '../../src/store/orc/protobuf.ts';

/** The values of run length encoding, version 2; `skip` of the first run are left out, all values or `count` of them given. */
export function decodeIntegers(bytes: Uint8Array, isSigned: boolean, skip = 0, count = Number.POSITIVE_INFINITY): bigint[] {
  const values: bigint[] = [];
  let bit = 0;
  const bits = (width: number): bigint => {
    let value = 0n;
    for (let i = 0; i < width; i++, bit++) value = (value << 1n) | BigInt((bytes[bit >> 3]! >> (7 - (bit & 7))) & 1);
    return value;
  };
  const align = (): void => {
    bit = (bit + 7) & ~7;
  };
  const unzigzag = (value: bigint): bigint => (value >> 1n) ^ -(value & 1n);
  const plain = (value: bigint): bigint => (isSigned ? unzigzag(value) : value);
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bits(8);
      value |= (byte & 0x7fn) << shift;
      if (byte < 0x80n) return value;
    }
  };
  const widths = [...Array.from({ length: 24 }, (_, i) => i + 1), 26, 28, 30, 32, 40, 48, 56, 64];
  while (bit < 8 * bytes.length && values.length < skip + count) {
    const kind = Number(bits(2));
    if (kind === 0) {
      const size = Number(bits(3)) + 1;
      const repeats = Number(bits(3)) + 3;
      const value = plain(bits(8 * size));
      for (let i = 0; i < repeats; i++) values.push(value);
      continue;
    }
    const code = Number(bits(5));
    const length = Number(bits(9)) + 1;
    if (kind === 1) {
      for (let i = 0; i < length; i++) values.push(plain(bits(widths[code]!)));
    } else if (kind === 2) {
      const baseBits = 8 * (Number(bits(3)) + 1);
      const patchWidth = widths[Number(bits(5))]!;
      const gapWidth = Number(bits(3)) + 1;
      const patches = Number(bits(5));
      const signed = bits(baseBits);
      const top = 1n << BigInt(baseBits - 1);
      const base = signed & top ? -(signed ^ top) : signed;
      const offsets = Array.from({ length }, () => bits(widths[code]!));
      align();
      const entryWidth = widths.find((width) => width >= gapWidth + patchWidth)!;
      let at = 0;
      for (let i = 0; i < patches; i++) {
        const entry = bits(entryWidth);
        at += Number(entry >> BigInt(patchWidth));
        offsets[at]! |= (entry & ((1n << BigInt(patchWidth)) - 1n)) << BigInt(widths[code]!);
      }
      for (const offset of offsets) values.push(base + offset);
    } else {
      const base = plain(varint());
      const delta = unzigzag(varint());
      let value = base;
      for (let i = 0; i < length; i++) {
        if (i > 0) value += i === 1 || code === 0 ? delta : delta < 0n ? -bits(widths[code]!) : bits(widths[code]!);
        values.push(value);
      }
    }
    align();
  }
  return values.slice(skip, skip + count);
}

/** Which of the four forms the runs have that begin a stream of integers. */
export const formOf = (bytes: Uint8Array): string => ['short repeat', 'direct', 'patched base', 'delta'][bytes[0]! >> 6]!;

export function decodeByteRuns(bytes: Uint8Array): number[] {
  const values: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    const control = bytes[at++]!;
    if (control < 128) for (let i = 0; i < control + 3; i++) values.push(bytes[at]!);
    else for (let i = 0; i < 256 - control; i++) values.push(bytes[at + i]!);
    at += control < 128 ? 1 : 256 - control;
  }
  return values;
}

/** Booleans, the first in the highest bit. */
export function decodeBits(bytes: Uint8Array): boolean[] {
  return decodeByteRuns(bytes).flatMap((byte) => Array.from({ length: 8 }, (_, i) => ((byte >> (7 - i)) & 1) === 1));
}

/** Blocks of raw deflate, or stored as they are. */
export function inflateBlocks(bytes: Uint8Array, blocks = Number.POSITIVE_INFINITY): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < bytes.length && parts.length < blocks; ) {
    const header = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);
    const block = bytes.subarray(at + 3, at + 3 + (header >> 1));
    parts.push(header & 1 ? block : inflateRawSync(block));
    at += 3 + (header >> 1);
  }
  return Buffer.concat(parts);
}

export interface OracleStripe {
  readonly footer: StripeFooter;
  readonly rowIndexes: readonly RowIndex[];
  /** The stream as it stands in the file; undefined when the column has none of this kind. */
  stored(column: number, kind: keyof typeof streamKind): Uint8Array | undefined;
}

/** A file that was written with zlib. */
export function openOracle(file: Uint8Array): { readonly footer: Footer; readonly stripes: readonly OracleStripe[] } {
  const postScriptStart = file.length - 1 - file.at(-1)!;
  const postScript = decodeMessage(postScriptCodec, file.subarray(postScriptStart, -1), 'oracle', 'postscript');
  const footer = decodeMessage(footerCodec, inflateBlocks(file.subarray(postScriptStart - postScript.footerLength!, postScriptStart)), 'oracle', 'footer');
  const stripes = footer.stripes.map(({ offset, indexLength, dataLength, footerLength }) => {
    const footerStart = offset! + indexLength! + dataLength!;
    const stripeFooter = decodeMessage(stripeFooterCodec, inflateBlocks(file.subarray(footerStart, footerStart + footerLength!)), 'oracle', 'stripe footer');
    const stored = (column: number, kind: keyof typeof streamKind): Uint8Array | undefined => {
      let start = offset!;
      for (const stream of stripeFooter.streams) {
        if (stream.column === column && stream.kind === streamKind[kind]) return file.subarray(start, start + stream.length!);
        start += stream.length!;
      }
      return undefined;
    };
    const rowIndexes = stripeFooter.columns.map((_, column) => decodeMessage(rowIndexCodec, inflateBlocks(stored(column, 'rowIndex')!), 'oracle', 'row index'));
    return { footer: stripeFooter, rowIndexes, stored };
  });
  return { footer, stripes };
}
