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

/** The key that operation k changes, and the value that it has afterwards. */
export function outcome(model, k) {
  const { type, number } = operation(k);
  if (type === 'arrive') return [ARRIVALS + k, arrival(k)];
  if (type === 'leave') return [ARRIVALS + number, undefined];
  const i = model.survivor(number);
  return [model.id(i), { ...model.value(i), visit: number }];
}

export function perform(map, model, k) {
  const [key, value] = outcome(model, k);
  if (value === undefined) map.delete(key);
  else map.set(key, value);
}
