import { beforeAll, describe, expect, it } from 'vitest';
import { layeredCacheContract } from '../contract/layered-cache-contract.js';
import { hasRedis, RedisServer } from '../support/redis-server.js';
import { localHomes, remoteHomes } from './homes.js';

describe.each(localHomes)('LayeredCache: $name', (home) => layeredCacheContract(home));

it('redis-server is there for the tests, where CI runs them', () => {
  expect(hasRedis || !/^(1|true)$/i.test(process.env['CI'] ?? '')).toBe(true);
});

describe.skipIf(!hasRedis)('with a redis-server', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  describe.each(remoteHomes(() => server))('LayeredCache: $name', (home) => layeredCacheContract(home));
});
