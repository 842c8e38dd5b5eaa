/** One measurement, in a process of its own: events per second. The argument says which; see bench/events.mjs. */
const task = JSON.parse(process.argv[2]);
const { engine, folder, kind, durable, writers = 1, events, seconds } = task;
const { open } = await import(`./${engine}.mjs`);
const store = await open(folder, durable);

const AGGREGATE = 20;
const BATCH = 1000;
let next = 0;
/** An event of some 150 bytes; each aggregate has 20 of them. */
const anEvent = (aggregate) => {
  const n = next++;
  return {
    id: `0190b4b2-7c3e-7000-8000-${String(n).padStart(12, '0')}`,
    type: n % 3 === 0 ? 'Deposited' : 'Withdrawn',
    aggregateId: `account-${aggregate ?? Math.floor(n / AGGREGATE)}`,
    data: { amount: n % 1000, currency: 'EUR', by: 'somebody in particular', at: 1_700_000_000_000 + n, note: null },
  };
};
const fill = async (count) => {
  for (let done = 0; done < count; done += BATCH) {
    await store.appendBatch(Array.from({ length: Math.min(BATCH, count - done) }, () => anEvent()));
  }
};

const measures = {
  async append() {
    let count = 0;
    const end = performance.now() + seconds * 1000;
    const writer = async (number) => {
      for (let version = 0; performance.now() < end; version++) {
        await store.append(anEvent(number), version);
        count += 1;
      }
    };
    const start = performance.now();
    await Promise.all(Array.from({ length: writers }, (_, number) => writer(number)));
    return count / ((performance.now() - start) / 1000);
  },
  async batch() {
    let count = 0;
    const start = performance.now();
    for (const end = start + seconds * 1000; performance.now() < end; count += BATCH) {
      await store.appendBatch(Array.from({ length: BATCH }, () => anEvent()));
    }
    return count / ((performance.now() - start) / 1000);
  },
  async aggregate() {
    await fill(Math.min(events, 200_000));
    const aggregates = Math.floor(next / AGGREGATE);
    let count = 0;
    let sum = 0;
    const start = performance.now();
    for (const end = start + seconds * 1000; performance.now() < end; ) {
      for (let i = 0; i < 100; i++) {
        const aggregate = ((count / AGGREGATE) * 7919) % aggregates;
        await store.loadByAggregate(`account-${aggregate}`, (event) => {
          sum += event.data.amount;
          count += 1;
        });
      }
    }
    if (!(sum > 0) || count % AGGREGATE !== 0) throw new Error('events are missing');
    return count / ((performance.now() - start) / 1000);
  },
  async replay() {
    await fill(events);
    let count = 0;
    let sum = 0;
    const start = performance.now();
    await store.replay((event) => {
      sum += event.data.amount;
      count += 1;
    });
    if (count !== next || !(sum > 0)) throw new Error('events are missing');
    return count / ((performance.now() - start) / 1000);
  },
};
const rate = await measures[kind]();
await store.close();
console.log(rate);
