/**
 * What mmcb is meant to reach: medians of one run on one machine, 1 million entries of 100 B unless said otherwise, mmcb in its
 * default durability, peers without sync. Each bound is one of
 *   { faster: AT_LEAST, than: cell, mmcb: cell }    time of `than`, divided by mmcb's
 *   { atMost or atLeast: BOUND, unit, of: [figure, entries?] }   of mmcb alone (workloads/engine.mjs)
 *   { grows: AT_MOST, mmcb: cell, to: entries }     time per operation with so many entries, divided by that with 1 million
 * A cell is [group, workload], or [engine, group, workload] of another engine; 'best peer' is the fastest one that stores. The group
 * 'native' is that of the benchmarks of the core alone (bench/native/).
 */

const bound = (faster, engine, group, workload, other = workload) => ({
  faster,
  than: [engine, group, other],
  mmcb: [group, workload],
});

export const targets = [
  {
    workload: 'IntMap, set of a new key',
    bounds: [bound(8, 'lmdb', 'int', 'set new'), bound(5, 'js-map', 'int', 'set new')],
  },
  {
    workload: 'IntMap, random get',
    bounds: [bound(4, 'lmdb', 'int', 'get, uniform'), bound(1, 'js-map', 'int', 'get, uniform')],
  },
  {
    workload: 'StringMap, set of a new key',
    bounds: [bound(5, 'lmdb', 'string', 'set new')],
  },
  {
    workload: 'StringMap, random get',
    bounds: [bound(4, 'lmdb', 'string', 'get, uniform')],
  },
  {
    workload: 'CompactableBuffer, update in place, random',
    bounds: [bound(4.5, 'lmdb', 'entries', 'update in place, random')],
  },
  {
    workload: 'CompactableBuffer, update in place, sequential',
    bounds: [bound(15, 'lmdb', 'entries', 'update in place, sequential')],
  },
  {
    workload: 'CompactableBuffer, remove, random',
    bounds: [bound(5, 'lmdb', 'entries', 'remove, random')],
  },
  {
    workload: 'IntMap, remove, random',
    bounds: [bound(5, 'lmdb', 'int', 'remove, uniform')],
  },
  {
    workload: 'StringMap, remove, random',
    bounds: [bound(5, 'lmdb', 'string', 'remove, uniform')],
  },
  {
    workload: 'getMany of 100 random int keys, per key',
    bounds: [
      bound(4, 'mmcb', 'int', 'getMany of 100, uniform', 'get, uniform'),
      bound(20, 'lmdb', 'int', 'getMany of 100, uniform'),
    ],
  },
  {
    workload: 'setMany of 100 random existing keys, per key',
    bounds: [bound(8, 'lmdb', 'int', 'setMany of 100, uniform', 'update, uniform')],
  },
  {
    workload: 'full iteration with values',
    bounds: [bound(8, 'lmdb', 'int', 'iterate with values')],
  },
  {
    workload: 'msgpack objects through IntMap, set',
    bounds: [bound(3, 'lmdb', 'objects', 'set new')],
  },
  {
    workload: 'msgpack objects through IntMap, get',
    bounds: [bound(3, 'lmdb', 'objects', 'get, uniform')],
  },
  {
    workload: 'sync per commit, 256 concurrent writers',
    durability: 'commit',
    bounds: [bound(1.5, 'lmdb', 'commit', '256 writers')],
  },
  {
    workload: 'YCSB A',
    bounds: [bound(4, 'best peer', 'ycsb', 'A: half reads, half updates')],
  },
  {
    workload: 'YCSB B',
    bounds: [bound(4, 'best peer', 'ycsb', 'B: 95 % reads, 5 % updates')],
  },
  {
    workload: 'core alone, set / get / remove, against Tkrzw HashDBM',
    bounds: ['set', 'get', 'remove'].map((call) => bound(4, 'tkrzw', 'native', call)),
  },
  {
    workload: 'clean open, 10 million entries, warm page cache',
    bounds: [{ atMost: 120, unit: 'ms', of: ['clean open', 10_000_000] }],
  },
  {
    workload: 'unclean open, every checksum taken',
    bounds: [{ atLeast: 20, unit: 'million entries per second', of: ['unclean open, rate', 10_000_000] }],
  },
  {
    workload: 'compaction alone',
    bounds: [{ atLeast: 8, unit: 'million entries per second', of: ['compaction alone, rate'] }],
  },
  {
    workload: 'compaction beside a foreground load',
    bounds: [
      { atLeast: 2, unit: 'million entries per second', of: ['compaction beside load, rate'] },
      { atMost: 1.5, unit: '× the idle p99.9', of: ['compaction beside load, p99.9 of the foreground'] },
    ],
  },
  {
    workload: 'sync of an epoch with 10,000 random updates',
    bounds: [
      { atMost: 20, unit: 'ms', of: ['sync of 10,000 updates'] },
      { atMost: 20, unit: 'MB written', of: ['sync of 10,000 updates, written'] },
    ],
  },
  {
    workload: 'two workers on disjoint keys, against one',
    bounds: [{ atLeast: 1.6, unit: '× the throughput', of: ['two workers'] }],
  },
  {
    workload: 'memory besides the mapped file, IntMap',
    bounds: [{ atMost: 40, unit: 'bytes per entry', of: ['memory per entry'] }],
  },
  {
    workload: 'random get, 10 million entries against 1 million',
    bounds: [{ grows: 1.6, mmcb: ['int', 'get, uniform'], to: 10_000_000 }],
  },
];
