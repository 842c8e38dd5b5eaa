/** mmcb/emmett: an event store for Emmett (@event-driven-io/emmett) over an EventStore. */
export {
  type EmmettOptions,
  emmettEventStore,
  type MmcbEmmettEventStore,
  type MmcbReadEventMetadata,
} from './event-store.js';
