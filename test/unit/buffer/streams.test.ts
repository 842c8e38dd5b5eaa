import { once } from 'node:events';
import { Writable } from 'node:stream';
import { buffer as collect } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CompactableBuffer } from '../../../src/index.js';
import { expectCode } from '../../support/expect.js';
import { tempFile } from '../../support/temp.js';

describe('createReadStream', () => {
  const data = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, i) => i * 7));
  let buffer: CompactableBuffer;
  let address: number;
  beforeEach(async () => {
    buffer = await CompactableBuffer.open(tempFile());
    address = buffer.add(data);
  });
  afterEach(() => buffer.close());

  it('reads all of an entry', async () => {
    expect((await collect(buffer.createReadStream(address))).equals(data)).toBe(true);
    expect(await collect(buffer.createReadStream(buffer.add('')))).toHaveLength(0);
    expect((await collect(buffer.createReadStream(buffer.add('x')))).toString()).toBe('x');
  });

  it.each([
    [{ start: 10 }, 10, 300_000],
    [{ end: 9 }, 0, 10],
    [{ start: 100, end: 100 }, 100, 101],
    [{ start: 65_536, end: 131_071, highWaterMark: 1_000 }, 65_536, 131_072],
    [{ start: 299_999, end: Number.POSITIVE_INFINITY }, 299_999, 300_000],
    [{ start: 300_000 }, 300_000, 300_000],
    [{ start: 10 ** 9, end: 2 * 10 ** 9 }, 300_000, 300_000],
  ])('reads the part %j', async (options, from, to) => {
    expect((await collect(buffer.createReadStream(address, options))).equals(data.subarray(from, to))).toBe(true);
  });

  it('reads in pieces of highWaterMark', async () => {
    const sizes: number[] = [];
    for await (const chunk of buffer.createReadStream(address, { highWaterMark: 100_000 }))
      sizes.push((chunk as Buffer).length);
    expect(sizes).toEqual([100_000, 100_000, 100_000]);
  });

  it('goes on showing the entry as it was', async () => {
    const updated = buffer.createReadStream(address, { highWaterMark: 1_000 });
    const removed = buffer.createReadStream(address, { highWaterMark: 1_000 });
    updated.read(1_000);
    buffer.update(
      address,
      data.map((byte) => byte ^ 0xff),
    );
    buffer.remove(address);
    for (let i = 0; i < 200; i++) buffer.add(data.subarray(0, 10_000));
    await buffer.compact();
    expect((await collect(removed)).equals(data)).toBe(true);
    expect((await collect(updated)).equals(data.subarray(1_000))).toBe(true);
  });

  it('is a stream like others', async () => {
    let size = 0;
    const sink = new Writable({
      write(chunk: Buffer, _, done) {
        size += chunk.length;
        setImmediate(done);
      },
    });
    await pipeline(buffer.createReadStream(address), sink);
    expect(size).toBe(data.length);
    const stopped = buffer.createReadStream(address);
    for await (const _ of stopped) break;
    expect(stopped.destroyed).toBe(true);
  });

  it('fails with MMCB_NOT_FOUND', async () => {
    buffer.remove(address);
    const stream = buffer.createReadStream(address);
    const [error] = (await once(stream, 'error')) as [Error];
    expect(error).toMatchObject({ code: 'MMCB_NOT_FOUND' });
  });

  it('ends with the reason of its signal', async () => {
    const reason = new Error('enough');
    await expect(collect(buffer.createReadStream(address, { signal: AbortSignal.abort(reason) }))).rejects.toBe(reason);
    const controller = new AbortController();
    const stream = buffer.createReadStream(address, { signal: controller.signal });
    const reading = collect(stream);
    controller.abort(reason);
    await expect(reading).rejects.toBe(reason);
    const other = new AbortController();
    const wordy = collect(buffer.createReadStream(address, { signal: other.signal }));
    other.abort('a word');
    await expect(wordy).rejects.toMatchObject({ name: 'AbortError', cause: 'a word' });
  });

  it('fails with MMCB_CLOSED when the buffer closes', async () => {
    const heard = buffer.createReadStream(address, { highWaterMark: 10 });
    const reading = expectCode(() => collect(heard), 'MMCB_CLOSED');
    const unheard = buffer.createReadStream(address); // nobody listens for its errors: it just ends
    await buffer.close();
    await reading;
    expect(unheard.destroyed).toBe(true);
  });

  it('lets go of its space when it ends', async () => {
    await collect(buffer.createReadStream(address));
    buffer.createReadStream(address).destroy();
    await new Promise((resolve) => setImmediate(resolve));
    expect(buffer.stats().readers).toBe(0);
  });
});
