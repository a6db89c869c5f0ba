/** Zstandard without Node's own: frames that libzstd made (pyarrow.compress), and what they may not do. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { unpackFrames } from '../../../src/store/orc/zstd.ts';

const text = 'hello world '.repeat(5_000);
const frame = Buffer.from('28b52ffd6060e9a500006068656c6c6f20776f726c6420010051eaeb2509', 'hex');

test('a frame is unpacked, and no larger than told', () => {
  assert.equal(Buffer.from(unpackFrames(frame, text.length)).toString(), text);
  assert.throws(() => unpackFrames(frame, text.length - 1), /claims 60000 bytes/);
  for (let end = 0; end < frame.length; end++) assert.throws(() => unpackFrames(frame.subarray(0, end), text.length), `${end} bytes`);
});

test('a frame cannot ask for memory that nobody has', () => {
  // No size of its content, and a window of 2^41 bytes.
  const greedy = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xf8, 0x01, 0x00, 0x00]);
  assert.throws(() => unpackFrames(greedy, 1_000), /larger window/);
  assert.throws(() => unpackFrames(Buffer.from('no frame at all'), 1_000), /no Zstandard frame/);
});
