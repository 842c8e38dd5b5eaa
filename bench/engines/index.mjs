/**
 * The engines, in the order of the tables' columns. A module exports
 *   label        as it stands in tables
 *   volatile     true if it stores nothing: not a peer, a bound
 *   packages     what it needs from npm
 *   syncsItself  true if it syncs once a second by itself
 *   leavesOut    names of workloads that it cannot do
 *   groups       what of the workloads it takes part in, by durability: 'none', 'periodic', 'commit'
 *   open(task)   a store in `task.folder` for `task.keys` ('address', 'int', 'string') and `task.values` ('bytes', 'objects')
 *
 * A store has some of these; a workload that needs one which is missing leaves the engine out:
 *   add, update, read, remove                entries under an address that `add` returns
 *   set, get, delete                         keys
 *   getMany(keys), setMany(pairs)            may return promises
 *   iterate(visit)                           calls visit(key, value) for all; may return a promise
 *   setAndWait(key, value), updateAndWait    where set and update only begin something: a promise of its end
 *   setDurably(key, value)                   a promise: on the disk, and to be found again after a power cut
 *   endOfBlock()                             waits for a block of writes, where they must not pile up
 *   settle()                                 waits until all writes can be read
 *   written()                                waits until all writes are done, as far as the durability asks for
 *   notes()                                  what to remember of the run
 *   close()
 * All bytes that a store hands out are the caller's own: a copy, however it is made.
 */
export const engineNames = ['mmcb', 'lmdb', 'classic-level', 'better-sqlite3', 'js-map', 'mmap-io'];

export const loadEngine = (name) => import(`./${name}.mjs`);

/** Operations that engines without batching of their own put in one transaction. */
export const BLOCK = 1000;
