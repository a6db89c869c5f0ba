/**
 * Room in V8's heap for answers. Their buffers lie outside of the heap and are counted against it, and a heap of ten megabytes may grow by some before V8
 * looks through it all: it did so at every fourth answer of four megabytes, on threads of its own, for 10 to 20 ms that ours were without (every sixth of the
 * median, every fifth of the mean of repeated questions of 30 ms). How far a heap may grow goes by its size. So while many answers are asked for, a small heap
 * is made larger by text that nobody reads, and that takes no time to look through: then buffers are freed before, by scavenges, a millisecond at every ninth
 * answer. Memory ballast, as others have called it.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { getHeapStatistics } from 'node:v8';

/** Pieces of text, and how long each is: to make one takes two milliseconds. */
const pieces = 8;
const pieceBytes = 2 ** 21;
/** From so many bytes of answers on, each within so long of the one before, it is worth it; for so long it is kept behind the last. */
const bytesAtFirst = 2 ** 24;
const lingerMs = 10_000;
/** A larger heap has the room. */
const smallHeap = 2 ** 26;

let given = 0;
let ballast: string[] | undefined;
let ending: NodeJS.Timeout | undefined;

/** To be told of every answer that goes to a caller, of about so many bytes. */
export function makeRoomFor(bytes: number): void {
  given += bytes;
  if (ending === undefined) ending = setTimeout(end, lingerMs).unref();
  else ending.refresh();
  if (given >= bytesAtFirst && ballast === undefined) void make();
}

async function make(): Promise<void> {
  ballast = [];
  const text = ballast;
  if (getHeapStatistics().used_heap_size >= smallHeap) return;
  while (text === ballast && text.length < pieces) {
    await nextTurn();
    const piece = ' '.repeat(pieceBytes);
    // Until it is read, it is but a note of what it would be.
    piece.charCodeAt(0);
    text.push(piece);
  }
}

function end(): void {
  [given, ballast, ending] = [0, undefined, undefined];
}
