import assert from 'node:assert/strict';
import { CompactableBuffer, LayeredCache } from 'mmcb';
import { KeyvMmcb } from 'mmcb/keyv';
import { redisLayer } from 'mmcb/redis';
import { mmcbDriver } from 'mmcb/unstorage';

const buffer = CompactableBuffer.openSync(':memory:');
const address = buffer.add('packed');
assert.equal(buffer.read(address).toString(), 'packed');
buffer.closeSync();

// The adapters that need nothing of what they adapt to; mmcb/otel says what it needs.
const store = new KeyvMmcb({ path: ':memory:' });
await store.set('a', { b: 1 });
assert.deepEqual(await store.get('a'), { b: 1 });
await store.disconnect();
const driver = mmcbDriver({ path: ':memory:' });
await driver.setItem('a', 'b');
assert.equal(await driver.getItem('a'), 'b');
await driver.dispose();
await assert.rejects(import('mmcb/otel'), /@opentelemetry/);
const cache = await LayeredCache.open({ path: ':memory:' });
await cache.put('packed', 1);
assert.equal(await cache.get('packed'), 1);
await cache.close();
// The client is an optional peer, and is not there.
assert.throws(() => redisLayer({ url: 'redis://localhost' }), { code: 'MMCB_LAYER' });
