/**
 * Line: asks the host something and sleeps until it has answered, for a time. The way is that of synckit: a message, a word
 * of shared memory to sleep on, and the answer read without the event loop.
 */
import { describe, MmcbError } from '../../errors.js';
import type { NativeBinding } from '../../internal/native.js';
import type { Channel } from './channels.js';
import { hostsHere } from './host.js';
import {
  type CallName,
  type GuestMessage,
  type HostMessage,
  MOST_REQUESTS,
  RequestState,
  WORDS,
  Word,
} from './protocol.js';

/** What a question ends with when the host is not there any more, and has not done what was asked. */
export const GONE = Symbol('gone');

/** Longest sleep between two looks whether the host is still there, in milliseconds. */
const NAP = 25;
/** The same where this thread has guests of its own, which may be the reason why the host is waiting. */
const SHORT_NAP = 1;

export type Answer = Extract<HostMessage, { type: 'answer' }>;

export class Line {
  readonly shared = new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT);
  readonly #words = new Int32Array(this.shared);
  readonly #native: NativeBinding;
  readonly #channel: Channel<HostMessage, GuestMessage>;
  #request = 0;
  /** The number of the request that is waited for, or 0. */
  #awaited = 0;
  #answer: Answer | undefined;

  constructor(native: NativeBinding, channel: Channel<HostMessage, GuestMessage>) {
    this.#native = native;
    this.#channel = channel;
  }

  /** Takes an answer that has come over the channel; false if nobody waits for it any more. */
  receive(answer: Answer): boolean {
    if (answer.id !== this.#awaited) return false;
    this.#answer = answer;
    return true;
  }

  get welcomes(): number {
    return Atomics.load(this.#words, Word.WELCOMES);
  }

  /** Sleeps until the host has welcomed this thread once more than `before`; GONE if it is not there any more. */
  awaitWelcome(before: number, host: number, until: number): typeof GONE | undefined {
    while (this.welcomes === before) {
      if (!this.#native.ticketIsValid(host)) return GONE;
      if (performance.now() >= until) throw noAnswer('Nothing was done');
      this.#sleep(Word.WELCOMES, before, until);
    }
    return undefined;
  }

  /** Asks, and sleeps until there is an answer. Throws MMCB_NO_ANSWER. */
  ask(call: CallName, args: readonly unknown[], host: number, until: number): Answer | typeof GONE {
    this.#request = (this.#request % (MOST_REQUESTS - 1)) + 1;
    this.#awaited = this.#request;
    try {
      return this.#wait(this.#request, call, args, host, until);
    } finally {
      this.#awaited = 0;
    }
  }

  #wait(id: number, call: CallName, args: readonly unknown[], host: number, until: number): Answer | typeof GONE {
    const word = id << 2;
    this.#answer = undefined;
    Atomics.store(this.#words, Word.REQUEST, word | RequestState.ASKED);
    this.#channel.send({ type: 'request', id, call, args });
    for (;;) {
      const state = Atomics.load(this.#words, Word.REQUEST);
      if (state === (word | RequestState.ANSWERED)) break;
      const isGone = !this.#native.ticketIsValid(host);
      if (isGone || performance.now() >= until) {
        if (this.#giveUp(word)) {
          if (isGone) return GONE;
          throw noAnswer('Nothing was done');
        }
        // It is being done, unless it has been since.
        if (Atomics.load(this.#words, Word.REQUEST) === (word | RequestState.ANSWERED)) break;
        throw noAnswer(`Whether '${call}' was done is not known`);
      }
      this.#sleep(Word.REQUEST, state, until);
    }
    this.#channel.drain();
    return this.#answer as unknown as Answer;
  }

  /** True if the host will not do what was asked. */
  #giveUp(word: number): boolean {
    const asked = word | RequestState.ASKED;
    return Atomics.compareExchange(this.#words, Word.REQUEST, asked, word | RequestState.GIVEN_UP) === asked;
  }

  #sleep(word: number, value: number, until: number): void {
    const nap = hostsHere.size === 0 ? NAP : SHORT_NAP;
    Atomics.wait(this.#words, word, value, Math.max(0, Math.min(nap, until - performance.now())));
    for (const host of hostsHere) host.serve();
  }
}

function noAnswer(what: string): MmcbError {
  return new MmcbError('MMCB_NO_ANSWER', `${describe('MMCB_NO_ANSWER')}. ${what}.`);
}
