/** What a guest is made of. */
import type { CompactableBuffer } from '../../buffer/compactable-buffer.js';
import type { ItemValues } from '../item-values.js';
import type { HeldItem } from '../lease.js';
import type { QueueCore } from '../queue-core.js';
import type { LeaseToken } from '../queue-state.js';
import type { Channel } from './channels.js';
import type { Knock, Notice } from './protocol.js';

export interface GuestParts<V> {
  readonly buffer: CompactableBuffer;
  readonly identity: string;
  /** Of this thread. */
  readonly ticket: number;
  /** The channel of the file. */
  readonly channel: Channel<Notice | Knock, Notice | Knock>;
  readonly values: ItemValues<V>;
  /** Milliseconds to wait for an answer. */
  readonly answerTimeout: number;
  /** Makes this thread the host, once it has claimed the file. */
  promote(): QueueCore<V>;
}

/** Somebody in a guest's thread who waits for an item. */
export interface Want {
  readonly id: number;
  done: readonly LeaseToken[];
  /** The host that has been told. */
  host: number;
  resolve(item: HeldItem<Uint8Array> | undefined): void;
  reject(error: unknown): void;
  /** Tells the host that it is not wanted any more. */
  cancel(): void;
}

/** Bytes that have come by a message, as codecs get them. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
