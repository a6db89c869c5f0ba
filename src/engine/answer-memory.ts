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
    freeNow(new ArrayBuffer(largeBytes));
  }
  return Buffer.allocUnsafeSlow(bytes);
}

/** Frees a buffer without waiting for its garbage to be collected: a message that nobody will receive takes it along. */
function freeNow(buffer: ArrayBuffer): void {
  const { port1, port2 } = new MessageChannel();
  port1.postMessage(buffer, [buffer]);
  port2.close();
}
