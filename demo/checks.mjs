// Everything that is checked, counted. One failure makes the demo fail.
import { isDeepStrictEqual } from 'node:util';
import { msgpack } from '../dist/esm/index.js';

const codec = msgpack();
const MOST_REPORTED = 10;

export class Checks {
  passed = 0;
  failed = 0;
  #screen;

  constructor(screen) {
    this.#screen = screen;
  }

  /** `what` says what must be so; it may be a function, where making the text takes time. */
  that(condition, what) {
    if (condition) {
      this.passed++;
      return;
    }
    this.failed++;
    if (this.failed > MOST_REPORTED) return;
    this.#screen.failure(typeof what === 'function' ? what() : what);
  }

  /** Says that all is well, unless something has failed. */
  conclude(text) {
    if (this.failed === 0) this.#screen.detail(text);
  }

  value(found, expected, key) {
    this.that(
      isDeepStrictEqual(found, expected),
      () => `the value of ${key} is ${JSON.stringify(found)} instead of ${JSON.stringify(expected)}`,
    );
  }

  /** The stored bytes of a key are exactly those of a value; undefined: there is no such key. */
  bytes(map, key, value) {
    const address = map.address(key);
    if (value === undefined) this.that(address === undefined, () => `${key} is there and should not be`);
    else if (address === undefined) this.that(false, () => `${key} is missing`);
    else this.that(map.buffer.read(address).equals(codec.encode(value)), () => `the bytes of ${key} are wrong`);
  }

  /** Every record that the model knows, byte by byte, and nothing else. */
  async everything(map, model, bar) {
    for (let i = 0; i < model.count; i++) {
      this.bytes(map, model.id(i), model.exists(i) ? model.value(i) : undefined);
      if (i % 1000 === 999) await bar.update(i);
    }
    for (const [key, value] of model.arrivals()) this.bytes(map, key, value);
    this.that(map.size === model.size, () => `the map has ${map.size} entries instead of ${model.size}`);
    await bar.stop();
  }
}
