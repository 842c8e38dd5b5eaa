/** Log records as they are stored. */
import type { HrTime } from '@opentelemetry/api';
import type { ReadableLogRecord } from '@opentelemetry/sdk-logs';
import type { Codec } from '../codec/codec.js';
import { msgpack } from '../codec/msgpack.js';
import {
  resources,
  restoreContext,
  type StoredContext,
  type StoredResource,
  type StoredScope,
  scopes,
  storeContext,
  storeResource,
  storeScope,
} from './stored.js';

const VERSION = 1;

interface StoredLogRecord {
  version: typeof VERSION;
  /** When it happened, when it was observed. */
  times: [HrTime, HrTime];
  context: StoredContext | undefined;
  /** Text, number. */
  severity: [ReadableLogRecord['severityText'], ReadableLogRecord['severityNumber']];
  body: ReadableLogRecord['body'];
  event: string | undefined;
  attributes: ReadableLogRecord['attributes'];
  resource: StoredResource;
  scope: StoredScope;
  dropped: number;
}

const plain = msgpack<StoredLogRecord>();

export const logRecordCodec: Codec<ReadableLogRecord> = {
  encode(record) {
    const { hrTime, hrTimeObserved, spanContext, severityText, severityNumber, body, attributes } = record;
    return plain.encode({
      ...{ version: VERSION, body, attributes },
      times: [hrTime, hrTimeObserved],
      context: spanContext === undefined ? undefined : storeContext(spanContext),
      severity: [severityText, severityNumber],
      event: record.eventName,
      resource: storeResource(record.resource),
      scope: storeScope(record.instrumentationScope),
      dropped: record.droppedAttributesCount,
    });
  },
  decode(bytes) {
    const stored = plain.decode(bytes);
    if (stored.version !== VERSION) throw new TypeError('it is no log record, or one of a newer version');
    const { body, attributes, context, event, dropped } = stored;
    const [hrTime, hrTimeObserved] = stored.times;
    const [severityText, severityNumber] = stored.severity;
    return {
      ...{ hrTime, hrTimeObserved, attributes, droppedAttributesCount: dropped },
      ...(body === undefined ? {} : { body }),
      ...(event === undefined ? {} : { eventName: event }),
      ...(severityText === undefined ? {} : { severityText }),
      ...(severityNumber === undefined ? {} : { severityNumber }),
      ...(context === undefined ? {} : { spanContext: restoreContext(context) }),
      resource: resources.get(stored.resource),
      instrumentationScope: scopes.get(stored.scope),
    };
  },
};
