/** Errors of queues that say more than a code. */
import { MmcbError } from '../errors.js';

/**
 * What `storeAll` throws where an item cannot be stored: `code` says why, as `store` would. The items before it have been
 * stored, and those from `index` on have not.
 */
export class StoreAllError extends MmcbError {
  /** The position of the item that could not be stored. */
  readonly index: number;

  /** `cause` is what storing that item threw. */
  constructor(index: number, cause: MmcbError) {
    super(cause.code, `items[${index}], those before it are stored: ${cause.message}`, { cause });
    this.index = index;
  }
}
