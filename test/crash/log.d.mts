/** A value: its number and its size say every byte of it. */
export interface Value {
  id: number;
  size: number;
}

export type Operation =
  | { type: 'add'; value: Value }
  | { type: 'update'; address: number; value: Value }
  | { type: 'remove'; address: number }
  | { type: 'batch'; operations: Operation[] }
  | { type: 'int'; entries: [key: number, value: Value][] }
  | { type: 'string'; entries: [key: string, value: Value][] }
  | { type: 'int delete'; key: number }
  | { type: 'string delete'; key: string }
  | { type: 'clear' };

export interface Log {
  opened: { status: string; entries: number } | undefined;
  /** `result`: the addresses that adds returned, in order. */
  done: { operation: Operation; result: number[] | null }[];
  open: Operation | undefined;
  /** Of `done`, so many were on the disk by what the child was told: the first ones. */
  durable: number;
  /** After a close of its own; `after`: operations before it. */
  reopened: { status: string; entries: number; after: number }[];
}

export function valueBytes(id: number, size: number): Buffer;
export function readLog(path: string): Log;
