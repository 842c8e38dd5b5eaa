/** node bench/micro.mjs: what a call costs when its data is in the processor's cache: 100 entries of 100 B, in memory. */
import Benchmark from 'benchmark';
import { binary, CompactableBuffer, IntMap, StringMap } from '../dist/esm/index.js';

const COUNT = 100;
const buffer = CompactableBuffer.openSync(':memory:', { durability: 'process' });
const ints = new IntMap(buffer, binary());
const strings = new StringMap(buffer, binary());
const map = new Map();
const value = Buffer.alloc(100, 'x');
const target = Buffer.alloc(200);
const addresses = Array.from({ length: COUNT }, () => buffer.add(value));
const keys = Array.from({ length: COUNT }, (_, i) => `user:${i}`);
for (let i = 0; i < COUNT; i++) {
  ints.set(i, value);
  strings.set(keys[i], value);
  map.set(i, Buffer.from(value));
}
let i = 0;
const next = () => {
  i = i === COUNT - 1 ? 0 : i + 1;
  return i;
};

const suite = new Benchmark.Suite();
suite.add('nothing (the loop itself)', () => next());
suite.add('buffer.has', () => buffer.has(addresses[next()]));
suite.add('buffer.read', () => buffer.read(addresses[next()]));
suite.add('buffer.readInto', () => buffer.readInto(addresses[next()], target));
suite.add('buffer.update', () => buffer.update(addresses[next()], value));
suite.add('IntMap.get', () => ints.get(next()));
suite.add('IntMap.set', () => ints.set(next(), value));
suite.add('StringMap.get', () => strings.get(keys[next()]));
suite.add('StringMap.set', () => strings.set(keys[next()], value));
suite.add('Map.get and copy', () => Buffer.from(map.get(next())));
suite.add('Map.set of a copy', () => map.set(next(), Buffer.from(value)));
suite.on('cycle', ({ target: { name, stats } }) => {
  console.log(`${name.padEnd(28)} ${(stats.mean * 1e9).toFixed(1).padStart(8)} ns ± ${stats.rme.toFixed(1)} %`);
});
suite.on('complete', () => buffer.closeSync());
suite.run();
