/** What a store must hold after a kill: the acknowledged operations, and all or nothing of the one under way. */
import { type Address, binary, type CompactableBuffer, IntMap, StringMap } from '../../src/index.js';
import { type Operation, type Value, valueBytes } from './log.mjs';

/** 'p' and an address, 'i' and an integer, 's' and a string. */
export type Ref = string;

export class Model {
  readonly #values: Map<Ref, Value>;

  constructor(values: Iterable<readonly [Ref, Value]> = []) {
    this.#values = new Map(values);
  }

  get size(): number {
    return this.#values.size;
  }

  /** Of the entries without keys. */
  get addresses(): Address[] {
    return [...this.#values.keys()].filter((ref) => ref[0] === 'p').map((ref) => Number(ref.slice(1)));
  }

  /** `addresses`: what the adds of the operation returned. */
  apply(operation: Operation, addresses: Address[]): void {
    const values = this.#values;
    switch (operation.type) {
      case 'add':
        values.set(`p${addresses.shift() as Address}`, operation.value);
        break;
      case 'update':
        values.set(`p${operation.address}`, operation.value);
        break;
      case 'remove':
        values.delete(`p${operation.address}`);
        break;
      case 'batch':
        for (const one of operation.operations) this.apply(one, addresses);
        break;
      case 'int':
        for (const [key, value] of operation.entries) values.set(`i${key}`, value);
        break;
      case 'string':
        for (const [key, value] of operation.entries) values.set(`s${key}`, value);
        break;
      case 'int delete':
        values.delete(`i${operation.key}`);
        break;
      case 'string delete':
        values.delete(`s${operation.key}`);
        break;
      case 'clear':
        for (const ref of values.keys()) if (ref[0] === 's') values.delete(ref);
    }
  }

  copy(): Model {
    return new Model(this.#values);
  }

  values(): IterableIterator<[Ref, Value]> {
    return this.#values.entries();
  }

  /** True if it is stored as it should be, or rightly not there. */
  agrees(ref: Ref, stored: ReadonlyMap<Ref, Buffer>): boolean {
    const value = this.#values.get(ref);
    const bytes = stored.get(ref);
    if (value === undefined || bytes === undefined) return value === bytes;
    return isValue(value, bytes);
  }

  /** The differences between this and what is stored; none: they are the same, byte for byte. */
  differences(stored: ReadonlyMap<Ref, Buffer>): string[] {
    const found: string[] = [];
    for (const [ref, { id, size }] of this.#values) {
      const bytes = stored.get(ref);
      if (bytes === undefined) found.push(`${ref} is missing (value ${id}, ${size} bytes)`);
      else if (!isValue({ id, size }, bytes)) {
        found.push(`${ref} should be value ${id} of ${size} bytes, is ${bytes.length} bytes of something else`);
      }
    }
    for (const [ref, bytes] of stored) {
      if (!this.#values.has(ref)) found.push(`${ref} should not be there (${bytes.length} bytes)`);
    }
    return found;
  }

  /**
   * This model with an operation that may or may not have happened. Nobody was told which addresses its adds got, so they
   * are looked for among the entries that are new.
   */
  with(operation: Operation, stored: ReadonlyMap<Ref, Buffer>): Model {
    const fresh = [...stored].filter(([ref]) => ref[0] === 'p' && !this.#values.has(ref));
    const addresses: Address[] = [];
    const steps = operation.type === 'batch' ? operation.operations : [operation];
    for (const step of steps) {
      if (step.type !== 'add') continue;
      const wanted = valueBytes(step.value.id, step.value.size);
      const index = fresh.findIndex(([, bytes]) => bytes.equals(wanted));
      const [ref] = index < 0 ? ['p-1'] : (fresh.splice(index, 1)[0] as [Ref, Buffer]);
      addresses.push(Number(ref.slice(1)));
    }
    const next = this.copy();
    next.apply(operation, addresses);
    return next;
  }
}

export function isValue({ id, size }: Value, bytes: Buffer): boolean {
  return bytes.length === size && bytes.equals(valueBytes(id, size));
}

/** Everything in a store, read in every way. */
export function contents(buffer: CompactableBuffer): Map<Ref, Buffer> {
  const stored = new Map<Ref, Buffer>();
  for (const address of buffer.addresses()) {
    if (buffer.readHeader(address).kind === 'plain') stored.set(`p${address}`, buffer.read(address));
  }
  const ints = new IntMap<Uint8Array>(buffer, binary());
  const strings = new StringMap<Uint8Array>(buffer, binary());
  for (const key of ints.keys()) stored.set(`i${key}`, Buffer.from(ints.get(key) as Uint8Array));
  for (const [key, value] of strings) stored.set(`s${key}`, Buffer.from(value));
  const { count } = buffer.stats();
  if (count !== stored.size) throw new Error(`stats().count is ${count}, but ${stored.size} entries can be reached`);
  const entries = [...buffer.entries()].length;
  if (entries !== count) throw new Error(`entries() has ${entries} of ${count} entries`);
  return stored;
}
