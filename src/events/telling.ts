/** What an event store tells: on the instance, on diagnostics channels named 'mmcb:event-store:' and the event, and to a logger. */
import { channel } from 'node:diagnostics_channel';
import type { EventEmitter } from 'node:events';
import type { RecoveryReport } from '../buffer/reports.js';
import type { CollectReport } from './collecting.js';
import type { ExpectedVersion, Version } from './event.js';
import type { Logger } from './options.js';

/** Events, with what their listeners get; on a channel it has the `path` of the store as well. Durations are in ms. */
export interface EventStoreEvents {
  /** Events were stored, `count` of them, from version `first` on. */
  stored: [{ first: Version; count: number }];
  /** A sync point that calls had waited for: everything up to `version` is on the disk. */
  committed: [{ version: Version; duration: number }];
  /** An event was acknowledged that had been stored before. */
  duplicate: [{ id: string; version: Version }];
  /** Events were refused. */
  conflict: [{ aggregateId: string | undefined; expectedVersion: ExpectedVersion; actualVersion: Version }];
  /** An event is damaged: loads leave it out. Once for each version. */
  damage: [{ version: Version; error: unknown }];
  /** `runGC` has ended. */
  collected: [CollectReport];
  /** What opening found; see {@link CompactableBuffer.recovery}. */
  recovery: [RecoveryReport];
}

type EventName = keyof EventStoreEvents;

const names: readonly EventName[] = ['stored', 'committed', 'duplicate', 'conflict', 'damage', 'collected', 'recovery'];
const channels = new Map(names.map((name) => [name, channel(`mmcb:event-store:${name}`)]));

const levels: Record<EventName, keyof Logger> = {
  stored: 'debug',
  committed: 'debug',
  duplicate: 'debug',
  conflict: 'debug',
  damage: 'error',
  collected: 'info',
  recovery: 'info',
};

export class Telling {
  readonly #emitter: EventEmitter<EventStoreEvents>;
  readonly #path: string;
  readonly #logger: Logger | undefined;

  constructor(emitter: EventEmitter<EventStoreEvents>, path: string, logger: Logger | undefined) {
    this.#emitter = emitter;
    this.#path = path;
    this.#logger = logger;
  }

  /**
   * Tells whoever listens. Listeners are called from the event loop: what they throw is theirs, and no call of the store
   * fails by it.
   */
  tell<N extends EventName>(name: N, detail: EventStoreEvents[N][0]): void {
    const emitter = this.#emitter as EventEmitter;
    if (emitter.listenerCount(name) > 0) process.nextTick(() => emitter.emit(name, detail));
    const target = channels.get(name);
    if (target?.hasSubscribers) target.publish({ ...detail, path: this.#path });
    const logger = this.#logger;
    if (logger !== undefined) process.nextTick(() => logger[levels[name]](`event store: ${name}`, detail));
  }
}
