/** Spans as they are stored. */
import type { HrTime, SpanKind, SpanStatus } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
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

interface StoredSpan {
  version: typeof VERSION;
  name: string;
  kind: SpanKind;
  context: StoredContext;
  parent: StoredContext | undefined;
  /** Start, end, duration. */
  times: [HrTime, HrTime, HrTime];
  status: SpanStatus;
  attributes: ReadableSpan['attributes'];
  links: [StoredContext, ReadableSpan['links'][number]['attributes'], number | undefined][];
  events: ReadableSpan['events'];
  resource: StoredResource;
  scope: StoredScope;
  /** Attributes, events, links. */
  dropped: [number, number, number];
}

const plain = msgpack<StoredSpan>();

export const spanCodec: Codec<ReadableSpan> = {
  encode(span) {
    const { name, kind, parentSpanContext: parent, status, attributes, resource, instrumentationScope } = span;
    return plain.encode({
      ...{ version: VERSION, name, kind, status, attributes },
      context: storeContext(span.spanContext()),
      parent: parent === undefined ? undefined : storeContext(parent),
      times: [span.startTime, span.endTime, span.duration],
      links: span.links.map((link) => [storeContext(link.context), link.attributes, link.droppedAttributesCount]),
      events: span.events,
      resource: storeResource(resource),
      scope: storeScope(instrumentationScope),
      dropped: [span.droppedAttributesCount, span.droppedEventsCount, span.droppedLinksCount],
    });
  },
  decode(bytes) {
    const stored = plain.decode(bytes);
    if (stored.version !== VERSION) throw new TypeError('it is no span, or one of a newer version');
    const { name, kind, status, attributes, events, dropped } = stored;
    const context = restoreContext(stored.context);
    const [startTime, endTime, duration] = stored.times;
    const [droppedAttributesCount, droppedEventsCount, droppedLinksCount] = dropped;
    return {
      ...{ name, kind, status, attributes, events, startTime, endTime, duration },
      ...{ droppedAttributesCount, droppedEventsCount, droppedLinksCount },
      ended: true,
      spanContext: () => context,
      ...(stored.parent === undefined ? {} : { parentSpanContext: restoreContext(stored.parent) }),
      links: stored.links.map(([link, linkAttributes, count]) => ({
        context: restoreContext(link),
        ...(linkAttributes === undefined ? {} : { attributes: linkAttributes }),
        ...(count === undefined ? {} : { droppedAttributesCount: count }),
      })),
      resource: resources.get(stored.resource),
      instrumentationScope: scopes.get(stored.scope),
    };
  },
};
