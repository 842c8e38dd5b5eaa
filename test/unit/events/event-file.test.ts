/** EventFile, where several threads have a file: what one relies on, another may change between any two of its calls. */
import { expect, it } from 'vitest';
import { storeOf } from '../../../src/buffer/compactable-buffer.js';
import { KeyedBatch } from '../../../src/buffer/keyed-batch.js';
import { EventFile } from '../../../src/events/event-file.js';
import { RecordBatch } from '../../../src/events/record-batch.js';
import { CompactableBuffer, EventStore } from '../../../src/index.js';
import { anEvent, collect, versionsOf } from '../../contract/event-store-contract.js';
import { expectCode } from '../../support/expect.js';
import { Interruption, NEVER } from '../../support/interrupt.js';
import { tempFile } from '../../support/temp.js';

function oneRecord(): RecordBatch {
  const records = new RecordBatch();
  const event = { id: 'id', type: 'type', aggregateId: 'aggregate', data: undefined };
  records.add(event, { data: new Uint8Array(1), metadata: undefined, compressed: false, schemaVersion: 0 });
  return records;
}

it('who opens a file while another thread begins eras gets the last one, and is told of the next', async () => {
  for (let at = NEVER, calls = 0; at < calls; at++) {
    for (let eras = 1; eras <= 3; eras++) {
      const path = tempFile('events');
      const [buffer, late] = [await CompactableBuffer.open(path), await CompactableBuffer.open(path)];
      const first = new EventFile(buffer, false);
      first.claim();
      const interruption = new Interruption(at, () => {
        for (let era = 0; era < eras; era++) expect(first.change(7, [])).toBe(true);
      });
      interruption.watch(late);
      const second = new EventFile(late, false);
      second.claim();
      interruption.end();
      calls = Math.max(calls, interruption.calls);
      const what = `${eras} eras before call ${at}`;
      expect(first.change(8, []), what).toBe(true);
      expect(second.isCurrent(), what).toBe(false);
      expect(second.append(1, oneRecord()), what).toBe(false);
      expect(second.readHead(), what).toBe(8);
      expect(second.append(9, oneRecord()), what).toBe(true);
      await late.close();
      await buffer.close();
    }
  }
});

it('of a call that another thread is about to store, nothing is shown to who opens the file', async () => {
  const path = tempFile('events');
  const store = await EventStore.open(path, { durability: 'process' });
  await store.storeBatch([anEvent('a'), anEvent('a')]);
  const file = new EventFile(store.buffer, false);
  file.claim();
  const part = (id: string, isContinued: boolean): RecordBatch => {
    const records = new RecordBatch();
    const payload = { data: Buffer.of(0xc0), metadata: undefined, compressed: false, schemaVersion: 0 };
    records.stamp(records.add({ ...anEvent('a'), id }, payload), 0, isContinued ? 3 : 4, isContinued);
    return records;
  };
  // As a reader meets it in the middle of a batch.
  expect(file.append(3, part('x', true))).toBe(true);
  const late = await EventStore.open(path, { durability: 'process' });
  const seen = async (): Promise<number[][]> => {
    return Promise.all(
      [store, late].map(async (each) => [await each.latestVersion(), await each.aggregateVersion('a')]),
    );
  };
  expect(await seen()).toEqual([
    [2, 2],
    [2, 2],
  ]);
  expect(versionsOf(await collect(late.load()))).toEqual([1, 2]);
  expect(file.append(4, part('y', false))).toBe(true);
  expect(await seen()).toEqual([
    [4, 4],
    [4, 4],
  ]);
  expect(versionsOf(await collect(late.load()))).toEqual([1, 2, 3, 4]);
  await late.close();
  await store.close();
});

it('a head that is none is MMCB_CORRUPT, and not the first of a new file', async () => {
  const heads = [[], [1], [Number.NaN, 1], [1, 0.5], [1, -1], [2 ** 53, 1], [1, 1, 1]];
  for (const numbers of heads) {
    const path = tempFile('events');
    const buffer = await CompactableBuffer.open(path);
    new EventFile(buffer, false).claim();
    const bytes = Buffer.from(Float64Array.from(numbers).buffer);
    new KeyedBatch().set('events:head', bytes).commit(storeOf(buffer));
    await expectCode(() => new EventFile(buffer, false).claim(), 'MMCB_CORRUPT');
    await buffer.close();
    await expectCode(() => EventStore.open(path), 'MMCB_CORRUPT');
  }
});
