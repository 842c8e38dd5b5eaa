/**
 * Loads: what `getOrLoad` does where there is nothing, or nothing fresh. One load of a key at a time; who comes meanwhile
 * shares it. What was loaded is not stored if the key has been changed meanwhile, because it may be older.
 */
import type { Entry } from './entry.js';
import type { CacheTeller } from './events.js';
import type { Flight, Flights } from './flights.js';
import type { LoadClaims } from './load-claims.js';

/** Gets the value of a key from where it comes from; undefined: there is none. */
export type Loader<V> = (key: string) => Promise<V | undefined> | V | undefined;

export interface LoadTarget {
  /** The entry of a key in the local layers that can be served without asking, be it stale. */
  findTrusted(key: string): Entry | undefined;
  /** Whether it is not stale. */
  isFresh(entry: Entry): boolean;
  /** Stores what was loaded. `flight`: that of the load. */
  storeLoaded(key: string, value: unknown, flight: Flight, settings: LoadSettings): Promise<void>;
}

export interface LoadSettings {
  readonly expiry: number;
  readonly staleFor: number;
  /** 0: that there is nothing is not remembered. */
  readonly negativeExpiry: number;
}

export class Loads {
  readonly #target: LoadTarget;
  readonly #flights: Flights;
  readonly #claims: LoadClaims | undefined;
  readonly #teller: CacheTeller;
  readonly #running = new Map<string, Promise<unknown>>();
  started = 0;
  failed = 0;

  constructor(target: LoadTarget, flights: Flights, claims: LoadClaims | undefined, teller: CacheTeller) {
    this.#target = target;
    this.#flights = flights;
    this.#claims = claims;
    this.#teller = teller;
  }

  /** Loads a key, or waits for the load that is under way. Rejects with the loader's error. */
  load(key: string, loader: Loader<unknown>, settings: LoadSettings): Promise<unknown> {
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    const load = this.#load(key, loader, settings).finally(() => this.#running.delete(key));
    this.#running.set(key, load);
    return load;
  }

  /** Loads that are under way go on, for those who wait for them; but nobody else waits any more. */
  close(): void {
    for (const key of this.#running.keys()) this.#claims?.release(key);
  }

  async #load(key: string, loader: Loader<unknown>, settings: LoadSettings): Promise<unknown> {
    for (;;) {
      // One may have ended between the look that led here and now; or another thread's, that was waited for.
      const entry = this.#target.findTrusted(key);
      if (entry !== undefined && this.#target.isFresh(entry)) return entry.value;
      if (this.#claims === undefined || (await this.#claims.take(key))) break;
    }
    try {
      return await this.#call(key, loader, settings);
    } finally {
      this.#claims?.release(key);
    }
  }

  async #call(key: string, loader: Loader<unknown>, settings: LoadSettings): Promise<unknown> {
    const flight = this.#flights.begin(key);
    const started = performance.now();
    this.started += 1;
    this.#teller.tell('load:start', { key });
    try {
      const value = await loader(key);
      this.#teller.tell('load:stop', { key, duration: performance.now() - started });
      if (!flight.dirty) await this.#target.storeLoaded(key, value, flight, settings);
      return value;
    } catch (error) {
      this.failed += 1;
      this.#teller.tell('load:failed', { key, duration: performance.now() - started, error });
      throw error;
    } finally {
      this.#flights.end(key, flight);
    }
  }
}
