/** mmcb bench: what this machine and this disk give, in half a minute. Not a comparison; that is `npm run bench`. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';
import { CompactableBuffer } from '../../buffer/compactable-buffer.js';
import { binary } from '../../codec/binary.js';
import { StringMap } from '../../map/string-map.js';
import type { Command } from '../command.js';
import { ExitCode } from '../exit-codes.js';
import { aligned, bytes, count, counted, milliseconds, perSecond } from '../figures.js';

export interface BenchArguments {
  entries: number;
  /** Bytes of a value. */
  size: number;
}

interface Measured {
  name: string;
  operations: number;
  ms: number;
  perSecond: number;
}

/** Flushes that are timed one by one. */
const FLUSHES = 50;
/** Operations between two looks at the signal. */
const STRIDE = 10_000;

export async function bench(folder: string, { entries, size }: BenchArguments, command: Command): Promise<number> {
  const { output } = command;
  const place = mkdtempSync(join(resolve(folder), 'mmcb-bench-'));
  try {
    const run = new Bench(join(place, 'bench.mmcb'), entries, size, command);
    const result = await output.progress('measuring', (onProgress) => run.all(onProgress));
    output.report({ folder, entries, size, ...result }, () => [
      `${counted(entries, 'entry', 'entries')} of ${bytes(size)} in ${folder}, ${process.version} on ${process.platform}-${process.arch}`,
      '',
      ...aligned([
        ['', 'per second', 'each'],
        ...result.measured.map(({ name, operations, ms, perSecond: rate }) => [
          name,
          count(rate),
          `${((ms / operations) * 1000).toFixed(2)} µs`,
        ]),
      ]),
      '',
      `flush of one change: median ${milliseconds(result.flush.median)}, 9 of 10 within ${milliseconds(result.flush.p90)}, longest ${milliseconds(result.flush.max)}`,
      `file: ${bytes(result.fileSize)} for ${bytes(entries * size * 2)} of values`,
      'Calls return when the process can die; flush() when the power can fail. Random keys, one thread.',
    ]);
    return ExitCode.OK;
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

class Bench {
  readonly #measured: Measured[] = [];
  readonly #order: Uint32Array;
  readonly #value: Buffer;

  constructor(
    readonly path: string,
    readonly entries: number,
    readonly size: number,
    readonly command: Command,
  ) {
    this.#order = shuffled(entries);
    this.#value = Buffer.alloc(size, 'mmcb');
  }

  async all(onProgress: (progress: { phase: string; done: number; total: number }) => void): Promise<{
    measured: Measured[];
    flush: { median: number; p90: number; max: number };
    fileSize: number;
  }> {
    const { entries } = this;
    const value = this.#value;
    const order = this.#order;
    const steps = 7;
    const at = (phase: string, done: number): void => onProgress({ phase, done, total: steps });

    let buffer = await CompactableBuffer.open(this.path);
    try {
      const addresses = new Float64Array(entries);
      at('add', 0);
      await this.#measure('add', (i) => {
        addresses[i] = buffer.add(value);
      });
      at('read', 1);
      await this.#measure('read', (i) => buffer.read(addresses[order[i] as number] as number));
      at('update', 2);
      await this.#measure('update', (i) => buffer.update(addresses[order[i] as number] as number, value));
      const map = new StringMap(buffer, binary());
      at('set', 3);
      await this.#measure('StringMap set', (i) => map.set(`key-${order[i]}`, value));
      at('get', 4);
      await this.#measure('StringMap get', (i) => map.get(`key-${order[i]}`));
      at('flush', 5);
      await buffer.flush();
      const flush = await this.#flushes(buffer, addresses);
      at('open', 6);
      await buffer.close();
      const started = performance.now();
      buffer = await CompactableBuffer.open(this.path);
      this.#add('open, entries', buffer.stats().count, performance.now() - started);
      return { measured: this.#measured, flush, fileSize: statSync(this.path).size };
    } finally {
      await buffer.close();
    }
  }

  async #measure(name: string, operation: (index: number) => unknown): Promise<void> {
    let ms = 0;
    for (let from = 0; from < this.entries; from += STRIDE) {
      const to = Math.min(this.entries, from + STRIDE);
      const started = performance.now();
      for (let i = from; i < to; i++) operation(i);
      ms += performance.now() - started;
      await setImmediate(); // for Ctrl-C
      this.command.signal.throwIfAborted();
    }
    this.#add(name, this.entries, ms);
  }

  async #flushes(
    buffer: CompactableBuffer,
    addresses: Float64Array,
  ): Promise<{ median: number; p90: number; max: number }> {
    const times: number[] = [];
    for (let i = 0; i < FLUSHES; i++) {
      buffer.update(addresses[i % this.entries] as number, this.#value);
      const started = performance.now();
      await buffer.flush({ signal: this.command.signal });
      times.push(performance.now() - started);
    }
    times.sort((a, b) => a - b);
    const at = (share: number): number => times[Math.min(FLUSHES - 1, Math.floor(FLUSHES * share))] as number;
    return { median: at(0.5), p90: at(0.9), max: at(1) };
  }

  #add(name: string, operations: number, ms: number): void {
    this.#measured.push({ name, operations, ms, perSecond: perSecond(operations, ms) });
  }
}

/** 0 to n - 1 in random order (Fisher-Yates), the same each time (Park-Miller). */
function shuffled(n: number): Uint32Array {
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  let state = 1;
  for (let i = n - 1; i > 0; i--) {
    state = (state * 48_271) % 2_147_483_647;
    const j = state % (i + 1);
    const kept = order[i] as number;
    order[i] = order[j] as number;
    order[j] = kept;
  }
  return order;
}
