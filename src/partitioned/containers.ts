/**
 * Containers: what one partition has buffered, in the order in which it came, until all of it is taken to be processed.
 * Taking leaves an empty container at once, so that filling never waits for processing (double buffering).
 */
import { IN_MEMORY } from './places.js';
import { compareKeys } from './routing.js';

/** What was taken: `addresses[i]` is where `items[i]` is stored, if there is a file. */
export interface Taken<T> {
  items: T[];
  addresses: number[] | undefined;
}

/** One that was dropped. */
export interface Dropped {
  address: number;
  bytes: number;
}

export interface Container<T> {
  readonly size: number;
  readonly bytes: number;
  /** Takes everything, sorted where that was asked for. O(n), or O(n log n) when sorted. */
  take(): Taken<T>;
  /** Drops the one that came first; undefined if there is none. O(1). */
  dropOldest(): Dropped | undefined;
}

/**
 * Items in columns, so that one that needs no address, size or sorting key costs one place in one array. A column begins
 * with the first value that is needed, and has a hole before it.
 */
export class QueueContainer<T> implements Container<T> {
  #items: T[] = [];
  #first = 0;
  #sorts: unknown[] | undefined;
  #addresses: number[] | undefined;
  #sizes: number[] | undefined;
  bytes = 0;

  get size(): number {
    return this.#items.length - this.#first;
  }

  push(item: T, sort: unknown, address: number, bytes: number): void {
    const index = this.#items.push(item) - 1;
    if (sort !== undefined || this.#sorts !== undefined) {
      this.#sorts ??= new Array(index).fill(undefined);
      this.#sorts.push(sort);
    }
    if (address !== IN_MEMORY) {
      this.#addresses ??= [];
      this.#addresses.push(address);
    }
    if (bytes !== 0 || this.#sizes !== undefined) {
      this.#sizes ??= new Array(index).fill(0);
      this.#sizes.push(bytes);
      this.bytes += bytes;
    }
  }

  take(): Taken<T> {
    const first = this.#first;
    const rest = <E>(column: E[]): E[] => (first === 0 ? column : column.slice(first));
    let items = rest(this.#items);
    let addresses = this.#addresses === undefined ? undefined : rest(this.#addresses);
    if (this.#sorts !== undefined) {
      const sorts = rest(this.#sorts);
      const order = items.map((_, i) => i).sort((a, b) => compareKeys(sorts[a], sorts[b]) || a - b);
      const unsorted = items;
      items = order.map((i) => unsorted[i] as T);
      const places = addresses;
      if (places !== undefined) addresses = order.map((i) => places[i] as number);
    }
    this.#items = [];
    this.#first = 0;
    this.#sorts = undefined;
    this.#addresses = undefined;
    this.#sizes = undefined;
    this.bytes = 0;
    return { items, addresses };
  }

  dropOldest(): Dropped | undefined {
    if (this.size === 0) return undefined;
    const index = this.#first;
    this.#items[index] = undefined as T;
    this.#first += 1;
    const dropped = { address: this.#addresses?.[index] ?? IN_MEMORY, bytes: this.#sizes?.[index] ?? 0 };
    this.bytes -= dropped.bytes;
    if (this.#first * 2 > this.#items.length && this.#first > 1024) this.#trim();
    return dropped;
  }

  #trim(): void {
    for (const column of [this.#items, this.#sorts, this.#addresses, this.#sizes]) column?.splice(0, this.#first);
    this.#first = 0;
  }
}

/** What a map's batch is made of. */
export interface MapEntry<K, V> {
  key: K;
  value: V;
  /** That of `putNewer`; 0 after `put`. */
  version: number | bigint;
  /** Writes that were coalesced into the first: 0 if there was only that one. */
  updates: number;
}

/** An entry as it is buffered. */
export interface MapCell<K, V> extends MapEntry<K, V> {
  sort: unknown;
  address: number;
  /** Its place in the order in which entries were accepted. */
  number: number;
  bytes: number;
}

/** Entries by key, each where its key was first put. */
export class MapContainer<K, V> implements Container<MapEntry<K, V>> {
  #cells = new Map<K, MapCell<K, V>>();
  bytes = 0;

  get size(): number {
    return this.#cells.size;
  }

  get(key: K): MapCell<K, V> | undefined {
    return this.#cells.get(key);
  }

  set(cell: MapCell<K, V>): void {
    const before = this.#cells.get(cell.key);
    this.bytes += cell.bytes - (before?.bytes ?? 0);
    this.#cells.set(cell.key, cell);
  }

  delete(key: K): MapCell<K, V> | undefined {
    const cell = this.#cells.get(key);
    if (cell === undefined) return undefined;
    this.#cells.delete(key);
    this.bytes -= cell.bytes;
    return cell;
  }

  take(): Taken<MapEntry<K, V>> {
    const cells = [...this.#cells.values()];
    if (cells.some(({ sort }) => sort !== undefined)) cells.sort((a, b) => compareKeys(a.sort, b.sort));
    this.#cells = new Map();
    this.bytes = 0;
    return {
      items: cells.map(({ key, value, version, updates }) => ({ key, value, version, updates })),
      addresses: cells[0]?.address === IN_MEMORY ? undefined : cells.map(({ address }) => address),
    };
  }

  dropOldest(): Dropped | undefined {
    for (const key of this.#cells.keys()) return this.delete(key);
    return undefined;
  }
}
