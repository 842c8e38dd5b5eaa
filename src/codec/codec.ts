/** How values become bytes and back. */
import { MmcbError } from '../errors.js';

/**
 * Makes bytes of values and values of bytes. Both are called synchronously. If one throws, the call on the map throws
 * MMCB_CODEC with that error as `cause`, and the map is unchanged.
 */
export interface Codec<V> {
  /** The bytes are copied before anything else happens, so a codec may use the same memory again. */
  encode(value: V): Uint8Array;
  /** The bytes are never changed afterwards, so the value may refer to them. They may be part of a larger memory. */
  decode(bytes: Uint8Array): V;
  /**
   * Optional, and faster where it is there: decodes bytes [start, end) of `memory`, which is used again afterwards. The
   * value must not refer to it.
   */
  decodeSlice?(memory: Buffer, start: number, end: number): V;
}

/** The error for a codec that threw. */
export function codecError(action: 'encode' | 'decode', cause: unknown): MmcbError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const effect = action === 'encode' ? '; nothing was changed' : ': was it stored with another codec?';
  return new MmcbError('MMCB_CODEC', `the codec could not ${action} a value: ${reason}${effect}`, { cause });
}
