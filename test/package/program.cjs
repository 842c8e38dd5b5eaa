const assert = require('node:assert/strict');
const { CompactableBuffer, LayeredCache } = require('mmcb');
const { redisLayer } = require('mmcb/redis');

const buffer = CompactableBuffer.openSync(':memory:');
const address = buffer.add('packed');
assert.equal(buffer.read(address).toString(), 'packed');
buffer.closeSync();

assert.throws(() => redisLayer({ url: 'redis://localhost' }), { code: 'MMCB_LAYER' });
LayeredCache.open({ path: ':memory:' }).then((cache) => cache.close());
