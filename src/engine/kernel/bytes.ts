/** States that hold a value of any length: a span of bytes of their own, address 0 where there is none yet. */
import { alloc, free } from './memory';
import { addressOf, lengthOf, spanOf } from './values';

/** Less than, equal to or greater than 0, by bytes; of two that begin alike the longer one is greater. */
export function compareSpans(a: u64, b: u64): i32 {
  const bytesA = addressOf(a), bytesB = addressOf(b);
  const lengthA = lengthOf(a), lengthB = lengthOf(b);
  const shared = min<usize>(lengthA, lengthB);
  let i: usize = 0;
  for (; i + 8 <= shared; i += 8) {
    const wordA = load<u64>(bytesA + i), wordB = load<u64>(bytesB + i);
    if (wordA != wordB) return bswap<u64>(wordA) < bswap<u64>(wordB) ? -1 : 1;
  }
  if (i < shared) {
    const mask = ((<u64>1) << (<u64>(shared - i) << 3)) - 1;
    const wordA = load<u64>(bytesA + i) & mask, wordB = load<u64>(bytesB + i) & mask;
    if (wordA != wordB) return bswap<u64>(wordA) < bswap<u64>(wordB) ? -1 : 1;
  }
  return lengthA == lengthB ? 0 : lengthA < lengthB ? -1 : 1;
}

/** Bytes of the block that a value of this length is kept in: a power of two, with a word behind the value. */
@inline function blockFor(length: usize): usize {
  return (<usize>1) << (32 - clz<u32>(<u32>max<usize>(length + 8, 16) - 1));
}

/** Keeps a copy in place of what is kept. */
export function keepSpan(state: usize, span: u64): void {
  const kept = load<u64>(state);
  const length = lengthOf(span);
  const size = blockFor(length);
  let block = addressOf(kept);
  const sizeNow = block == 0 ? <usize>0 : blockFor(lengthOf(kept));
  if (sizeNow != size) {
    if (block != 0) free(block, sizeNow);
    block = alloc(size);
  }
  memory.copy(block, addressOf(span), length);
  store<u64>(state, spanOf(block, length));
}

/** The least or the greatest in byte order. Spans at address 0 are passed over. */
export function extremeSpans(greatest: i32, spans: usize, ids: usize, count: i32, states: usize, stride: usize): void {
  for (let i = 0; i < count; i++) {
    const span = load<u64>(spans + (<usize>i << 3));
    if (addressOf(span) == 0) continue;
    const state = states + <usize>load<u32>(ids + (<usize>i << 2)) * stride;
    const kept = load<u64>(state);
    if (addressOf(kept) != 0) {
      const order = compareSpans(span, kept);
      if (greatest ? order <= 0 : order >= 0) continue;
    }
    keepSpan(state, span);
  }
}
