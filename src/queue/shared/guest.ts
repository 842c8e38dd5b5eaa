/**
 * Guest: a queue in a thread that asks another one, its host. When the host is gone, whoever first finds the file free is
 * the next one; what is under way goes on there.
 *
 * Invariants
 * - `held` has every item that was given to this thread by iteration and is not known to be settled; a new host is told of
 *   them, and gives everything else back that it finds held for this thread.
 * - Whatever an old host has sent is received before a new one is told what is held.
 */
import { storeOf } from '../../buffer/compactable-buffer.js';
import { claim, unclaim } from '../../buffer/thread-claim.js';
import { MmcbError } from '../../errors.js';
import type { Store } from '../../internal/lifecycle.js';
import type { QueueCounts } from '../counters.js';
import { StoreAllError } from '../errors.js';
import type { HeldItem, QueueEntry } from '../lease.js';
import type { QueueItem } from '../options.js';
import type { QueueCore } from '../queue-core.js';
import type { QueueSide } from '../queue-side.js';
import type { LeaseToken } from '../queue-state.js';
import { Channel } from './channels.js';
import { unpackError } from './errors.js';
import { bufferOf, type GuestParts, type Want } from './guest-parts.js';
import { WATCH_INTERVAL } from './host.js';
import { type Answer, GONE, Line } from './line.js';
import {
  type Calls,
  type EncodedItem,
  type GuestMessage,
  guestChannel,
  type HostMessage,
  type Notice,
} from './protocol.js';
import { copyOut, Service } from './service.js';

export class Guest<V> implements QueueSide<V> {
  readonly #parts: GuestParts<V>;
  readonly #store: Store;
  readonly #channel: Channel<HostMessage, GuestMessage>;
  readonly #line: Line;
  readonly #wants = new Map<number, Want>();
  readonly #held = new Map<number, LeaseToken>();
  /** The host that this thread has presented itself to, and how many welcomes there were before. */
  #host = 0;
  #welcomes = 0;
  #isWelcome = false;
  /** Once this thread is the host. */
  #service: Service<V> | undefined;
  #core: QueueCore<V> | undefined;
  #lastWant = 0;
  #timer: NodeJS.Timeout | undefined;
  #ready: { resolve(): void; reject(error: unknown): void } | undefined;
  #closed = false;

  constructor(parts: GuestParts<V>) {
    this.#parts = parts;
    this.#store = storeOf(parts.buffer);
    this.#channel = new Channel(guestChannel(parts.identity, parts.ticket), (message) => this.#receive(message));
    this.#line = new Line(this.#store.native, this.#channel);
  }

  /** Resolves when there is a host that has answered, or this thread has become it; MMCB_NO_ANSWER when it does not. */
  async ready(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        this.#ready = { resolve, reject };
        timer = setTimeout(() => reject(new MmcbError('MMCB_NO_ANSWER')), this.#parts.answerTimeout);
        this.#watch(true);
        this.#seekForAll();
      });
    } finally {
      clearTimeout(timer);
      this.#ready = undefined;
      this.#rest();
    }
  }

  /** A message on the channel of the file. */
  notice({ type, ticket }: Notice): void {
    if (type === 'left' && ticket === this.#host && (this.#wants.size > 0 || this.#ready !== undefined))
      this.#seekForAll();
  }

  // ---- Asking ----

  store(item: QueueItem<V>): boolean {
    return this.#ask('store', this.#encoded(item));
  }

  storeAll(items: readonly QueueItem<V>[]): number {
    const encoded: EncodedItem[] = [];
    let failure: StoreAllError | undefined;
    for (const item of items) {
      try {
        encoded.push(this.#encoded(item));
      } catch (error) {
        if (!(error instanceof MmcbError)) throw error;
        failure = new StoreAllError(encoded.length, error);
        break;
      }
    }
    const stored = this.#ask('storeAll', encoded);
    if (failure !== undefined) throw failure;
    return stored;
  }

  retrieve(limit: number): QueueEntry<V>[] {
    const items = this.#ask('hold', limit);
    for (const { token } of items) this.#held.set(token.address, token);
    const entries: QueueEntry<V>[] = [];
    let failure: { error: unknown } | undefined;
    for (const { token, value, updates } of items) {
      try {
        entries.push({ key: token.key, value: this.#parts.values.decode(bufferOf(value)), updates });
      } catch (error) {
        failure = { error };
        break;
      }
    }
    const tokens = items.map(({ token }) => token);
    try {
      if (tokens.length > 0) this.#ask('retrieved', tokens.slice(0, entries.length), tokens.slice(entries.length));
      for (const token of tokens) this.#settled(token);
    } catch (error) {
      this.#decline(tokens);
      throw error;
    }
    if (failure !== undefined && entries.length === 0) throw failure.error;
    return entries;
  }

  lease(limit: number, timeout: number): HeldItem<V>[] {
    const items = this.#ask('lease', limit, timeout);
    const leases: HeldItem<V>[] = [];
    for (const [i, item] of items.entries()) {
      try {
        leases.push(this.#decoded(item));
      } catch (error) {
        this.#decline(items.slice(i).map(({ token }) => token));
        if (i === 0) throw error;
        break;
      }
    }
    return leases;
  }

  acknowledge(token: LeaseToken): boolean {
    const done = this.#ask('acknowledge', token);
    this.#settled(token);
    return done;
  }

  giveBack(token: LeaseToken, delay: number | undefined): boolean {
    const done = this.#ask('giveBack', token, delay);
    this.#settled(token);
    return done;
  }

  size(): number {
    return this.#ask('size');
  }

  nextDue(): number | undefined {
    return this.#ask('nextDue');
  }

  has(key: string): boolean {
    return this.#ask('has', key);
  }

  delete(key: string): boolean {
    return this.#ask('delete', key);
  }

  counts(): QueueCounts {
    return this.#ask('counts');
  }

  /** Asks the host, whoever that is, and sleeps until it has answered. */
  #ask<N extends keyof Calls>(call: N, ...args: Parameters<Calls[N]>): ReturnType<Calls[N]> {
    this.#store.assertOpen();
    this.#parts.values.assertIdle();
    const until = performance.now() + this.#parts.answerTimeout;
    for (;;) {
      this.#seek();
      if (this.#service !== undefined) {
        return (this.#service[call] as (...values: unknown[]) => unknown)(...args) as ReturnType<Calls[N]>;
      }
      if (!this.#isWelcome) {
        if (this.#line.awaitWelcome(this.#welcomes, this.#host, until) === GONE) continue;
        this.#isWelcome = true;
      }
      const answer = this.#line.ask(call, args, this.#host, until);
      if (answer === GONE) continue;
      if (answer.error !== undefined) throw unpackError(answer.error);
      return answer.result as ReturnType<Calls[N]>;
    }
  }

  // ---- Waiting for items ----

  async next(done: readonly LeaseToken[], signal: AbortSignal | undefined): Promise<HeldItem<V> | undefined> {
    if (signal?.aborted) {
      for (const token of done) this.acknowledge(token);
      throw signal.reason;
    }
    const item = await this.#want(done, signal);
    if (item === undefined) return undefined;
    try {
      return this.#decoded(item);
    } catch (error) {
      this.#decline([item.token]);
      throw error;
    }
  }

  #want(done: readonly LeaseToken[], signal: AbortSignal | undefined): Promise<HeldItem<Uint8Array> | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        resolve(undefined);
        return;
      }
      this.#lastWant += 1;
      const id = this.#lastWant;
      const end = (settle: () => void): void => {
        signal?.removeEventListener('abort', onAbort);
        this.#wants.delete(id);
        this.#rest();
        settle();
      };
      const want: Want = {
        ...{ id, done, host: 0 },
        resolve: (item) => end(() => resolve(item)),
        reject: (error) => end(() => reject(error)),
        cancel: () => this.#channel.send({ type: 'unwant', id }),
      };
      const onAbort = (): void => {
        want.cancel();
        want.reject(signal?.reason);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#wants.set(id, want);
      this.#watch(true);
      this.#seekForAll();
      if (this.#wants.has(id)) this.#tell(want);
    });
  }

  /** Lets the host know what is wanted, unless it does. */
  #tell(want: Want): void {
    const host = this.#service === undefined ? this.#host : this.#parts.ticket;
    if (want.host === host) return;
    if (this.#service !== undefined) this.#waitHere(want, this.#service);
    else if (this.#isWelcome) this.#channel.send({ type: 'want', id: want.id, done: want.done });
    else return;
    want.host = host;
  }

  /** Waits in this thread, which has become the host. */
  #waitHere(want: Want, service: Service<V>): void {
    const controller = new AbortController();
    want.cancel = () => controller.abort();
    service.next(want.done, controller.signal).then(
      (item) => {
        if (this.#wants.has(want.id)) want.resolve(item);
        else if (item !== undefined) this.#decline([item.token]);
      },
      (error: unknown) => want.reject(error),
    );
  }

  // ---- Hosts ----

  /** Makes sure that there is a host: the one there was, a new one that has claimed the file, or this thread. */
  #seek(): void {
    if (this.#closed || this.#service !== undefined || this.#store.native.ticketIsValid(this.#host)) return;
    this.#channel.drain();
    this.#isWelcome = false;
    const host = claim(this.#parts.buffer, this.#parts.ticket);
    if (host === undefined) this.#takeOver();
    else this.#knock(host);
  }

  /** The same, for those who wait: they are told what fails. */
  #seekForAll(): void {
    try {
      this.#seek();
    } catch (error) {
      this.#ready?.reject(error);
      for (const want of [...this.#wants.values()]) want.reject(error);
    }
  }

  #knock(host: number): void {
    this.#host = host;
    this.#welcomes = this.#line.welcomes;
    const held = [...this.#held.values()];
    const { ticket, channel } = this.#parts;
    channel.send({ type: 'knock', host, ticket, words: this.#line.shared, held });
  }

  #takeOver(): void {
    const { buffer, ticket } = this.#parts;
    let core: QueueCore<V>;
    try {
      core = this.#parts.promote();
      core.reclaim(ticket, [...this.#held.values()]);
    } catch (error) {
      unclaim(buffer, ticket); // another thread may try
      throw error;
    }
    this.#core = core;
    this.#service = new Service(core, ticket);
    this.#channel.close();
    this.#watch(false);
    this.#ready?.resolve();
    for (const want of [...this.#wants.values()]) this.#tell(want);
  }

  #receive(message: HostMessage): void {
    switch (message.type) {
      case 'welcome':
        if (message.host !== this.#host) return;
        this.#isWelcome = true;
        this.#ready?.resolve();
        for (const want of this.#wants.values()) this.#tell(want);
        break;
      case 'answer':
        if (!this.#line.receive(message)) this.#missed(message);
        break;
      case 'done': {
        const want = this.#wants.get(message.id);
        for (const token of want?.done ?? []) this.#settled(token);
        if (want !== undefined) want.done = [];
        break;
      }
      case 'item':
        this.#arrived(message);
        break;
    }
  }

  #arrived({ id, item, error }: Extract<HostMessage, { type: 'item' }>): void {
    const want = this.#wants.get(id);
    if (item === undefined) want?.reject(unpackError(error));
    else if (want === undefined) this.#decline([item.token]);
    else {
      this.#held.set(item.token.address, item.token);
      want.resolve(item);
    }
  }

  /** An answer that came too late for whoever had asked. */
  #missed({ call, result }: Answer): void {
    if (result === undefined || (call !== 'hold' && call !== 'lease')) return;
    this.#decline((result as HeldItem<Uint8Array>[]).map(({ token }) => token));
  }

  /** Gives back what nobody here has. It needs no answer: a host that does not get this finds them held for nobody. */
  #decline(tokens: readonly LeaseToken[]): void {
    for (const token of tokens) this.#settled(token);
    if (this.#service === undefined) this.#channel.send({ type: 'return', tokens });
    else this.#service.takeBack(tokens);
  }

  #settled(token: LeaseToken): void {
    if (this.#held.get(token.address)?.attempt === token.attempt) this.#held.delete(token.address);
  }

  /** Whether it is looked, while somebody waits here, if the host is still there. */
  #watch(wanted: boolean): void {
    if (wanted === (this.#timer !== undefined)) return;
    if (wanted && this.#service === undefined)
      this.#timer = setInterval(() => this.#seekForAll(), WATCH_INTERVAL).unref();
    else {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
  }

  /** Nobody may be waiting any more. */
  #rest(): void {
    if (this.#wants.size > 0 || this.#ready !== undefined) return;
    this.#watch(false);
  }

  // ---- Closing ----

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#channel.send({ type: 'leave' });
    this.#channel.close();
    this.#watch(false);
    this.#core?.close();
    this.#ready?.resolve();
    for (const want of [...this.#wants.values()]) want.resolve(undefined);
  }

  #encoded({ key, value, uniqueId, delay }: QueueItem<V>): EncodedItem {
    return { key, value: copyOut(this.#parts.values.encode(value)), uniqueId, delay };
  }

  #decoded({ token, value, updates }: HeldItem<Uint8Array>): HeldItem<V> {
    return { token, value: this.#parts.values.decode(bufferOf(value)), updates };
  }
}
