/** Errors on their way from one thread to another: with their code, and with their cause where that can be cloned. */
import { MmcbError, type MmcbErrorCode } from '../../errors.js';
import { StoreAllError } from '../errors.js';

interface PackedError {
  readonly kind: 'mmcb' | 'type' | 'range' | 'other';
  readonly code: MmcbErrorCode | undefined;
  readonly message: string;
  readonly cause?: unknown;
  /** Of a StoreAllError, which item it was; `cause` is packed, too. */
  readonly index?: number;
}

export function packError(error: unknown): PackedError {
  if (error instanceof StoreAllError) {
    const { code, message, index, cause } = error;
    return { kind: 'mmcb', code, message, index, cause: packError(cause) };
  }
  const cause = error instanceof Error && 'cause' in error ? { cause: cloneable(error.cause) } : {};
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof MmcbError) return { kind: 'mmcb', code: error.code, message, ...cause };
  const kind = error instanceof TypeError ? 'type' : error instanceof RangeError ? 'range' : 'other';
  return { kind, code: undefined, message, ...cause };
}

export function unpackError(packed: unknown): Error {
  const { kind, code, message, index, ...options } = packed as PackedError;
  if (index !== undefined) return new StoreAllError(index, unpackError(options.cause) as MmcbError);
  if (kind === 'mmcb') return new MmcbError(code as MmcbErrorCode, message, options);
  const classes = { type: TypeError, range: RangeError, other: Error };
  return new classes[kind](message, options);
}

/** The same, or what can be said of it. */
function cloneable(cause: unknown): unknown {
  try {
    structuredClone(cause);
    return cause;
  } catch {
    return new Error(String(cause));
  }
}
