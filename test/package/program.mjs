import assert from 'node:assert/strict';
import { CompactableBuffer, LayeredCache } from 'mmcb';
import { redisLayer } from 'mmcb/redis';

const buffer = CompactableBuffer.openSync(':memory:');
const address = buffer.add('packed');
assert.equal(buffer.read(address).toString(), 'packed');
buffer.closeSync();

const cache = await LayeredCache.open({ path: ':memory:' });
await cache.put('packed', 1);
assert.equal(await cache.get('packed'), 1);
await cache.close();
// The client is an optional peer, and is not there.
assert.throws(() => redisLayer({ url: 'redis://localhost' }), { code: 'MMCB_LAYER' });
