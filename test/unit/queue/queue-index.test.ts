/** The index alone: its two orders against lists, and what stands in a run, where everything costs O(1). */
import { describe, expect, it } from 'vitest';
import { Counter, emptyIndex, QueueIndex, State } from '../../../src/queue/queue-index.js';
import type { SlotOrder } from '../../../src/queue/slot-order.js';
import { type Random, withSeeds } from '../../support/random.js';

const NEVER = Number.POSITIVE_INFINITY;

interface Item {
  slot: number;
  state: number;
  due: number;
  order: number;
  time: number;
}

/** An index beside a list of what is in it. */
class Pair {
  readonly index = new QueueIndex(emptyIndex(2));
  readonly items: Item[] = [];
  #order = 1;
  #now = 0;

  add(due: number, time = NEVER): Item {
    this.index.reserve();
    const item = { slot: this.index.add(this.items.length % 7, 0), state: State.FREE, due: 0, order: 0, time: NEVER };
    this.items.push(item);
    this.set(item, State.WAITING, due, time);
    return item;
  }

  set(item: Item, state: number, due: number, time: number, order = this.#order++): void {
    Object.assign(item, { state, due, time, order });
    this.index.set(item.slot, state, due, order, time);
  }

  delete(item: Item): void {
    this.items.splice(this.items.indexOf(item), 1);
    this.index.delete(item.slot);
  }

  check(): void {
    const ready = this.items.filter(({ state }) => state === State.WAITING);
    const timers = this.items.filter(({ time }) => time !== NEVER);
    this.#checkOrder(this.index.ready, ready, 'due');
    this.#checkOrder(this.index.timers, timers, 'time');
  }

  #checkOrder(order: SlotOrder, items: Item[], by: 'due' | 'time'): void {
    expect(order.size).toBe(items.length);
    if (items.length === 0) return;
    const least = items.reduce((first, item) => {
      const isLess = item[by] < first[by] || (item[by] === first[by] && item.order < first.order);
      return isLess ? item : first;
    });
    expect(order.top).toBe(least.slot);
  }

  /** One change, as queues make them. */
  step(random: Random): void {
    const { items } = this;
    this.#now += random.int(0, 2);
    const item = items.length === 0 ? undefined : random.pick(items);
    const ttl = random.chance(0.3) ? this.#now + 50 : NEVER;
    const kind = random.weighted({ add: 6, late: 1, early: 1, replace: 3, move: 2, lease: 2, top: 4, delete: 1 });
    if (kind === 'add' || item === undefined) this.add(this.#now + 20, ttl);
    else if (kind === 'late') this.add(this.#now + random.int(20, 500), ttl);
    else if (kind === 'early') this.add(this.#now + random.int(0, 20), ttl);
    else if (kind === 'replace') this.set(item, item.state, item.due, ttl, item.order);
    else if (kind === 'move') this.set(item, State.WAITING, this.#now + random.pick([0, 20, 20, 90]), ttl);
    else if (kind === 'lease') this.set(item, State.LEASED, item.due, this.#now + random.int(1, 40), item.order);
    else if (kind === 'delete') this.delete(item);
    else {
      const { ready } = this.index;
      if (ready.size > 0) this.delete(items.find(({ slot }) => slot === ready.top) as Item);
    }
  }

  /** How many of those that wait stand in the heap. */
  get inHeap(): number {
    return this.index.counters[Counter.READY_HEAP] as number;
  }
}

describe('QueueIndex', () => {
  it('has both orders as lists have them, whatever happens, while it grows', async () => {
    await withSeeds(200, (random) => {
      const pair = new Pair();
      for (let i = 0; i < 300; i++) {
        pair.step(random);
        pair.check();
      }
      while (pair.items.length > 0) {
        const { ready, timers } = pair.index;
        const next = ready.size > 0 ? ready.top : timers.size > 0 ? timers.top : pair.items[0]?.slot;
        pair.delete(pair.items.find(({ slot }) => slot === next) as Item);
        pair.check();
      }
    });
  });

  it('needs no heap for items that wait equally long, wherever some of them are taken out or stored again', () => {
    const pair = new Pair();
    for (let i = 0; i < 100; i++) pair.add(0);
    for (let i = 0; i < 5000; i++) {
      const item = pair.add(i + 100);
      if (i % 6 === 0) pair.delete(pair.items[Math.floor(pair.items.length / 2)] as Item);
      if (i % 5 === 0) pair.set(item, State.WAITING, item.due, NEVER, item.order);
      if (i % 7 === 0) pair.set(pair.items[0] as Item, State.WAITING, i + 100, NEVER); // debounced
      while (pair.items.length > 100) pair.delete(pair.items.find(({ slot }) => slot === pair.index.ready.top) as Item);
      expect(pair.inHeap).toBe(0);
    }
    pair.check();
  });

  it('puts the few that wait longer than the others into the heap, and no more', () => {
    const pair = new Pair();
    for (let i = 0; i < 1000; i++) {
      pair.add(i + 100);
      if (i % 10 === 0) pair.add(i + 100_000);
      expect(pair.inHeap).toBeLessThanOrEqual(i / 10 + 1);
    }
    pair.check();
    for (let i = 0; i < 1000; i++) pair.add(500_000 - i); // against the order
    expect(pair.inHeap).toBeGreaterThan(900);
    pair.check();
  });

  it('closes the gaps of a run that is full, and goes on in the heap when there are few', () => {
    const pair = new Pair();
    const first = pair.add(0);
    for (let i = 0; i < 10_000; i++) {
      pair.add(i + 1);
      if (pair.items.length > 50) pair.delete(pair.items[1] as Item); // in a ring of 64
      expect(pair.inHeap).toBe(0);
    }
    pair.check();
    expect(pair.index.ready.top).toBe(first.slot);
    for (let i = 0; i < 10_000; i++) {
      pair.add(i + 10_001);
      if (pair.items.length > 63) pair.delete(pair.items[1] as Item);
    }
    pair.check();
    expect(pair.inHeap).toBeGreaterThan(0);
    pair.delete(first);
    pair.check();
  });
});
