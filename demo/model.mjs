// What the map must hold at every moment. Each value follows from the record's number and from what has been done to all
// records so far, so that millions of records can be checked without a second copy of them in memory.
import { cities, ID_SPACE } from './cities.mjs';
import { arrival, operation } from './crash/operations.mjs';

/** What has been done to the records, in this order. */
export const stage = { LOADED: 0, COUNTED: 1, RECOUNTED: 2, GROWN: 3, SHRUNK: 4, DELETED: 5 };

/** Places with fewer people than this are deleted in the end. */
export const SMALL = 2500;

const NOTE = 'A longer description of the place, which does not fit into the room that its entry was given at first. ';

export class Model {
  /** Number of records that were loaded; they have the numbers 0 to count - 1. */
  count;
  stage = stage.LOADED;
  /** How many of the operations of the killed writers have been applied. */
  applied = 0;
  #visits = new Map();
  #small = 0;
  #arrivals = 0;

  constructor(count) {
    this.count = count;
    for (let i = 0; i < count; i++) if (this.isSmall(i)) this.#small++;
  }

  id(i) {
    const city = cities[i % cities.length];
    return Math.floor(i / cities.length) * ID_SPACE + city.cityId;
  }

  isSmall(i) {
    return cities[i % cities.length].population < SMALL;
  }

  /** Whether a record gets, and loses again, a long note. */
  isNoted(i) {
    return i % 2 === 0;
  }

  exists(i) {
    return this.stage < stage.DELETED || !this.isSmall(i);
  }

  get size() {
    return this.count - (this.stage < stage.DELETED ? 0 : this.#small) + this.#arrivals;
  }

  get smallCount() {
    return this.#small;
  }

  /** The value of record i, now or at another stage. */
  value(i, at = this.stage) {
    const city = { ...cities[i % cities.length], cityId: this.id(i) };
    const visit = this.#visits.get(i);
    if (visit !== undefined) city.visit = visit;
    city.population += Math.min(at, stage.RECOUNTED);
    if (at === stage.GROWN && this.isNoted(i)) city.note = NOTE.repeat(3);
    if (at > stage.GROWN && this.isNoted(i)) {
      const { cityId, name, country } = city;
      return visit === undefined ? { cityId, name, country } : { cityId, name, country, visit };
    }
    return city;
  }

  /** A record that is there, different for most n. */
  survivor(n) {
    let i = (n * 7919) % this.count;
    while (this.isSmall(i)) i = (i + 1) % this.count;
    return i;
  }

  /** Takes note that operation `applied` of the writers is done. */
  apply() {
    const { type, number } = operation(this.applied);
    if (type === 'arrive') this.#arrivals++;
    else if (type === 'leave') this.#arrivals--;
    else this.#visits.set(this.survivor(number), number);
    this.applied++;
  }

  /** `[key, value]` of everything the writers have added, with undefined for what they have deleted again. */
  *arrivals() {
    for (let k = 0; k < this.applied; k++) {
      if (operation(k).type !== 'arrive') continue;
      const left = k % 4 === 0 && k + 3 < this.applied;
      yield [arrival(k).cityId, left ? undefined : arrival(k)];
    }
  }
}
