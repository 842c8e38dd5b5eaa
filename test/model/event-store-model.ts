/** What an event store is, in the plainest form: an array. */
import { isDeepStrictEqual } from 'node:util';
import type { DomainEvent, ExpectedVersion } from '../../src/index.js';

export interface ModelEvent {
  readonly event: DomainEvent;
  readonly version: number;
  readonly aggregateVersion: number;
  /** Removed by garbage collection; 'rest': its id is still known. */
  state: 'there' | 'rest' | 'gone';
}

export type Outcome = number[] | 'conflict' | 'exists';

export class ModelStore {
  readonly events: ModelEvent[] = [];
  readonly snapshots = new Map<string, { state: unknown; version: number }>();
  readonly checkpoints = new Map<string, number>();

  get latest(): number {
    return this.events.length;
  }

  aggregateVersion(aggregateId: string): number {
    return this.events.filter(({ event }) => event.aggregateId === aggregateId).length;
  }

  store(events: readonly DomainEvent[], expected: ExpectedVersion, version?: number): Outcome {
    const fresh: DomainEvent[] = [];
    const versions: (number | string)[] = [];
    for (const event of events) {
      const known = this.find(event.id);
      const twin = fresh.find(({ id }) => id === event.id);
      if (known !== undefined) {
        const same = known.state === 'there' ? isDeepStrictEqual(known.event, event) : sameNames(known.event, event);
        if (!same) return 'exists';
        versions.push(known.version);
      } else if (twin !== undefined) {
        if (!isDeepStrictEqual(twin, event)) return 'exists';
        versions.push(event.id);
      } else {
        fresh.push(event);
        versions.push(event.id);
      }
    }
    if (fresh.length > 0) {
      if (version !== undefined && version !== this.latest + 1) return 'conflict';
      for (const { aggregateId } of fresh) {
        const actual = this.aggregateVersion(aggregateId);
        if (expected !== 'any' && actual !== (expected === 'none' ? 0 : expected)) return 'conflict';
      }
    }
    for (const event of fresh) {
      const aggregateVersion = this.aggregateVersion(event.aggregateId) + 1;
      this.events.push({ event, version: this.latest + 1, aggregateVersion, state: 'there' });
    }
    return versions.map((found) => (typeof found === 'number' ? found : (this.find(found) as ModelEvent).version));
  }

  /** The event of an id that is known. */
  find(id: string): ModelEvent | undefined {
    return this.events.find(({ event, state }) => event.id === id && state !== 'gone');
  }

  there(): ModelEvent[] {
    return this.events.filter(({ state }) => state === 'there');
  }

  saveSnapshot(aggregateId: string, state: unknown, version: number): boolean {
    if ((this.snapshots.get(aggregateId)?.version ?? 0) > version) return false;
    this.snapshots.set(aggregateId, { state, version });
    return true;
  }

  collect(before: number | undefined, keep: readonly string[], ignoreCheckpoints: boolean): number {
    const held = ignoreCheckpoints ? Number.POSITIVE_INFINITY : Math.min(...this.checkpoints.values());
    let collected = 0;
    for (const aggregateId of new Set(this.events.map(({ event }) => event.aggregateId))) {
      if (keep.includes(aggregateId)) continue;
      const wanted = before === undefined ? (this.snapshots.get(aggregateId)?.version ?? 0) : before - 1;
      const upTo = Math.min(wanted, held);
      const own = this.events.filter(({ event, version }) => event.aggregateId === aggregateId && version <= upTo);
      if (own.every(({ state }) => state !== 'there')) continue;
      collected += own.filter(({ state }) => state === 'there').length;
      for (const [i, event] of own.entries()) event.state = i === own.length - 1 ? 'rest' : 'gone';
    }
    return collected;
  }
}

function sameNames(a: DomainEvent, b: DomainEvent): boolean {
  return a.type === b.type && a.aggregateId === b.aggregateId;
}
