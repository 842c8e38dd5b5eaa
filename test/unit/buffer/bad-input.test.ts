/** Wrong arguments and impossible files: a typed error each, and nothing is lost. */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CompactableBuffer } from '../../../src/index.js';
import { errorOf, expectCode } from '../../support/expect.js';
import { tempFile, tempFolder } from '../../support/temp.js';

describe('arguments', () => {
  let buffer: CompactableBuffer;
  let address: number;
  beforeAll(() => {
    buffer = CompactableBuffer.openSync(':memory:');
    address = buffer.add('kept');
  });
  afterAll(() => {
    expect(buffer.read(address).toString()).toBe('kept');
    expect(buffer.stats().count).toBe(1);
    buffer.closeSync();
  });

  const noData: unknown[] = [
    undefined,
    null,
    5,
    {},
    [1, 2],
    new ArrayBuffer(4),
    new Uint16Array(2),
    new DataView(new ArrayBuffer(2)),
  ];
  it.each(noData.map((data) => [data]))('refuses the data %o', (data) => {
    expect(() => buffer.add(data as string)).toThrow(TypeError);
    expect(() => buffer.add(data as string)).toThrow(/^data must be a Uint8Array \(or Buffer\) or a string, got /);
    expect(() => buffer.update(address, data as string)).toThrow(TypeError);
    expect(() =>
      buffer.batch([
        { type: 'add', data: 'fine' },
        { type: 'add', data: data as string },
      ]),
    ).toThrow(/^operations\[1]\.data must be/);
  });

  const noAddress: [unknown, typeof TypeError | typeof RangeError][] = [
    [undefined, TypeError],
    [null, TypeError],
    ['1', TypeError],
    [1n, TypeError],
    [{}, TypeError],
    [-1, RangeError],
    [1.5, RangeError],
    [Number.NaN, RangeError],
    [Number.POSITIVE_INFINITY, RangeError],
    [2 ** 53, RangeError],
  ];
  it.each(noAddress)('refuses the address %o', (given, type) => {
    const wrong = given as number;
    const calls = [
      () => buffer.read(wrong),
      () => buffer.readInto(wrong, Buffer.alloc(1)),
      () => buffer.readHeader(wrong),
      () => buffer.view(wrong, () => 0),
      () => buffer.createReadStream(wrong),
      () => buffer.update(wrong, 'x'),
      () => buffer.remove(wrong),
    ];
    for (const call of calls) {
      expect(call).toThrow(type);
      expect(call).toThrow(/^address must be/);
    }
    expect(() => buffer.batch([{ type: 'remove', address: wrong }])).toThrow(/^operations\[0]\.address must be/);
    if (type === TypeError) expect(() => buffer.has(wrong)).toThrow(TypeError);
    else expect(buffer.has(wrong)).toBe(false);
  });

  it('refuses other wrong arguments, by name', () => {
    expect(() => buffer.readInto(address, [] as never)).toThrow(/^target must be a Uint8Array/);
    expect(() => buffer.readInto(address, Buffer.alloc(1), -1)).toThrow(RangeError);
    expect(() => buffer.readInto(address, Buffer.alloc(1), '0' as never)).toThrow(/^position must be a number/);
    expect(() => buffer.view(address, undefined as never)).toThrow(/^fn must be a function/);
    expect(() => buffer.batch('x' as never)).toThrow(/^operations must be an array/);
    expect(() => buffer.batch([null] as never)).toThrow(/^operations\[0] must be an object/);
    expect(() => buffer.batch([{ type: 'put' }] as never)).toThrow(
      /^operations\[0]\.type must be 'add', 'update' or 'remove'/,
    );
    expect(() => new (CompactableBuffer as unknown as new () => unknown)()).toThrow(/use CompactableBuffer\.open\(\)/);
  });
});

describe('files', () => {
  const open = (path: string): Promise<CompactableBuffer> => CompactableBuffer.open(path);
  const openSync = async (path: string): Promise<CompactableBuffer> => CompactableBuffer.openSync(path);
  const ways = [
    ['open', open],
    ['openSync', openSync],
  ] as const;

  it.each(ways)('%s reports a missing folder', async (_, opener) => {
    const path = join(tempFolder(), 'missing', 'file.mmcb');
    const error = await expectCode(() => opener(path), 'MMCB_IO');
    expect(error.message).toContain(path);
    expect(error.cause).toBeInstanceOf(Error);
    expect(error.cause).toMatchObject({ code: 'ENOENT' });
    expect((error.cause as NodeJS.ErrnoException).errno).toBeLessThan(0);
  });

  it.each(ways)('%s reports a folder', async (_, opener) => {
    const path = tempFile('folder');
    mkdirSync(path);
    const error = await expectCode(() => opener(path), 'MMCB_IO');
    expect(error.cause).toMatchObject({ code: 'EISDIR' });
  });

  it.runIf(process.getuid?.() !== 0)('reports missing permission', async () => {
    const path = tempFile('forbidden');
    writeFileSync(path, '');
    chmodSync(path, 0);
    const error = await expectCode(() => open(path), 'MMCB_IO');
    expect(error.cause).toMatchObject({ code: 'EACCES' });
  });

  it.each(ways)('%s leaves a foreign file as it is', async (_, opener) => {
    const path = tempFile('foreign');
    const content = Buffer.from('This is somebody else\u2019s file.\n'.repeat(1_000));
    writeFileSync(path, content);
    await expectCode(() => opener(path), 'MMCB_NOT_MMCB');
    expect(readFileSync(path).equals(content)).toBe(true);
  });

  it('takes an empty file for a new one', async () => {
    const path = tempFile('empty');
    writeFileSync(path, '');
    await using buffer = await open(path);
    expect(buffer.recovery.status).toBe('created');
  });

  it('reports a missing file when it is only to be read', async () => {
    const error = await expectCode(() => CompactableBuffer.open(tempFile('none'), { readOnly: true }), 'MMCB_IO');
    expect(error.cause).toMatchObject({ code: 'ENOENT' });
  });

  it('gives up opening when asked to', async () => {
    const reason = { why: 'any value' };
    const signal = AbortSignal.abort(reason);
    await expect(CompactableBuffer.open(tempFile(), { signal })).rejects.toBe(reason);
    const error = await errorOf(() => CompactableBuffer.openSync(tempFile(), { signal: AbortSignal.abort() }));
    expect(error.name).toBe('AbortError');
  });

  it('stops opening with the error of a progress listener', async () => {
    const path = tempFile('progress');
    const first = await open(path);
    for (let i = 0; i < 10_000; i++) first.add('x');
    await first.close();
    const outcome = CompactableBuffer.open(path, {
      onProgress() {
        throw new Error('from the listener');
      },
    });
    // A small file may be open before there is any progress to tell.
    await outcome.then(
      (buffer) => buffer.close(),
      (error: unknown) => expect((error as Error).message).toBe('from the listener'),
    );
    await using again = await open(path);
    expect(again.stats().count).toBe(10_000);
  });
});
