/** The instruments, by the conventions of OpenTelemetry: names with dots, units by UCUM, durations in seconds. */
import type {
  Counter,
  Histogram,
  Meter,
  ObservableCounter,
  ObservableGauge,
  ObservableUpDownCounter,
} from '@opentelemetry/api';
import type { BufferStats } from '../buffer/reports.js';

type Observable = ObservableCounter | ObservableGauge | ObservableUpDownCounter;

/** A value of `stats()`, and how it is told. */
interface Reading {
  instrument: Observable;
  value: (stats: BufferStats) => number;
  attributes?: Readonly<Record<string, string>>;
}

export interface Instruments {
  /** Observed together, so that all values of a file are of one moment. */
  readings: readonly Reading[];
  /** Seconds of an operation that was asked for. */
  operation: Histogram;
  /** Seconds of a sync point, asked for or not. */
  sync: Histogram;
  errors: Counter;
  /** Of partitioned queues and maps. */
  processing: Histogram;
  dropped: Counter;
}

export function createInstruments(meter: Meter): Instruments {
  const space = meter.createObservableUpDownCounter('mmcb.file.size', {
    unit: 'By',
    description: 'Bytes of the file by what they are: live, slack, garbage or free',
  });
  const changes = meter.createObservableCounter('mmcb.changes', {
    unit: '{change}',
    description: 'Entries that were added, updated or removed since opening',
  });
  const gauge = (name: string, unit: string, description: string): ObservableUpDownCounter =>
    meter.createObservableUpDownCounter(name, { unit, description });
  const counter = (name: string, unit: string, description: string): ObservableCounter =>
    meter.createObservableCounter(name, { unit, description });
  const seconds = (name: string, description: string): Histogram =>
    meter.createHistogram(name, { unit: 's', description });
  const state = 'mmcb.space.state';
  const type = 'mmcb.change.type';
  return {
    readings: [
      { instrument: space, value: (s) => s.liveBytes, attributes: { [state]: 'live' } },
      { instrument: space, value: (s) => s.slackBytes, attributes: { [state]: 'slack' } },
      { instrument: space, value: (s) => s.garbageBytes, attributes: { [state]: 'garbage' } },
      { instrument: space, value: (s) => s.freeBytes, attributes: { [state]: 'free' } },
      { instrument: changes, value: (s) => s.adds, attributes: { [type]: 'add' } },
      { instrument: changes, value: (s) => s.updates, attributes: { [type]: 'update' } },
      { instrument: changes, value: (s) => s.removes, attributes: { [type]: 'remove' } },
      { instrument: gauge('mmcb.entries', '{entry}', 'Live entries'), value: (s) => s.count },
      {
        instrument: gauge('mmcb.tables.memory', 'By', 'Memory of slot table and key index'),
        value: (s) => s.tableMemory,
      },
      { instrument: gauge('mmcb.readers', '{reader}', 'Open streams and views'), value: (s) => s.readers },
      { instrument: counter('mmcb.syncs', '{sync}', 'Sync points since opening'), value: (s) => s.syncs },
      { instrument: counter('mmcb.sync.failures', '{sync}', 'Failed sync points'), value: (s) => s.failedSyncs },
      { instrument: counter('mmcb.compactions', '{compaction}', 'Since opening'), value: (s) => s.compactions },
      {
        instrument: meter.createObservableGauge('mmcb.damaged', {
          description: '1 where damage was met and not acknowledged yet, else 0',
        }),
        value: (s) => Number(s.damaged),
      },
    ],
    operation: seconds('mmcb.operation.duration', 'Opening, flush, compaction, verify, backup and close, as called'),
    sync: seconds('mmcb.sync.duration', 'Sync points, asked for or not'),
    errors: meter.createCounter('mmcb.background.errors', {
      unit: '{error}',
      description: 'Failures of background work',
    }),
    processing: seconds('mmcb.processing.duration', 'Batches of partitioned queues and maps'),
    dropped: meter.createCounter('mmcb.dropped', { unit: '{item}', description: 'Items dropped by queues and maps' }),
  };
}
