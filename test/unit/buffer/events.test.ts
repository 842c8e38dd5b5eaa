import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { eventReport } from '../../../src/buffer/events.js';
import { CompactableBuffer } from '../../../src/index.js';
import { tempFile } from '../../support/temp.js';

describe('events', () => {
  it('tell of recovery, sync points and compactions', async () => {
    await using buffer = await CompactableBuffer.open(tempFile());
    const [recovery] = await once(buffer, 'recovery');
    expect(recovery).toBe(buffer.recovery);

    const synced = once(buffer, 'sync');
    buffer.add('x');
    await buffer.flush();
    const [sync] = await synced;
    expect(sync).toMatchObject({ durableEpoch: expect.any(Number), ms: expect.any(Number) });

    const compacted = once(buffer, 'compaction');
    for (let i = 0; i < 100; i++) buffer.remove(buffer.add(Buffer.alloc(1_000)));
    await buffer.compact();
    const [compaction] = await compacted;
    expect(compaction).toMatchObject({
      movedEntries: expect.any(Number),
      sizeAfter: expect.any(Number),
      ms: expect.any(Number),
    });
  });

  it('are told after opening, synchronously too', async () => {
    using buffer = CompactableBuffer.openSync(':memory:');
    const [recovery] = await once(buffer, 'recovery');
    expect(recovery).toMatchObject({ status: 'created' });
  });

  it('have reports with the same names as those of calls', () => {
    expect(eventReport.sync({ epoch: 3, milliseconds: 1.5 })).toEqual({ durableEpoch: 3, ms: 1.5 });
  });

  it('do nothing after closing', async () => {
    const buffer = await CompactableBuffer.open(tempFile());
    let heard = 0;
    for (const name of ['sync', 'compaction', 'recovery'] as const) buffer.on(name, () => heard++);
    await buffer.close();
    heard = 0;
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(heard).toBe(0);
  });
});
