/** States as bytes. */
import { Binary, type Data, makeData } from '../../arrow/arrow.ts';
import { invariant, OverflowError } from '../../base/errors.ts';

const offsetMax = 0x7fffffff;

/** A binary column from one value a row; undefined is null. */
export function binaryColumn(values: readonly (Uint8Array | undefined)[], rows: number): Data {
  const valueOffsets = new Int32Array(rows + 1);
  const nullBitmap = new Uint8Array((rows + 7) >> 3);
  let nullCount = 0;
  let total = 0;
  for (let i = 0; i < rows; i++) {
    const value = values[i];
    total += value?.length ?? 0;
    valueOffsets[i + 1] = total;
    if (value === undefined) nullCount++;
    else nullBitmap[i >> 3]! |= 1 << (i & 7);
  }
  checkBytes('a partial state', total);
  const data = new Uint8Array(total);
  values.forEach((value, i) => {
    if (value !== undefined) data.set(value, valueOffsets[i]!);
  });
  return makeData({ type: new Binary(), length: rows, nullCount, valueOffsets, data, ...(nullCount > 0 && { nullBitmap }) });
}

/** Throws when so many bytes do not fit one column with 32-bit offsets. */
export function checkBytes(column: string, bytes: number): void {
  if (bytes <= offsetMax) return;
  throw new OverflowError(column, '(all)', `the values are ${bytes} bytes long together, more than the ${offsetMax} that a column holds; group by fewer keys or over a shorter range`);
}

/** | flags, 1 byte | sign, 1 byte: 1 = negative | limbs of 32 bits that are skipped, 1 byte | magnitude, little-endian | */
export function bytesOfUnits({ units, flags }: { readonly units: bigint; readonly flags: number }): Uint8Array {
  let magnitude = units < 0n ? -units : units;
  let skipped = 0;
  while (magnitude !== 0n && (magnitude & 0xffffffffn) === 0n) {
    magnitude >>= 32n;
    skipped++;
  }
  const bytes = [flags, units < 0n ? 1 : 0, skipped];
  for (; magnitude > 0n; magnitude >>= 8n) bytes.push(Number(magnitude & 255n));
  return Uint8Array.from(bytes);
}

export function unitsOfBytes(bytes: Uint8Array): { readonly units: bigint; readonly flags: number } {
  invariant(bytes.length >= 3, 'a partial sum is too short');
  let magnitude = 0n;
  for (let i = bytes.length - 1; i >= 3; i--) magnitude = (magnitude << 8n) | BigInt(bytes[i]!);
  magnitude <<= BigInt(bytes[2]! * 32);
  invariant(magnitude < 1n << 2200n, 'a partial sum is too large');
  return { flags: bytes[0]!, units: bytes[1] === 1 ? -magnitude : magnitude };
}
