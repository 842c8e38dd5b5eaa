/** Batches: several changes that happen all together or not at all. */
import { show } from '../internal/options.js';
import { type Address, type Bytes, checkAddress, toBytes } from './bytes.js';

/** One change of a batch. */
export type BatchOperation =
  | { type: 'add'; data: Bytes }
  | { type: 'update'; address: Address; data: Bytes }
  | { type: 'remove'; address: Address };

/** A batch as the addon takes it. */
export interface PackedBatch {
  types: Uint8Array;
  addresses: Float64Array;
  data: (Uint8Array | undefined)[];
}

const ADD = 0;
const UPDATE = 1;
const REMOVE = 2;

/** Checks all operations before any is done. Errors name the operation, e.g. 'operations[3].data'. */
export function packBatch(operations: readonly BatchOperation[]): PackedBatch {
  if (!Array.isArray(operations)) throw new TypeError(`operations must be an array, got ${show(operations)}`);
  const count = operations.length;
  const packed: PackedBatch = {
    types: new Uint8Array(count),
    addresses: new Float64Array(count),
    data: new Array(count),
  };
  for (let i = 0; i < count; i++) {
    const operation: unknown = operations[i];
    if (typeof operation !== 'object' || operation === null) {
      throw new TypeError(`operations[${i}] must be an object, got ${show(operation)}`);
    }
    const { type, address, data } = operation as Readonly<Record<'type' | 'address' | 'data', unknown>>;
    if (type !== 'add' && type !== 'update' && type !== 'remove') {
      throw new TypeError(`operations[${i}].type must be 'add', 'update' or 'remove', got ${show(type)}`);
    }
    packed.types[i] = type === 'add' ? ADD : type === 'update' ? UPDATE : REMOVE;
    if (type !== 'add') packed.addresses[i] = checkAddress(address, `operations[${i}].address`);
    packed.data[i] = type === 'remove' ? undefined : toBytes(data, `operations[${i}].data`);
  }
  return packed;
}

/** The result of a batch: the address for each add, undefined for everything else. */
export function batchResult({ types, addresses }: PackedBatch): (Address | undefined)[] {
  return Array.from(types, (type, i) => (type === ADD ? addresses[i] : undefined));
}
