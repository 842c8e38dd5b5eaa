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
  /** Holders of items that are no guests: from the time of another host, or gone and what they held not yet given back. */
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
    const { core } = this.#parts;
    this.#guests.get(message.ticket)?.close();
    const connection = new Connection(this.#parts, message, () => this.#lose(message.ticket));
    this.#guests.set(message.ticket, connection);
    this.#absent.delete(message.ticket);
    try {
      core.reclaim(message.ticket, message.held);
    } catch {
      // The file cannot be written now: what never reached the guest comes back when the guest goes.
    }
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
    const { native } = this.#parts;
    for (const ticket of [...this.#guests.keys(), ...this.#absent]) {
      if (!native.ticketIsValid(ticket)) this.#lose(ticket);
    }
    if (this.#guests.size > 0 || this.#absent.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Somebody is gone: what they held comes back, at the next look where the file cannot be written now. */
  #lose(ticket: number): void {
    this.#guests.get(ticket)?.close();
    this.#guests.delete(ticket);
    try {
      this.#parts.core.reclaim(ticket);
      this.#absent.delete(ticket);
    } catch {
      this.#absent.add(ticket);
    }
  }
}

/** One guest, as its host sees it. */
class Connection<V> {
  readonly #service: Service<V>;
  readonly #onLeave: () => void;
  readonly #words: Int32Array;
  readonly #channel: Channel<GuestMessage, HostMessage>;
  readonly #wants = new Map<number, AbortController>();

  constructor({ core, identity, ticket }: HostParts<V>, knock: Knock, onLeave: () => void) {
    this.#onLeave = onLeave;
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
      case 'return':
        this.#service.takeBack(message.tokens);
        break;
      case 'leave':
        this.#onLeave();
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
      this.#channel.send({ type: 'answer', id, call, result });
    } catch (error) {
      this.#channel.send({ type: 'answer', id, call, error: packError(error) });
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
