/** What a cache tells, on diagnostics channels named 'mmcb:cache:' and the event. Values are never told. */
import { channel } from 'node:diagnostics_channel';

export type LayerName = 'memory' | 'file' | 'remote';
/** Why an entry is gone. */
export type DeleteReason = 'delete' | 'expiry' | 'eviction';

/** Events, with what a message holds; it has the `name` of the cache as well. */
export interface CacheEvents {
  hit: { key: string; layer: LayerName };
  miss: { key: string };
  /** A key was set, put or loaded. */
  write: { key: string };
  /** An entry is gone. */
  delete: { key: string; reason: DeleteReason };
  /** Somebody else has changed a key (undefined: perhaps any). */
  invalidate: { key: string | undefined };
  /** A loader was called, has answered, or has failed. Milliseconds. */
  'load:start': { key: string };
  'load:stop': { key: string; duration: number };
  'load:failed': { key: string; duration: number; error: unknown };
  'remote:up': { pending: number };
  'remote:down': { error: unknown };
  /** A write that was made while the remote layer was down has got there, or has turned out to be the older one. */
  replay: { key: string; applied: boolean };
  /** Something failed that no call reports: a layer, a listener, an entry that is damaged. */
  error: { layer: LayerName | 'listener'; key: string | undefined; error: unknown };
}

export type CacheEventName = keyof CacheEvents;

const names: readonly CacheEventName[] = [
  'hit',
  'miss',
  'write',
  'delete',
  'invalidate',
  'load:start',
  'load:stop',
  'load:failed',
  'remote:up',
  'remote:down',
  'replay',
  'error',
];
const hits = channel('mmcb:cache:hit');
const channels = new Map(names.map((name) => [name, channel(`mmcb:cache:${name}`)]));

/** Tells the events of one cache. */
export class CacheTeller {
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  /** Whether anybody listens to hits, which cost less than making a message of them. */
  get hearsHits(): boolean {
    return hits.hasSubscribers;
  }

  tell<N extends CacheEventName>(event: N, detail: CacheEvents[N]): void {
    const target = channels.get(event);
    if (target?.hasSubscribers) target.publish({ ...detail, name: this.#name });
  }
}
