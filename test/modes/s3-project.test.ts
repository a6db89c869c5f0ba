/** A project whose layers and stored features lie in a bucket. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { tablesEqual } from '../../src/arrow/canonical.ts';
import { ConfigurationError } from '../../src/base/errors.ts';
import { FeatureStore } from '../../src/modes/feature-store.ts';
import { writeTable } from '../../src/store/open-table.ts';
import { startS3, testKeys } from '../support/s3-server.ts';
import { events } from '../support/store.ts';

const project = (mode: string): object => ({
  feature_store: { mode, storage_path: 's3://bucket/features/' },
  layers: { silver: 's3://bucket/silver' },
  feature_sets: { by_name: { entity_keys: 'name', source: 'events', timestamp: 'at', aggregations: { id: ['sum', 'count'] } } },
});

it('a project in a bucket: materialized, hybrid and virtualized give the same table', async (t) => {
  const server = await startS3(t);
  const { s3 } = { s3: server.options };
  await writeTable('s3://bucket/silver/events', events(0, 50), { s3 });
  const env = { AWS_ENDPOINT_URL: server.endpoint, AWS_ACCESS_KEY_ID: testKeys.accessKeyId, AWS_SECRET_ACCESS_KEY: testKeys.secretAccessKey };
  const virtualized = await (await FeatureStore.open(project('virtualized'), { env })).getFeatures('by_name');
  assert.equal(virtualized.table.numRows, 7);
  for (const mode of ['materialized', 'hybrid']) {
    const store = await FeatureStore.open(project(mode), { s3 });
    await store.materialize('by_name');
    const stored = await store.getFeatures('by_name');
    assert.equal(stored.mode, mode);
    assert.ok(tablesEqual(stored.table, virtualized.table));
  }
  assert.ok([...server.objects.keys()].some((key) => key.startsWith('features/by_name/features/part-')));
});

it('an address that cannot be is a mistake of the configuration, with its key', async () => {
  const wrong: [string, RegExp][] = [
    ['gs://bucket/x', /scheme gs, and only s3:\/\/ is known/],
    ['s3://', /names no bucket/],
    ['s3://bucket/a/../b', /s3:\/\/bucket\/prefix/],
    ['s3://key:secret@bucket', /holds no credentials/],
  ];
  for (const [path, message] of wrong) {
    const config = { feature_store: { storage_path: path }, layers: { gold: path } };
    await assert.rejects(FeatureStore.open(config), (thrown) => {
      assert.ok(thrown instanceof ConfigurationError);
      assert.match(thrown.message, message);
      assert.match(thrown.message, /storage_path[\s\S]*gold/);
      assert.ok(!thrown.message.includes('secret@'));
      return true;
    });
  }
});
