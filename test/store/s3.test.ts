/** What is particular to object stores: conditional puts, lost answers, changed objects, keys, and tables upon them. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { ArgumentError, DamagedFileError, type FeatureStoreError, NotFoundError, StorageError, UnsupportedError } from '../../src/base/errors.ts';
import { type Bytes, deleteFiles, readWhole } from '../../src/store/bytes.ts';
import { openTable, writeTable } from '../../src/store/open-table.ts';
import { openOwnTable } from '../../src/store/own-table.ts';
import { s3Bytes } from '../../src/store/s3-bytes.ts';
import { openWritable } from '../../src/store/tables.ts';
import { type S3Call, type S3Fault, type S3Server, startS3, testKeys } from '../support/s3-server.ts';
import { currentIds, events, parquetBytes, range, readIds, write } from '../support/store.ts';

const content = Uint8Array.from({ length: 5000 }, (_, i) => i * 7);
const dayMs = 86_400_000;

it('s3: a table in a bucket is written and read like any other', async (t) => {
  const s3 = (await startS3(t)).options;
  await writeTable('s3://bucket/silver/events', events(0, 3), { s3 });
  await writeTable('s3://bucket/silver/events', events(3, 2), { s3, mode: 'append' });
  const table = await openTable('s3://bucket/silver/events', { s3 });
  assert.deepEqual(Array.from((await table.read()).getChild('id')!, Number), range(0, 5));
  assert.equal((await (await openTable('s3://bucket/silver/events', { s3, version: 0 })).read()).numRows, 3);
});

/** A bucket whose store was found sound before faults begin. */
async function provenBytes(t: TestContext): Promise<{ server: S3Server; bytes: Bytes }> {
  const server = await startS3(t);
  const bytes = s3Bytes('s3://bucket/p', { ...server.options, attempts: 3, timeoutMs: 300 });
  await bytes.putIfAbsent('sound', content);
  return { server, bytes };
}

/** The first `times` requests that match fail. */
function failing(server: S3Server, matches: (call: S3Call) => boolean, fault: S3Fault, times = 1): () => number {
  let met = 0;
  server.fault = (call) => (matches(call) && ++met <= times ? fault : undefined);
  return () => met;
}

describe('s3: what fails on the way', () => {
  const passing: Record<string, S3Fault> = {
    'a reset before': { kind: 'reset', effect: 'before' },
    'a reset after, the answer lost': { kind: 'reset', effect: 'after' },
    'a 500 before': { kind: 'status', status: 500, code: 'InternalError' },
    'a 500 after it was done': { kind: 'status', status: 500, code: 'InternalError', effect: 'after' },
    'a 503': { kind: 'status', status: 503, code: 'SlowDown' },
    'a 429': { kind: 'status', status: 429, code: 'TooManyRequests', headers: { 'retry-after': '0.01' } },
    'a cut answer': { kind: 'cut' },
    'no answer in time': { kind: 'silent' },
  };
  for (const [name, fault] of Object.entries(passing)) {
    it(`${name}: every call is answered as without it`, async (t) => {
      const { server, bytes } = await provenBytes(t);
      const once = (method: string, isObject = true): (() => number) => failing(server, (call) => call.method === method && (call.key !== '') === isObject, fault);
      let met = once('PUT');
      assert.equal(await bytes.putIfAbsent('a', content), true);
      assert.ok(met() > 1);
      met = once('PUT');
      assert.equal(await bytes.putIfAbsent('a', content), false, 'another put of the same content');
      once('PUT');
      await bytes.writeNew('b', content);
      once('PUT');
      await assert.rejects(bytes.writeNew('b', content), /exists already/);
      once('HEAD');
      const file = (await bytes.open('a'))!;
      met = once('GET');
      assert.deepEqual(await file.read(10, 4000), content.slice(10, 4000));
      assert.ok(met() > 1);
      once('GET', false);
      assert.deepEqual((await bytes.list('')).map(({ path }) => path), ['a', 'b', 'sound']);
      once('PUT');
      assert.equal(await bytes.move('b', 'c'), true);
      once('DELETE');
      assert.equal(await bytes.delete('c'), true);
      assert.deepEqual(await bytes.names(''), ['a', 'sound']);
    });
  }

  it('lasting failures end, and say what was asked, what came and what to do', async (t) => {
    const { server, bytes } = await provenBytes(t);
    const cases: [S3Fault, RegExp][] = [
      [{ kind: 'status', status: 503, code: 'SlowDown' }, /^s3:\/\/bucket\/p\/x: cannot commit a file: .*fewer requests.*\(503 SlowDown\)$/],
      [{ kind: 'status', status: 403, code: 'AccessDenied' }, /access was denied.*\(403 AccessDenied\)$/],
      [{ kind: 'status', status: 301, code: 'PermanentRedirect', headers: { 'x-amz-bucket-region': 'eu-west-9' } }, /region eu-test-1 but in eu-west-9; set AWS_REGION/],
      [{ kind: 'reset', effect: 'before' }, /cannot commit a file: .*3 times\. Check the endpoint http:\/\/127/],
      [{ kind: 'status', status: 501, code: 'NotImplemented' }, /conditional writes.*\(501/],
    ];
    for (const [fault, message] of cases) {
      failing(server, () => true, fault, Number.POSITIVE_INFINITY);
      await assert.rejects(bytes.putIfAbsent('x', content), (thrown: FeatureStoreError) => {
        assert.ok(thrown instanceof StorageError);
        assert.match(thrown.message, message);
        assert.ok(!JSON.stringify([thrown.message, thrown.stack, thrown]).includes(testKeys.secretAccessKey));
        return true;
      });
    }
  });

  it('what the store refuses for good is asked once', async (t) => {
    const { server, bytes } = await provenBytes(t);
    const met = failing(server, () => true, { kind: 'status', status: 403, code: 'AccessDenied' }, 100);
    await assert.rejects(bytes.names(''), StorageError);
    assert.equal(met(), 1);
  });

  it('a bucket that is not there is not found', async (t) => {
    const { server, bytes } = await provenBytes(t);
    failing(server, () => true, { kind: 'status', status: 404, code: 'NoSuchBucket' }, 100);
    await assert.rejects(bytes.names('x'), NotFoundError);
    await assert.rejects(bytes.putIfAbsent('x', content), /bucket bucket: there is none/);
  });

  it('a conflict of two puts is waited for', async (t) => {
    const { server, bytes } = await provenBytes(t);
    failing(server, ({ method }) => method === 'PUT', { kind: 'status', status: 409, code: 'ConditionalRequestConflict' }, 3);
    assert.equal(await bytes.putIfAbsent('a', content), true);
    failing(server, ({ method }) => method === 'PUT', { kind: 'status', status: 409, code: 'ConditionalRequestConflict', effect: 'after' }, 1);
    assert.equal(await bytes.putIfAbsent('b', content), true);
  });

  it('a copy that fails after its status was sent has not moved', async (t) => {
    const { server, bytes } = await provenBytes(t);
    failing(server, ({ headers }) => headers['x-amz-copy-source'] !== undefined, { kind: 'status', status: 200, code: 'InternalError' });
    assert.equal(await bytes.move('sound', 'moved'), true);
    assert.deepEqual(await readWhole(bytes, 'moved'), content);
    failing(server, ({ headers }) => headers['x-amz-copy-source'] !== undefined, { kind: 'status', status: 200, code: 'AccessDenied' });
    await assert.rejects(bytes.move('moved', 'sound'), StorageError);
    assert.deepEqual(await bytes.names(''), ['moved']);
  });

  it('an answer that is no list is refused', async (t) => {
    const { server, bytes } = await provenBytes(t);
    failing(server, () => true, { kind: 'status', status: 200, code: 'x' });
    await assert.rejects(bytes.list(''), /no list of objects: it is <Error>/);
  });
});

describe('s3: conditional puts', () => {
  it('a store that ignores the condition is refused, and nothing of the probe stays', async (t) => {
    const server = await startS3(t);
    server.ignoresConditions = true;
    await assert.rejects(writeTable('s3://bucket/t', events(0, 1), { s3: server.options }), (thrown) => thrown instanceof UnsupportedError && /ignores conditional writes/.test(thrown.message));
    assert.deepEqual([...server.objects.keys()], []);
  });

  it('are tried once for a bucket', async (t) => {
    const server = await startS3(t);
    for (const path of ['a/0', 'a/1', 'b/0']) await s3Bytes('s3://bucket', server.options).putIfAbsent(path, content);
    assert.equal(server.calls.filter(({ method, key }) => method === 'PUT' && key.includes('.probe.')).length, 2);
  });
});

describe('s3: deleting many', () => {
  const deletions = (server: S3Server): string[] => server.calls.filter(({ method }) => method === 'DELETE' || method === 'POST').map(({ method }) => method);

  it('takes a request for a thousand, whatever their names are', async (t) => {
    const { server, bytes } = await provenBytes(t);
    const names = ['a b', 'a+b', 'ä €', '100%', "it's (1)!*", 'a=b&c=d', '"<x>"', '日本', '😀', ' tab\t and line\n', ...range(0, 2_490).map(String)];
    for (const name of names) server.put(`p/k/${name}`, content.subarray(0, 3));
    const found = await bytes.list('k');
    server.calls.length = 0;
    assert.deepEqual(await deleteFiles(bytes, found), { files: 2_500, bytes: 7_500 });
    assert.deepEqual(deletions(server), ['POST', 'POST', 'POST']);
    assert.deepEqual(await bytes.names(''), ['sound']);
    assert.deepEqual(await deleteFiles(bytes, []), { files: 0, bytes: 0 });
  });

  it('deletes one by one what the store leaves, what XML cannot name, and all where it knows no such request', async (t) => {
    const { server, bytes } = await provenBytes(t);
    const put = (): void => ['p/a', 'p/b', 'p/c\u0001', 'p/d'].forEach((key) => {
      server.put(key, content);
    });
    put();
    server.undeletable = (key) => key === 'p/b';
    server.calls.length = 0;
    assert.equal((await deleteFiles(bytes, (await bytes.list('')).filter(({ path }) => path !== 'sound'))).files, 4);
    assert.deepEqual(deletions(server), ['POST', 'DELETE', 'DELETE']);
    const refusals: readonly S3Fault[] = [{ kind: 'status', status: 501, code: 'NotImplemented' }, { kind: 'status', status: 405, code: 'MethodNotAllowed' }, { kind: 'status', status: 400, code: 'MissingContentMD5' }, { kind: 'status', status: 200, code: 'x' }];
    for (const fault of refusals) {
      put();
      failing(server, ({ method }) => method === 'POST', fault, 100);
      server.calls.length = 0;
      assert.equal((await deleteFiles(bytes, (await bytes.list('')).filter(({ path }) => path !== 'sound'))).files, 4);
      assert.deepEqual(deletions(server), ['POST', 'DELETE', 'DELETE', 'DELETE', 'DELETE']);
      assert.deepEqual(await bytes.names(''), ['sound']);
    }
  });

  it('is tried again when it failed on the way, and told when it may not be', async (t) => {
    const { server, bytes } = await provenBytes(t);
    for (const fault of [{ kind: 'reset', effect: 'after' }, { kind: 'status', status: 503, code: 'SlowDown' }, { kind: 'cut' }] as const) {
      server.put('p/a', content);
      const met = failing(server, ({ method }) => method === 'POST', fault);
      assert.deepEqual(await bytes.deleteAll!(['a']), ['a']);
      assert.equal(met(), 2);
      assert.equal(await bytes.stat('a'), undefined);
    }
    failing(server, ({ method }) => method !== 'GET', { kind: 'status', status: 403, code: 'AccessDenied' }, 100);
    await assert.rejects(bytes.deleteAll!(['sound']), /sound: cannot delete: access was denied/);
  });

  it('is how vacuum deletes, of tables of either kind', async (t) => {
    const server = await startS3(t);
    for (const format of ['parquet', 'delta'] as const) {
      const bytes = s3Bytes('s3://bucket', server.options);
      const open = () => openWritable(bytes, format, format, { fileRowsMax: 1 });
      await write(open(), 'append', events(0, 40));
      await write(open(), 'overwrite', events(50, 2));
      server.calls.length = 0;
      assert.equal((await open().vacuum({ retentionMs: 0, nowMs: Date.now() + dayMs })).files, 40);
      assert.equal(deletions(server).filter((method) => method === 'POST').length, 1, format);
      assert.ok(!deletions(server).includes('DELETE'), format);
      assert.deepEqual(await currentIds(open()), [50, 51]);
    }
  });
});

describe('s3: reading', () => {
  it('an object that was replaced is noticed, in the same second and of the same size too', async (t) => {
    const { server, bytes } = await provenBytes(t);
    for (const ignores of [false, true]) {
      const file = (await bytes.open('sound'))!;
      const [listed] = await bytes.list('');
      assert.deepEqual(listed, await bytes.stat('sound'));
      server.put('p/sound', content.map((byte) => byte + 1));
      server.ignoresConditions = ignores;
      await assert.rejects(file.read(0, 10), (thrown) => thrown instanceof DamagedFileError && /another file was put in its place/.test(thrown.message));
      assert.notDeepEqual(await bytes.stat('sound'), listed);
    }
  });

  it('a file that is wanted whole is one request, or one and the rest', async (t) => {
    const { server, bytes } = await provenBytes(t);
    const large = Uint8Array.from({ length: 1_500_000 }, (_, i) => i % 251);
    for (const [name, whole, requests] of [['none', new Uint8Array(0), 2], ['small', content, 1], ['exact', large.slice(0, 1 << 20), 1], ['large', large, 2]] as const) {
      await bytes.writeNew(name, whole);
      server.calls.length = 0;
      assert.deepEqual(await readWhole(bytes, name), whole, name);
      assert.equal(server.calls.length, requests, name);
      const file = (await bytes.open(name, { whole: true }))!;
      const looked = (await bytes.stat(name))!;
      assert.deepEqual([file.size, file.modifiedNs, file.etag], [looked.size, looked.modifiedNs, looked.etag]);
      for (const [start, end] of [[0, 0], [0, 10], [10, 4_000], [1_000_000, 1_100_000], [1_200_000, 1_500_000]] as const) {
        if (end <= whole.length) assert.deepEqual(await file.read(start, end), whole.slice(start, end), `${name} ${start} to ${end}`);
      }
    }
    assert.equal(await readWhole(bytes, 'missing'), undefined);
    const file = (await bytes.open('large', { whole: true }))!;
    server.put('p/large', large);
    assert.deepEqual(await file.read(0, 100), large.slice(0, 100), 'what came along is of the file that was opened');
    await assert.rejects(file.read(0, large.length), DamagedFileError);
    server.ignoresRanges = true;
    assert.deepEqual(await readWhole(bytes, 'small'), content);
    await assert.rejects(readWhole(bytes, 'large'), StorageError);
  });

  it('an entry of a log is asked for once, and a put that was refused at once for nothing else', async (t) => {
    const { options, calls } = await startS3(t);
    const bytes = s3Bytes('s3://bucket/p', options);
    assert.equal(await bytes.putIfAbsent('a', content), true);
    calls.length = 0;
    assert.equal(await bytes.putIfAbsent('a', content), false);
    assert.deepEqual(calls.map(({ method }) => method), ['PUT']);
    for (const format of ['parquet', 'delta'] as const) {
      const open = () => openWritable(s3Bytes('s3://bucket/p', options), format, format);
      const [one, other] = [open(), open()];
      for (const [i, table] of [one, other, one].entries()) await write(table, 'append', events(i, 1));
      const { schema, batches } = events(9, 1);
      const add = await one.stage(schema, batches);
      await write(other, 'append', events(3, 1));
      calls.length = 0;
      await one.commit({ readVersion: 2, kind: 'append', schema, add, info: {} });
      const ofLog = calls.filter(({ key }) => /\d{20}\.json$/.test(key)).map(({ method, key }) => `${method} ${Number(/(\d{20})\.json$/.exec(key)![1])}`);
      assert.equal(ofLog.filter((call) => call === 'GET 3').length, 1, `${format}: ${ofLog}`);
      assert.ok(!ofLog.includes('GET 2') && !ofLog.includes('GET 1'), `${format}: ${ofLog}`);
    }
  });

  it('a folder of files has another version when one is replaced', async (t) => {
    const server = await startS3(t);
    const versions = new Set<string>();
    for (let round = 0; round < 3; round++) {
      server.put('layer/t/a.parquet', parquetBytes(events(round, 3)));
      versions.add((await openTable('s3://bucket/layer/t', { s3: server.options })).version);
    }
    assert.equal(versions.size, 3);
    // And whoever has opened it is told, in the same second and of the same size too.
    const table = await openTable('s3://bucket/layer/t', { s3: server.options });
    const { length } = server.objects.get('layer/t/a.parquet')!.content;
    server.put('layer/t/a.parquet', parquetBytes(events(9, 3)));
    assert.equal(server.objects.get('layer/t/a.parquet')!.content.length, length);
    await assert.rejects(table.read(), DamagedFileError);
  });

  it('long ranges are read in parts, and come together whole', async (t) => {
    const { server, bytes } = await provenBytes(t);
    const long = Uint8Array.from({ length: 20_000_001 }, (_, i) => i ^ (i >> 8) ^ (i >> 16));
    server.put('p/long', long);
    const file = (await bytes.open('long'))!;
    failing(server, ({ method }) => method === 'GET', { kind: 'cut' });
    assert.ok(Buffer.from(await file.read(1, 20_000_000)).equals(long.subarray(1, 20_000_000)));
    assert.equal(server.calls.filter(({ method, key }) => method === 'GET' && key === 'p/long').length, 4);
  });

  it('one column and one day of a large table are a small part of its bytes', async (t) => {
    const server = await startS3(t);
    const table = openOwnTable(s3Bytes('s3://bucket/t', server.options), '', { fileRowsMax: 8_000 });
    await write(table, 'append', events(0, 600_000));
    const fresh = await openOwnTable(s3Bytes('s3://bucket/t', server.options), '').snapshot();
    server.bytesRead = 0;
    const dayUs = 86_400_000_000n;
    const timeRange = { column: 'at', range: { startUs: 123_456n * dayUs, endUs: 123_457n * dayUs } };
    const ids = await readIds(fresh, { timeRange });
    assert.ok(ids.includes(123_456));
    assert.ok(server.bytesRead < fresh.bytes / 20, `${server.bytesRead} of ${fresh.bytes} bytes`);
  });

  it('keys hold any character, and pages any number of names', async (t) => {
    const { server, bytes } = await provenBytes(t);
    server.pageKeysMax = 3;
    const names = ['a b', 'a+b', 'ä €', '100%', '%41', "it's (1)!*", 'a=b&c=d', '"<x>"', '日本', '😀', '\ue000', '~-_.', '#?;,@:$'];
    for (const name of names) await bytes.writeNew(`k/${name}/${name}`, Buffer.from(name));
    assert.deepEqual(await bytes.names('k'), [...names].sort());
    assert.deepEqual((await bytes.list('k')).map(({ path }) => path), names.map((name) => `k/${name}/${name}`).sort());
    for (const name of names) {
      assert.equal(await bytes.move(`k/${name}/${name}`, `m/${name}`), true);
      assert.equal(Buffer.from((await readWhole(bytes, `m/${name}`))!).toString(), name);
    }
  });

  it('the empty objects that stand for folders are no files', async (t) => {
    const { server, bytes } = await provenBytes(t);
    server.put('p/f/', new Uint8Array(0));
    assert.deepEqual([await bytes.kind('f'), await bytes.names('f'), await bytes.list('f')], ['folder', [], []]);
  });
});

describe('s3: who asks', () => {
  const env = (server: S3Server, more: Record<string, string> = {}): Record<string, string> => ({
    AWS_ENDPOINT_URL_S3: server.endpoint, AWS_REGION: 'eu-x-1', AWS_ACCESS_KEY_ID: testKeys.accessKeyId, AWS_SECRET_ACCESS_KEY: testKeys.secretAccessKey, ...more,
  });

  it('the environment says it, session token too', async (t) => {
    const server = await startS3(t);
    const bytes = s3Bytes('s3://bucket', {}, env(server, { AWS_SESSION_TOKEN: 'a token/+' }));
    await bytes.writeNew('a', content);
    assert.equal(server.calls[0]!.headers['x-amz-security-token'], 'a token/+');
    assert.match(server.calls[0]!.headers.authorization!, /\/eu-x-1\/s3\//);
    await assert.rejects(s3Bytes('s3://bucket', {}, env(server, { AWS_SECRET_ACCESS_KEY: '' })).stat('a'), /AWS_SECRET_ACCESS_KEY is not set/);
  });

  it('secrets are not shown by printing what holds them', async (t) => {
    const bytes = s3Bytes('s3://bucket', (await startS3(t)).options);
    await bytes.stat('a');
    assert.ok(!inspect(bytes, { depth: 20, showHidden: true }).includes(testKeys.secretAccessKey));
  });

  it('wrong keys are refused in words', async (t) => {
    const server = await startS3(t);
    const credentials = async () => ({ ...testKeys, secretAccessKey: 'other' });
    await assert.rejects(s3Bytes('s3://bucket', { ...server.options, credentials }).names(''), /secret access key.*SignatureDoesNotMatch/);
  });

  it('a function is asked again when what it gave has expired, and when the store says so', async (t) => {
    const server = await startS3(t);
    let asked = 0;
    let expiration = new Date(Date.now() + 10 * dayMs);
    const bytes = s3Bytes('s3://bucket', { ...server.options, credentials: () => ({ ...testKeys, sessionToken: String(++asked), expiration }) });
    await Promise.all([bytes.stat('a'), bytes.stat('b')]);
    assert.equal(asked, 1);
    failing(server, () => true, { kind: 'status', status: 400, code: 'ExpiredToken' });
    assert.deepEqual(await bytes.list(''), []);
    assert.equal(asked, 2);
    expiration = new Date(0);
    const late = s3Bytes('s3://bucket', { ...server.options, credentials: async () => ({ ...testKeys, sessionToken: String(++asked), expiration }) });
    await late.stat('a');
    await late.stat('a');
    assert.ok(asked >= 4);
    const failed = s3Bytes('s3://bucket', { ...server.options, credentials: async () => Promise.reject(new Error('no')) });
    await assert.rejects(failed.stat('a'), (thrown) => thrown instanceof StorageError && /s3\.credentials failed/.test(thrown.message));
    const empty = s3Bytes('s3://bucket', { ...server.options, credentials: async () => ({}) as typeof testKeys });
    await assert.rejects(empty.stat('a'), ArgumentError);
  });

  it('addresses, endpoints and settings that cannot be are refused at once', () => {
    for (const url of ['s3://', 's3:///x', 's3://a b/x', 's3://bucket/a//b', 's3://bucket/../x', 's3://key:secret@bucket/x']) assert.throws(() => s3Bytes(url), ArgumentError, url);
    for (const endpoint of ['x', 'ftp://x', 'http://user:secret@x']) assert.throws(() => s3Bytes('s3://bucket', { endpoint }), (thrown) => thrown instanceof ArgumentError && !thrown.message.includes('secret@'), endpoint);
    assert.throws(() => s3Bytes('s3://bucket', { region: 'a b' }), ArgumentError);
    assert.throws(() => s3Bytes('s3://bucket', { attempts: 0 }), ArgumentError);
  });
});

describe('s3: tables', () => {
  it('every request fails once, before or after its effect: an append counts once', async (t) => {
    const server = await startS3(t);
    const options = { ...server.options, attempts: 2 };
    const prepare = async (folder: string): Promise<void> => {
      server.fault = () => undefined;
      await write(openOwnTable(s3Bytes(`s3://bucket/${folder}`, options), ''), 'append', events(0, 2));
    };
    for (const effect of ['before', 'after'] as const) {
      for (let number = 1, met = true; met; number++) {
        const folder = `${effect}${number}`;
        await prepare(folder);
        met = false;
        const first = server.calls.length;
        server.fault = (_, call) => {
          if (call !== first + number) return undefined;
          met = true;
          return { kind: 'reset', effect };
        };
        const table = openOwnTable(s3Bytes(`s3://bucket/${folder}`, options), '');
        assert.deepEqual(await write(table, 'append', events(2, 2)), { kind: 'committed', version: 1 }, folder);
        server.fault = () => undefined;
        assert.deepEqual(await currentIds(openOwnTable(s3Bytes(`s3://bucket/${folder}`, options), '')), range(0, 4), folder);
      }
    }
  });

  it('a writer dies at any request: the table is as before or as after, and the next writer puts it right', async (t) => {
    const server = await startS3(t);
    const options = { ...server.options, attempts: 1 };
    let [asBefore, asAfter] = [0, 0];
    for (const effect of ['before', 'after'] as const) {
      for (let number = 1, met = true; met; number++) {
        const folder = `${effect}${number}`;
        server.fault = () => undefined;
        const open = () => openOwnTable(s3Bytes(`s3://bucket/${folder}`, options), '');
        await write(open(), 'append', events(0, 2));
        met = false;
        const first = server.calls.length;
        server.fault = (_, call) => {
          if (call < first + number) return undefined;
          met = true;
          return { kind: 'reset', effect: call === first + number ? effect : 'before' };
        };
        const told = await write(open(), 'overwrite', events(50, 2)).catch(() => undefined);
        server.fault = () => undefined;
        const found = await currentIds(open());
        const isAfter = found[0] === 50;
        assert.deepEqual(found, isAfter ? [50, 51] : [0, 1], folder);
        assert.ok(isAfter || told === undefined, `${folder}: told of a success that was none`);
        isAfter ? asAfter++ : asBefore++;
        await write(open(), 'append', events(900, 1));
        await open().vacuum({ nowMs: Date.now() + 400 * dayMs, retentionMs: 0 });
        assert.deepEqual(await currentIds(open()), [...found, 900], folder);
        const files = [...server.objects.keys()].filter((key) => key.startsWith(`${folder}/`) && !key.startsWith(`${folder}/_log/`));
        assert.deepEqual(files.sort(), (await open().snapshot()).files!.map(({ path }) => `${folder}/${path}`).sort(), folder);
      }
    }
    assert.ok(asBefore > 0 && asAfter > 0);
  });

  it('a reader is not disturbed by a writer who moves its files away', async (t) => {
    const server = await startS3(t);
    const open = () => openOwnTable(s3Bytes('s3://bucket/t', server.options), '', { fileRowsMax: 10 });
    await write(open(), 'append', events(0, 40));
    for (let turn = 1; turn < 10; turn++) {
      const before = await currentIds(open());
      const reader = await open().snapshot();
      let reads = 0;
      let written: Promise<undefined> | undefined;
      server.fault = ({ method, key }) => {
        // The look at a file or the read of it, whichever comes at this turn, is answered when all of them were moved.
        if (!key.endsWith('.parquet') || method === 'PUT' || method === 'DELETE' || written !== undefined || ++reads < turn) return undefined;
        written = write(open(), 'overwrite', events(turn * 100, 40)).then(() => undefined);
        return written;
      };
      const ids: number[] = [];
      for await (const batch of reader.scan({ columns: ['id'] })) ids.push(...Array.from(batch.getChild('id')!, Number));
      assert.deepEqual(ids, before, `turn ${turn}`);
      assert.ok(written !== undefined);
      server.fault = () => undefined;
    }
  });

  for (const format of ['parquet', 'delta'] as const) {
    it(`${format}: eight writers, four of them processes, append at once: nothing is lost, nothing doubled`, { timeout: 60_000 }, async (t) => {
      const server = await startS3(t);
      // Some answers are lost, some requests conflict.
      server.fault = ({ method, key }, call) => {
        if (call % 41 === 0) return { kind: 'reset', effect: call % 2 === 0 ? 'before' : 'after' };
        return method === 'PUT' && /\/_(delta_)?log\//.test(key) && call % 7 === 0 ? { kind: 'status', status: 409, code: 'ConditionalRequestConflict' } : undefined;
      };
      const script = fileURLToPath(new URL('../support/store-writer.js', import.meta.url));
      const env = { ...process.env, AWS_ENDPOINT_URL: server.endpoint, AWS_ACCESS_KEY_ID: testKeys.accessKeyId, AWS_SECRET_ACCESS_KEY: testKeys.secretAccessKey };
      const [commits, count] = [6, 3];
      const processes = range(0, 4).map((writer) => {
        const child = spawn(process.execPath, [script, 's3://bucket', 'append', String(writer * 1000), String(count), String(commits), format], { env, stdio: ['ignore', 'ignore', 'inherit'] });
        return new Promise<number | null>((resolve) => child.on('close', resolve));
      });
      const here = range(4, 4).map(async (writer) => {
        const table = openWritable(s3Bytes('s3://bucket', server.options), 't', format, { fileRowsMax: 1 });
        for (let done = 0; done < commits; done++) assert.equal((await write(table, 'append', events(writer * 1000 + done * count, count))).kind, 'committed');
      });
      await Promise.all(here);
      assert.deepEqual(await Promise.all(processes), [0, 0, 0, 0]);
      server.fault = () => undefined;
      const snapshot = await openWritable(s3Bytes('s3://bucket', server.options), 't', format).snapshot();
      assert.equal(snapshot.versionNumber, 8 * commits - 1);
      assert.deepEqual((await readIds(snapshot)).sort((a, b) => a - b), range(0, 8).flatMap((writer) => range(writer * 1000, count * commits)));
    });
  }
});
