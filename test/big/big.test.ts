/** A file beyond 4 GiB, really written, with entries on both sides of 2 and 4 GiB, one of them of 1 GiB. */
import { createHash } from 'node:crypto';
import { rmSync, statfsSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { type Address, CompactableBuffer } from '../../src/index.js';
import { Random } from '../support/random.js';
import { tempFile } from '../support/temp.js';

const KIB = 2 ** 10;
const MIB = 2 ** 20;
const GIB = 2 ** 30;

const file = tempFile('big');
const { bavail, bsize } = statfsSync(tmpdir());
const free = bavail * bsize;
const skip = free < 8 * GIB;
if (skip)
  console.warn(
    `SKIPPED: files beyond 4 GiB; the temporary folder has ${Math.floor(free / MIB)} MiB free, 8 GiB needed`,
  );

afterEach(() => rmSync(file, { force: true }));

describe('a file beyond 4 GiB', () => {
  it.skipIf(skip)(
    'holds entries anywhere, one of 1 GiB among them, and has them after reopening',
    async () => {
      const options = { extensionFactor: 1, compaction: { policy: 'disabled' } } as const;
      let buffer = await CompactableBuffer.open(file, options);
      const bytes = patterned(GIB);
      const blocks = new Map<Address, Buffer>();
      const small = new Map<Address, string>();
      const add = (text: string): Address => {
        const address = buffer.add(text);
        small.set(address, text);
        return address;
      };
      /** Small entries behind `limit`: they go where there is room, so the room before it is filled first. */
      const addBehind = (limit: number): void => {
        for (let i = 0; buffer.readHeader(add(`behind ${limit}: ${i}`)).offset < limit; i++) {
          if (i > 500) throw new Error(`no small entry gets behind ${limit}`);
          const filler = bytes.subarray(i, i + 60 * KIB);
          blocks.set(buffer.add(filler), filler);
        }
        for (let i = 0; i < 100; i++) add(`together behind ${limit}: ${i}`);
      };
      addBehind(0);
      for (let i = 0; i < 14; i++) {
        const block = bytes.subarray(i * 4096, i * 4096 + 240 * MIB + i);
        blocks.set(buffer.add(block), block);
        if (i === 9) addBehind(2 * GIB);
        await buffer.flush();
      }
      const giant = buffer.add(bytes);
      addBehind(4 * GIB);
      expect(statSync(file).size).toBeGreaterThan(4 * GIB);
      const { offset, dataSize } = buffer.readHeader(giant);
      expect(dataSize).toBe(GIB);
      expect(offset + dataSize).toBeGreaterThan(4 * GIB);

      // Updates that stay and updates that move, on both sides.
      for (const [i, address] of [...small.keys()].entries()) {
        if (i % 3 === 0) continue;
        const text = `${small.get(address)}, updated${i % 3 === 1 ? '' : '!'.repeat(2000)}`;
        buffer.update(address, text);
        small.set(address, text);
      }
      for (let i = 0; i < 300; i++) add(`late ${i}`.repeat(1000));

      const wanted = createHash('sha1').update(bytes).digest('hex');
      expect(await hashOf(buffer, giant)).toBe(wanted);
      await buffer.close();

      buffer = await CompactableBuffer.open(file, options);
      expect(buffer.recovery).toMatchObject({ status: 'clean', entries: blocks.size + small.size + 1 });
      expect(await hashOf(buffer, giant)).toBe(wanted);
      for (const [address, text] of small) expect(buffer.read(address).toString() === text).toBe(true);
      for (const [address, block] of blocks) {
        const equal = buffer.view(address, (stored) => Buffer.compare(stored, block) === 0);
        expect(equal).toBe(true);
      }
      expect(buffer.read(giant).subarray(-5).equals(bytes.subarray(-5))).toBe(true);
      expect((await buffer.verify()).errors).toEqual([]);

      // And it gets small again.
      for (const address of blocks.keys()) buffer.remove(address);
      buffer.remove(giant);
      await buffer.compact();
      expect(statSync(file).size).toBeLessThan(200 * MIB);
      for (const [address, text] of small) expect(buffer.read(address).toString() === text).toBe(true);
      await buffer.close();
    },
    300_000,
  );
});

/** Bytes that are nowhere the same, made fast. */
function patterned(size: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(size);
  const block = new Random(1).bytes(MIB);
  for (let at = 0; at < size; at += MIB) {
    block.copy(bytes, at);
    bytes.writeDoubleLE(at, at + 17);
    bytes.writeDoubleLE(-at, at + MIB / 2);
  }
  return bytes;
}

async function hashOf(buffer: CompactableBuffer, address: Address): Promise<string> {
  const hash = createHash('sha1');
  const sink = new Writable({
    write(chunk: Buffer, _, done) {
      hash.update(chunk);
      done();
    },
  });
  await pipeline(buffer.createReadStream(address, { highWaterMark: MIB }), sink);
  return hash.digest('hex');
}
