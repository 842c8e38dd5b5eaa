import assert from 'node:assert/strict';
import { CompactableBuffer } from 'mmcb';

const buffer = CompactableBuffer.openSync(':memory:');
const address = buffer.add('packed');
assert.equal(buffer.read(address).toString(), 'packed');
buffer.closeSync();
