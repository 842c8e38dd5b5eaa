/**
 * What spans and log records have in common, as they are stored: plain values for MessagePack. Restored resources and scopes
 * are the same object where they are equal, since exporters group by identity.
 */
import { createTraceState, type SpanContext } from '@opentelemetry/api';
import type { InstrumentationScope } from '@opentelemetry/core';
import type { Resource } from '@opentelemetry/resources';
import { msgpack } from '../codec/msgpack.js';

/** Trace id, span id, flags, whether it came from elsewhere, trace state. */
export type StoredContext = [string, string, number, boolean | undefined, string | undefined];
/** Attributes, schema URL. */
export type StoredResource = [Resource['attributes'], string | undefined];
/** Name, version, schema URL, attributes. */
export type StoredScope = [string, string | undefined, string | undefined, unknown];

export function storeContext(context: SpanContext): StoredContext {
  const { traceId, spanId, traceFlags, isRemote, traceState } = context;
  return [traceId, spanId, traceFlags, isRemote, traceState?.serialize()];
}

export function restoreContext([traceId, spanId, traceFlags, isRemote, state]: StoredContext): SpanContext {
  return {
    ...{ traceId, spanId, traceFlags },
    ...(isRemote === undefined ? {} : { isRemote }),
    ...(state === undefined ? {} : { traceState: createTraceState(state) }),
  };
}

/** Attributes that are still to come are not among them; whoever exports in the same process has the resource itself. */
export function storeResource({ attributes, schemaUrl }: Resource): StoredResource {
  return [attributes, schemaUrl];
}

export function storeScope(scope: InstrumentationScope & { attributes?: unknown }): StoredScope {
  return [scope.name, scope.version, scope.schemaUrl, scope.attributes];
}

/** Makes of equal stored forms one object. Bounded: it forgets all when there are too many. */
export class Interned<S, T extends object> {
  readonly #codec = msgpack<S>();
  readonly #known = new Map<string, T>();
  readonly #restore: (stored: S) => T;

  constructor(restore: (stored: S) => T) {
    this.#restore = restore;
  }

  get(stored: S): T {
    const key = Buffer.from(this.#codec.encode(stored)).toString('latin1');
    let known = this.#known.get(key);
    if (known === undefined) {
      if (this.#known.size >= MOST) this.#known.clear();
      known = this.#restore(stored);
      this.#known.set(key, known);
    }
    return known;
  }
}

const MOST = 1000;

export const resources = new Interned<StoredResource, Resource>(restoreResource);

export const scopes = new Interned<StoredScope, InstrumentationScope>(([name, version, schemaUrl, attributes]) => ({
  name,
  ...(version === undefined ? {} : { version }),
  ...(schemaUrl === undefined ? {} : { schemaUrl }),
  ...(attributes === undefined ? {} : { attributes }),
}));

function restoreResource([attributes, schemaUrl]: StoredResource): Resource {
  return {
    attributes,
    ...(schemaUrl === undefined ? {} : { schemaUrl }),
    asyncAttributesPending: false,
    waitForAsyncAttributes: () => Promise.resolve(),
    merge: (other) => restoreResource([{ ...attributes, ...other?.attributes }, other?.schemaUrl ?? schemaUrl]),
    getRawAttributes: () => Object.entries(attributes),
  };
}
