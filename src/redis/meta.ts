/**
 * What is known of a value in Redis, beside it, so that the value itself is nothing but what `encode` made and other programs
 * can read and write it:
 *
 *     time ':' origin ':' hash ':' form ':' staleFor
 *
 * time and origin are the stamp of the write; form is 's' for a string, 'b' for bytes, 'd' for a removal; staleFor is how many of
 * the milliseconds that the value has left it may only be served stale. hash is of the key and the value: where it does not
 * agree, somebody else has written the value since, or the reply was damaged on its way.
 */
import type { Stamp } from '../cache/stamp.js';

export interface Meta {
  readonly stamp: Stamp;
  readonly hash: string;
  readonly form: 's' | 'b' | 'd';
  readonly staleFor: number;
}

export function formatMeta({ stamp, hash, form, staleFor }: Meta): string {
  return `${stamp.time}:${stamp.origin}:${hash}:${form}:${Math.ceil(staleFor)}`;
}

export function parseMeta(text: string): Meta | undefined {
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
  return { stamp: { time: Number(time), origin }, hash, form, staleFor: Number(staleFor) };
}

/** FNV-1a, 32 bits, of a name and a value. */
export function hashOf(name: Uint8Array, value: Uint8Array): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ (name[i] as number), 0x01000193);
  hash = Math.imul(hash ^ 0x100, 0x01000193); // where the name ends
  for (let i = 0; i < value.length; i++) hash = Math.imul(hash ^ (value[i] as number), 0x01000193);
  return (hash >>> 0).toString(16);
}
