/**
 * Routing: which partition something belongs to. Stable: the same item goes to the same partition, in every run and every
 * process, as long as the number of partitions is the same.
 */
import { msgpack } from '../codec/msgpack.js';
import { callbackError } from '../errors.js';
import { hashOf } from '../internal/text.js';

const codec = msgpack<unknown>();
const word = new DataView(new ArrayBuffer(8));

/** A 32-bit hash of any value. Objects are hashed by their content, functions and symbols not at all. */
export function hashAny(value: unknown): number {
  switch (typeof value) {
    case 'string':
      return hashOf(value);
    case 'number':
      return hashNumber(value);
    case 'object': {
      if (value === null) return 1;
      const bytes = value instanceof Uint8Array ? value : codec.encode(value);
      let hash = 0x811c9dc5;
      for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
      return mix(hash);
    }
    case 'bigint':
      return hashOf(`${value}n`);
    case 'boolean':
      return value ? 3 : 2;
    default:
      return 0;
  }
}

function hashNumber(value: number): number {
  if ((value | 0) === value) return mix(value);
  word.setFloat64(0, value);
  return mix(word.getInt32(0) ^ Math.imul(word.getInt32(4), 0x9e3779b1));
}

function mix(value: number): number {
  let hash = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The hash by which `item` is routed. Errors of the program's function are MMCB_CODEC. */
export function routingHash(partitionKey: unknown, item: unknown): number {
  if (partitionKey === undefined) return hashAny(item);
  if (typeof partitionKey !== 'function') return hashAny(partitionKey);
  try {
    return hashAny(partitionKey(item));
  } catch (error) {
    throw callbackError('partitionKey', error);
  }
}

/** The key by which `item` is sorted; undefined without `sortKey`. Errors as above. */
export function sortingKey(sortKey: ((item: never) => unknown) | undefined, item: unknown): unknown {
  if (sortKey === undefined) return undefined;
  try {
    return sortKey(item as never);
  } catch (error) {
    throw callbackError('sortKey', error);
  }
}

const ranks: Readonly<Record<string, number>> = { number: 0, bigint: 1, string: 2, boolean: 3, object: 4 };

/** A total order over keys of any type: by type, then by value; dates by their time. What has no order is equal. */
export function compareKeys(a: unknown, b: unknown): number {
  const [left, right] = [a instanceof Date ? a.getTime() : a, b instanceof Date ? b.getTime() : b];
  const byType = (ranks[typeof left] ?? 5) - (ranks[typeof right] ?? 5);
  if (byType !== 0) return byType;
  if (typeof left === 'object' || typeof left === 'undefined') return 0;
  return (left as number) < (right as number) ? -1 : (left as number) > (right as number) ? 1 : 0;
}
