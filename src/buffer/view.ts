/** Memory of an entry that is lent to a function. */
import type { Resource, Store } from '../internal/lifecycle.js';

/** Ended when the function ends, or when the buffer is closed inside it. */
export class View implements Resource {
  #open = true;

  constructor(
    readonly store: Store,
    readonly memory: ArrayBuffer,
  ) {
    store.attach(this);
  }

  /** Throws where the file was cut short, or failed, while it was looked at. */
  end(): void {
    if (!this.#open) return;
    this.store.detach(this);
    const result = this.#end();
    if (result < 0) throw this.store.failure(result);
  }

  abandon(): void {
    this.#end();
  }

  #end(): number {
    this.#open = false;
    return this.store.native.endView(this.store.handle, this.memory);
  }
}
