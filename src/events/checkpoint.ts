/** Checkpoints: how far a consumer has come, under its name. */
import { type WaitOptions, waitTable } from '../buffer/options.js';
import { readOptions } from '../internal/options.js';
import { checkVersion, type Version } from './event.js';
import { checkpointKey, type EventFile } from './event-file.js';
import { notARecord } from './record.js';

/** What a checkpoint needs of its store. */
export interface CheckpointHome {
  /** Throws MMCB_CLOSED from the beginning of closing on. */
  assertOpen(): void;
  readonly file: EventFile;
  /** The latest version that is shown. */
  latest(): Version;
  /** Waits until what was written is as durable as the store promises. */
  commit(options: WaitOptions): Promise<void>;
}

/**
 * A durable position with a name, for a consumer of events: save the version of the last event that it is done with, and go
 * on from there after a restart.
 *
 * @example
 * const checkpoint = store.checkpoint('mailer');
 * for await (const { event, version } of store.subscribe({ since: await checkpoint.load() })) {
 *   await send(event);
 *   await checkpoint.save(version);
 * }
 */
export class Checkpoint {
  readonly name: string;
  readonly #home: CheckpointHome;

  /** Not for use: see `EventStore.checkpoint`. */
  constructor(home: CheckpointHome, name: string) {
    this.#home = home;
    this.name = name;
  }

  /** The version that was saved last; 0, the start, if none was. */
  async load(options?: WaitOptions): Promise<Version> {
    readOptions(waitTable, options, 'load').signal?.throwIfAborted();
    const { file } = this.#home;
    this.#home.assertOpen();
    const bytes = file.readString(checkpointKey(this.name));
    if (bytes === undefined) return 0;
    if (bytes.length !== 8) throw notARecord();
    return bytes.readDoubleLE(0);
  }

  /**
   * Saves a version, lower ones too; durable as events are. Rejects with a RangeError for a version above the latest.
   * Aborted after the version was saved, only the waiting for the disk ends.
   */
  async save(version: Version, options?: WaitOptions): Promise<void> {
    const wait = readOptions(waitTable, options, 'save');
    wait.signal?.throwIfAborted();
    const { file } = this.#home;
    this.#home.assertOpen();
    checkVersion(version, 'version', this.#home.latest());
    const bytes = Buffer.allocUnsafe(8);
    bytes.writeDoubleLE(version, 0);
    file.set(checkpointKey(this.name), bytes);
    await this.#home.commit(wait);
  }

  /** Forgets the consumer, so that `runGC` need not keep events for it. False if there was nothing. */
  async delete(options?: WaitOptions): Promise<boolean> {
    const wait = readOptions(waitTable, options, 'delete');
    wait.signal?.throwIfAborted();
    const { file } = this.#home;
    this.#home.assertOpen();
    const found = file.remove(checkpointKey(this.name));
    if (found) await this.#home.commit(wait);
    return found;
  }
}
