/**
 * Flights: keys that something is under way for (a read from Redis, a write to it, a load). When a key changes meanwhile, what
 * is under way may bring, or have stored, the older value: it is marked, and its result is not kept.
 */
export interface Flight {
  /** The key has changed since the flight began. */
  dirty: boolean;
}

export class Flights {
  readonly #flights = new Map<string, Set<Flight>>();

  begin(key: string): Flight {
    const flight: Flight = { dirty: false };
    const others = this.#flights.get(key);
    if (others === undefined) this.#flights.set(key, new Set([flight]));
    else others.add(flight);
    return flight;
  }

  end(key: string, flight: Flight): void {
    const flights = this.#flights.get(key);
    flights?.delete(flight);
    if (flights?.size === 0) this.#flights.delete(key);
  }

  /** A key has changed (undefined: perhaps any). `own`: the flight that changed it. */
  changed(key: string | undefined, own?: Flight): void {
    const affected = key === undefined ? this.#flights.values() : [this.#flights.get(key) ?? []];
    for (const flights of affected) {
      for (const flight of flights) if (flight !== own) flight.dirty = true;
    }
  }
}
