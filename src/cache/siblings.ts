/**
 * Siblings: caches over the same file, in the threads of one process. The file is one, but each has a memory layer of its
 * own; so who changes an entry says so to the others, on a BroadcastChannel, as soon as there are others.
 *
 * Whether there are is written in the file, before the second one reads anything from it: so a change that is made when the
 * file says nothing was made before the second one had anything in memory.
 */
import { readFileSync } from 'node:fs';
import { BroadcastChannel } from 'node:worker_threads';
import { identityOf } from '../buffer/file-identity.js';
import { KeyedBatch } from '../buffer/keyed-batch.js';
import { type FileLayer, ownBytes } from './file-layer.js';

/** Who has opened the file in this run of the process. */
const OPENER = 'mmcb:opener';
/** There when a second one has. */
const SHARED = 'mmcb:shared';
/** String keys of ours in a file: the opener and the mark of its kind; and the third, where that is. */
const OWN_ENTRIES = 2;
const NOTHING = new Uint8Array();

export type SiblingMessage = { readonly kind: 'changed' | 'loaded'; readonly key: string };

export class Siblings {
  readonly #file: FileLayer;
  readonly #channel: BroadcastChannel;
  #shared = false;

  /** `origin`: a name for this cache; `receive` is called with what the others say. */
  constructor(file: FileLayer, origin: string, receive: (message: SiblingMessage) => void) {
    this.#file = file;
    this.#channel = new BroadcastChannel(`mmcb:cache:${identityOf(file.buffer.path)}`);
    this.#channel.unref();
    this.#channel.onmessage = (event: unknown) => receive((event as { data: SiblingMessage }).data);
    while (!this.#enter(`${runOfProcess()} `, origin)) {} // somebody else came or went meanwhile
    file.ownEntries = OWN_ENTRIES;
    void this.shared;
  }

  /** Says in the file that this cache is there; false where what it has found there is no longer so. */
  #enter(run: string, origin: string): boolean {
    const opener = this.#file.own(OPENER);
    const batch = new KeyedBatch();
    if (opener?.startsWith(run)) batch.require(OPENER, ownBytes(opener)).set(SHARED, NOTHING);
    else {
      // Nobody of this run has the file open; a run before may have left it as it was.
      if (opener === undefined) batch.insert(OPENER, ownBytes(run + origin));
      else batch.require(OPENER, ownBytes(opener)).set(OPENER, ownBytes(run + origin));
      batch.discard(SHARED);
    }
    return batch.commitIfCurrent(this.#file.store);
  }

  #leave(): void {
    if (this.shared) return;
    try {
      // Unless somebody has come meanwhile: then there is what cannot be inserted.
      new KeyedBatch().insert(SHARED, NOTHING).delete(SHARED).discard(OPENER).commit(this.#file.store);
    } catch {
      // A full or failed file: who opens it next takes us for one who is there, and tells us of changes.
    }
  }

  /** Whether others may have the file open. Once true, it stays so until the file is opened anew. */
  get shared(): boolean {
    // Looked up each time, because the second one may have come a moment ago.
    if (!this.#shared && this.#file.hasOwn(SHARED)) {
      this.#shared = true;
      this.#file.ownEntries = OWN_ENTRIES + 1;
    }
    return this.#shared;
  }

  tell(message: SiblingMessage): void {
    if (this.shared) this.#channel.postMessage(message);
  }

  /** Before the file is closed. */
  close(): void {
    this.#leave();
    this.#channel.close();
  }
}

let run: number | undefined;

/** A number for this process, other than that of processes before it: a hash of its number and start. */
export function runOfProcess(): number {
  if (run !== undefined) return run;
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(`${process.pid} ${startOfProcess()}`)) hash = Math.imul(hash ^ byte, 0x01000193);
  run = hash >>> 0;
  return run;
}

/** When this process started: the 22nd field of /proc/self/stat, the 20th behind the name; elsewhere to the second. */
function startOfProcess(): string {
  try {
    const stat = readFileSync('/proc/self/stat', 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return `${Math.round(Date.now() / 1000 - process.uptime())}`;
  }
}
