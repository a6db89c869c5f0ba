/**
 * Checksums of a file's blocks, so that a part of a file can be verified without reading the rest.
 *
 *   crc32:65536:<base64>     one little-endian CRC-32 for every block of 65,536 bytes, the last one shorter
 *
 * A read is widened to whole blocks, and every block is verified before its bytes are handed on: a flipped bit never gets
 * as far as the decoder. CRC-32 finds every burst of up to 32 bits within a block, and misses other damage once in four
 * billion; it runs at 3.7 GiB/s where SHA-256 makes 1.3 (Node 20, 64 KiB blocks). It is no defence against forgery.
 */
import { crc32 } from 'node:zlib';
import { DamagedFileError } from '../base/errors.ts';
import { checkRange, type OpenFile } from './bytes.ts';

const blockSize = 65_536;

/** The checksum of a file with this content. */
export function checksumOf(content: Uint8Array): string {
  const sums = Buffer.alloc(4 * Math.ceil(content.length / blockSize));
  for (let block = 0; block * blockSize < content.length; block++) {
    sums.writeUInt32LE(crc32(content.subarray(block * blockSize, (block + 1) * blockSize)), 4 * block);
  }
  return `crc32:${blockSize}:${sums.toString('base64')}`;
}

/** The same file, but every read of it is verified. `size` and `checksum` are what the log says. */
export function verifiedFile(file: OpenFile, size: number, checksum: string): OpenFile {
  if (file.size !== size) {
    throw new DamagedFileError(file.name, `has ${file.size} bytes, but ${size} were committed; it is truncated or was overwritten`);
  }
  const match = /^crc32:(\d{3,9}):([A-Za-z0-9+/]*=*)$/.exec(checksum);
  const block = Number(match?.[1]);
  const sums = Buffer.from(match?.[2] ?? '', 'base64');
  if (match === null || sums.length !== 4 * Math.ceil(size / block)) {
    throw new DamagedFileError(file.name, 'the log holds no checksum for it that this version understands');
  }
  const verify = (covering: Uint8Array, first: number): void => {
    for (let offset = 0, index = first; offset < covering.length; offset += block, index++) {
      if (crc32(covering.subarray(offset, offset + block)) !== sums.readUInt32LE(4 * index)) {
        throw new DamagedFileError(
          file.name,
          `the bytes from ${index * block} on are not those that were written: their checksum differs. Restore the file, or write the table again`,
        );
      }
    }
  };
  const { readInto } = file;
  return {
    ...file,
    async read(start, end) {
      checkRange(file.name, size, start, end);
      const first = Math.floor(start / block);
      const covering = await file.read(first * block, Math.min(size, Math.ceil(end / block) * block));
      verify(covering, first);
      const skipped = start - first * block;
      return covering.subarray(skipped, skipped + end - start);
    },
    ...(readInto && {
      readInto(target, start) {
        const end = start + target.length;
        checkRange(file.name, size, start, end);
        // Blocks that begin or end outside of the target are read by themselves.
        for (let at = start; at < end; ) {
          const index = Math.floor(at / block);
          const whole = at === index * block ? Math.floor((end - at) / block) : 0;
          const to = whole > 0 ? at + whole * block : Math.min(end, (index + 1) * block);
          const part = target.subarray(at - start, to - start);
          const covering = whole > 0 ? part : new Uint8Array(Math.min(size, (index + 1) * block) - index * block);
          readInto(covering, index * block);
          verify(covering, index);
          if (whole === 0) part.set(covering.subarray(at - index * block, to - index * block));
          at = to;
        }
      },
    } satisfies Pick<OpenFile, 'readInto'>),
  };
}
