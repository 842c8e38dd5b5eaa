// What the writer does until it is killed: an endless list of operations. The parent knows the list too; an acknowledged
// number therefore says exactly what the file must hold. Doing an operation twice is the same as doing it once.
import { cities } from '../cities.mjs';

/** Ids of arrivals lie above those of all cities and their copies. */
const ARRIVALS = 2 ** 50;

/** Operation k: two of four add a record, one updates a city, one deletes what the operation three before it added. */
export function operation(k) {
  if (k % 4 < 2) return { type: 'arrive', number: k };
  return k % 4 === 2 ? { type: 'visit', number: k } : { type: 'leave', number: k - 3 };
}

/** The record that operation k adds. */
export function arrival(k) {
  return { ...cities[k % cities.length], cityId: ARRIVALS + k, arrived: k };
}

/** The key that operation k changes, and its value before and after; undefined: there is none. */
export function outcome(model, k) {
  const { type, number } = operation(k);
  if (type === 'arrive') return { key: ARRIVALS + number, before: undefined, after: arrival(number) };
  if (type === 'leave') return { key: ARRIVALS + number, before: arrival(number), after: undefined };
  const i = model.survivor(number);
  const before = model.value(i);
  return { key: model.id(i), before, after: { ...before, visit: number } };
}

export function perform(map, model, k) {
  const { key, after } = outcome(model, k);
  if (after === undefined) map.delete(key);
  else map.set(key, after);
}
