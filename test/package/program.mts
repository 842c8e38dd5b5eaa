import { type Address, type BufferOptions, CompactableBuffer, type LayeredCache, type RemoteLayer } from 'mmcb';
import { KeyvMmcb, type KeyvMmcbOptions } from 'mmcb/keyv';
import { type RedisLayerOptions, redisLayer } from 'mmcb/redis';
import { type MmcbDriver, mmcbDriver } from 'mmcb/unstorage';

const options: BufferOptions = { extensionFactor: 1.5 };
const buffer = CompactableBuffer.openSync(':memory:', options);
const address: Address = buffer.add('packed');
const text: string = buffer.read(address).toString();
buffer.closeSync();

function wrong(): void {
  // @ts-expect-error data is bytes or text, never a number
  buffer.update(address, 42);
}

const stores: KeyvMmcbOptions = { path: ':memory:', cleanupInterval: 1000 };
const store = new KeyvMmcb(stores);
const driver: MmcbDriver = mmcbDriver({ path: ':memory:', ttl: 5 });

function layer(options: RedisLayerOptions): RemoteLayer {
  return redisLayer({ url: 'redis://localhost' }, options);
}

function read(cache: LayeredCache<number>): Promise<number | undefined> {
  return cache.getOrLoad('a', async (key) => key.length, { staleFor: 1000 });
}

export { driver, layer, read, store, text, wrong };
