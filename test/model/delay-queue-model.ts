/** A delay queue as plainly as it can be said: an array that is searched from end to end. */
export interface ModelSettings {
  delay: number;
  maxKeys: number;
  ttl: number;
  dedupeFor: number;
  timer: 'first' | 'last';
  maxWait: number;
  merges: boolean;
}

interface Part {
  value: number[];
  due: number;
  first: number;
  stored: number;
  updates: number;
}

interface Item extends Part {
  key: string;
  order: number;
  attempts: number;
  /** When its lease ends; Infinity in a loop; undefined while it waits. */
  deadline: number | undefined;
  held: Part | undefined;
}

export interface ModelLease {
  item: Item;
  order: number;
  attempt: number;
}

export interface Handed {
  key: string;
  value: number[];
  updates: number;
}

export class ModelQueue {
  items: Item[] = [];
  readonly ids = new Map<string, { id: string; at: number }>();
  #order = 0;

  constructor(
    readonly settings: ModelSettings,
    public now: number,
  ) {}

  settle(): void {
    for (const item of this.items) {
      if (item.deadline !== undefined && item.deadline <= this.now) item.deadline = undefined;
    }
    this.items = this.items.filter(
      ({ deadline, attempts, stored }) =>
        deadline !== undefined || attempts > 0 || stored + this.settings.ttl > this.now,
    );
  }

  get size(): number {
    return this.items.length;
  }

  get nextDue(): number | undefined {
    const dues = this.items.filter(({ deadline }) => deadline === undefined).map(({ due }) => due);
    return dues.length === 0 ? undefined : Math.min(...dues);
  }

  store(key: string, value: number[], id: string | undefined, delay = this.settings.delay): boolean | 'full' {
    const last = this.ids.get(key);
    if (id !== undefined && last?.id === id && this.now - last.at < this.settings.dedupeFor) return false;
    const item = this.items.find((one) => one.key === key);
    const fresh = { value, due: this.now + delay, first: this.now, stored: this.now, updates: 0 };
    if (item === undefined) {
      if (this.items.length >= this.settings.maxKeys) return 'full';
      this.items.push({ ...fresh, key, order: this.#order++, attempts: 0, deadline: undefined, held: undefined });
    } else if (item.held !== undefined) this.#coalesce(item.held, value, delay);
    else if (item.deadline !== undefined) item.held = fresh;
    else {
      const { due } = item;
      this.#coalesce(item, value, delay);
      if (item.due !== due) item.order = this.#order++;
    }
    if (id === undefined) this.ids.delete(key);
    else this.ids.set(key, { id, at: this.now });
    return true;
  }

  #coalesce(part: Part, value: number[], delay: number): void {
    const { timer, maxWait, merges } = this.settings;
    part.value = merges ? [...part.value, ...value] : value;
    part.stored = this.now;
    part.updates += 1;
    if (timer === 'last') part.due = Math.min(this.now + delay, part.first + maxWait);
  }

  #next(until: number): Item | undefined {
    return this.items
      .filter(({ deadline, due }) => deadline === undefined && due <= until)
      .sort((a, b) => a.due - b.due || a.order - b.order)[0];
  }

  #until(): number {
    return this.size >= this.settings.maxKeys ? Number.POSITIVE_INFINITY : this.now;
  }

  #finish(item: Item): void {
    this.items.splice(this.items.indexOf(item), 1);
    if (item.held === undefined) return;
    const { key, held } = item;
    this.items.push({ ...held, key, order: this.#order++, attempts: 0, deadline: undefined, held: undefined });
  }

  retrieve(limit: number): Handed[] {
    const until = this.#until();
    const handed: Handed[] = [];
    while (handed.length < limit) {
      const item = this.#next(until);
      if (item === undefined) break;
      handed.push({ key: item.key, value: item.value, updates: item.updates });
      this.#finish(item);
    }
    return handed;
  }

  lease(limit: number, timeout: number): ModelLease[] {
    const until = this.#until();
    const leases: ModelLease[] = [];
    while (leases.length < limit) {
      const item = this.#next(until);
      if (item === undefined) break;
      item.deadline = this.now + timeout;
      item.attempts += 1;
      leases.push({ item, order: item.order, attempt: item.attempts });
    }
    return leases;
  }

  #holds({ item, order, attempt }: ModelLease): boolean {
    return (
      this.items.includes(item) && item.deadline !== undefined && item.order === order && item.attempts === attempt
    );
  }

  ack(lease: ModelLease): boolean {
    if (!this.#holds(lease)) return false;
    this.#finish(lease.item);
    return true;
  }

  nack(lease: ModelLease, delay: number | undefined): boolean {
    if (!this.#holds(lease)) return false;
    lease.item.deadline = undefined;
    if (delay !== undefined) {
      lease.item.due = this.now + delay;
      lease.item.order = this.#order++;
    }
    return true;
  }

  delete(key: string): boolean {
    const last = this.ids.get(key);
    const remembered = last !== undefined && this.now - last.at < this.settings.dedupeFor;
    const held = this.items.some((item) => item.key === key);
    this.items = this.items.filter((item) => item.key !== key);
    this.ids.delete(key);
    return held || remembered;
  }
}
