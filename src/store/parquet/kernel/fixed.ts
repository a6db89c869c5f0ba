/** Values of 4 or 8 bytes: from those that are not null to rows, and from dictionary indices to values. */

/** One value per row, zero where the bitmap has none. */
export function spread4(values: usize, bitmap: usize, rows: u32, out: usize): void {
  for (let row: u32 = 0; row < rows; row++) {
    const bit = <u32>(load<u8>(bitmap + (row >> 3)) >> <u8>(row & 7)) & 1;
    store<u32>(out + (<usize>row << 2), load<u32>(values) & (0 - bit));
    values += bit << 2;
  }
}

export function spread8(values: usize, bitmap: usize, rows: u32, out: usize): void {
  for (let row: u32 = 0; row < rows; row++) {
    const bit = <u32>(load<u8>(bitmap + (row >> 3)) >> <u8>(row & 7)) & 1;
    store<u64>(out + (<usize>row << 3), load<u64>(values) & (0 - <u64>bit));
    values += bit << 3;
  }
}

/** The entries that the indices name. All of them are in the dictionary. */
export function gather4(entries: usize, indices: usize, count: u32, out: usize): void {
  for (let i: usize = 0; i < count; i++) store<u32>(out + (i << 2), load<u32>(entries + (<usize>load<u32>(indices + (i << 2)) << 2)));
}

export function gather8(entries: usize, indices: usize, count: u32, out: usize): void {
  for (let i: usize = 0; i < count; i++) store<u64>(out + (i << 3), load<u64>(entries + (<usize>load<u32>(indices + (i << 2)) << 3)));
}
