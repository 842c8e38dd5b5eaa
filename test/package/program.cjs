const assert = require('node:assert/strict');
const { CompactableBuffer } = require('mmcb');

const buffer = CompactableBuffer.openSync(':memory:');
const address = buffer.add('packed');
assert.equal(buffer.read(address).toString(), 'packed');
buffer.closeSync();
