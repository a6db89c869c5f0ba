/** Hashes of 64 bits, equal for equal values: the finaliser of MurmurHash3 over words. */
import { addressOf, lengthOf } from './values';

@inline export function hashWord(word: u64): u64 {
  let hash = word ^ (word >> 33);
  hash *= 0xff51afd7ed558ccd;
  hash ^= hash >> 33;
  hash *= 0xc4ceb9fe1a85ec53;
  return hash ^ (hash >> 33);
}

export function hashSpan(span: u64): u64 {
  const bytes = addressOf(span), length = lengthOf(span);
  let hash = hashWord(<u64>length + 0x9e3779b97f4a7c15);
  let i: usize = 0;
  for (; i + 8 <= length; i += 8) hash = hashWord(hash ^ load<u64>(bytes + i)) + 0x9e3779b97f4a7c15;
  if (i < length) {
    const mask = ((<u64>1) << (<u64>(length - i) << 3)) - 1;
    hash = hashWord(hash ^ (load<u64>(bytes + i) & mask));
  }
  return hash;
}
