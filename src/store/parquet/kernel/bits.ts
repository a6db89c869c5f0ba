/** Runs of bits, the lowest of each byte first, whose targets were zero before; and bytes. */

/** Copies bits, 32 at a time, and counts those that are set. */
export function copyBits(from: usize, fromBit: u32, count: u32, to: usize, toBit: u32): u32 {
  let ones: u32 = 0;
  for (let i: u32 = 0; i < count; i += 32) {
    const source = fromBit + i;
    let bits = (load<u64>(from + (source >> 3)) >> (source & 7)) & 0xffffffff;
    if (count - i < 32) bits &= ((<u64>1) << (count - i)) - 1;
    ones += <u32>popcnt<u64>(bits);
    const target = toBit + i;
    const word = to + (target >> 3);
    store<u64>(word, load<u64>(word) | (bits << (target & 7)));
  }
  return ones;
}

/** Sets bits, 32 at a time. */
export function setBits(to: usize, toBit: u32, count: u32): void {
  for (let i: u32 = 0; i < count; i += 32) {
    const bits: u64 = count - i < 32 ? ((<u64>1) << (count - i)) - 1 : 0xffffffff;
    const target = toBit + i;
    const word = to + (target >> 3);
    store<u64>(word, load<u64>(word) | (bits << (target & 7)));
  }
}

/** Copies bytes to where nothing of them stands. */
export function copyBytes(from: usize, count: usize, to: usize): void {
  memory.copy(to, from, count);
}
