/**
 * Journal: what a partitioned buffer keeps in its file of each item that was accepted and not settled: a plain entry, or a
 * part of one, for the items of a push come and go together (stored-items.ts).
 *
 * Invariants: an item is in the file before `push` returns, and until its processor has resolved ('at-least-once') or is
 * about to be called ('at-most-once'). Several items that come or go together do so in one call, all or none.
 */
import { CompactableBuffer, storeOf } from '../buffer/compactable-buffer.js';
import { EntryCursor } from '../buffer/entry-cursor.js';
import { claimKind } from '../buffer/file-kind.js';
import type { BufferOptions } from '../buffer/options.js';
import { claimForThread, release } from '../buffer/thread-claim.js';
import { describe, MmcbError } from '../errors.js';
import type { Store } from '../internal/lifecycle.js';
import { EntryKind } from '../internal/native.js';
import { checkPath } from '../internal/options.js';
import { Staging } from '../internal/staging.js';
import { IN_MEMORY, Places, readMarks } from './places.js';
import { type JournalEntry, PackWriter, readItem, readPack, storedItem } from './stored-items.js';

const ADD = 0;

/** One that was found, with its place. */
export interface FoundEntry extends JournalEntry {
  address: number;
}

export class Journal {
  readonly buffer: CompactableBuffer;
  readonly #store: Store;
  readonly #ticket: number;
  readonly #places = new Places();
  /** Stages the items of a push. */
  readonly packs = new PackWriter();
  readonly #staging = new Staging(4096);

  private constructor(buffer: CompactableBuffer, ticket: number) {
    this.buffer = buffer;
    this.#ticket = ticket;
    this.#store = storeOf(buffer);
  }

  /** Opens a file of `kind`. Rejects with MMCB_LOCKED where a thread of this process has it open, and as opening a buffer does. */
  static async open(path: string, kind: string, options: BufferOptions | undefined, owner: string): Promise<Journal> {
    checkPath(path, owner);
    const buffer = await CompactableBuffer.open(path, options);
    try {
      claimKind(buffer, kind);
      return new Journal(buffer, claimForThread(buffer));
    } catch (error) {
      await buffer.close();
      throw error;
    }
  }

  /** Everything in the file, in the order in which it was accepted. */
  load(): FoundEntry[] {
    const found: FoundEntry[] = [];
    const packs: { address: number; items: JournalEntry[] }[] = [];
    const marks = new Map<number, { address: number; bits: Uint8Array }>();
    const cursor = new EntryCursor(this.#store, EntryKind.PLAIN, true);
    while (cursor.advance()) {
      const { address } = cursor;
      const bytes = cursor.take();
      const item = readItem(bytes);
      if (item !== undefined) {
        found.push({ ...item, address });
        continue;
      }
      const items = readPack(bytes);
      const mark = readMarks(bytes);
      if (items !== undefined) packs.push({ address, items });
      else if (mark !== undefined) marks.set(mark.pack, { address, bits: mark.bits });
      else throw new MmcbError('MMCB_CORRUPT', describe('MMCB_CORRUPT', this.buffer.path));
    }
    for (const { address, items } of packs) {
      const mark = marks.get(address);
      marks.delete(address);
      const places = this.#places.add(address, items.length, mark?.address, mark?.bits);
      for (const [i, item] of items.entries()) {
        const place = places[i] as number;
        if (place !== IN_MEMORY) found.push({ ...item, address: place });
      }
    }
    // Of packs that a salvaged file has lost.
    this.remove(Array.from(marks.values(), ({ address }) => address));
    return found.sort((a, b) => a.number - b.number);
  }

  /** Stores items, all or none, each by itself; their addresses. */
  add(entries: readonly JournalEntry[]): number[] {
    if (entries.length === 1) return [this.addOne(entries[0] as JournalEntry)];
    return this.#add(entries.map((entry) => storedItem(entry)));
  }

  /** Stores an item by itself; its address. */
  addOne(entry: JournalEntry): number {
    return this.buffer.add(storedItem(entry, this.#staging));
  }

  /** Stores what was put into `packs`, all or none; the items are numbered from `number` on. Their places, in their order. */
  addPacked(number: number): number[] {
    const { counts } = this.packs;
    const addresses = this.#add(this.packs.finish(number));
    if (addresses.length === 1) return this.#places.add(addresses[0] as number, counts[0] as number);
    return addresses.flatMap((address, i) => this.#places.add(address, counts[i] as number));
  }

  #add(data: Buffer[]): number[] {
    if (data.length === 1) return [this.buffer.add(data[0] as Buffer)];
    const addresses = new Float64Array(data.length);
    this.#batch(new Uint8Array(data.length).fill(ADD), addresses, data);
    return Array.from(addresses);
  }

  /** Replaces an item that was stored by itself. */
  update(address: number, entry: JournalEntry): void {
    this.buffer.update(address, storedItem(entry, this.#staging));
  }

  /** Removes items, all or none. */
  remove(places: readonly number[]): void {
    if (places.length === 0) return;
    if (places.length === 1 && (places[0] as number) >= 0) {
      this.buffer.remove(places[0] as number);
      return;
    }
    const { types, addresses, data, commit } = this.#places.removal(places);
    const done = Float64Array.from(addresses);
    this.#batch(Uint8Array.from(types), done, data);
    commit(done);
  }

  #batch(types: Uint8Array, addresses: Float64Array, data: (Uint8Array | undefined)[]): void {
    const store = this.#store;
    const result = store.native.batch(store.handle, types, addresses, data);
    if (result < 0) throw store.failure(result, 'batch');
    store.changes++;
  }

  async close(): Promise<void> {
    release(this.buffer, this.#ticket);
    await this.buffer.close();
  }
}
