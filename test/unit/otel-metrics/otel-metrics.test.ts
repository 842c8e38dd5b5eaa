/** Metrics as an exporter would get them, from OpenTelemetry's own SDK. */
import { AggregationTemporality, type Histogram, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'; // biome-ignore format: one line
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CompactableBuffer, PartitionedQueue } from '../../../src/index.js';
import { observeStores, type StoreObserver } from '../../../src/otel-metrics/index.js';
import { expectCode } from '../../support/expect.js';
import { tempFile } from '../../support/temp.js';

interface Point {
  attributes: Record<string, unknown>;
  value: unknown;
}

describe('observeStores', () => {
  let exporter: InMemoryMetricExporter;
  let provider: MeterProvider;
  let observer: StoreObserver;

  beforeEach(() => {
    exporter = new InMemoryMetricExporter(AggregationTemporality.DELTA);
    const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 2 ** 30 });
    provider = new MeterProvider({ readers: [reader] });
    observer = observeStores({ meter: provider.getMeter('test') });
  });
  afterEach(async () => {
    observer.close();
    await provider.shutdown();
  });

  /** What is told since the last time, by the names of metrics. */
  async function collect(): Promise<(name: string) => Point[]> {
    exporter.reset();
    await provider.forceFlush();
    const metrics = exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics));
    return (name) =>
      metrics.filter(({ descriptor }) => descriptor.name === name).flatMap(({ dataPoints }) => dataPoints as Point[]);
  }
  const valueAt = (found: Point[], attributes: object): unknown =>
    found.find((point) => Object.entries(attributes).every(([name, value]) => point.attributes[name] === value))?.value;

  const histogram = ([point]: Point[]): Histogram => point?.value as Histogram;

  it('tells the counters of each store that is open, and nothing of those that are closed', async () => {
    const [one, two] = [tempFile('one'), tempFile('two')];
    const first = await CompactableBuffer.open(one);
    const second = CompactableBuffer.openSync(two);
    for (let i = 0; i < 10; i++) first.remove(first.add(Buffer.alloc(1000)));
    second.add('x');
    const points = await collect();
    const sizes = points('mmcb.file.size');
    expect(sizes).toHaveLength(8);
    expect(valueAt(sizes, { 'mmcb.path': one, 'mmcb.space.state': 'garbage' })).toBe(first.stats().garbageBytes);
    expect(valueAt(points('mmcb.entries'), { 'mmcb.path': two })).toBe(1);
    expect(valueAt(points('mmcb.changes'), { 'mmcb.path': one, 'mmcb.change.type': 'remove' })).toBe(10);
    expect(valueAt(points('mmcb.damaged'), { 'mmcb.path': one })).toBe(0);
    await first.close();
    const left = (await collect())('mmcb.entries');
    expect(left.map(({ attributes }) => attributes['mmcb.path'])).toEqual([two]);
    second.closeSync();
  });

  it('tells how long operations take, and which of them failed', async () => {
    const path = tempFile();
    const buffer = await CompactableBuffer.open(path);
    buffer.add('x');
    await buffer.flush();
    await buffer.flush();
    await buffer.close();
    await expectCode(() => CompactableBuffer.open(tempFile(), { readOnly: true }), 'MMCB_IO');
    const found = (await collect())('mmcb.operation.duration');
    const countOf = (attributes: object): number | undefined =>
      (valueAt(found, attributes) as Histogram | undefined)?.count;
    expect(countOf({ 'mmcb.path': path, 'mmcb.operation': 'flush' })).toBe(2);
    expect(countOf({ 'mmcb.path': path, 'mmcb.operation': 'open' })).toBe(1);
    expect(countOf({ 'mmcb.path': path, 'mmcb.operation': 'close' })).toBe(1);
    expect(countOf({ 'mmcb.operation': 'open', 'error.type': 'MMCB_IO' })).toBe(1);
  });

  it('tells of sync points, batches and drops', async () => {
    const buffer = await CompactableBuffer.open(tempFile());
    const synced = new Promise((resolve) => buffer.once('sync', resolve));
    buffer.add('x');
    await buffer.flush();
    await synced;
    expect(histogram((await collect())('mmcb.sync.duration')).count).toBeGreaterThanOrEqual(1);
    await buffer.close();

    const queue = await PartitionedQueue.start<number>({
      name: 'numbers',
      partitions: 1,
      processor: async () => {},
      maxItems: 2,
      overflow: 'drop-newest',
    });
    queue.push([1, 2, 3]);
    await queue.stop();
    const points = await collect();
    expect(valueAt(points('mmcb.dropped'), { 'mmcb.name': 'numbers', 'mmcb.reason': 'drop-newest' })).toBe(1);
    expect(histogram(points('mmcb.processing.duration')).count).toBe(1);
  });

  it('takes attributes by path, checks its options, and is silent once it is closed', async () => {
    observer.close();
    observer = observeStores({ meter: provider.getMeter('test'), attributes: () => ({ store: 'cities' }) });
    const buffer = await CompactableBuffer.open(tempFile());
    const found = (await collect())('mmcb.entries');
    expect(found.map(({ attributes }) => attributes)).toEqual([{ store: 'cities' }]);
    observer.close();
    observer.close();
    expect((await collect())('mmcb.entries')).toEqual([]);
    await buffer.close();
    expect(() => observeStores({ meters: 1 } as object)).toThrow(/unknown option 'meters'.*'meter'/);
    expect(() => observeStores({ meter: {} } as object)).toThrow(TypeError);
  });

  it('uses the global meter provider where none is given', () => {
    using other = observeStores();
    expect(other.close).toBeTypeOf('function');
  });
});
