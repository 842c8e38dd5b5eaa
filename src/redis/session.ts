/** RedisSession: one connection to Redis (and one more to listen, where there is no client tracking) for one cache. */
import type {
  RemoteEntry,
  RemoteEvents,
  RemoteRemoval,
  RemoteSession,
  RemoteWrite,
  WriteMode,
} from '../cache/remote-layer.js';
import { newOrigin, type Stamp } from '../cache/stamp.js';
import type { Argument, RedisConnection, RedisDriver, Reply } from './driver.js';
import type { KeySpace } from './keys.js';
import { formatMeta, type Meta, parseMeta } from './meta.js';
import { HAS, INSERT, READ, REMOVE_IF_NEWEST, type Script, STORE_IF_NEWEST, scripts } from './scripts.js';

/** How a session hears of changes. */
export type Hearing = 'tracking' | 'channel' | 'none';

export interface SessionOptions {
  readonly driver: RedisDriver;
  readonly keys: KeySpace;
  /** 'tracking' where the server allows it, else 'channel'; or one of them. */
  readonly invalidation: boolean | 'tracking' | 'channel';
  /** Milliseconds for which it is known when a key was last written. */
  readonly conflictWindow: number;
}

const NOTHING = Buffer.alloc(0);
const unstamped: Stamp = { time: 0, origin: '' };
/** Reads of a value that does not agree with its meta before it is given up. */
const MOST_READS = 4;

export class Session implements RemoteSession {
  readonly #options: SessionOptions;
  readonly #keys: KeySpace;
  readonly #events: RemoteEvents;
  /** Before messages of this session on the channel. */
  readonly #id = Buffer.from(`${newOrigin()}:`);
  /** Values stored by a script, of which Redis will tell us as if somebody else had: the meta they were stored with. */
  readonly #echoes = new Map<string, string>();
  #connection!: RedisConnection;
  #listener: { close(): void } | undefined;
  #tracking = false;
  #closed = false;
  /** Numbers calls, so that each knows its reply. */
  #calls = 0;
  /** Ends the session, and says so. */
  #lose: (reason: unknown) => void = () => {};

  private constructor(options: SessionOptions, events: RemoteEvents) {
    this.#options = options;
    this.#keys = options.keys;
    this.#events = events;
  }

  static async start(options: SessionOptions, events: RemoteEvents, signal: AbortSignal): Promise<Session> {
    const session = new Session(options, events);
    try {
      await session.#start(signal);
      return session;
    } catch (error) {
      session.close();
      throw error;
    }
  }

  async #start(signal: AbortSignal): Promise<void> {
    const lost = (reason: unknown): void => {
      if (this.#closed) return;
      this.#closed = true;
      this.close();
      this.#events.lost(reason);
    };
    this.#lose = lost;
    const { driver, invalidation } = this.#options;
    const invalidated = (name: Buffer | null): void => {
      if (this.#tracking) this.#invalidated(name);
    };
    this.#connection = await driver.connect({ lost, invalidated }, signal);
    this.#tracking =
      (invalidation === true || invalidation === 'tracking') && (await this.#track(invalidation === true));
    if (invalidation !== false && !this.#tracking) {
      this.#listener = await driver.listen(
        this.#keys.channel,
        { lost, message: (message) => this.#heard(message) },
        signal,
      );
    }
    await Promise.all(scripts.map(({ text }) => this.#connection.send(['SCRIPT', 'LOAD', text])));
    signal.throwIfAborted();
  }

  /** Asks Redis to tell of all keys with the prefix; false where it cannot. */
  async #track(optional: boolean): Promise<boolean> {
    if (!this.#options.driver.tracks) {
      if (optional) return false;
      throw new Error('the client cannot receive invalidations; it takes node-redis 5.9 or later, with RESP 3');
    }
    const { prefix } = this.#keys;
    const named: Argument[] = prefix.length === 0 ? [] : ['PREFIX', prefix];
    try {
      // The client has switched on another kind by itself, which has to go first.
      await this.#connection.send(['CLIENT', 'TRACKING', 'OFF']);
      await this.#connection.send(['CLIENT', 'TRACKING', 'ON', 'BCAST', ...named, 'NOLOOP']);
      return true;
    } catch (error) {
      if (optional && !this.#closed) return false;
      throw error;
    }
  }

  // ---- Hearing ----

  #invalidated(name: Buffer | null): void {
    const key = name === null ? undefined : this.#keys.keyOf(name);
    if (key === undefined) {
      if (name === null) this.#events.changed(undefined);
      return;
    }
    const echo = this.#echoes.get(key);
    if (echo === undefined) {
      this.#events.changed(key);
      return;
    }
    // It may be the echo of our own write; or that of somebody else, since Redis tells once of several.
    this.#echoes.delete(key);
    this.#run(READ, key).then(
      ([, , , meta]) => {
        if (!(meta instanceof Buffer) || meta.toString() !== echo) this.#events.changed(key);
      },
      () => this.#events.changed(key),
    );
  }

  #heard(message: Buffer): void {
    if (message.subarray(0, this.#id.length).equals(this.#id)) return;
    const start = message.indexOf(0x3a) + 1;
    const key = this.#keys.keyOf(message.subarray(start));
    if (key !== undefined) this.#events.changed(key);
  }

  // ---- Reading ----

  async read(key: string): Promise<RemoteEntry | undefined> {
    const name = this.#keys.value(key);
    let before: Buffer | undefined;
    for (let reads = 0; reads < MOST_READS; reads++) {
      const [, left, value, text] = await this.#run(READ, key);
      if (value === null || value === undefined) return undefined;
      if (!(value instanceof Buffer)) return this.#misunderstood();
      const meta = text instanceof Buffer ? parseMeta(text.toString(), name, value) : undefined;
      // Nothing to compare with, or twice the same: somebody else has written it.
      if (meta !== undefined || !(text instanceof Buffer) || before?.equals(value))
        return entryOf(value, Number(left), meta);
      before = value;
    }
    return this.#misunderstood();
  }

  async has(key: string): Promise<boolean> {
    return (await this.#run(HAS, key))[1] === 1;
  }

  async ping(): Promise<void> {
    const call = `${++this.#calls}`;
    const reply = await this.#connection.send(['PING', call]);
    if (`${reply}` !== call) this.#misunderstood();
  }

  // ---- Writing ----

  async write(key: string, write: RemoteWrite, mode: WriteMode): Promise<number | undefined> {
    const { stamp, encoded, remaining, staleFor } = write;
    const name = this.#keys.value(key);
    // What is over already is stored nowhere, but what was there before is gone.
    if (!(remaining > 0)) {
      if (mode === 'if-absent') return (await this.has(key)) ? undefined : stamp.time;
      return (await this.remove(key, stamp, mode)).applied ? stamp.time : undefined;
    }
    const left = remaining === Number.POSITIVE_INFINITY ? '' : `${Math.max(1, Math.ceil(remaining))}`;
    const meta = formatMeta({ stamp, form: encoded.text ? 's' : 'b', staleFor }, name, encoded.bytes);
    const metaLeft = `${Math.ceil(Math.max(this.#options.conflictWindow, staleFor > 0 ? remaining : 0))}`;
    const metaName = this.#keys.meta(key);
    const message = Buffer.concat([this.#id, name]);
    if (mode === 'always') {
      this.#echoes.delete(key);
      await this.#transaction([
        left === '' ? ['SET', name, encoded.bytes] : ['SET', name, encoded.bytes, 'PX', left],
        ['SET', metaName, meta, 'PX', metaLeft],
        ['PUBLISH', this.#keys.channel, message],
      ]);
      return stamp.time;
    }
    const script = mode === 'if-absent' ? INSERT : STORE_IF_NEWEST;
    const args = [encoded.bytes, left, meta, metaLeft, this.#keys.channel, message, `${stamp.time}`, stamp.origin];
    const stored = await this.#runAsOwn(script, key, meta, args);
    return stored ? stamp.time : undefined;
  }

  async remove(key: string, stamp: Stamp, mode: 'always' | 'if-newest'): Promise<RemoteRemoval> {
    const name = this.#keys.value(key);
    const meta = formatMeta({ stamp, form: 'd', staleFor: 0 }, name, NOTHING);
    const metaLeft = `${this.#options.conflictWindow}`;
    const message = Buffer.concat([this.#id, name]);
    if (mode === 'if-newest') {
      const args = [meta, metaLeft, this.#keys.channel, message, `${stamp.time}`, stamp.origin];
      return { applied: await this.#runAsOwn(REMOVE_IF_NEWEST, key, meta, args), previous: undefined };
    }
    this.#echoes.delete(key);
    const [value, left, before] = await this.#transaction([
      ['GET', name],
      ['PTTL', name],
      ['GET', this.#keys.meta(key)],
      ['DEL', name],
      ['SET', this.#keys.meta(key), meta, 'PX', metaLeft],
      ['PUBLISH', this.#keys.channel, message],
    ]);
    if (!(value instanceof Buffer)) return { applied: true, previous: undefined };
    const known = before instanceof Buffer ? parseMeta(before.toString(), name, value) : undefined;
    return { applied: true, previous: entryOf(value, Number(left), known) };
  }

  /** Runs a script that writes, and knows its echo. */
  async #runAsOwn(script: Script, key: string, meta: string, args: readonly Argument[]): Promise<boolean> {
    if (this.#tracking) this.#echoes.set(key, meta);
    const stored = (await this.#run(script, key, args))[1] === 1;
    if (!stored && this.#echoes.get(key) === meta) this.#echoes.delete(key);
    return stored;
  }

  /** Runs a script; its reply, which is known to be that of this call. */
  async #run(script: Script, key: string, args: readonly Argument[] = []): Promise<readonly Reply[]> {
    const call = `${++this.#calls}`;
    const rest = ['2', this.#keys.value(key), this.#keys.meta(key), ...args, call];
    const { send } = this.#connection;
    const reply = await send(['EVALSHA', script.sha, ...rest]).catch((error: unknown) => {
      // Somebody has emptied the server's scripts.
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return send(['EVAL', script.text, ...rest]);
    });
    if (!Array.isArray(reply) || `${reply[0]}` !== `${call}:${reply[1]}`) return this.#misunderstood();
    return reply as readonly Reply[];
  }

  /** A reply is damaged, or belongs to another call: none of this connection can be believed any more. */
  #misunderstood(): never {
    const error = new Error('Redis sent what is no reply to what it was asked: replies are damaged on their way');
    this.#lose(error);
    throw error;
  }

  async #transaction(commands: readonly (readonly Argument[])[]): Promise<readonly Reply[]> {
    const { send } = this.#connection;
    const call = `${++this.#calls}`;
    // All sent before anything else can be; if one is refused, so is the whole, and its error is the one to know.
    const all = [['MULTI'], ...commands, ['ECHO', call], ['EXEC']];
    const results = (await Promise.all(all.map((command) => send(command)))).at(-1);
    if (!Array.isArray(results) || results.length !== commands.length + 1 || `${results.at(-1)}` !== call) {
      return this.#misunderstood();
    }
    const failed = (results as readonly Reply[]).find((reply) => reply instanceof Error);
    if (failed !== undefined) throw failed;
    return results as readonly Reply[];
  }

  close(): void {
    this.#closed = true;
    this.#connection?.close();
    this.#listener?.close();
  }
}

function entryOf(value: Buffer, left: number, meta: Meta | undefined): RemoteEntry {
  const text = meta === undefined ? undefined : meta.form === 's';
  return {
    encoded: { bytes: value, text },
    remaining: left < 0 ? Number.POSITIVE_INFINITY : left,
    staleFor: meta?.staleFor ?? 0,
    stamp: meta?.stamp ?? unstamped,
  };
}
