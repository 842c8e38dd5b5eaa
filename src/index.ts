/** mmcb: a persistent, memory-mapped, compactable buffer, and typed maps, queues and a cache on top of it. */
export type { BatchOperation } from './buffer/batch.js';
export type { Address, Bytes } from './buffer/bytes.js';
export { CompactableBuffer } from './buffer/compactable-buffer.js';
export type { EntryHeader } from './buffer/entry-header.js';
export type { ReadStreamOptions } from './buffer/entry-stream.js';
export type {
  BackupOptions,
  BufferOptions,
  CompactionOptions,
  Progress,
  VerifyOptions,
  WaitOptions,
  WorkOptions,
} from './buffer/options.js';
export type {
  BufferEvents,
  BufferStats,
  CompactionReport,
  DamagedPlace,
  DamageMarker,
  RecoveryReport,
  SyncReport,
  VerifyError,
  VerifyReport,
} from './buffer/reports.js';
export type { CacheEvents, DeleteReason } from './cache/events.js';
export type { CacheRecovery } from './cache/file-opening.js';
export { LayeredCache } from './cache/layered-cache.js';
export type { Loader } from './cache/loads.js';
export type { FileLayerOptions, GetOrLoadOptions, LayerBounds, LayeredCacheOptions } from './cache/options.js';
export type {
  OnRemoteError,
  RemoteEntry,
  RemoteEvents,
  RemoteLayer,
  RemoteRemoval,
  RemoteSession,
  RemoteWrite,
  WriteMode,
} from './cache/remote-layer.js';
export type { Stamp } from './cache/stamp.js';
export type { CacheStats, FileStats, LayerCounters, MemoryStats, RemoteStats } from './cache/stats.js';
export type { Coding, Decode, Encode, Encoded } from './cache/values.js';
export { binary } from './codec/binary.js';
export type { Codec } from './codec/codec.js';
export { type CompressionOptions, compressed } from './codec/compressed.js';
export { json } from './codec/json.js';
export { type MsgpackOptions, msgpack } from './codec/msgpack.js';
export { utf8 } from './codec/utf8.js';
export { errorCodes, MmcbError, type MmcbErrorCode, type SystemError } from './errors.js';
export type { AppendStats } from './events/appending.js';
export type { Checkpoint } from './events/checkpoint.js';
export type { CollectReport } from './events/collecting.js';
export { StoredError, VersionConflictError } from './events/errors.js';
export type { DomainEvent, ExpectedVersion, StoredEvent, Version } from './events/event.js';
export type { EventSequence } from './events/event-iterator.js';
export { EventStore } from './events/event-store.js';
export type { EventStoreLike } from './events/event-store-like.js';
export type {
  CollectOptions,
  EventStoreOptions,
  LoadOptions,
  Logger,
  SnapshotOptions,
  StoreBatchOptions,
  StoreOptions,
  SubscribeOptions,
} from './events/options.js';
export type { Upcaster, Upcasters } from './events/payload.js';
export type { Snapshot } from './events/snapshots.js';
export type { EventStoreStats } from './events/stats.js';
export type { EventStoreEvents } from './events/telling.js';
export type { CommitStats } from './events/visibility.js';
export { AbstractIntMap, IntMap } from './map/int-map.js';
export type { KeyBounds, KeyRange } from './map/key-range.js';
export type { MapOptions, MapRecovery } from './map/keyed-map.js';
export { OrderedMap } from './map/ordered-map.js';
export { type IdOf, type RecordId, RecordMap, type RecordMapOptions } from './map/record-map.js';
export { AbstractStringMap, StringMap } from './map/string-map.js';
export type { MapEntry } from './partitioned/containers.js';
export type { DropReason, PartitionedEvents } from './partitioned/events.js';
export type {
  ChangeableOptions,
  DeadLetter,
  DeadLetterContext,
  Overflow,
  PartitionedOptions,
  Processor,
  ProcessorContext,
  RetryOptions,
  StopOptions,
} from './partitioned/options.js';
export type { PartitionedStats } from './partitioned/partitioned-buffer.js';
export { PartitionedMap, type PartitionedMapOptions } from './partitioned/partitioned-map.js';
export { PartitionedQueue, type PartitionedQueueOptions, type PushOptions } from './partitioned/partitioned-queue.js';
export type { Clock } from './queue/clock.js';
export type { QueueCounters, QueueStats } from './queue/counters.js';
export { DelayQueue } from './queue/delay-queue.js';
export { StoreAllError } from './queue/errors.js';
export type { Lease, QueueEntry } from './queue/lease.js';
export type { ConsumeOptions, DelayQueueOptions, LeaseOptions, NackOptions, QueueItem } from './queue/options.js';
