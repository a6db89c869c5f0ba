/**
 * `_last_checkpoint`: a hint where the newest checkpoint is. Ours tells its checksum too, since nothing in a Parquet file vouches
 * for its bytes. What cannot be understood is as good as absent.
 */
import { randomUUID } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { type Bytes, joinPath, readWhole } from '../bytes.ts';

const pointerName = '_last_checkpoint';
const checksumTag = 'tauro.crc32';

export interface CheckpointPointer {
  readonly version: number;
  readonly checksum: number;
}

/** `log` is the log's folder. Undefined where the checkpoint has no checksum. */
export async function tryPointer(bytes: Bytes, log: string): Promise<CheckpointPointer | undefined> {
  const content = await readWhole(bytes, joinPath(log, pointerName));
  if (content === undefined) return undefined;
  try {
    const { version, tags } = JSON.parse(Buffer.from(content).toString('utf8'));
    const checksum = Number(tags?.[checksumTag] ?? Number.NaN);
    return Number.isSafeInteger(version) && Number.isSafeInteger(checksum) ? { version, checksum } : undefined;
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError || thrown instanceof TypeError)) throw thrown;
    return undefined;
  }
}

/** Written anew, so that there is always a whole one, or none. */
export async function replacePointer(
  bytes: Bytes, log: string, checkpoint: { readonly version: number; readonly file: Uint8Array; readonly actions: number; readonly files: number },
): Promise<void> {
  const { version, file, actions, files } = checkpoint;
  const pointer = { version, size: actions, sizeInBytes: file.length, numOfAddFiles: files, tags: { [checksumTag]: String(crc32(file)) } };
  const temporary = joinPath(log, `.${pointerName}.${randomUUID()}.tmp`);
  await bytes.writeNew(temporary, Buffer.from(JSON.stringify(pointer)));
  await bytes.move(temporary, joinPath(log, pointerName));
}
