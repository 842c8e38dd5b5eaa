import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CompactableBuffer } from '../../../src/index.js';
import { expectCode } from '../../support/expect.js';
import { tempFile } from '../../support/temp.js';

describe('view', () => {
  let buffer: CompactableBuffer;
  let address: number;
  beforeEach(async () => {
    buffer = await CompactableBuffer.open(tempFile());
    address = buffer.add('in place');
  });
  afterEach(() => buffer.close());

  it('lends the bytes, and returns what the function does', () => {
    expect(buffer.view(address, (bytes) => Buffer.from(bytes).toString())).toBe('in place');
    expect(buffer.view(buffer.add(''), (bytes) => bytes.length)).toBe(0);
    const large = Buffer.alloc(500_000, 'x');
    expect(buffer.view(buffer.add(large), (bytes) => large.equals(bytes))).toBe(true);
  });

  it('takes them back', () => {
    let kept: Uint8Array = new Uint8Array(1);
    buffer.view(address, (bytes) => {
      kept = bytes;
    });
    expect(kept.length).toBe(0);
    expect(() =>
      buffer.view(address, (bytes) => {
        kept = bytes;
        expect(bytes.length).toBe(8);
        throw new Error('inside');
      }),
    ).toThrow('inside');
    expect(kept.length).toBe(0);
  });

  it('refuses asynchronous functions', () => {
    let kept: Uint8Array = new Uint8Array(1);
    expect(() =>
      buffer.view(address, async (bytes) => {
        kept = bytes;
      }),
    ).toThrow(TypeError);
    expect(kept.length).toBe(0);
  });

  it('may be nested, of the same entry too', () => {
    const other = buffer.add('other');
    const seen = buffer.view(address, (a) =>
      buffer.view(other, (b) =>
        buffer.view(address, (c) => {
          expect(c.length).toBe(8);
          return [a, b, c].map((bytes) => Buffer.from(bytes).toString());
        }),
      ),
    );
    expect(seen).toEqual(['in place', 'other', 'in place']);
    buffer.view(address, (a) => {
      buffer.view(address, () => 0);
      expect(a.length).toBe(8);
    });
  });

  it('bears reading and writing inside', async () => {
    const large = buffer.add(Buffer.alloc(10_000, 1));
    buffer.view(large, (bytes) => {
      buffer.add('new');
      buffer.remove(large);
      buffer.update(address, Buffer.alloc(100_000, 2));
      for (let i = 0; i < 1_000; i++) buffer.add(Buffer.alloc(1_000, 3));
      expect(Buffer.from(bytes).equals(Buffer.alloc(10_000, 1))).toBe(true);
    });
    expect(buffer.has(large)).toBe(false);
    expect((await buffer.verify()).ok).toBe(true);
  });

  it('ends when the buffer is closed inside', async () => {
    for (const close of [() => buffer.closeSync(), () => void buffer.close()]) {
      buffer.view(address, (bytes) => {
        close();
        expect(bytes.length).toBe(0);
      });
      await expectCode(() => buffer.view(address, () => 0), 'MMCB_CLOSED');
      buffer = await CompactableBuffer.open(tempFile());
      address = buffer.add('in place');
    }
  });
});
