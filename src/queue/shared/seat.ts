/**
 * Seat: the place of one opened queue among the threads that share its file: host or guest, and host after all when the one
 * before is gone. A queue in memory has its index to itself.
 */
import { type CompactableBuffer, storeOf } from '../../buffer/compactable-buffer.js';
import { identityOf } from '../../buffer/file-identity.js';
import { claim, lockedByThread, unclaim } from '../../buffer/thread-claim.js';
import type { Codec } from '../../codec/codec.js';
import { msgpack } from '../../codec/msgpack.js';
import { orAbort, type Store } from '../../internal/lifecycle.js';
import { runtime } from '../../internal/load-binding.js';
import type { LoopSource } from '../consumers.js';
import { ItemValues } from '../item-values.js';
import type { HeldItem } from '../lease.js';
import { type CoreOptions, QueueCore } from '../queue-core.js';
import type { QueueSide } from '../queue-side.js';
import type { LeaseToken } from '../queue-state.js';
import { Channel } from './channels.js';
import { Guest } from './guest.js';
import { Host } from './host.js';
import { fileChannel, type Knock, type Notice } from './protocol.js';

export interface SeatOptions extends CoreOptions {
  readonly answerTimeout: number;
  /** Ends the waiting for another thread's answer at the beginning. */
  readonly signal: AbortSignal | undefined;
}

export class Seat<V> implements LoopSource<V> {
  /** Whom the queue asks. */
  side!: QueueSide<V>;
  readonly #buffer: CompactableBuffer;
  readonly #store: Store;
  readonly #options: SeatOptions;
  readonly #ticket: number;
  /** Of the file; undefined in memory. */
  readonly #identity: string | undefined;
  readonly #channel: Channel<Notice | Knock, Notice | Knock> | undefined;
  #host: Host<V> | undefined;
  #guest: Guest<V> | undefined;
  #waiting = 0;
  #left = false;

  /** Takes a place: that of the host, if it is free. Rejects with MMCB_LOCKED where this thread has one already. */
  static async take<V>(buffer: CompactableBuffer, options: SeatOptions): Promise<Seat<V>> {
    const seat = new Seat<V>(buffer, options);
    try {
      seat.#sit();
      if (seat.#guest !== undefined) await orAbort(seat.#guest.ready(), options.signal);
      return seat;
    } catch (error) {
      seat.leave();
      throw error;
    }
  }

  private constructor(buffer: CompactableBuffer, options: SeatOptions) {
    this.#buffer = buffer;
    this.#store = storeOf(buffer);
    this.#options = options;
    if (buffer.path !== ':memory:') {
      this.#identity = identityOf(buffer.path);
      const { queues } = runtime();
      if (queues.has(this.#identity)) throw lockedByThread(buffer.path);
      queues.add(this.#identity);
      this.#channel = new Channel(fileChannel(this.#identity), (message) => this.#receive(message));
    }
    this.#ticket = this.#store.native.drawTicket();
  }

  #sit(): void {
    const { answerTimeout, codec } = this.#options;
    if (this.#identity === undefined || claim(this.#buffer, this.#ticket) === undefined) {
      this.#promote();
      return;
    }
    const values = new ItemValues(this.#store, (codec as Codec<V> | undefined) ?? msgpack<V>(), undefined);
    this.#guest = new Guest<V>({
      ...{ buffer: this.#buffer, identity: this.#identity, ticket: this.#ticket, values, answerTimeout },
      channel: this.#channel as Channel<Notice | Knock, Notice | Knock>,
      promote: () => this.#promote(),
    });
    this.side = this.#guest;
  }

  /** Makes the index, and answers those who ask for it from now on. */
  #promote(): QueueCore<V> {
    const core = new QueueCore<V>(this.#buffer, this.#options, this.#ticket);
    this.side = core;
    if (this.#identity !== undefined && this.#channel !== undefined) {
      const { native } = this.#store;
      this.#host = new Host<V>({
        native,
        core,
        identity: this.#identity,
        ticket: this.#ticket,
        channel: this.#channel,
      });
    }
    return core;
  }

  #receive(message: Notice | Knock): void {
    if (this.#host !== undefined) this.#host.receive(message);
    else if (message.type !== 'knock') this.#guest?.notice(message);
  }

  get isOpen(): boolean {
    return this.#store.status === 'open';
  }

  assertOpen(): void {
    this.#store.assertOpen();
  }

  /** While somebody waits for items of a file, which other threads may store, the thread stays alive. */
  async next(done: LeaseToken[], signal: AbortSignal | undefined): Promise<HeldItem<V> | undefined> {
    this.#waiting += 1;
    this.#channel?.keepAlive(true);
    try {
      return await this.side.next(done, signal);
    } finally {
      this.#waiting -= 1;
      if (this.#waiting === 0) this.#channel?.keepAlive(false);
    }
  }

  /** Leaves it to others. Ends all waiting. */
  leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#guest?.close();
    this.side?.close();
    this.#host?.close();
    if (this.#host !== undefined) unclaim(this.#buffer, this.#ticket);
    this.#store.native.returnTicket(this.#ticket);
    // Only now, so that whoever hears it finds the place free.
    this.#channel?.send({ type: 'left', ticket: this.#ticket });
    this.#channel?.close();
    if (this.#identity !== undefined) runtime().queues.delete(this.#identity);
  }
}
