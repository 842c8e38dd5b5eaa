/** EventFile, where several threads have a file: what one relies on, another may change between any two of its calls. */
import { expect, it } from 'vitest';
import { EventFile } from '../../../src/events/event-file.js';
import { RecordBatch } from '../../../src/events/record-batch.js';
import { CompactableBuffer } from '../../../src/index.js';
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
