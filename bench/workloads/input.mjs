/** The data of a trial: the same for every engine and every round with the same seed. */
import { generator, permutation } from '../lib/random.mjs';
import { scrambledZipfian } from '../lib/zipfian.mjs';

/** Marks a key that is not there, among the versions of values. */
export const GONE = 255;

/**
 * Added to the version where single operations are timed: they must not write what is there already, which SQLite notices
 * and then leaves out, the sync included.
 */
export const SAMPLED = 10;

/**
 * `operations` is how many a workload makes that does not touch every entry. Values are taken from a pool, by key and by
 * how often the key was written: so what a read must return is known without keeping a copy.
 */
export function makeInput({ entries, size, operations, seed }) {
  const random = generator(seed);
  const poolSize = size <= 4096 ? 1024 : 64;
  const mask = poolSize - 1;
  const pool = (length) => Array.from({ length: poolSize }, () => randomBytes(length, random));
  const order = permutation(entries, random);
  const popular = scrambledZipfian(order, random);
  return {
    entries,
    size,
    operations: Math.min(operations, entries),
    random,
    /** All keys in random order. */
    order,
    /** Keys as often as Zipf says. */
    zipfian: Uint32Array.from({ length: Math.min(operations, entries) }, popular),
    values: pool(size),
    /** Twice as large: more than the slack that an engine may keep. */
    larger: pool(size * 2),
    mask,
    /** How often each key was written, as far as it matters to its content; kept up to date by the workloads. */
    versions: new Uint8Array(entries),
  };
}

/** Index in the pool of a key's value in its n-th version. */
export const valueIndex = (key, version, mask) => (key + 7 * version) & mask;

/** The bytes that a key must have now; undefined if it must not be there. */
export function contentOf(input, key) {
  const version = input.versions[key];
  return version === GONE ? undefined : input.values[valueIndex(key, version, input.mask)];
}

/** What a read adds to the sum by which the reads of a timed section are checked: length and outer bytes. */
export const tagOf = (bytes) => bytes.length + bytes[0] + bytes[bytes.length - 1];

/** The same of what must be read, for `count` keys that `keyAt` names. */
export function expectedSum(input, count, keyAt) {
  const tags = input.values.map(tagOf);
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const key = keyAt(i);
    sum += tags[valueIndex(key, input.versions[key], input.mask)];
  }
  return sum;
}

/** Notes that `count` keys that `keyAt` names have now this version. */
export function noteVersions(input, count, keyAt, version) {
  for (let i = 0; i < count; i++) input.versions[keyAt(i)] = version;
}

/** Names of keys, made before and flat, as keys of a program mostly are. */
export const flatNames = (count, nameOf) =>
  Array.from({ length: count }, (_, i) => Buffer.from(nameOf(i)).toString('latin1'));

function randomBytes(length, random) {
  const bytes = Buffer.allocUnsafeSlow(length);
  for (let i = 0; i < length; i++) bytes[i] = Math.floor(random() * 256);
  return bytes;
}
