/**
 * Snappy's block format: the size as a varint, then literals and copies of what came before.
 *
 *   literal  | size − 1, 00 | bytes |     copy, 2 bytes  | size − 1, 10 | distance, 16 bits |
 *
 * The input comes in pieces of 64 KiB, so that a distance fits 16 bits. Greedy: the last place where the same four bytes
 * stood, by hash; the longer nothing is found, the larger the steps.
 */

const pieceBytes: usize = 65_536;
const tableBits = 14;
const table = memory.data((1 << tableBits) * 2, 8);

// @ts-ignore: decorator
@inline
function hash(word: u32): usize {
  return <usize>((word * 0x9e3779b1) >> (32 - tableBits)) << 1;
}

/** Writes the compressed form of `size` bytes and returns where it ends: at most `size` + size / 6 + 32 bytes. */
export function snap(from: usize, size: usize, to: usize): usize {
  let out = to;
  let rest = <u32>size;
  while (rest >= 0x80) {
    store<u8>(out++, <u8>rest | 0x80);
    rest >>= 7;
  }
  store<u8>(out++, <u8>rest);
  for (let done: usize = 0; done < size; done += pieceBytes) out = snapPiece(from + done, from + min(size, done + pieceBytes), out);
  return out;
}

function snapPiece(start: usize, end: usize, to: usize): usize {
  memory.fill(table, 0, (1 << tableBits) * 2);
  let out = to;
  let literal = start;
  let at = start + 1;
  let misses: usize = 32;
  while (at + 4 <= end) {
    const word = load<u32>(at);
    const entry = table + hash(word);
    const candidate = start + <usize>load<u16>(entry);
    store<u16>(entry, <u16>(at - start));
    if (load<u32>(candidate) != word || candidate >= at) {
      at += misses++ >> 5;
      continue;
    }
    misses = 32;
    let length: usize = 4;
    while (at + length < end && load<u8>(candidate + length) == load<u8>(at + length)) length++;
    out = putLiteral(literal, at - literal, out);
    out = putCopy(at - candidate, length, out);
    at += length;
    literal = at;
  }
  return putLiteral(literal, end - literal, out);
}

function putLiteral(from: usize, size: usize, to: usize): usize {
  if (size == 0) return to;
  const code = <u32>(size - 1);
  let out = to;
  if (code < 60) store<u8>(out++, <u8>(code << 2));
  else if (code < 256) {
    store<u8>(out++, 60 << 2);
    store<u8>(out++, <u8>code);
  } else {
    store<u8>(out++, 61 << 2);
    store<u16>(out, <u16>code);
    out += 2;
  }
  memory.copy(out, from, size);
  return out + size;
}

function putCopy(distance: usize, size: usize, to: usize): usize {
  let out = to;
  for (let left = size; left > 0; ) {
    const part = min<usize>(left, 64);
    store<u8>(out, <u8>(((part - 1) << 2) | 2));
    store<u16>(out + 1, <u16>distance);
    out += 3;
    left -= part;
  }
  return out;
}
