/** The driver, by the shape that unstorage's `defineDriver` describes; nothing of unstorage is imported. */
import { msgpack } from '../codec/msgpack.js';
import { ExpiringMap } from '../expiring/expiring-map.js';
import { type ExpiringOptions, expiringTable } from '../expiring/options.js';
import { checkPath, readOptions } from '../internal/options.js';
import { span } from '../queue/options.js';

/** Options of {@link mmcbDriver}. */
export interface MmcbDriverOptions extends ExpiringOptions {
  /** Seconds for which items are kept that are set without a `ttl` of their own: above 0. @default for ever */
  ttl?: number | undefined;
}

/** Options of single calls, as far as the driver knows them: seconds for which an item is kept. */
interface Transaction {
  ttl?: number | undefined;
}

interface Item {
  key: string;
  value: string;
  options?: Transaction | undefined;
}

/** What unstorage calls a driver. */
export interface MmcbDriver {
  name: string;
  flags: { maxDepth: boolean; ttl: boolean };
  options: MmcbDriverOptions;
  hasItem(key: string): Promise<boolean>;
  getItem(key: string): Promise<string | null>;
  getItems(items: { key: string }[]): Promise<{ key: string; value: string | null }[]>;
  getItemRaw(key: string): Promise<unknown>;
  setItem(key: string, value: string, options?: Transaction): Promise<void>;
  setItems(items: Item[], options?: Transaction): Promise<void>;
  setItemRaw(key: string, value: unknown, options?: Transaction): Promise<void>;
  removeItem(key: string): Promise<void>;
  getMeta(key: string): Promise<{ ttl?: number } | null>;
  getKeys(base: string, options?: { maxDepth?: number | undefined }): Promise<string[]>;
  clear(base: string): Promise<void>;
  dispose(): Promise<void>;
}

const table = { ...expiringTable, ttl: span<number | undefined>(undefined, Number.MIN_VALUE) };

/**
 * Makes a driver for unstorage. The file is opened by the first call and closed by `dispose`, after which the next call opens
 * it again. Once a call has resolved, what it did survives the death of the process; `setItems` sets all or none.
 *
 * Strings are stored as they are given, raw values by the codec: any value that MessagePack has a form for.
 *
 * @example
 * const storage = createStorage({ driver: mmcbDriver({ path: 'storage.mmcb' }) });
 */
export function mmcbDriver(options: MmcbDriverOptions): MmcbDriver {
  const settings = readOptions(table, options, 'mmcbDriver');
  const path = checkPath(options?.path, 'mmcbDriver');
  const { path: _, codec, cleanupInterval, ttl, ...buffer } = options;
  let opened: Promise<ExpiringMap<unknown>> | undefined;

  const open = (): Promise<ExpiringMap<unknown>> => {
    if (opened === undefined) {
      const opening = ExpiringMap.open(path, buffer, settings.codec ?? msgpack(), settings.cleanupInterval);
      // Where opening fails the next call tries again.
      opening.catch(() => {
        opened = undefined;
      });
      opened = opening;
    }
    return opened;
  };
  const expires = (given: Transaction | undefined): number | undefined => {
    const seconds = given?.ttl ?? settings.ttl;
    return seconds === undefined ? undefined : Date.now() + seconds * 1000;
  };

  return {
    name: 'mmcb',
    flags: { maxDepth: true, ttl: true },
    options,
    hasItem: async (key) => (await open()).has(key),
    getItem: async (key) => text((await open()).get(key)),
    async getItems(items) {
      const values = (await open()).getMany(items.map(({ key }) => key));
      return items.map(({ key }, i) => ({ key, value: text(values[i]) }));
    },
    getItemRaw: async (key) => (await open()).get(key) ?? null,
    async setItem(key, value, given) {
      (await open()).set(key, value, expires(given));
    },
    async setItems(items, common) {
      const map = await open();
      map.setMany(
        items.map(({ key, value, options: own }) => ({ key, value, expires: expires({ ...common, ...own }) })),
      );
    },
    async setItemRaw(key, value, given) {
      (await open()).set(key, value, expires(given));
    },
    async removeItem(key) {
      (await open()).delete(key);
    },
    async getMeta(key) {
      const until = (await open()).expires(key);
      if (until === undefined) return null;
      return until === Number.POSITIVE_INFINITY ? {} : { ttl: Math.max(0, (until - Date.now()) / 1000) };
    },
    async getKeys(base, { maxDepth = Number.POSITIVE_INFINITY } = {}) {
      const keys = [...(await open()).keys(base)];
      return keys.filter((key) => key.split(':').length - 1 <= maxDepth);
    },
    async clear(base) {
      (await open()).clear(base);
    },
    async dispose() {
      const map = await opened;
      opened = undefined;
      await map?.close();
    },
  };
}

/** As unstorage expects it; bytes that were set raw are read as UTF-8. */
function text(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  if (value instanceof Uint8Array) return Buffer.from(value).toString();
  return value as string;
}
