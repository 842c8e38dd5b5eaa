/** Keys as Redis has them: bytes. Every string has a form of its own (WTF-8, see src/map/keys.ts). */
import { decodeStringKey } from '../map/keys.js';

const LONE_SURROGATE = /\p{Surrogate}/u;

export class KeySpace {
  readonly prefix: Buffer;
  readonly #metaPrefix: Buffer;
  /** Where those who cannot be told by Redis hear of changes. */
  readonly channel: Buffer;

  constructor(prefix: string) {
    this.prefix = keyBytes(prefix);
    this.#metaPrefix = Buffer.concat([META, this.prefix]);
    this.channel = Buffer.concat([CHANNEL, this.prefix]);
  }

  /** Where the value of a key is. */
  value(key: string): Buffer {
    return Buffer.concat([this.prefix, keyBytes(key)]);
  }

  /** Where what is known of the value is (meta.ts). */
  meta(key: string): Buffer {
    return Buffer.concat([this.#metaPrefix, keyBytes(key)]);
  }

  /** The key whose value is at `name`; undefined if it is none of ours. */
  keyOf(name: Buffer): string | undefined {
    if (!name.subarray(0, this.prefix.length).equals(this.prefix)) return undefined;
    if (this.prefix.length === 0 && name.subarray(0, META.length).equals(META)) return undefined;
    return decodeStringKey(name, this.prefix.length, name.length);
  }
}

const META = Buffer.from('mmcb-meta:');
const CHANNEL = Buffer.from('mmcb-changes:');

export function keyBytes(key: string): Buffer {
  if (!LONE_SURROGATE.test(key)) return Buffer.from(key);
  const parts: Buffer[] = [];
  for (const character of key) {
    const unit = character.codePointAt(0) as number;
    const lone = unit >= 0xd800 && unit <= 0xdfff;
    parts.push(
      lone
        ? Buffer.from([0xe0 | (unit >> 12), 0x80 | ((unit >> 6) & 0x3f), 0x80 | (unit & 0x3f)])
        : Buffer.from(character),
    );
  }
  return Buffer.concat(parts);
}
