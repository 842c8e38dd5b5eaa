const assert = require('node:assert/strict');
const { CompactableBuffer, LayeredCache } = require('mmcb');
const { redisLayer } = require('mmcb/redis');

const buffer = CompactableBuffer.openSync(':memory:');
const address = buffer.add('packed');
assert.equal(buffer.read(address).toString(), 'packed');
buffer.closeSync();

const { KeyvMmcb } = require('mmcb/keyv');
const { mmcbDriver } = require('mmcb/unstorage');
assert.equal(new KeyvMmcb({ path: ':memory:' }).opts.path, ':memory:');
assert.equal(mmcbDriver({ path: ':memory:' }).name, 'mmcb');
assert.throws(() => require('mmcb/otel'), /@opentelemetry/);
assert.throws(() => redisLayer({ url: 'redis://localhost' }), { code: 'MMCB_LAYER' });
LayeredCache.open({ path: ':memory:' }).then((cache) => cache.close());
