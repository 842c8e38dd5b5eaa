import { type Address, type BufferOptions, CompactableBuffer, type LayeredCache, type RemoteLayer } from 'mmcb';
import { type RedisLayerOptions, redisLayer } from 'mmcb/redis';

const options: BufferOptions = { extensionFactor: 1.5 };
const buffer = CompactableBuffer.openSync(':memory:', options);
const address: Address = buffer.add('packed');
const text: string = buffer.read(address).toString();
buffer.closeSync();

function wrong(): void {
  // @ts-expect-error data is bytes or text, never a number
  buffer.update(address, 42);
}

function layer(options: RedisLayerOptions): RemoteLayer {
  return redisLayer({ url: 'redis://localhost' }, options);
}

function read(cache: LayeredCache<number>): Promise<number | undefined> {
  return cache.getOrLoad('a', async (key) => key.length, { staleFor: 1000 });
}

export { layer, read, text, wrong };
