/** Which trials a run makes, and in which order. */

/** Data of one store. More would not fit into the memory of a small machine, and then the disk would be measured. */
const MOST_BYTES = 2 ** 31;

/** Entries beyond which only the table without sync is made. */
const MOST_WITH_SYNC = 1_000_000;

/**
 * `taken` says of an engine in which groups it takes part, by durability. `large`: { entries, engines, groups } that are measured
 * with that many entries as well, without sync; undefined for none.
 */
export function planTrials({ sizes, entries, tables, groups, engines, rounds, large }, taken) {
  const trials = [];
  const objectSize = sizes.includes(100) ? 100 : sizes[0]; // objects have a size of their own: they are measured once
  for (let round = 0; round < rounds; round++) {
    for (const size of sizes) {
      for (const count of fitting(entries, size)) {
        for (const durability of tables) {
          if (durability !== 'none' && count > MOST_WITH_SYNC) continue;
          for (const group of groups) {
            if (group === 'objects' && size !== objectSize) continue;
            const takers = engines.filter((engine) => taken(engine)[durability].includes(group));
            for (const engine of rotated(takers, round)) {
              trials.push({ round, engine, group, durability, size, entries: count });
            }
          }
        }
      }
    }
    for (const engine of engines.filter((name) => large?.engines.includes(name))) {
      for (const group of large.groups.filter((name) => taken(engine).none.includes(name))) {
        trials.push({ round, engine, group, durability: 'none', size: sizes[0], entries: large.entries });
      }
    }
  }
  return trials;
}

/** Another engine first in each round, so that none always runs after the same other one. */
export function rotated(list, by) {
  const shift = list.length === 0 ? 0 : by % list.length;
  return [...list.slice(shift), ...list.slice(0, shift)];
}

/** The numbers of entries, each cut to what fits, without repetition. */
function fitting(entries, size) {
  return [...new Set(entries.map((count) => Math.min(count, Math.floor(MOST_BYTES / size))))];
}
