/**
 * The core workloads of YCSB (Cooper et al., "Benchmarking Cloud Serving Systems with YCSB", 2010): string keys in an order
 * that says nothing, Zipfian popularity, one value per key. Operations come in blocks, and the writes of one block are waited
 * for before the next: engines that write in the background may gather a block, and may answer its reads as of its beginning,
 * as a client of theirs would see it. mmcb and SQLite see every write at once.
 */
import { BLOCK } from '../engines/index.mjs';
import { zipfian } from '../lib/zipfian.mjs';
import { flatNames } from './input.mjs';
import { loading } from './loading.mjs';
import { verifySample } from './verify.mjs';

const [READ, UPDATE, INSERT, MODIFY] = [0, 1, 2, 3];
/** Operation i writes this version: not the one that is there, though a popular key is written often. */
const VERSIONS = 127;
const mixes = [
  ['A: half reads, half updates', { other: UPDATE, share: 0.5 }],
  ['B: 95 % reads, 5 % updates', { other: UPDATE, share: 0.05 }],
  ['C: reads only', { other: UPDATE, share: 0 }],
  ['F: half reads, half read-modify-writes', { other: MODIFY, share: 0.5 }],
  ['D: 95 % reads of the latest, 5 % inserts', { other: INSERT, share: 0.05, latest: true }],
];

export function ycsbWorkloads(input) {
  const { entries, operations, values, mask } = input;
  const most = entries + operations; // D inserts
  const names = flatNames(most, (i) => `user${hash(i)}${i}`);
  const verify = (store) => verifySample(input, (key) => store.get(names[key]));
  return [
    loading('load', input, (i) => names[i], verify),
    ...mixes.map(([name, mix]) => {
      const plan = mix.latest ? latestPlan(input, mix) : zipfianPlan(input, mix);
      return {
        name,
        count: operations,
        needs: ['get', 'set'],
        writes: mix.share > 0,
        settles: mix.share > 0,
        run: (store) => loop(store, plan, names, values, mask),
        expected: () => plan.reads * input.size,
        done: (store) => {
          if (mix.latest || mix.share === 0) return;
          plan.keys.forEach((key, i) => {
            if (plan.kinds[i] !== READ) input.versions[key] = i & VERSIONS;
          });
          verify(store);
        },
      };
    }),
  ];
}

function loop(store, { keys, kinds }, names, values, mask) {
  return (from, to) => {
    let bytes = 0;
    for (let i = from; i < to; i++) {
      const key = keys[i];
      const kind = kinds[i];
      if (kind === READ) bytes += store.get(names[key]).length;
      else {
        if (kind === MODIFY) bytes += store.get(names[key]).length;
        store.set(names[key], values[(key + 7 * (i & VERSIONS)) & mask]);
      }
    }
    return bytes;
  };
}

function zipfianPlan({ operations, zipfian: popular, random }, { other, share }) {
  const kinds = Uint8Array.from({ length: operations }, () => (random() < share ? other : READ));
  // Another part of the sequence for each mix.
  const shift = Math.floor(random() * operations);
  const keys = Uint32Array.from({ length: operations }, (_, i) => popular[(i + shift) % operations]);
  return { keys, kinds, reads: kinds.filter((kind) => kind === READ || kind === MODIFY).length };
}

/** Reads go to what was inserted last, as far as its insertion has been waited for, as in YCSB. */
function latestPlan({ entries, operations, random }, { other, share }) {
  const age = zipfian(entries, random);
  const kinds = new Uint8Array(operations);
  const keys = new Uint32Array(operations);
  let inserted = entries;
  let acknowledged = entries;
  let reads = 0;
  for (let i = 0; i < operations; i++) {
    if (i % BLOCK === 0) acknowledged = inserted;
    kinds[i] = random() < share ? other : READ;
    if (kinds[i] === READ) {
      keys[i] = acknowledged - 1 - age();
      reads++;
    } else keys[i] = inserted++;
  }
  return { keys, kinds, reads };
}

/** FNV-1a of the four bytes of a number. */
function hash(number) {
  let state = 0x811c9dc5;
  for (let shift = 0; shift < 32; shift += 8) state = Math.imul(state ^ ((number >>> shift) & 255), 0x01000193);
  return state >>> 0;
}
