import assert from 'node:assert/strict';
import { CompactableBuffer } from 'mmcb';
import { KeyvMmcb } from 'mmcb/keyv';
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
