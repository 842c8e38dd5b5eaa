/**
 * What the threads that share a queue say to each other. One is the host: it has the index, and answers. The others, its
 * guests, ask: synchronous calls by a request that they wait for, asleep on a word of shared memory; waiting for items by
 * messages. Values cross as bytes.
 *
 * Each file has a channel on which all of its threads listen (Notice, Knock), and each guest one that only its host listens
 * to. Both are BroadcastChannels, since nothing else connects threads that have only a file name in common. None of
 * them tells when a thread ends: tickets do (native.ts).
 *
 * The state of a request is a word that holds its number and what has become of it; whoever changes it first from ASKED has
 * decided whether it is done. So a guest that gives up waiting knows whether its request will still be done.
 */
import type { QueueCounts } from '../counters.js';
import type { HeldItem } from '../lease.js';
import type { LeaseToken } from '../queue-state.js';

/** The name of the channel of a file, and of that of a guest. */
export const fileChannel = (identity: string): string => `mmcb:queue:${identity}`;
export const guestChannel = (identity: string, ticket: number): string => `mmcb:queue:${identity}:${ticket}`;

/** Told to all: whoever has this ticket is the host now, or no more. */
export interface Notice {
  readonly type: 'hosting' | 'left';
  readonly ticket: number;
}

/** A guest presents itself to the host. */
export interface Knock {
  readonly type: 'knock';
  /** Whom it is for; another host takes no notice. */
  readonly host: number;
  readonly ticket: number;
  /** See Word. */
  readonly words: SharedArrayBuffer;
  /** What the guest holds by iteration: anything else that is held for it never reached it. */
  readonly held: readonly LeaseToken[];
}

/** The shared words of a guest, by position. */
export const Word = {
  /** Number of the request << 2 | its state. */
  REQUEST: 0,
  /** Counts the welcomes. */
  WELCOMES: 1,
} as const;
export const WORDS = 2;

export const RequestState = { ASKED: 1, TAKEN: 2, ANSWERED: 3, GIVEN_UP: 0 } as const;
/** Numbers of requests stay below, so that a word holds them with their state. */
export const MOST_REQUESTS = 2 ** 29;

/** An item, its value encoded, in memory of its own: cloning sends all of the memory that bytes lie in. */
export interface EncodedItem {
  readonly key: string;
  readonly value: Uint8Array;
  readonly uniqueId: string | undefined;
  readonly delay: number | undefined;
}

/** What a guest can ask for. */
export interface Calls {
  store(item: EncodedItem): boolean;
  storeAll(items: readonly EncodedItem[]): number;
  lease(limit: number, timeout: number): HeldItem<Uint8Array>[];
  /** For `retrieve`, which ends with `retrieved` once the guest has made something of the values. */
  hold(limit: number): HeldItem<Uint8Array>[];
  retrieved(tokens: readonly LeaseToken[], back: readonly LeaseToken[]): void;
  acknowledge(token: LeaseToken): boolean;
  giveBack(token: LeaseToken, delay: number | undefined): boolean;
  has(key: string): boolean;
  delete(key: string): boolean;
  size(): number;
  nextDue(): number | undefined;
  counts(): QueueCounts;
}
export type CallName = keyof Calls;

/** From guest to host. */
export type GuestMessage =
  | { readonly type: 'request'; readonly id: number; readonly call: CallName; readonly args: readonly unknown[] }
  /** Acknowledges, then waits for one more item. */
  | { readonly type: 'want'; readonly id: number; readonly done: readonly LeaseToken[] }
  | { readonly type: 'unwant'; readonly id: number }
  /** Gives back what came too late. */
  | { readonly type: 'return'; readonly tokens: readonly LeaseToken[] }
  | { readonly type: 'leave' };

/** From host to guest. An `error` is packed (errors.ts). */
export type HostMessage =
  | { readonly type: 'welcome'; readonly host: number }
  | {
      readonly type: 'answer';
      readonly id: number;
      readonly call: CallName;
      readonly result?: unknown;
      readonly error?: unknown;
    }
  /** What a want had to acknowledge has been. */
  | { readonly type: 'done'; readonly id: number }
  | { readonly type: 'item'; readonly id: number; readonly item?: HeldItem<Uint8Array>; readonly error?: unknown };
