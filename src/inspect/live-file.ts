/**
 * LiveFile follows a file while somebody writes to it: each look reads the head, the headers of (in large files: some) segments,
 * and as many segments as there is time for: first those never seen, then those that changed, then the others in turn.
 */
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { type FileHead, FormatReader } from './format-reader.js';
import type { FilePicture, Sample, SegmentDetail, SegmentPicture } from './model.js';
import { totalsOf } from './totals.js';

/** Samples kept for the timeline: ten minutes at one a second. */
const SAMPLES = 600;
/** Longer entries are not read through again and again. */
const MAX_CHECKED = 64 * 2 ** 20;
/** Segments whose headers are read together, and in one look. */
const HEADERS_AT_ONCE = 64;
const HEADERS_PER_LOOK = 2048;

interface Seen {
  picture: SegmentPicture;
  /** The look in which it last changed. */
  version: number;
  /** It was another one the last time that it was read. */
  isBusy: boolean;
}

export class LiveFile {
  readonly path: string;
  readonly #clock: () => number;
  #reader: FormatReader | undefined;
  #head: FileHead | undefined;
  #problem = '';
  #seen: (Seen | undefined)[] = [];
  #headers: (string | undefined)[] = [];
  #headerTurn = 0;
  #version = 0;
  #turn = 0;
  #reclaimed = 0;
  #sequence = 0;
  #samples: Sample[] = [];
  #looking: Promise<void> | undefined;

  constructor(path: string, clock: () => number = Date.now) {
    this.path = resolve(path);
    this.#clock = clock;
  }

  /** Looks once, for about `budget` milliseconds. What goes wrong is a problem of the picture and no rejection. */
  look(budget: number): Promise<void> {
    this.#looking ??= this.#look(budget).finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  /** The file as of the last look: segments that changed since `version` (0: all). */
  picture(version = 0): FilePicture {
    const head = this.#head?.picture ?? null;
    const seen = this.#seen.filter((one) => one !== undefined);
    return {
      path: this.path,
      problem: this.#problem,
      head,
      totals: totalsOf(
        head ?? { headSize: 0 },
        seen.map(({ picture }) => picture),
      ),
      segments: seen.filter((one) => one.version > version).map(({ picture }) => picture),
      version: this.#version,
      scanned: seen.length,
      samples: this.#samples,
    };
  }

  /** The entries of one segment, as they are now. Undefined where there is no such segment. */
  async entries(index: number, from: number, limit: number): Promise<SegmentDetail | undefined> {
    if (this.#reader === undefined || this.#head === undefined) return undefined;
    if (index >= this.#head.picture.segmentCount) return undefined;
    return this.#reader.entries(this.#head, index, from, limit);
  }

  /** Bytes of the file as they are now; empty behind its end. */
  async bytes(offset: number, length: number): Promise<Buffer> {
    if (this.#reader === undefined || this.#head === undefined) return Buffer.alloc(0);
    const end = Math.min(offset + length, this.#head.picture.fileSize);
    return end <= offset ? Buffer.alloc(0) : this.#reader.bytes(offset, end - offset);
  }

  async close(): Promise<void> {
    await this.#looking;
    await this.#reader?.close();
    this.#reader = undefined;
  }

  async #look(budget: number): Promise<void> {
    this.#version++;
    try {
      const reader = await this.#current();
      this.#head = await reader.head();
      this.#problem = '';
      await this.#readHeaders(reader, this.#head);
      const started = performance.now();
      for (const index of this.#inOrder()) {
        if (this.#seen[index]?.picture.state !== 'tail') await this.#read(reader, this.#head, index);
        if (performance.now() - started > budget) break;
      }
      if (this.picture().scanned === this.#head.picture.segmentCount) this.#sample(this.#head);
    } catch (error) {
      this.#problem = error instanceof Error ? error.message : String(error);
    }
  }

  /** The reader of the file that the path names now: it may have been replaced. */
  async #current(): Promise<FormatReader> {
    const { dev, ino } = await stat(this.path);
    if (this.#reader !== undefined && (await this.#reader.identity()) === `${dev}:${ino}`) return this.#reader;
    await this.#reader?.close();
    this.#reader = undefined;
    this.#forget();
    this.#reader = await FormatReader.open(this.path);
    return this.#reader;
  }

  #forget(): void {
    this.#head = undefined;
    this.#seen = [];
    this.#headers = [];
    this.#samples = [];
    this.#sequence = 0;
    this.#reclaimed = 0;
  }

  /** Notes which segments were taken, emptied or given back: their headers say so. */
  async #readHeaders(reader: FormatReader, { picture }: FileHead): Promise<void> {
    const { segmentCount, segmentSize, headSize } = picture;
    for (const gone of this.#seen.splice(segmentCount)) if (gone !== undefined && isInUse(gone)) this.#reclaimed++;
    this.#headers.length = segmentCount;
    const looked = Math.min(segmentCount, HEADERS_PER_LOOK);
    for (let done = 0; done < looked; done += HEADERS_AT_ONCE) {
      const indexes = Array.from(
        { length: Math.min(HEADERS_AT_ONCE, looked - done) },
        (_, i) => (this.#headerTurn + done + i) % segmentCount,
      ).filter((index) => this.#seen[index] !== undefined);
      const headers = await Promise.all(indexes.map((index) => reader.bytes(headSize + index * segmentSize, 64)));
      headers.forEach((header, i) => {
        const text = header.toString('latin1');
        const index = indexes[i] as number;
        const [known, before] = [this.#seen[index], this.#headers[index]];
        if (known !== undefined && before !== undefined && before !== text) known.isBusy = true;
        this.#headers[index] = text;
      });
    }
    this.#headerTurn = segmentCount === 0 ? 0 : (this.#headerTurn + looked) % segmentCount;
  }

  /** Which segments to read, the most urgent first. */
  *#inOrder(): Generator<number> {
    const count = this.#head?.picture.segmentCount ?? 0;
    for (let i = 0; i < count; i++) if (this.#seen[i] === undefined) yield i;
    for (let i = 0; i < count; i++) if (this.#seen[i]?.isBusy) yield i;
    for (let i = 0; i < count; i++) {
      this.#turn = (this.#turn + 1) % count;
      yield this.#turn;
    }
  }

  async #read(reader: FormatReader, head: FileHead, index: number): Promise<void> {
    const pictures = await reader.segment(head, index, { maxChecked: MAX_CHECKED, isLive: true });
    // What was part of a run that is no more has to be looked at by itself.
    const { runLength = 1 } = this.#seen[index]?.picture ?? {};
    for (let i = index + pictures.length; i < index + runLength; i++) {
      if (this.#seen[i]?.picture.state === 'tail') this.#seen[i] = undefined;
    }
    for (const picture of pictures) {
      const before = this.#seen[picture.index];
      const isSame = before !== undefined && JSON.stringify(before.picture) === JSON.stringify(picture);
      if (before !== undefined && isInUse(before) && picture.state !== 'used') this.#reclaimed++;
      this.#seen[picture.index] = isSame
        ? { ...before, isBusy: false }
        : { picture, version: this.#version, isBusy: before !== undefined };
    }
  }

  #sample({ picture }: FileHead): void {
    const { liveBytes, slackBytes, garbageBytes, freeBytes } = this.picture().totals;
    const before = this.#samples.at(-1);
    const sample: Sample = {
      time: this.#clock(),
      fileSize: picture.fileSize,
      liveBytes,
      slackBytes,
      garbageBytes,
      freeBytes,
      durableEpoch: picture.durableEpoch,
      syncs: before === undefined ? 0 : Math.max(0, picture.sequence - this.#sequence),
      reclaimed: this.#reclaimed,
    };
    this.#sequence = picture.sequence;
    this.#reclaimed = 0;
    this.#samples = [...this.#samples.slice(1 - SAMPLES), sample];
  }
}

function isInUse({ picture }: Seen): boolean {
  return picture.state === 'used' && picture.liveEntries + picture.deadEntries > 0;
}
