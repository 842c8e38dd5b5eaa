// Reads what dm-log-writes has logged (Linux, Documentation/admin-guide/device-mapper/log-writes.rst), and makes images of
// what a power cut at some entry could have left: everything up to the last flush, and a random part of what came after it.
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { copyDisk } from './machine.mjs';

const SECTOR = 512;
const FLUSH = 1;
const FUA = 2;
const DISCARD = 4;
const MARK = 8;

export class WriteLog {
  #file;
  entries = [];

  constructor(path) {
    this.#file = openSync(path, 'r');
    const head = this.#read(0, SECTOR);
    if (head.readBigUInt64LE(0) !== 0x6a736677736872n) throw new Error(`${path} is no log of writes`);
    const count = Number(head.readBigUInt64LE(16));
    const sectorSize = head.readUInt32LE(24);
    let at = sectorSize;
    for (let i = 0; i < count; i++) {
      const bytes = this.#read(at, 32);
      const [sector, sectors, flags] = [0, 8, 16].map((offset) => Number(bytes.readBigUInt64LE(offset)));
      at += sectorSize;
      const entry = { position: sector * SECTOR, length: sectors * SECTOR, flags, at };
      if (!(flags & (DISCARD | MARK))) at += entry.length;
      this.entries.push(entry);
    }
  }

  close() {
    closeSync(this.#file);
  }

  /** What the writer had been told was on the disk when entry i was written (--ack-in). */
  acknowledged() {
    let last = 0;
    return this.entries.map((entry) => {
      if (entry.length === 4096 && !(entry.flags & (DISCARD | MARK))) {
        const bytes = this.#read(entry.at, 24);
        if (bytes.toString('latin1', 0, 16) === 'mmcb acknowledge') last = Number(bytes.readBigUInt64LE(16));
      }
      return last;
    });
  }

  /**
   * Calls `use(index)` for each of the (sorted) indexes, with an image of a power cut behind that entry in `image`.
   * `disk`: what was on the disk before the log; it is changed.
   */
  async replay(disk, indexes, image, random, use) {
    const target = openSync(disk, 'r+');
    let pending = [];
    let next = 0;
    try {
      for (const [index, entry] of this.entries.entries()) {
        if (entry.flags & FLUSH) {
          for (const one of pending) this.#put(target, one);
          pending = [];
        }
        if (entry.flags & FUA) this.#put(target, entry);
        else if (entry.length !== 0 && !(entry.flags & MARK)) pending.push(entry);
        for (; indexes[next] === index; next++) {
          copyDisk(disk, image);
          this.#lose(image, pending, random);
          if ((await use(index)) === false) return;
        }
      }
    } finally {
      closeSync(target);
    }
  }

  /** Some of the writes get there, and of some only some sectors. */
  #lose(image, pending, random) {
    const share = random.pick([0, 0.1, 0.5, 0.9, 1]);
    const target = openSync(image, 'r+');
    for (const entry of pending) {
      if (random.chance(share)) this.#put(target, entry);
      else if (random.chance(0.1)) this.#put(target, entry, random);
    }
    closeSync(target);
  }

  #put(target, { position, length, flags, at }, random) {
    const bytes = flags & DISCARD ? Buffer.alloc(length) : this.#read(at, length);
    if (random === undefined) writeSync(target, bytes, 0, length, position);
    else {
      for (let offset = 0; offset < length; offset += SECTOR) {
        if (random.chance(0.5)) writeSync(target, bytes, offset, SECTOR, position + offset);
      }
    }
  }

  #read(position, length) {
    const bytes = Buffer.alloc(length);
    if (readSync(this.#file, bytes, 0, length, position) !== length) throw new Error('the log of writes is cut short');
    return bytes;
  }
}
