import { type Address, type BufferOptions, CompactableBuffer } from 'mmcb';

const options: BufferOptions = { extensionFactor: 1.5 };
const buffer = CompactableBuffer.openSync(':memory:', options);
const address: Address = buffer.add('packed');
const text: string = buffer.read(address).toString();
buffer.closeSync();

function wrong(): void {
  // @ts-expect-error data is bytes or text, never a number
  buffer.update(address, 42);
}

export { text, wrong };
