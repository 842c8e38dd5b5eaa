/** What adapters rely on. */
import type { WaitOptions } from '../buffer/options.js';
import type { DomainEvent, StoredEvent, Version } from './event.js';
import type { LoadOptions, StoreBatchOptions, StoreOptions, SubscribeOptions } from './options.js';

/** What adapters need of an event store: `EventStore` is one. */
export interface EventStoreLike<E extends DomainEvent = DomainEvent> {
  store(event: E, options?: StoreOptions): Promise<Version>;
  storeBatch(events: readonly E[], options?: StoreBatchOptions): Promise<Version[]>;
  load(options?: LoadOptions<E>): AsyncIterable<StoredEvent<E>>;
  loadByAggregate(aggregateId: string, options?: LoadOptions<E>): AsyncIterable<StoredEvent<E>>;
  get(id: string, options?: WaitOptions): Promise<StoredEvent<E>>;
  latestVersion(options?: WaitOptions): Promise<Version>;
  aggregateVersion(aggregateId: string, options?: WaitOptions): Promise<number>;
  subscribe(options?: SubscribeOptions<E>): AsyncIterable<StoredEvent<E>>;
  close(options?: WaitOptions): Promise<void>;
}
