/** node bench/queue.mjs [keys]: what a DelayQueue costs with many waiting keys, 100 B values, on a file. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { binary, DelayQueue } from '../dist/esm/index.js';

const count = Number(process.argv[2] ?? 1_000_000);
const folder = mkdtempSync(join(tmpdir(), 'mmcb-bench-queue-'));
const value = Buffer.alloc(100, 'x');
const keys = Array.from({ length: count }, (_, i) => `key:${i}`);
const order = keys.map((_, i) => (i * 7_368_787) % count);
let time = 0;

const report = (what, ms) =>
  console.log(`${what.padEnd(28)} ${((ms / count) * 1e6).toFixed(0).padStart(6)} ns   ${Math.round(count / ms)} k/s`);
const measure = (what, work) => {
  const start = performance.now();
  work();
  report(what, performance.now() - start);
};

for (const durability of ['interval', 'process']) {
  console.log(`${count} keys, durability '${durability}'`);
  const queue = await DelayQueue.open(join(folder, durability), {
    delay: 1000,
    durability,
    codec: binary(),
    clock: () => time,
  });
  measure('store, a new key', () => {
    for (let i = 0; i < count; i++) {
      time += 0.001;
      queue.store({ key: keys[i], value });
    }
  });
  measure('store, a waiting key', () => {
    for (let i = 0; i < count; i++) queue.store({ key: keys[order[i]], value });
  });
  const { indexBytes, buffer } = queue.stats();
  console.log(
    `memory for each key: index ${(indexBytes / count).toFixed(1)} B, buffer ${(buffer.tableMemory / count).toFixed(1)} B`,
  );
  time += 10_000;
  measure('retrieve, 100 at a time', () => {
    for (let i = 0; i < count; ) i += queue.retrieve(100).length;
  });
  await queue.close();
}
rmSync(folder, { recursive: true });
