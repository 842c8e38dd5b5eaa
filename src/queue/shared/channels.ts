/** BroadcastChannels as they are used here: they keep no thread alive unless told to, and can be read without an event. */
import { BroadcastChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads';

export class Channel<In, Out> {
  readonly #channel: BroadcastChannel;
  readonly #receive: (message: In) => void;
  #closed = false;

  constructor(name: string, receive: (message: In) => void) {
    this.#receive = receive;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = (event) => {
      // One may be on its way here when the channel is closed.
      if (!this.#closed) receive((event as { data: In }).data);
    };
    this.#channel.unref();
  }

  /** It is with all who listen when this returns. */
  send(message: Out): void {
    if (!this.#closed) this.#channel.postMessage(message);
  }

  /** Receives what has come, without waiting for the event loop. */
  drain(): void {
    while (!this.#closed) {
      const next = receiveMessageOnPort(this.#channel as unknown as MessagePort);
      if (next === undefined) return;
      this.#receive(next.message as In);
    }
  }

  /** Whether the thread stays alive for what may come. */
  keepAlive(wanted: boolean): void {
    if (this.#closed) return;
    if (wanted) this.#channel.ref();
    else this.#channel.unref();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#channel.close();
  }
}
