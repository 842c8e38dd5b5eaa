/**
 * Host: lets other threads of the process use the queue whose index this one has.
 *
 * Invariants
 * - It listens before the file is claimed, so that whoever finds the claim reaches it.
 * - What a guest holds is given back when it leaves, when its thread has ended (seen within 250 ms), and when it turns out
 *   that it never got it.
 */
import type { NativeBinding } from '../../internal/native.js';
import type { QueueCore } from '../queue-core.js';
import { Channel } from './channels.js';
import { packError } from './errors.js';
import {
  type Calls,
  type GuestMessage,
  guestChannel,
  type HostMessage,
  type Knock,
  type Notice,
  RequestState,
  Word,
} from './protocol.js';
import { Service } from './service.js';

/** How often it is looked whether guests are still there, in milliseconds. */
export const WATCH_INTERVAL = 250;

/** The hosts of this thread: while it sleeps on a question to another one, it answers its own guests (see Line). */
export const hostsHere = new Set<{ serve(): void }>();

export interface HostParts<V> {
  readonly native: NativeBinding;
  readonly core: QueueCore<V>;
  /** The identity of the file. */
  readonly identity: string;
  /** Of this thread, by which the file is claimed. */
  readonly ticket: number;
  /** The channel of the file. */
  readonly channel: Channel<Notice | Knock, Notice | Knock>;
}

export class Host<V> {
  readonly #parts: HostParts<V>;
  readonly #guests = new Map<number, Connection<V>>();
  /** Holders of items from the time of another host that have not knocked yet. */
  readonly #absent: Set<number>;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: HostParts<V>) {
    this.#parts = parts;
    this.#absent = parts.core.holders();
    hostsHere.add(this);
    parts.channel.send({ type: 'hosting', ticket: parts.ticket });
    this.#watch();
  }

  /** A message on the channel of the file. */
  receive(message: Notice | Knock): void {
    const { ticket } = this.#parts;
    if (message.type !== 'knock' || message.host !== ticket) return;
    this.#guests.get(message.ticket)?.close();
    this.#guests.set(message.ticket, new Connection(this.#parts, message));
    this.#absent.delete(message.ticket);
    this.#parts.core.reclaim(message.ticket, message.held);
    this.#watch();
  }

  /** Answers what has been asked, without waiting for the event loop. */
  serve(): void {
    if (!this.#parts.core.isIdle) return;
    this.#parts.channel.drain();
    for (const guest of this.#guests.values()) guest.serve();
  }

  /** Answers no more. The file's claim must be released before the guests are told. */
  close(): void {
    hostsHere.delete(this);
    clearInterval(this.#timer);
    for (const guest of this.#guests.values()) guest.close();
    this.#guests.clear();
  }

  #watch(): void {
    if (this.#timer !== undefined || (this.#guests.size === 0 && this.#absent.size === 0)) return;
    this.#timer = setInterval(() => this.#look(), WATCH_INTERVAL).unref();
  }

  #look(): void {
    const { native, core } = this.#parts;
    const isGone = (ticket: number): boolean => !native.ticketIsValid(ticket);
    for (const [ticket, guest] of this.#guests) {
      if (!isGone(ticket)) continue;
      guest.close();
      this.#guests.delete(ticket);
      core.reclaim(ticket);
    }
    for (const ticket of this.#absent) {
      if (!isGone(ticket)) continue;
      this.#absent.delete(ticket);
      core.reclaim(ticket);
    }
    if (this.#guests.size > 0 || this.#absent.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

/** One guest, as its host sees it. */
class Connection<V> {
  readonly #core: QueueCore<V>;
  readonly #service: Service<V>;
  readonly #ticket: number;
  readonly #words: Int32Array;
  readonly #channel: Channel<GuestMessage, HostMessage>;
  readonly #wants = new Map<number, AbortController>();

  constructor({ core, identity, ticket }: HostParts<V>, knock: Knock) {
    this.#core = core;
    this.#ticket = knock.ticket;
    this.#service = new Service(core, knock.ticket);
    this.#words = new Int32Array(knock.words);
    this.#channel = new Channel(guestChannel(identity, knock.ticket), (message) => this.#receive(message));
    this.#channel.send({ type: 'welcome', host: ticket });
    Atomics.add(this.#words, Word.WELCOMES, 1);
    Atomics.notify(this.#words, Word.WELCOMES);
  }

  serve(): void {
    this.#channel.drain();
  }

  close(): void {
    this.#channel.close();
    for (const controller of this.#wants.values()) controller.abort();
    this.#wants.clear();
  }

  #receive(message: GuestMessage): void {
    switch (message.type) {
      case 'request':
        this.#answer(message.id, message.call, message.args);
        break;
      case 'want':
        void this.#wait(message.id, message.done);
        break;
      case 'unwant':
        this.#wants.get(message.id)?.abort();
        break;
      case 'leave':
        this.close();
        this.#core.reclaim(this.#ticket);
        break;
    }
  }

  #answer(id: number, call: keyof Calls, args: readonly unknown[]): void {
    const word = id << 2;
    const taken = Atomics.compareExchange(
      this.#words,
      Word.REQUEST,
      word | RequestState.ASKED,
      word | RequestState.TAKEN,
    );
    if (taken !== (word | RequestState.ASKED)) return; // the guest has given up
    try {
      const result = (this.#service[call] as (...values: readonly unknown[]) => unknown)(...args);
      this.#channel.send({ type: 'answer', id, result });
    } catch (error) {
      this.#channel.send({ type: 'answer', id, error: packError(error) });
    }
    Atomics.store(this.#words, Word.REQUEST, word | RequestState.ANSWERED);
    Atomics.notify(this.#words, Word.REQUEST);
  }

  async #wait(id: number, done: Parameters<Service<V>['next']>[0]): Promise<void> {
    const controller = new AbortController();
    this.#wants.set(id, controller);
    try {
      const waiting = this.#service.next(done, controller.signal);
      this.#channel.send({ type: 'done', id });
      const item = await waiting;
      // Without an item the queue is closing: the next host is asked again.
      if (item !== undefined && this.#wants.has(id)) this.#channel.send({ type: 'item', id, item });
    } catch (error) {
      if (!controller.signal.aborted) this.#channel.send({ type: 'item', id, error: packError(error) });
    } finally {
      this.#wants.delete(id);
    }
  }
}
