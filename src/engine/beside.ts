/**
 * What stands beside the columns of resident tables: an array with an element for each row, and facts about it. Found by where the arrays of a
 * column lie, so that slices have theirs too; forgotten with the memory.
 */
import { type Data, DataType } from '../arrow/arrow.ts';
import type { CommonMemory } from './threads/common-memory.ts';

/** Where it comes to stand in the memory of a table, and may not reach beyond. */
export interface BesidePlace {
  readonly home: CommonMemory;
  readonly most: number;
  readonly signal: AbortSignal | undefined;
}

interface Rows<Elements, Facts> {
  /** Where the values of the first row, or its offset, begin, and how many bytes each row has there. */
  readonly at: number;
  readonly width: number;
  readonly elements: Elements;
  readonly facts: Facts;
}

/** The array of a column that has an element for each row, of text or words of 64 bits. */
export function placeOf({ type, valueOffsets, values }: Data): ArrayBufferView | undefined {
  const array = DataType.isUtf8(type) ? valueOffsets : (values as BigInt64Array | null | undefined);
  return array?.BYTES_PER_ELEMENT === widthOf(type) ? array : undefined;
}

const widthOf = (type: DataType): number => (DataType.isUtf8(type) ? 4 : 8);

export class Beside<Elements extends Int32Array | Uint8Array, Facts> {
  private readonly byBuffer = new WeakMap<ArrayBufferLike, Rows<Elements, Facts>[]>();

  /** `elements`: of the rows of all parts, one after the other. */
  keep(parts: readonly Data[], elements: Elements, facts: Facts): void {
    let start = 0;
    for (const part of parts) {
      const { buffer, byteOffset } = placeOf(part)!;
      const known = this.byBuffer.get(buffer) ?? [];
      this.byBuffer.set(buffer, known);
      known.push({ at: byteOffset, width: widthOf(part.type), elements: elements.subarray(start, start + part.length) as Elements, facts });
      start += part.length;
    }
  }

  /** Of a column, or of a slice of one. */
  of(data: Data): { readonly elements: Elements; readonly facts: Facts } | undefined {
    const place = placeOf(data);
    if (place === undefined) return undefined;
    for (const { at, width, elements, facts } of this.byBuffer.get(place.buffer) ?? []) {
      const first = (place.byteOffset - at) / width;
      if (width === widthOf(data.type) && first >= 0 && first + data.length <= elements.length) return { elements: elements.subarray(first, first + data.length) as Elements, facts };
    }
    return undefined;
  }
}
