// What the map must hold at every moment. Each value follows from the record's number and from what has been done to all
// records so far, so that millions of records can be checked without a second copy of them in memory.
import { cities, ID_SPACE } from './cities.mjs';
import { arrival, operation } from './crash/operations.mjs';

/** What has been done to the records, in this order. */
export const stage = { LOADED: 0, COUNTED: 1, HOT: 2, GROWN: 3, SHRUNK: 4, DELETED: 5 };

/** Records below this number are updated again and again. */
export const HOT_RECORDS = 1000;

/** Places with fewer people than this are deleted in the end. */
export const SMALL = 2500;

const NOTE = 'A longer description of the place, which does not fit into the room that its entry was given at first. ';

export function short({ cityId, name, country }) {
  return { cityId, name, country };
}

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
    if (at >= stage.COUNTED) city.population++;
    if (at >= stage.HOT && i < HOT_RECORDS) city.population++;
    if (at === stage.GROWN && this.isNoted(i)) city.note = NOTE.repeat(3);
    if (at < stage.SHRUNK || !this.isNoted(i)) return city;
    return visit === undefined ? short(city) : { ...short(city), visit };
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
