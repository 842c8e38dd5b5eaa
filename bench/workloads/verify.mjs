/** Outside the timed sections: whether a store really holds what it was given. A faster engine must not be a wrong one. */
import { contentOf } from './input.mjs';

const SAMPLE = 500;

/** Reads entries all over the store by `read(key)` and compares every byte. */
export function verifySample(input, read) {
  const step = Math.max(1, Math.floor(input.entries / SAMPLE));
  for (let key = 0; key < input.entries; key += step) {
    const expected = contentOf(input, key);
    const found = readOrUndefined(read, key, expected);
    if (expected === undefined ? found !== undefined : found === undefined || Buffer.compare(expected, found) !== 0)
      throw new Error(`wrong data under key ${key}: ${describe(found)} instead of ${describe(expected)}`);
  }
}

/** An address that was removed is an error to some engines. */
function readOrUndefined(read, key, expected) {
  if (expected !== undefined) return read(key);
  try {
    return read(key);
  } catch {
    return undefined;
  }
}

const describe = (bytes) =>
  bytes === undefined ? 'nothing' : `${bytes.length} bytes ${bytes.subarray(0, 8).toString('hex')}…`;
