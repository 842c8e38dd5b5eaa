/** Batches of a level database, packed for native code. */
import { StringOperation } from '../internal/native.js';
import type { LevelValue } from './level-iterator.js';
import { type LevelKey, storedKey } from './level-keys.js';

/** An operation as abstract-level hands it over. */
export type LevelOperation = { type: 'put'; key: LevelKey; value: LevelValue } | { type: 'del'; key: LevelKey };

export interface PackedOperations {
  types: Uint8Array;
  keys: string[];
  data: (Uint8Array | undefined)[];
}

export function packOperations(operations: readonly LevelOperation[]): PackedOperations {
  const types = new Uint8Array(operations.length);
  const keys: string[] = new Array(operations.length);
  const data: (Uint8Array | undefined)[] = new Array(operations.length);
  for (let i = 0; i < operations.length; i++) {
    const operation = operations[i] as LevelOperation;
    keys[i] = storedKey(operation.key);
    if (operation.type === 'del') {
      types[i] = StringOperation.DELETE;
    } else {
      types[i] = StringOperation.SET;
      data[i] = typeof operation.value === 'string' ? Buffer.from(operation.value, 'utf8') : operation.value;
    }
  }
  return { types, keys, data };
}
