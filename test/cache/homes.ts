/** The layers that the contract suite runs on. */
import { Redis } from 'ioredis';
import { redisLayer } from '../../src/redis/index.js';
import type { CacheHome } from '../contract/layered-cache-contract.js';
import type { RedisServer } from '../support/redis-server.js';
import { tempFile } from '../support/temp.js';

export const localHomes: readonly CacheHome[] = [
  { name: 'memory' },
  { name: 'memory and a file', path: () => tempFile('cache') },
  { name: "memory and ':memory:'", path: () => ':memory:' },
];

let prefixes = 0;
/** What no other test has keys with. */
export const newPrefix = (): string => `test ${++prefixes}:`;

/** Those with Redis, where `server` says. */
export function remoteHomes(server: () => RedisServer): readonly CacheHome[] {
  const options = { timeout: 2000 };
  const layer = () => redisLayer({ url: server().url }, { ...options, prefix: newPrefix() });
  const ioredis = () => {
    const client = new Redis(server().port, '127.0.0.1', { lazyConnect: true });
    return redisLayer(client, { ...options, prefix: newPrefix() });
  };
  const channel = () => redisLayer({ url: server().url }, { ...options, prefix: newPrefix(), invalidation: 'channel' });
  return [
    { name: 'memory and Redis', remote: layer },
    { name: 'memory, a file and Redis', path: () => tempFile('cache'), remote: layer },
    { name: 'memory, a file and Redis by ioredis', path: () => tempFile('cache'), remote: ioredis },
    { name: 'memory and Redis, told on a channel', remote: channel },
  ];
}
