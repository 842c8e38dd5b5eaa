/** Batches of keyed entries, which queues, caches and event stores are made of. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CompactableBuffer, storeOf } from '../../../src/buffer/compactable-buffer.js';
import { KeyedBatch } from '../../../src/buffer/keyed-batch.js';
import { expectCode } from '../../support/expect.js';
import { tempFile } from '../../support/temp.js';

const bytes = (text: string): Buffer => Buffer.from(text);

describe('a keyed batch', () => {
  let buffer: CompactableBuffer;
  const read = (key: number | string): string | undefined => {
    const { native, handle } = storeOf(buffer);
    const address = typeof key === 'number' ? native.intAddress(handle, key) : native.stringAddress(handle, key);
    return address < 0 ? undefined : buffer.read(address).toString();
  };
  beforeEach(() => {
    buffer = CompactableBuffer.openSync(':memory:');
  });
  afterEach(() => buffer.closeSync());

  it('sets, inserts and deletes entries of both kinds of keys', () => {
    const store = storeOf(buffer);
    expect(new KeyedBatch().set(1, bytes('one')).insert('1', bytes('text')).insert(-2, bytes('')).commit(store)).toBe(
      true,
    );
    expect([read(1), read('1'), read(-2)]).toEqual(['one', 'text', '']);
    expect(new KeyedBatch().delete(1).insert(1, bytes('new')).delete('1').set('', bytes('empty')).commit(store)).toBe(
      true,
    );
    expect([read(1), read('1'), read('')]).toEqual(['new', undefined, 'empty']);
    expect(new KeyedBatch().commit(store)).toBe(true);
  });

  it('changes nothing where a key to insert exists', () => {
    const store = storeOf(buffer);
    new KeyedBatch().set('there', bytes('first')).commit(store);
    expect(
      new KeyedBatch().set(1, bytes('x')).delete('there').insert(2, bytes('y')).insert(2, bytes('z')).commit(store),
    ).toBe(false);
    expect(new KeyedBatch().set(1, bytes('x')).insert('there', bytes('second')).commit(store)).toBe(false);
    expect([read(1), read(2), read('there')]).toEqual([undefined, undefined, 'first']);
  });

  it('changes nothing where a key to delete is missing, or a key is none', async () => {
    const store = storeOf(buffer);
    const batch = (): KeyedBatch => new KeyedBatch().set(1, bytes('x'));
    await expectCode(() => batch().delete('none').commit(store), 'MMCB_NOT_FOUND');
    await expectCode(() => batch().set('k'.repeat(70_000), bytes('y')).commit(store), 'MMCB_TOO_LARGE');
    expect(() => batch().set(0.5, bytes('y')).commit(store)).toThrow(RangeError);
    expect(read(1)).toBeUndefined();
  });

  it('changes nothing where a key has not the data that it requires', async () => {
    const store = storeOf(buffer);
    new KeyedBatch().set('key', bytes('first')).set(1, bytes('one')).commit(store);
    const batch = (): KeyedBatch => new KeyedBatch().set('key', bytes('second'));
    await expectCode(() => batch().require('none').commit(store), 'MMCB_NOT_FOUND');
    await expectCode(() => batch().require(1, bytes('two')).commit(store), 'MMCB_NOT_FOUND');
    expect(batch().require('key', bytes('first')).commitIfCurrent(store)).toBe(false); // it is the second by then
    expect(read('key')).toBe('first');
    expect(new KeyedBatch().require('key', bytes('first')).set('key', bytes('next')).commitIfCurrent(store)).toBe(true);
    expect(batch().require(1, bytes('one')).require('key').commitIfCurrent(store)).toBe(true);
    expect(read('key')).toBe('second');
  });

  it('says where nothing can be written', async () => {
    const path = tempFile();
    CompactableBuffer.openSync(path).closeSync();
    const readOnly = CompactableBuffer.openSync(path, { readOnly: true });
    const store = storeOf(readOnly);
    await expectCode(() => new KeyedBatch().set(1, bytes('x')).commit(store), 'MMCB_READ_ONLY');
    readOnly.closeSync();
    await expectCode(() => new KeyedBatch().set(1, bytes('x')).commit(store), 'MMCB_CLOSED');
  });
});
