/** A TCP proxy that misbehaves: delays what the server says, cuts it, changes it, or swallows it. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterAll } from 'vitest';
import type { Random } from './random.js';

const proxies = new Set<FaultyProxy>();

export class FaultyProxy {
  /** Milliseconds by which everything that the server says comes later. */
  delay = 0;
  /** Whether what either side says is swallowed: the connections stay. */
  silent = false;
  /** Probability that a chunk of the server's is changed in one byte. */
  corruption = 0;
  /** Connections are refused. */
  refuses = false;
  /** The number of connections ever made. */
  connections = 0;
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  readonly #random: Random;

  private constructor(target: number, random: Random) {
    this.#random = random;
    this.#server = createServer((client) => this.#serve(client, target));
    proxies.add(this);
  }

  /** A proxy for a port of this machine. */
  static async start(target: number, random: Random): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(target, random);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get url(): string {
    return `redis://127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  /** Ends all connections. `after`: once the server has said so many bytes more, in the middle of a reply perhaps. */
  cut(after = 0): void {
    if (after > 0) this.#left = after;
    else for (const pair of this.#pairs) this.#end(pair);
  }
  #left = Number.POSITIVE_INFINITY;

  close(): void {
    this.cut();
    this.#server.close();
  }

  #serve(client: Socket, target: number): void {
    if (this.refuses) {
      client.resetAndDestroy();
      return;
    }
    this.connections += 1;
    const server = connect(target, '127.0.0.1');
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    client.on('data', (chunk) => {
      if (!this.silent) server.write(chunk);
    });
    server.on('data', (chunk) => {
      if (this.silent) return;
      if (this.delay > 0) setTimeout(() => this.#pass(pair, chunk), this.delay);
      else this.#pass(pair, chunk);
    });
    for (const socket of pair) {
      socket.setNoDelay(true);
      socket.on('error', () => this.#end(pair));
      socket.on('close', () => this.#end(pair));
    }
  }

  #pass(pair: readonly [Socket, Socket], chunk: Buffer): void {
    const [client] = pair;
    if (client.destroyed) return;
    const sent = Buffer.from(chunk.subarray(0, this.#left));
    if (this.#random.chance(this.corruption)) {
      const at = this.#random.int(0, sent.length - 1);
      sent[at] = (sent[at] as number) ^ this.#random.int(1, 255);
    }
    client.write(sent);
    if (chunk.length < this.#left) {
      this.#left -= chunk.length;
      return;
    }
    this.#left = Number.POSITIVE_INFINITY;
    client.end();
    setTimeout(() => this.cut(), 5);
  }

  #end(pair: readonly [Socket, Socket]): void {
    this.#pairs.delete(pair);
    for (const socket of pair) socket.destroy();
  }
}

afterAll(() => {
  for (const proxy of proxies) proxy.close();
  proxies.clear();
});
