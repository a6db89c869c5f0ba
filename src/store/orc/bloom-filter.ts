/**
 * Bloom filters of row groups: which keys are surely not there. See "Bloom Filter Index" of the ORC specification, v1.
 *
 *   integer   ─▶ Thomas Wang's 64-bit mix ─┐
 *   text      ─▶ Murmur3, 64 bits         ─┴▶ two halves a, b ─▶ bits a + i·b for i = 1 … k
 *
 * Law: wrong only on the safe side. Filters that some writer is known to have got wrong are not asked.
 */
import type { BloomFilterIndex, Footer } from './metadata.ts';

type Filter = BloomFilterIndex['filters'][number];

const cppWriter = 1;

/** The C++ writer hashed negative integers otherwise until 1.6.12 and 1.7.1 (ORC-1024). */
export function areFiltersSound({ writer, softwareVersion }: Pick<Footer, 'writer' | 'softwareVersion'>): boolean {
  if (writer !== cppWriter) return true;
  const [major, minor, patch] = /^(\d+)\.(\d+)\.(\d+)/.exec(softwareVersion ?? '')?.slice(1).map(Number) ?? [];
  if (major === undefined || minor === undefined || patch === undefined) return false;
  if (major !== 1) return major > 1;
  return minor > 7 || (minor === 7 && patch >= 1) || (minor === 6 && patch >= 12);
}

/** The hash of a key, of which a filter's bits are made. */
export function hashOf(key: bigint | Uint8Array): bigint {
  return key instanceof Uint8Array ? murmur3(key) : mixed(key);
}

/** False only when no value has this hash. A filter that says nothing of itself might hold anything. */
export function mightHold({ hashFunctions = 0, bits, utf8Bits }: Filter, hash: bigint): boolean {
  const size = utf8Bits === undefined ? bits.length * 64 : utf8Bits.length * 8;
  if (size === 0 || hashFunctions === 0 || hashFunctions > hashFunctionsMax) return true;
  const [first, second] = [Number(BigInt.asIntN(32, hash)), Number(BigInt.asIntN(32, hash >> 32n))];
  for (let i = 1; i <= hashFunctions; i++) {
    const combined = (first + Math.imul(i, second)) | 0;
    const bit = (combined < 0 ? ~combined : combined) % size;
    const isSet = utf8Bits === undefined ? (bits[bit >> 6]! >> BigInt(bit & 63)) & 1n : (utf8Bits[bit >> 3]! >> (bit & 7)) & 1;
    if (!isSet) return false;
  }
  return true;
}

/** Beyond it a filter is nonsense. */
const hashFunctionsMax = 64;

const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);
const rotated = (value: bigint, by: bigint): bigint => u64(value << by) | (value >> (64n - by));

function mixed(value: bigint): bigint {
  const signed = (word: bigint): bigint => BigInt.asIntN(64, word);
  let key = signed(value);
  key = signed(~key + (key << 21n));
  key ^= key >> 24n;
  key = signed(key + (key << 3n) + (key << 8n));
  key ^= key >> 14n;
  key = signed(key + (key << 2n) + (key << 4n));
  key ^= key >> 28n;
  return u64(key + (key << 31n));
}

const seed = 104_729n;
const [factor1, factor2] = [0x87c37b91114253d5n, 0x4cf5ad432745937fn];

function murmur3(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const scrambled = (word: bigint): bigint => u64(rotated(u64(word * factor1), 31n) * factor2);
  const whole = bytes.length & ~7;
  let hash = seed;
  for (let at = 0; at < whole; at += 8) hash = u64(rotated(hash ^ scrambled(view.getBigUint64(at, true)), 27n) * 5n + 0x52dce729n);
  let rest = 0n;
  for (let at = bytes.length - 1; at >= whole; at--) rest = (rest << 8n) | BigInt(bytes[at]!);
  hash ^= scrambled(rest);
  hash ^= BigInt(bytes.length);
  hash = u64((hash ^ (hash >> 33n)) * 0xff51afd7ed558ccdn);
  hash = u64((hash ^ (hash >> 33n)) * 0xc4ceb9fe1a85ec53n);
  return hash ^ (hash >> 33n);
}
