/** Every single call to the bytes fails once: the table reads as before or as after, and the next writer puts it right. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FeatureStoreError } from '../../src/base/errors.ts';
import type { Bytes } from '../../src/store/bytes.ts';
import type { FileFormatName } from '../../src/store/file-format.ts';
import { formatNamed } from '../../src/store/file-formats.ts';
import { openDeltaTable } from '../../src/store/delta/write.ts';
import { memoryBytes } from '../../src/store/memory-bytes.ts';
import { openOwnTable } from '../../src/store/own-table.ts';
import type { OwnTable } from '../../src/store/table.ts';
import { currentIds, eventSchema, events, type Fault, faultyBytes, fileFormats, InjectedFault, range, write } from '../support/store.ts';

const dayMs = 86_400_000;
const small = { fileRowsMax: 2 };

for (const format of fileFormats) {
  describe(`tables of our own of ${format} files`, () => {
    faults((bytes, options) => openOwnTable(bytes, 't', { ...options, format }));
    moves(format);
  });
}

describe('Delta tables', () => faults((bytes, options) => openDeltaTable(bytes, 't', options)));

type Open = (bytes: Bytes, options?: { readonly fileRowsMax: number }) => OwnTable;

/** A table of version 1 with ids 0 to 4, in several files. */
async function preparedBy(open: Open): Promise<Bytes> {
  const bytes = memoryBytes();
  await write(open(bytes, small), 'append', events(0, 3));
  await write(open(bytes, small), 'append', events(3, 2));
  return bytes;
}

function faults(open: Open): void {
  const prepared = (): Promise<Bytes> => preparedBy(open);

  const works: Record<string, { run: (bytes: Bytes) => Promise<unknown>; after: number[] }> = {
    append: { run: (bytes) => write(open(bytes, small), 'append', events(5, 3)), after: range(0, 8) },
    overwrite: { run: (bytes) => write(open(bytes, small), 'overwrite', events(50, 3)), after: range(50, 3) },
    compact: { run: (bytes) => open(bytes, { fileRowsMax: 8 }).compact(), after: range(0, 5) },
    vacuum: { run: (bytes) => open(bytes, small).vacuum({ nowMs: Date.now() + dayMs, retentionMs: 0 }), after: range(0, 5) },
  };

  for (const [name, { run, after }] of Object.entries(works)) {
    for (const effect of ['before', 'after'] as const) {
      for (const lasting of [false, true]) {
        it(`${name}: each call fails ${effect} its effect, ${lasting ? 'and the process dies' : 'once'}`, async () => {
          const probe = faultyBytes(await prepared(), undefined);
          await run(probe.bytes);
          let [asBefore, asAfter] = [0, 0];
          for (let call = 1; call <= probe.calls(); call++) {
            const fault: Fault = { call, effect, lasting };
            const bytes = await prepared();
            let failed = false;
            try {
              await run(faultyBytes(bytes, fault).bytes);
            } catch (thrown) {
              failed = true;
              assert.ok(thrown instanceof InjectedFault || thrown instanceof FeatureStoreError, `${JSON.stringify(fault)}: ${thrown}`);
            }
            const found = await currentIds(open(bytes, small));
            const isAfter = JSON.stringify(found) === JSON.stringify(after);
            if (isAfter) asAfter++;
            else {
              asBefore++;
              assert.deepEqual(found, range(0, 5), JSON.stringify(fault));
              assert.ok(failed, `${JSON.stringify(fault)}: told of a success that was none`);
            }

            // The next writer succeeds; vacuum leaves the live files at the root, and no other.
            const next = open(bytes, small);
            assert.equal((await write(next, 'append', events(900, 1))).kind, 'committed', JSON.stringify(fault));
            const wanted = [...found, 900];
            assert.deepEqual(await currentIds(next), wanted, JSON.stringify(fault));
            await next.vacuum({ nowMs: Date.now() + 3 * dayMs, retentionMs: 0 });
            assert.deepEqual(await currentIds(open(bytes, small)), wanted, JSON.stringify(fault));
            const files = (await bytes.list('t')).map(({ path }) => path).filter((path) => !/^t\/_(delta_)?log\//.test(path));
            assert.deepEqual(files.sort(), (await next.snapshot()).files!.map(({ path }) => `t/${path}`).sort(), JSON.stringify(fault));
          }
          if (name === 'append' || name === 'overwrite') assert.ok(asBefore > 0 && asAfter > 0, `${asBefore} as before, ${asAfter} as after`);
        });
      }
    }
  }

  describe('a caller who goes on after a failure', () => {
    it('discards what it staged, which never takes a committed file', async () => {
      const probe = faultyBytes(await prepared(), undefined);
      await works.append!.run(probe.bytes);
      for (let call = 1; call <= probe.calls(); call++) {
        const bytes = await prepared();
        const faulty = open(faultyBytes(bytes, { call, effect: 'after', lasting: false }).bytes, small);
        const add = await faulty.stage(eventSchema, events(5, 3).batches).catch(() => []);
        const request = { readVersion: 1, kind: 'append', schema: eventSchema, add, info: {} } as const;
        await faulty.commit(request).catch(() => undefined);
        await faulty.discard(add).catch(() => undefined);
        const found = await currentIds(open(bytes, small));
        assert.ok([range(0, 5), range(0, 8)].some((ids) => JSON.stringify(ids) === JSON.stringify(found)), `call ${call}: ${found}`);
      }
    });

    it('tries the same commit again, and it counts once', async () => {
      for (const effect of ['before', 'after'] as const) {
        for (let call = 1; call <= 30; call++) {
          const bytes = await prepared();
          const add = await open(bytes, small).stage(eventSchema, events(5, 3).batches);
          const request = { readVersion: 1, kind: 'append', schema: eventSchema, add, info: {} } as const;
          const faulty = open(faultyBytes(bytes, { call, effect, lasting: false }).bytes, small);
          const first = await faulty.commit(request).catch(() => undefined);
          const second = await open(bytes, small).commit(request);
          assert.deepEqual(second, { kind: 'committed', version: 2 });
          assert.deepEqual(first ?? second, second);
          assert.deepEqual(await currentIds(open(bytes, small)), range(0, 8));
        }
      }
    });
  });
}

function moves(format: FileFormatName): void {
  const { ending } = formatNamed(format);
  const options = { ...small, format };
  const prepared = (): Promise<Bytes> => preparedBy((bytes) => openOwnTable(bytes, 't', options));

  it('a reader finds a file wherever it stands, even while it moves', async () => {
    // Before the n-th look at a file, all files move: out of the root, or from staged to the root.
    for (let turn = 0; turn < 12; turn++) {
      const moving = await prepared();
      const files = (await openOwnTable(moving, 't', options).snapshot()).files!.map(({ path }) => path);
      for (const file of files) await moving.move(`t/${file}`, `t/_staged/${file}`);
      const reader = await openOwnTable(
        {
          ...moving,
          open: (() => {
            let looks = 0;
            return async (path: string) => {
              if (path.endsWith(ending)) {
                looks++;
                if (looks === turn) for (const file of files) await moving.move(`t/_staged/${file}`, `t/${file}`);
                if (looks === turn + 2) for (const file of files) await moving.move(`t/${file}`, `t/_superseded/${file}`);
              }
              return moving.open(path);
            };
          })(),
        },
        't', options,
      ).snapshot();
      const ids: number[] = [];
      for await (const batch of reader.scan({ columns: ['id'] })) ids.push(...Array.from(batch.getChild('id')!, Number));
      assert.deepEqual(ids, range(0, 5), `turn ${turn}`);
    }
  });
}
