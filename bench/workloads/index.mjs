/**
 * What is measured, by group: a trial runs the workloads of one group, in their order, on one store of one engine. Of a workload:
 *   name, count     how many operations (keys, entries) it makes
 *   needs           methods of a store without which it is left out
 *   writes          whether written() belongs to the timed section
 *   loads           whether it fills the store: memory and disk are looked at afterwards
 *   settles         whether the writes of a block are waited for before the next block
 *   atOnce          whether it is one block
 *   run(store)      a function of its own, so that it is compiled for this workload alone, that makes the operations [from, to)
 *                   and returns a sum over what it read, or a promise of it
 *   expected(store) that sum over all operations, worked out beforehand
 *   done(store)     looks at the store afterwards
 *   one(store)      a function that makes operation i, for latencies; it may return a promise
 *   sampled(count)  told how many of those were made
 *   measure(store)  instead of all that: { ns, ... }, or { value, unit, also? } where it is not a time per operation
 *   unreported      whether it only prepares
 */
import { commitWorkloads } from './commit.mjs';
import { entryWorkloads } from './entries.mjs';
import { intWorkloads, stringWorkloads } from './keyed.mjs';
import { objectWorkloads } from './objects.mjs';
import { ycsbWorkloads } from './ycsb.mjs';

export const groups = {
  entries: { title: 'Entries under addresses', keys: 'address', values: 'bytes', make: entryWorkloads },
  int: { title: 'Integer keys', keys: 'int', values: 'bytes', make: intWorkloads },
  string: { title: 'String keys', keys: 'string', values: 'bytes', make: stringWorkloads },
  objects: { title: 'Objects as MessagePack', keys: 'int', values: 'objects', make: objectWorkloads },
  ycsb: { title: 'YCSB', keys: 'string', values: 'bytes', make: ycsbWorkloads },
  commit: { title: 'Concurrent writers', keys: 'int', values: 'bytes', make: commitWorkloads },
  engine: { title: 'mmcb alone', withoutStore: true, make: mmcbAlone },
};

/** Loaded only where it is wanted: other engines are not measured in a process that has mmcb in it. */
async function mmcbAlone(input, settings) {
  const { engineWorkloads } = await import('./engine.mjs');
  return engineWorkloads(input, settings);
}
