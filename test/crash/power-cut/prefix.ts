/** Which of the states that a child's log leads through is stored? A power cut leaves exactly one of them. */

import type { Log, Operation, Value } from '../log.mjs';
import { isValue, Model, type Ref } from '../model.js';

export interface Prefix {
  /** Operations of the log that are in the file; the one that had not returned counts as well. */
  count: number;
  model: Model;
}

/**
 * The state after so many of the operations, no fewer than were on the disk by what the child had been told, on top of
 * `before`; or in what the nearest one differs.
 */
export function findPrefix(before: Model, log: Log, stored: ReadonlyMap<Ref, Buffer>): Prefix | string[] {
  const model = before.copy();
  for (const { operation, result } of log.done.slice(0, log.durable)) model.apply(operation, [...(result ?? [])]);
  // Only what an operation touches is compared again.
  const wrong = new Set<Ref>();
  const compare = (ref: Ref) => (model.agrees(ref, stored) ? wrong.delete(ref) : wrong.add(ref));
  for (const [ref] of model.values()) compare(ref);
  for (const ref of stored.keys()) compare(ref);
  let nearest = { wrong: wrong.size, count: log.durable, differences: model.differences(stored) };
  for (let count = log.durable; ; count++) {
    if (wrong.size === 0) return { count, model };
    if (wrong.size < nearest.wrong) nearest = { wrong: wrong.size, count, differences: model.differences(stored) };
    const next = log.done[count];
    if (next === undefined) break;
    const touched = refsOf(next.operation, [...(next.result ?? [])], model);
    model.apply(next.operation, [...(next.result ?? [])]);
    touched.forEach(compare);
  }
  if (log.open !== undefined) {
    const other = model.with(log.open, stored);
    if (other.differences(stored).length === 0) return { count: log.done.length + 1, model: other };
  }
  return [
    `no state from operation ${log.durable} (on the disk) to ${log.done.length} (returned) is what is stored; ` +
      `nearest, with ${nearest.wrong} differences: after operation ${nearest.count}`,
    ...nearest.differences,
  ];
}

/** What an operation changes. `addresses`: what its adds returned. */
function refsOf(operation: Operation, addresses: number[], model: Model): Ref[] {
  switch (operation.type) {
    case 'add':
      return [`p${addresses.shift()}`];
    case 'update':
    case 'remove':
      return [`p${operation.address}`];
    case 'batch':
      return operation.operations.flatMap((one) => refsOf(one, addresses, model));
    case 'int':
      return operation.entries.map(([key]) => `i${key}`);
    case 'string':
      return operation.entries.map(([key]) => `s${key}`);
    case 'int delete':
      return [`i${operation.key}`];
    case 'string delete':
      return [`s${operation.key}`];
    case 'clear':
      return [...model.values()].map(([ref]) => ref).filter((ref) => ref[0] === 's');
  }
}

/** Every value that was ever stored, by name. What is salvaged must be one of them. */
export class History {
  readonly #values = new Map<Ref, Value[]>();
  /** Of adds that never returned: nobody was told their address. */
  readonly #unnamed: Value[] = [];

  add(log: Log): void {
    for (const { operation, result } of log.done) this.#add(operation, [...(result ?? [])]);
    if (log.open !== undefined) this.#add(log.open, []);
  }

  /** What is stored, as a model; or what was never written. */
  find(stored: ReadonlyMap<Ref, Buffer>): Model | string[] {
    const values: [Ref, Value][] = [];
    const wrong: string[] = [];
    for (const [ref, bytes] of stored) {
      const known = [...(this.#values.get(ref) ?? []), ...(ref[0] === 'p' ? this.#unnamed : [])];
      const value = known.find((one) => isValue(one, bytes));
      if (value === undefined) wrong.push(`${ref} is ${bytes.length} bytes that were never written there`);
      else values.push([ref, value]);
    }
    return wrong.length === 0 ? new Model(values) : wrong;
  }

  #add(operation: Operation, addresses: number[]): void {
    const note = (ref: Ref, value: Value) => {
      const values = this.#values.get(ref);
      if (values === undefined) this.#values.set(ref, [value]);
      else values.push(value);
    };
    if (operation.type === 'batch') for (const one of operation.operations) this.#add(one, addresses);
    else if (operation.type === 'add') {
      const address = addresses.shift();
      if (address === undefined) this.#unnamed.push(operation.value);
      else note(`p${address}`, operation.value);
    } else if (operation.type === 'update') note(`p${operation.address}`, operation.value);
    else if (operation.type === 'int') for (const [key, value] of operation.entries) note(`i${key}`, value);
    else if (operation.type === 'string') for (const [key, value] of operation.entries) note(`s${key}`, value);
  }
}
