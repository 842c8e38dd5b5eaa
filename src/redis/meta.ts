/**
 * What is known of a value in Redis, beside it, so that the value itself is nothing but what `encode` made and other programs
 * can read and write it:
 *
 *     time ':' origin ':' hash ':' form ':' staleFor
 *
 * time and origin are the stamp of the write; form is 's' for a string, 'b' for bytes, 'd' for a removal; staleFor is how many of
 * the milliseconds that the value has left it may only be served stale. hash is of the key, the value and the rest of this:
 * where it does not agree, somebody else has written the value since, or the reply was damaged on its way.
 */
import type { Stamp } from '../cache/stamp.js';

export interface Meta {
  readonly stamp: Stamp;
  readonly form: 's' | 'b' | 'd';
  readonly staleFor: number;
}

/** The meta of a value that is stored under a name; of a removal, without a value. */
export function formatMeta(meta: Meta, name: Uint8Array, value: Uint8Array): string {
  const { stamp, form } = meta;
  return `${stamp.time}:${stamp.origin}:${hashOf(meta, name, value)}:${form}:${Math.ceil(meta.staleFor)}`;
}

/** What a meta says of the value under a name; undefined if it is none, or not of this value. */
export function parseMeta(text: string, name: Uint8Array, value: Uint8Array): Meta | undefined {
  const match = /^(\d{1,16}):([\w-]{0,8}):([0-9a-f]{1,8}):([sbd]):(\d{1,16})$/.exec(text);
  if (match === null) return undefined;
  const [, time, origin, hash, form, staleFor] = match as unknown as [
    string,
    string,
    string,
    string,
    Meta['form'],
    string,
  ];
  const meta: Meta = { stamp: { time: Number(time), origin }, form, staleFor: Number(staleFor) };
  return hash === hashOf(meta, name, value) ? meta : undefined;
}

/** FNV-1a, 32 bits. */
function hashOf({ stamp, form, staleFor }: Meta, name: Uint8Array, value: Uint8Array): string {
  const rest = Buffer.from(`${stamp.time}:${stamp.origin}:${form}:${Math.ceil(staleFor)}`);
  let hash = 0x811c9dc5;
  for (const bytes of [rest, name, value]) {
    for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
    hash = Math.imul(hash ^ 0x100, 0x01000193); // where it ends
  }
  return (hash >>> 0).toString(16);
}
