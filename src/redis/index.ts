/** mmcb/redis: Redis as a layer of a LayeredCache. Needs the package `redis` (node-redis), or `ioredis`. */
export type { IoredisClient } from './ioredis.js';
export type { NodeRedisClient, NodeRedisOptions } from './node-redis.js';
export { type RedisLayerOptions, redisLayer } from './redis-layer.js';
