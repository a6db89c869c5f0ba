import assert from 'node:assert/strict';
import { readdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { ArgumentError, DamagedFileError, StorageError } from '../../src/base/errors.ts';
import { type Bytes, mapConcurrently, type OpenFile, readWhole } from '../../src/store/bytes.ts';
import { checksumOf, verifiedFile } from '../../src/store/checksum.ts';
import { localBytes } from '../../src/store/local-bytes.ts';
import { memoryBytes } from '../../src/store/memory-bytes.ts';
import { s3Bytes } from '../../src/store/s3-bytes.ts';
import { startS3 } from '../support/s3-server.ts';
import { range, temporaryFolder } from '../support/store.ts';

it('bytes: write, list, read a range', async () => {
  const bytes = memoryBytes();
  await bytes.writeNew('a/b.bin', Uint8Array.of(1, 2, 3, 4));
  assert.deepEqual((await bytes.list('a')).map(({ path, size }) => [path, size]), [['a/b.bin', 4]]);
  const file = (await bytes.open('a/b.bin'))!;
  assert.deepEqual(await file.read(1, 3), Uint8Array.of(2, 3));
  await file.close();
});

/** `keepsOpen`: an open file can be read although it was deleted. */
function contract(name: string, makeBytes: (test: TestContext) => Bytes | Promise<Bytes>, keepsOpen = true): void {
  describe(`bytes in ${name}`, () => {
    it('put if absent: one of many wins, and its content is whole', async (t) => {
      const bytes = await makeBytes(t);
      const contents = range(0, 8).map((i) => new Uint8Array(10_000).fill(i));
      const won = await Promise.all(contents.map((content) => bytes.putIfAbsent('log/0', content)));
      assert.equal(won.filter(Boolean).length, 1);
      assert.deepEqual(await readWhole(bytes, 'log/0'), contents[won.indexOf(true)]);
      assert.deepEqual(await bytes.names('log'), ['0']);
    });

    it('what is not there is a value', async (t) => {
      const bytes = await makeBytes(t);
      assert.deepEqual(
        [await bytes.kind('x'), await bytes.stat('x'), await bytes.open('x/y'), await bytes.names('x'), await bytes.delete('x'), await bytes.move('x', 'y')],
        [undefined, undefined, undefined, undefined, false, false],
      );
      assert.deepEqual(await bytes.list('x'), []);
    });

    it('tells files from folders, and lists in order, without what is skipped', async (t) => {
      const bytes = await makeBytes(t);
      for (const path of ['t/b', 't/a/c', 't/_x/d', 't/a/_e', 'u']) await bytes.writeNew(path, new Uint8Array(1));
      assert.deepEqual([await bytes.kind('t'), await bytes.kind('t/b'), await bytes.kind('')], ['folder', 'file', 'folder']);
      assert.deepEqual((await bytes.list('t')).map(({ path }) => path), ['t/_x/d', 't/a/_e', 't/a/c', 't/b']);
      assert.deepEqual((await bytes.list('t', (file) => file.startsWith('_'))).map(({ path }) => path), ['t/a/c', 't/b']);
      assert.deepEqual(await bytes.names('t'), ['_x', 'a', 'b']);
      assert.equal((await bytes.list('')).length, 5);
    });

    it(`an open file ${keepsOpen ? 'reads on' : 'says so'} when it is moved or deleted`, async (t) => {
      const bytes = await makeBytes(t);
      await bytes.writeNew('a', Uint8Array.of(1, 2, 3));
      const file = (await bytes.open('a'))!;
      assert.equal(await bytes.move('a', 'deep/b'), true);
      assert.deepEqual(await readWhole(bytes, 'deep/b'), Uint8Array.of(1, 2, 3));
      await bytes.delete('deep/b');
      if (keepsOpen) assert.deepEqual(await file.read(0, 3), Uint8Array.of(1, 2, 3));
      else await assert.rejects(file.read(0, 3), DamagedFileError);
      await assert.rejects(async () => file.read(2, 4), DamagedFileError);
      await file.close();
    });

    it('a new file never overwrites', async (t) => {
      const bytes = await makeBytes(t);
      await bytes.writeNew('a', Uint8Array.of(1));
      await assert.rejects(bytes.writeNew('a', Uint8Array.of(2)), StorageError);
      assert.deepEqual(await readWhole(bytes, 'a'), Uint8Array.of(1));
    });

    it('no path leaves the root', async (t) => {
      const bytes = await makeBytes(t);
      for (const path of ['../x', 'a/../../x', '/etc/passwd', 'a//b', './a', 'a\0b']) {
        await assert.rejects(async () => bytes.open(path), ArgumentError, path);
        await assert.rejects(async () => bytes.writeNew(path, new Uint8Array(1)), ArgumentError, path);
        await assert.rejects(async () => bytes.move('a', path), ArgumentError, path);
      }
    });
  });
}

contract('memory', () => memoryBytes());
contract('local files', (t) => localBytes(temporaryFolder(t)));
contract('an object store', async (t) => s3Bytes('s3://bucket/a prefix/b+ä', (await startS3(t)).options), false);

describe('local files', () => {
  it('refusals say what was being done, and what to do', async (t) => {
    const folder = temporaryFolder(t);
    writeFileSync(join(folder, 'file'), 'x');
    const bytes = localBytes(folder);
    const refused = async (work: Promise<unknown>, message: RegExp): Promise<void> =>
      assert.rejects(work, (thrown) => thrown instanceof StorageError && thrown.cause instanceof Error && message.test(thrown.message));
    await refused(bytes.writeNew('file/x', new Uint8Array(1)), /cannot make the folder: .*check the path/);
    await refused(bytes.names('file'), /cannot list the folder: a part of the path is a file .*ENOTDIR/);
    await refused(localBytes('/proc').writeNew('tauro/x', new Uint8Array(1)), /cannot make the folder/);
    await refused(bytes.open('x'.repeat(300)), /the path is too long/);
    await assert.rejects(async () => (await bytes.open(''))?.read(0, 1), /it is not a file|folder where a file/);
  });

  it('a commit leaves no temporary file', async (t) => {
    const folder = temporaryFolder(t);
    await localBytes(folder).putIfAbsent('log/0', new Uint8Array(1));
    await localBytes(folder).putIfAbsent('log/0', new Uint8Array(1));
    assert.deepEqual(readdirSync(join(folder, 'log')), ['0']);
  });

  it('links to files and folders are followed; one that leads nowhere is an error, not a missing file', async (t) => {
    const folder = temporaryFolder(t);
    await localBytes(folder).writeNew('real/a', new Uint8Array(3));
    await localBytes(folder).writeNew('t/b', new Uint8Array(2));
    symlinkSync('../real', join(folder, 't', 'linked'));
    symlinkSync('../real/a', join(folder, 't', 'c'));
    symlinkSync('nowhere', join(folder, 't', '.d'));
    const isHidden = (name: string): boolean => name.startsWith('.');
    await assert.rejects(localBytes(folder).list('t'), (error: StorageError) => error instanceof StorageError && /\.d: is a link to something that is not there/.test(error.message));
    assert.deepEqual((await localBytes(folder).list('t', isHidden)).map(({ path, size }) => [path, size]), [['t/b', 2], ['t/c', 3], ['t/linked/a', 3]]);
  });
});

/** Into memory that threads share, at the end of it: what stands before is not touched. */
function readShared(file: OpenFile, start: number, end: number): Uint8Array {
  const shared = new Uint8Array(new SharedArrayBuffer(8 + end - start));
  file.readInto!(shared.subarray(8), start);
  assert.deepEqual(shared.slice(0, 8), new Uint8Array(8));
  return shared.slice(8);
}

it('a local file is read into shared memory without a promise, and says when it became shorter', async (t) => {
  const folder = temporaryFolder(t);
  const bytes = localBytes(folder);
  await bytes.writeNew('f', Uint8Array.from({ length: 100_000 }, (_, i) => i % 251));
  const file = (await bytes.open('f'))!;
  assert.deepEqual(readShared(file, 3, 99_000), (await file.read(3, 99_000)).slice());
  assert.throws(() => readShared(file, 1, 100_001), DamagedFileError);
  truncateSync(join(folder, 'f'), 50_000);
  assert.throws(() => readShared(file, 1, 100_000), /cut short while it was read/);
  await file.close();
  assert.throws(() => readShared(file, 0, 1), StorageError);
  await file.close();
});

describe('checksums', () => {
  it('verify any range of a file, and find any flipped bit in it', async (t) => {
    const local = localBytes(temporaryFolder(t));
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 200_000 }), fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(7), async (size, a, b, bit) => {
        const content = Uint8Array.from({ length: size }, (_, i) => (i * 31) >> 3);
        const checksum = checksumOf(content);
        const [start, end] = [Math.floor(Math.min(a, b) * size), Math.ceil(Math.max(a, b) * size)];
        const bytes = memoryBytes();
        await bytes.writeNew('f', content);
        const sound = verifiedFile((await bytes.open('f'))!, size, checksum);
        assert.deepEqual(await sound.read(start, end), content.slice(start, end));
        if (start === end) return;
        const damaged = content.slice();
        damaged[start]! ^= 1 << bit;
        await bytes.writeNew('g', damaged);
        await assert.rejects(verifiedFile((await bytes.open('g'))!, size, checksum).read(start, end), /checksum differs/);
        for (const [name, written] of [['f', content], ['g', damaged]] as const) {
          await local.writeNew(name, written);
          const file = verifiedFile((await local.open(name))!, size, checksum);
          if (name === 'f') assert.deepEqual(readShared(file, start, end), content.slice(start, end));
          else assert.throws(() => readShared(file, start, end), /checksum differs/);
          await file.close();
          await local.delete(name);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('must be there, and be understood', async () => {
    const bytes = memoryBytes();
    await bytes.writeNew('f', new Uint8Array(10));
    const file = (await bytes.open('f'))!;
    for (const checksum of ['', 'md5:1', 'crc32:65536:', 'crc32:65536:AAAAAAAAAAA=']) assert.throws(() => verifiedFile(file, 10, checksum), DamagedFileError);
    assert.throws(() => verifiedFile(file, 11, checksumOf(new Uint8Array(11))), /has 10 bytes, but 11 were committed/);
  });
});

it('work on many items keeps their order, and stops at a failure', async () => {
  assert.deepEqual(await mapConcurrently(range(0, 10), 3, async (i) => i * 2), range(0, 10).map((i) => i * 2));
  await assert.rejects(mapConcurrently([1], 3, async () => Promise.reject(new Error('no'))), /no/);
});
