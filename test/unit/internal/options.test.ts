import { describe, expect, it } from 'vitest';
import { CompactableBuffer, compressed, IntMap, json, msgpack, RecordMap } from '../../../src/index.js';
import { editDistance, show } from '../../../src/internal/options.js';

/** As from JavaScript: options of any shape. */
const open = (options: unknown): void => {
  CompactableBuffer.openSync(':memory:', options as undefined).closeSync();
};

describe('options of a buffer', () => {
  it('may all be left out, or undefined', () => {
    open(undefined);
    open({});
    open({ initialSize: undefined, compaction: undefined, signal: undefined, onProgress: undefined });
  });

  it.each([
    [{ initialSize: 0 }],
    [{ extensionFactor: 1 }],
    [{ compaction: { policy: 'disabled' } }],
    [{ compaction: { policy: 'space' } }],
    [{ compaction: { policy: 'space', deletionThreshold: 0, requiredFreeSpace: 1, checkInterval: 1 } }],
    [{ compaction: { policy: 'time', interval: 60_000 } }],
    [{ durability: 'process', syncInterval: 2 ** 31 - 1 }],
    [{ maxSize: 2 ** 26 }],
    [{ maxSize: Number.POSITIVE_INFINITY }],
    [{ maxSize: 2 ** 20, segmentSize: 65_536 }], // less than the default of initialSize
    [{ recovery: 'salvage', segmentSize: 16_384 }],
  ])('accepts %o', (options) => open(options));

  it.each<[unknown, RegExp]>([
    [null, /options of CompactableBuffer\.openSync must be an object, got null/],
    [42, /must be an object, got 42/],
    [[], /must be an object, got an array/],
    [{ initialSize: '4096' }, /'initialSize' .* must be a number, got the string "4096"/],
    [{ initialSize: 1n }, /'initialSize' .* got the bigint 1n/],
    [{ initialSize: null }, /'initialSize' .* must be a number, got null/],
    [{ extensionFactor: {} }, /'extensionFactor' .* must be a number/],
    [{ compaction: 'space' }, /'compaction' .* must be an object with a 'policy'/],
    [{ compaction: {} }, /'compaction' .* 'policy'/],
    [{ compaction: { policy: 1 } }, /'compaction\.policy' .* must be 'disabled', 'space' or 'time'/],
    [{ compaction: { policy: 'time' } }, /'compaction\.interval' .* is required/],
    [{ compaction: { policy: 'time', interval: '1s' } }, /'compaction\.interval' .* must be a number/],
    [{ durability: 1 }, /'durability' .* must be 'process' or 'interval', got 1/],
    [{ readOnly: 'yes' }, /'readOnly' .* must be true or false/],
    [{ signal: {} }, /'signal' .* must be an AbortSignal/],
    [{ onProgress: true }, /'onProgress' .* must be a function/],
  ])('refuses the wrong type in %o', (options, message) => {
    expect(() => open(options)).toThrow(TypeError);
    expect(() => open(options)).toThrow(message);
  });

  it.each<[unknown, RegExp]>([
    [{ initialSize: -1 }, /'initialSize' .* from 0 to 70368744177664 bytes, got -1/],
    [{ initialSize: 1.5 }, /'initialSize' .* whole number/],
    [{ initialSize: Number.NaN }, /'initialSize' .* got NaN/],
    [{ extensionFactor: 0.99 }, /'extensionFactor' .* from 1 to 16, got 0\.99/],
    [{ compaction: { policy: 'sometimes' } }, /'compaction\.policy' .* got the string "sometimes"/],
    [{ compaction: { policy: 'space', deletionThreshold: 1.1 } }, /'compaction\.deletionThreshold' .* from 0 to 1/],
    [{ compaction: { policy: 'time', interval: 0 } }, /'compaction\.interval' .* from 1/],
    [{ durability: 'none' }, /'durability' .* got the string "none"/],
    [{ syncInterval: 0 }, /'syncInterval' .* milliseconds, got 0/],
    [{ maxSize: 0 }, /'maxSize'/],
    [{ maxSize: 1000, initialSize: 2000 }, /'initialSize' .* must not exceed 'maxSize': 2000 > 1000/],
    [{ segmentSize: 100_000 }, /'segmentSize' .* power of two/],
    [{ recovery: 'hope' }, /'recovery' .* must be 'strict' or 'salvage'/],
  ])('refuses the value out of range in %o', (options, message) => {
    expect(() => open(options)).toThrow(RangeError);
    expect(() => open(options)).toThrow(message);
  });

  it.each<[unknown, string]>([
    [{ readonly: true }, "unknown option 'readonly' of CompactableBuffer.openSync; did you mean 'readOnly'?"],
    [{ intialSize: 1 }, "did you mean 'initialSize'?"],
    [{ syncinterval: 1 }, "did you mean 'syncInterval'?"],
    [{ durabilty: 'process' }, "did you mean 'durability'?"],
    [{ compaction: { policy: 'space', deletionTreshold: 1 } }, "did you mean 'compaction.deletionThreshold'?"],
    [{ compaction: { policy: 'disabled', interval: 1 } }, "unknown option 'compaction.interval'"],
    [{ zzzzzzzzzzzz: 1 }, "it takes 'initialSize', "],
  ])('suggests the nearest name for %o', (options, message) => {
    expect(() => open(options)).toThrow(TypeError);
    expect(() => open(options)).toThrow(message);
  });

  it('rejects from open() as it throws from openSync()', async () => {
    await expect(CompactableBuffer.open(':memory:', { extensionFactor: 0 })).rejects.toThrow(RangeError);
    await expect(CompactableBuffer.open(5 as never)).rejects.toThrow(
      /path of CompactableBuffer\.open must be a string/,
    );
    expect(() => CompactableBuffer.openSync('')).toThrow(/must not be empty/);
    expect(() => CompactableBuffer.openSync('a\0b')).toThrow(TypeError);
  });
});

describe('options of other calls', () => {
  it('are checked too', async () => {
    using buffer = CompactableBuffer.openSync(':memory:');
    await expect(buffer.flush({ signl: 1 } as never)).rejects.toThrow(
      "unknown option 'signl' of flush; did you mean 'signal'?",
    );
    await expect(buffer.compact({ onprogress: 1 } as never)).rejects.toThrow("did you mean 'onProgress'?");
    await expect(buffer.verify({ signal: 5 } as never)).rejects.toThrow(TypeError);
    await expect(buffer.backup('x', { overwrite: 1 } as never)).rejects.toThrow(
      /'overwrite' of backup must be true or false/,
    );
    await expect(buffer.backup(':memory:')).rejects.toThrow(TypeError);
    await expect(buffer.close({ timeout: 5 } as never)).rejects.toThrow(/unknown option 'timeout' of close/);
    const address = buffer.add('x');
    expect(() => buffer.createReadStream(address, { start: -1 })).toThrow(RangeError);
    expect(() => buffer.createReadStream(address, { start: 5, end: 3 })).toThrow(/'end' .* must not be before 'start'/);
    expect(() => buffer.createReadStream(address, { highWatermark: 1 } as never)).toThrow(
      "did you mean 'highWaterMark'?",
    );
  });

  it('of maps and codecs are checked too', async () => {
    await expect(IntMap.open(':memory:', { codecs: json() } as never)).rejects.toThrow("did you mean 'codec'?");
    await expect(IntMap.open(':memory:', { codec: {} } as never)).rejects.toThrow(/'codec' .* 'encode' and 'decode'/);
    await expect(RecordMap.open(':memory:', {} as never)).rejects.toThrow(/'id' of RecordMap\.open is required/);
    await expect(RecordMap.open(':memory:', { id: 5 } as never)).rejects.toThrow(
      /'id' .* name of a field or a function/,
    );
    expect(() => compressed(json(), { level: 12 })).toThrow(RangeError);
    expect(() => compressed(json(), { algorithm: 'lzma' } as never)).toThrow(RangeError);
    expect(() => compressed({} as never)).toThrow(TypeError);
    expect(() => msgpack({ namesFirst: 1 } as never)).toThrow(TypeError);
    expect(() => msgpack({ namesfirst: true } as never)).toThrow(/namesFirst/);
  });
});

describe('editDistance', () => {
  it('counts insertions, deletions and replacements', () => {
    expect(editDistance('', '')).toBe(0);
    expect(editDistance('abc', '')).toBe(3);
    expect(editDistance('kitten', 'sitting')).toBe(3);
    expect(editDistance('policy', 'police')).toBe(1);
  });
});

describe('show', () => {
  it('says what a value is, whatever it is', () => {
    expect([
      show('x'.repeat(100)),
      show(null),
      show({}),
      show(Object.create(null)),
      show(Symbol('s')),
      show(new Date()),
    ]).toEqual([`the string "${'x'.repeat(40)}..."`, 'null', 'an object', 'an object', 'a symbol', 'a Date']);
  });
});
