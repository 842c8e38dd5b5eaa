/**
 * RecordPage: records of several versions, read in one call into the slab. They stay as they are: nothing writes over a
 * page, and a new one is read into other memory.
 */
import { NativeCode } from '../internal/native.js';
import type { Version } from './event.js';
import { type EventFile, isDamage } from './event-file.js';
import { RecordView } from './record.js';

/** Most records of a page. */
export const PAGE = 256;

const NO_KEYS = new Float64Array(0);

/** Told of an event that is damaged. */
export type OnDamage = (version: Version, error: unknown) => void;

export class RecordPage {
  readonly #file: EventFile;
  readonly #onDamage: (version: Version, error: unknown) => void;
  /** The versions that are wanted, and bytes of their records; -1: there is none. */
  #keys: Float64Array = NO_KEYS;
  #toFirstGap = false;
  #sizes: Float64Array = NO_KEYS;
  readonly #view = new RecordView();
  /** Versions that were read, and which of them comes next. */
  #read = 0;
  #next = 0;
  #bytes: Buffer;
  #offset = 0;
  /** The version of the record that `advance` went to. */
  version: Version = 0;

  constructor(file: EventFile, onDamage: OnDamage) {
    this.#file = file;
    this.#onDamage = onDamage;
    this.#bytes = file.store.slab.bytes;
  }

  /** Takes these versions as what is wanted; `toFirstGap`: up to the first of them that is not there. */
  want(keys: Float64Array, toFirstGap = false): void {
    this.#keys = keys;
    this.#toFirstGap = toFirstGap;
    if (this.#sizes.length < keys.length) this.#sizes = new Float64Array(keys.length);
    this.#read = 0;
    this.#next = 0;
  }

  /** Whether all that was wanted has been gone through. */
  get isDone(): boolean {
    return this.#next === this.#keys.length;
  }

  /**
   * The next record that is there, undefined at the end of what was wanted. What is damaged is told and left out. The view is
   * valid until the next call.
   */
  advance(): RecordView | undefined {
    while (this.#next < this.#keys.length) {
      if (this.#next === this.#read && !this.#fill()) continue;
      const index = this.#next++;
      const size = this.#sizes[index] as number;
      if (size < 0) {
        if (this.#toFirstGap) this.#next = this.#keys.length;
        continue;
      }
      const start = this.#offset;
      this.#offset += size;
      this.version = this.#keys[index] as number;
      try {
        return this.#view.readWhole(this.#bytes, start, start + size);
      } catch (error) {
        this.#onDamage(this.version, error);
      }
    }
    return undefined;
  }

  /** Reads as many as fit into the slab; false if the next one could not be read. */
  #fill(): boolean {
    const { store } = this.#file;
    store.assertOpen();
    const { native, handle, slab } = store;
    slab.openWindow();
    const done = native.intGetMany(handle, this.#keys, this.#read, this.#sizes);
    slab.closeWindow();
    if (done <= 0) return this.#fillOne(done);
    this.#bytes = slab.bytes;
    this.#offset = slab.position;
    let total = 0;
    for (let i = this.#read; i < this.#read + done; i++) total += Math.max(0, this.#sizes[i] as number);
    slab.advance(total);
    this.#read += done;
    return true;
  }

  /** One that is larger than the slab, or that cannot be read. */
  #fillOne(code: number): boolean {
    const { store } = this.#file;
    if (code < 0 && code !== -NativeCode.CORRUPT) throw store.failure(code);
    const index = this.#read++;
    try {
      const bytes = this.#file.readOne(this.#keys[index] as number);
      this.#bytes = bytes ?? this.#bytes;
      this.#offset = 0;
      this.#sizes[index] = bytes?.length ?? -1;
      return true;
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#next = this.#read;
      this.#onDamage(this.#keys[index] as number, error);
      return false;
    }
  }
}
