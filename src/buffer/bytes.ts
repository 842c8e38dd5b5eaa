/** The arguments of the buffer's calls: addresses and bytes. */
import { types } from 'node:util';
import { show } from '../internal/options.js';

/** Names an entry for good; a safe integer, 0 or more. Treat it as opaque. */
export type Address = number;

/** Data to store. A string is stored as UTF-8. */
export type Bytes = Uint8Array | string;

/** The bytes of `data`; a TypeError that names the argument if it is anything else. */
export function toBytes(data: unknown, name = 'data'): Uint8Array {
  if (data instanceof Uint8Array) return data;
  if (typeof data === 'string') return Buffer.from(data, 'utf8');
  if (types.isUint8Array(data)) return data; // of another realm
  throw new TypeError(`${name} must be a Uint8Array (or Buffer) or a string, got ${show(data)}`);
}

/** An address; a TypeError or RangeError that names the argument if it cannot be one. */
export function checkAddress(address: unknown, name = 'address'): Address {
  if (Number.isSafeInteger(address) && (address as number) >= 0) return address as number;
  throw badAddress(address, name);
}

export function badAddress(address: unknown, name = 'address'): Error {
  if (typeof address !== 'number')
    return new TypeError(`${name} must be a number that add() returned, got ${show(address)}`);
  return new RangeError(`${name} must be a number that add() returned, got ${address}`);
}
