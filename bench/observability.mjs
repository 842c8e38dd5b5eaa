// What diagnostics channels cost: nothing where nobody has subscribed, and little where somebody has.
//   node bench/observability.mjs [--rounds 15]
// Single entries are not traced at all, so they are measured with and without subscribers; flush, the shortest operation that is
// traced, on a store in memory, where it does nothing else.
import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { binary, CompactableBuffer, StringMap } from '../dist/esm/index.js';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '15' } } });
const ROUNDS = Number(values.rounds);
const ENTRIES = 100_000;
const FLUSHES = 2000;

const names = ['open', 'close', 'flush', 'compaction', 'verify', 'backup'].flatMap((operation) =>
  ['start', 'end', 'asyncStart', 'asyncEnd', 'error'].map((event) => `tracing:mmcb:${operation}:${event}`),
);
names.push('mmcb:sync', 'mmcb:compaction', 'mmcb:recovery', 'mmcb:error');

const buffer = await CompactableBuffer.open(':memory:', { compaction: { policy: 'disabled' } });
const map = new StringMap(buffer, binary());
const value = Buffer.alloc(100);
const keys = Array.from({ length: ENTRIES }, (_, i) => `key ${i}`);
for (const key of keys) map.set(key, value);

const workloads = {
  async 'StringMap get'() {
    const started = performance.now();
    for (const key of keys) map.get(key);
    return ((performance.now() - started) / ENTRIES) * 1e6;
  },
  async 'StringMap set'() {
    const started = performance.now();
    for (const key of keys) map.set(key, value);
    return ((performance.now() - started) / ENTRIES) * 1e6;
  },
  async flush() {
    const started = performance.now();
    for (let i = 0; i < FLUSHES; i++) await buffer.flush();
    return ((performance.now() - started) / FLUSHES) * 1e6;
  },
};

/** One round after the other, in turn, so that both meet the same machine. Nanoseconds each. */
const found = Object.fromEntries(Object.keys(workloads).map((name) => [name, { without: [], with: [] }]));
let messages = 0;
const listener = () => messages++;
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, run] of Object.entries(workloads)) {
    found[name].without.push(await run());
    for (const one of names) subscribe(one, listener);
    found[name].with.push(await run());
    for (const one of names) unsubscribe(one, listener);
  }
}
await buffer.close();

const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];
console.log(`${process.version}, ${ROUNDS} rounds, medians; ${messages} messages`);
for (const [name, { without, with: subscribed }] of Object.entries(found)) {
  const line = `${name.padEnd(16)} no subscriber ${median(without).toFixed(0).padStart(7)} ns`;
  console.log(`${line}   subscribers on all channels ${median(subscribed).toFixed(0).padStart(7)} ns`);
}

// What a traced operation does before anything else, when nobody listens: look at five channels.
const traced = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'].map((event) =>
  channel(`tracing:mmcb:flush:${event}`),
);
let any = 0;
const LOOKS = 10_000_000;
const started = performance.now();
for (let i = 0; i < LOOKS; i++) for (const one of traced) if (one.hasSubscribers) any++;
console.log(
  `looking at five channels ${(((performance.now() - started) / LOOKS) * 1e6).toFixed(1)} ns (${any} subscribers)`,
);
