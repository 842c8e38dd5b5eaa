/** Steady random updates: how large does the file get? */
import { statSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { type BufferOptions, CompactableBuffer } from '../../src/index.js';
import { Random } from '../support/random.js';

export interface Load {
  /** Live entries. */
  entries: number;
  /** Updates. */
  operations: number;
  /** Bytes of an entry, on average; each update takes between half and one and a half times that. */
  mean: number;
  seed: number;
  /** Operations between two looks at the file. */
  step?: number;
}

export interface Outcome {
  /** The largest, over all looks, of file size / (live data × extension factor): by stats() and by the file system. */
  worst: { bySize: number; byBlocks: number; atOperation: number };
  last: { bySize: number; byBlocks: number };
  seconds: number;
  compactions: number;
  relocations: number;
  liveData: number;
  fileSize: number;
  errors: unknown[];
}

/** Fills a file, updates at random for as long as it takes, and looks at the size of the file all the time. */
export async function steadyUpdates(file: string, load: Load, options: BufferOptions = {}): Promise<Outcome> {
  const { entries, operations, mean, seed, step = 10_000 } = load;
  const random = new Random(seed);
  const factor = options.extensionFactor ?? 1.3;
  const buffer = await CompactableBuffer.open(file, { compaction: { policy: 'space' }, ...options });
  const errors: unknown[] = [];
  buffer.on('error', (error) => errors.push(error));
  const source = random.bytes(mean * 2);
  const addresses = new Float64Array(entries);
  const sizes = new Uint32Array(entries);
  const next = (): number => Math.floor(mean * (0.5 + random.next()));
  for (let i = 0; i < entries; i++) {
    const size = next();
    sizes[i] = size;
    addresses[i] = buffer.add(source.subarray(0, size));
    if (i % step === 0) await turn();
  }
  const worst = { bySize: 0, byBlocks: 0, atOperation: 0 };
  const last = { bySize: 0, byBlocks: 0 };
  const before = buffer.stats();
  const start = performance.now();
  for (let operation = 1; operation <= operations; operation++) {
    const i = Math.floor(random.next() * entries);
    const size = next();
    buffer.update(addresses[i] as number, source.subarray(0, size));
    sizes[i] = size;
    if (operation % step > 0) continue;
    const { fileSize, dataSize } = buffer.stats();
    const { blocks, size: onDisk } = statSync(file);
    last.bySize = Math.max(fileSize, onDisk) / (dataSize * factor);
    last.byBlocks = (blocks * 512) / (dataSize * factor);
    if (last.bySize > worst.bySize) worst.atOperation = operation;
    worst.bySize = Math.max(worst.bySize, last.bySize);
    worst.byBlocks = Math.max(worst.byBlocks, last.byBlocks);
    if (process.env['MMCB_VERBOSE'] && operation % (step * 10) === 0) {
      console.log(operation, JSON.stringify({ ...last, ...pick(buffer.stats()) }));
    }
    await turn(); // so that events are delivered, as in any program
  }
  const seconds = (performance.now() - start) / 1000;
  const { ok, errors: damage } = await buffer.verify();
  if (!ok) errors.push(...damage);
  const { compactions, relocations, dataSize, fileSize } = buffer.stats();
  const liveData = sizes.reduce((sum, size) => sum + size, 0);
  if (dataSize !== liveData) errors.push(new Error(`stats().dataSize is ${dataSize}, should be ${liveData}`));
  await buffer.close();
  return {
    worst,
    last,
    seconds,
    compactions,
    relocations: relocations - before.relocations,
    liveData,
    fileSize,
    errors,
  };
}

function pick(stats: ReturnType<CompactableBuffer['stats']>): object {
  const { liveBytes, slackBytes, garbageBytes, freeBytes, fileSize, compactions, syncs, relocations } = stats;
  const mib = (bytes: number): number => Math.round(bytes / 2 ** 20);
  return {
    live: mib(liveBytes),
    slack: mib(slackBytes),
    garbage: mib(garbageBytes),
    free: mib(freeBytes),
    file: mib(fileSize),
    compactions,
    syncs,
    relocations,
  };
}

export function describeOutcome({ entries, operations, mean }: Load, outcome: Outcome): string {
  const { worst, last, seconds, compactions, relocations, liveData, fileSize } = outcome;
  const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  return (
    `${entries} entries of ${mean} B ± 50 %, ${operations} updates in ${seconds.toFixed(1)} s ` +
    `(${Math.round(operations / seconds)} per second): the file took at most ${worst.bySize.toFixed(3)} x (live data x ` +
    `extension factor), ${worst.byBlocks.toFixed(3)} x in disk blocks (at operation ${worst.atOperation}); at the end ` +
    `${last.bySize.toFixed(3)} x: ${mib(fileSize)} for ${mib(liveData)}; ${compactions} compactions, ` +
    `${relocations} relocations`
  );
}
