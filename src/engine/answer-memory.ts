/**
 * Memory for answers: buffers of some hundred kilobytes for each column, garbage once whoever asked is done with them.
 *
 * glibc returns what is freed to the system, which clears its pages one by one when they are touched again: 0.4 ms a megabyte, as long as all else that
 * reading out takes. It keeps up to twice the size of the largest block that it has seen freed ("dynamic mmap threshold" in mallopt(3)). So a large
 * one is, before the first answer. Other allocators do not care.
 */
import { MessageChannel } from 'node:worker_threads';

const largeBytes = 2 ** 24;
/** What is smaller is kept anyway. */
const keptBytes = 2 ** 17;

let areKept = false;

/** A buffer for part of an answer. It is not cleared: all of it is to be written. */
export function answerBuffer(bytes: number): Buffer {
  if (!areKept && bytes > keptBytes) {
    areKept = true;
    freeNow([new ArrayBuffer(largeBytes)]);
  }
  return Buffer.allocUnsafeSlow(bytes);
}

/**
 * Frees buffers that nobody reads any more without waiting for their garbage to be collected: a message that nobody will receive takes them along. V8
 * counts them against a heap of some megabytes, and would look through it after every answer or two, 7 to 20 ms where all processors are busy.
 */
export function freeNow(buffers: readonly ArrayBufferLike[]): void {
  const large = [...new Set(buffers)].filter((buffer): buffer is ArrayBuffer => buffer instanceof ArrayBuffer && buffer.byteLength > keptBytes);
  if (large.length === 0) return;
  const { port1, port2 } = new MessageChannel();
  port1.postMessage(large, large);
  port2.close();
}
