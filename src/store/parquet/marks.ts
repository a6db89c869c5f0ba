/** How a Parquet file begins and ends, and how files of ours are signed. */

export const magic = Uint8Array.of(0x50, 0x41, 0x52, 0x31);

export const ourName = 'tauro-feature-store';
