// Makes the golden files of the present format version: small files in every state that a file can be found in, and what
// has to be found in them. They are made once for each format version, by the last code before its release, and opened by
// every later version (test/unit/golden-files.test.ts).
//   node scripts/golden-files.mjs
// Made again they differ in what is random in a file (its id, incarnations, times) and in nothing else.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { root } from './lib/run.mjs';

const self = fileURLToPath(import.meta.url);
const { binary, CompactableBuffer, IntMap, StringMap } = await import('../dist/esm/index.js');
const FORMAT = 1;
const target = join(root, 'test', 'fixtures', 'format', `v${FORMAT}`);
const small = { initialSize: 0, segmentSize: 16_384, compaction: { policy: 'disabled' }, syncInterval: 2 ** 31 - 1 };

/** Bytes that need not be stored to be known. */
const bytes = (seed, length) => {
  const result = Buffer.alloc(length);
  let state = seed + 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    result[i] = state >>> 24;
  }
  return result;
};

const maps = (buffer) => ({
  buffer,
  ints: new IntMap(buffer, binary()),
  strings: new StringMap(buffer, binary()),
  plain: [],
});

/** Entries of every kind: plain, with int keys and string keys of every sort, from a batch, a wide one, updated ones. */
function fill({ buffer, ints, strings, plain }, from = 0) {
  for (let i = from; i < from + 40; i++) {
    plain.push(buffer.add(bytes(i, i * 5)));
    ints.set((i - 20) * 1_000_003, bytes(1000 + i, 30 + i));
    strings.set(`key ${i}`, bytes(2000 + i, 50));
  }
  for (const key of [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 0]) ints.set(key, bytes(from, 9));
  for (const key of ['', '\0', 'schlüssel', '鍵', '\u{1f511}', '\ud83d']) strings.set(key, bytes(from + 1, 7));
  plain.push(buffer.add(bytes(from + 2, 40_000)));
  const added = buffer.batch([
    { type: 'add', data: bytes(from + 3, 100) },
    { type: 'add', data: bytes(from + 4, 0) },
    { type: 'update', address: plain[3], data: bytes(from + 5, 600) },
    { type: 'remove', address: plain.splice(4, 1)[0] },
  ]);
  plain.push(added[0], added[1]);
  ints.setMany([...Array(10).keys()].map((i) => [i * 7 + 1, bytes(from + 10 + i, 64)]));
  for (let i = 10; i < 20; i++) buffer.update(plain[i], bytes(3000 + i, 20 + i * 9));
  for (let i = 20; i < 26; i++) buffer.remove(plain.splice(20, 1)[0]);
  strings.delete('key 7');
}

/** What is in a store: address, length and hash of every entry, and the addresses of the keys. */
function contents({ buffer, ints, strings }) {
  const hash = (data) => createHash('sha256').update(data).digest('base64url');
  const entries = [...buffer.entries()]
    .map(([address, data]) => [address, data.length, hash(data)])
    .sort((a, b) => a[0] - b[0]);
  const keyed = (map) => [...map.keys()].map((key) => [key, map.address(key)]).sort((a, b) => a[1] - b[1]);
  return { entries, ints: keyed(ints), strings: keyed(strings) };
}

/** Runs one of the children below and takes its file as it is left by a kill. */
async function killed(name, file) {
  const child = spawn(process.execPath, [self, name, file], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  for await (const chunk of child.stdout) {
    output += chunk;
    if (output.endsWith('\n')) child.kill('SIGKILL');
  }
  const written = JSON.parse(output);
  return written;
}

/** They print what is durable and what there is, and wait to be killed. */
const children = {
  /** Changes after the last sync point: gone after a reboot. */
  async killed(file) {
    const store = maps(await CompactableBuffer.open(file, small));
    fill(store);
    await store.buffer.flush();
    const durable = contents(store);
    fill(store, 100);
    store.ints.delete(0);
    return { durable, newest: contents(store) };
  },
  /** The same in durability 'process', where durable versions are overwritten. */
  async process(file) {
    const store = maps(await CompactableBuffer.open(file, { ...small, durability: 'process' }));
    fill(store);
    await store.buffer.flush();
    fill(store, 100);
    return { newest: contents(store) };
  },
};

async function make() {
  mkdirSync(target, { recursive: true });
  const folder = mkdtempSync(join(root, 'build', 'golden-'));
  try {
    const save = (name, file, expected) => {
      // Most of a small file is zeros.
      writeFileSync(join(target, `${name}.mmcb.gz`), gzipSync(readFileSync(file), { level: 9 }));
      writeFileSync(join(target, `${name}.json`), `${JSON.stringify(expected)}\n`);
    };
    const open = async (name, options = {}) =>
      maps(await CompactableBuffer.open(join(folder, `${name}.mmcb`), { ...small, ...options }));

    let store = await open('empty');
    await store.buffer.close();
    save('empty', store.buffer.path, {
      recovery: { status: 'clean', entries: 0, marker: null },
      contents: { entries: [], ints: [], strings: [] },
    });

    store = await open('clean');
    fill(store);
    const all = contents(store);
    await store.buffer.close();
    save('clean', store.buffer.path, {
      recovery: { status: 'clean', entries: all.entries.length, marker: null },
      contents: all,
    });

    // One byte of one entry, in a file that is then not opened by anybody before the test: strict refuses, salvage tells.
    const data = readFileSync(store.buffer.path);
    const victim = bytes(2010, 50);
    data[data.indexOf(victim) + 20] ^= 0x10;
    const damagedFile = join(folder, 'damaged.mmcb');
    writeFileSync(damagedFile, data);
    const lost = all.strings.find(([key]) => key === 'key 10')[1];
    const without = {
      entries: all.entries.filter(([address]) => address !== lost),
      ints: all.ints,
      strings: all.strings.filter(([key]) => key !== 'key 10'),
    };
    save('damaged', damagedFile, {
      refused: 'MMCB_CORRUPT',
      options: { recovery: 'salvage' },
      recovery: { status: 'salvaged', entries: without.entries.length, lost: 1, quarantined: 1 },
      damagedKeys: ['key 10'],
      contents: without,
    });
    // The same after it has been salvaged: the marker is set.
    const salvagedFile = join(folder, 'salvaged.mmcb');
    copyFileSync(damagedFile, salvagedFile);
    const salvaged = await CompactableBuffer.open(salvagedFile, { ...small, recovery: 'salvage' });
    const { marker } = salvaged.recovery;
    await salvaged.close();
    save('salvaged', salvagedFile, {
      recovery: { status: 'clean', entries: without.entries.length, lost: 0, quarantined: 0, marker },
      contents: without,
    });

    store = await open('compacted');
    fill(store);
    for (let i = 0; i < 400; i++) store.ints.set(i * 11, bytes(i, 200));
    for (let i = 0; i < 400; i++) if (i % 8 !== 0) store.ints.delete(i * 11);
    await store.buffer.compact();
    store.strings.set('after', bytes(1, 10));
    const compacted = contents(store);
    await store.buffer.close();
    save('compacted', store.buffer.path, {
      recovery: { status: 'clean', entries: compacted.entries.length, marker: null },
      contents: compacted,
    });

    // Copied to another machine, or after a reboot: another boot id, another inode.
    const killedFile = join(folder, 'killed.mmcb');
    const { durable, newest } = await killed('killed', killedFile);
    save('killed', killedFile, {
      recovery: { status: 'rolled back', entries: durable.entries.length, marker: null },
      contents: durable,
    });
    // With a journal that is armed, as by a kill in the middle of an update: it is of no concern as of the sync point.
    const armed = readFileSync(killedFile);
    armed.writeUInt32LE(1, 12_288);
    const armedFile = join(folder, 'journal.mmcb');
    writeFileSync(armedFile, armed);
    save('journal', armedFile, {
      recovery: { status: 'rolled back', entries: durable.entries.length, marker: null },
      contents: durable,
    });
    if (newest.entries.length === durable.entries.length) throw new Error('nothing was written after the sync point');

    const processFile = join(folder, 'process.mmcb');
    const overwritten = await killed('process', processFile);
    save('process', processFile, {
      recovery: {
        status: 'salvaged',
        entries: overwritten.newest.entries.length,
        lost: 0,
        quarantined: 0,
        marker: null,
      },
      contents: overwritten.newest,
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const [child, file] = process.argv.slice(2);
if (child === undefined) {
  await make();
} else {
  console.log(JSON.stringify(await children[child](file)));
  setInterval(() => {}, 1 << 30); // until the kill
}
