/**
 * Places: where items are stored. An item by itself is at its address, one of a pack at a negative number that says which pack,
 * and which of its items; so a place is a number for both.
 *
 * Invariant: what is done of a pack stands in its marks, in the file, until all of it is; then both go at once.
 */
import { MARKS_HEADER, MOST_ITEMS, Version } from './stored-items.js';

/** No address: it is in memory only. */
export const IN_MEMORY = -1;

const ADD = 0;
const UPDATE = 1;
const REMOVE = 2;
const NONE = -1;

/** One pack, as it is in the file. */
interface Pack {
  readonly address: number;
  readonly count: number;
  /** Items that are not done. */
  left: number;
  /** The address of its marks, or NONE. */
  marks: number;
  /** Bits as stored in the marks. */
  bits: Uint8Array;
}

/** What removing comes to, for `NativeBinding.batch`; `commit` when it has been done, with the addresses that it has. */
export interface Removal {
  readonly types: number[];
  readonly addresses: number[];
  readonly data: (Uint8Array | undefined)[];
  commit(addresses: ArrayLike<number>): void;
}

export class Places {
  readonly #packs: (Pack | undefined)[] = [];
  readonly #free: number[] = [];

  /** Places of the `count` items of a pack, of which those in `bits` are done. */
  add(address: number, count: number, marks = NONE, bits: Uint8Array = new Uint8Array(0)): number[] {
    const slot = this.#free.pop() ?? this.#packs.length;
    const places: number[] = [];
    let left = 0;
    for (let i = 0; i < count; i++) {
      if (isSet(bits, i)) places.push(IN_MEMORY);
      else {
        places.push(-(slot * MOST_ITEMS + i + 2));
        left += 1;
      }
    }
    this.#packs[slot] = { address, count, left, marks, bits };
    return places;
  }

  /** What is to be done to the file when the items at these places are done. */
  removal(places: readonly number[]): Removal {
    const types: number[] = [];
    const addresses: number[] = [];
    const data: (Uint8Array | undefined)[] = [];
    const commits: ((addresses: ArrayLike<number>) => void)[] = [];
    const change = (type: number, address: number, bytes?: Uint8Array): number => {
      addresses.push(address);
      data.push(bytes);
      return types.push(type) - 1;
    };
    const items = new Map<number, number[]>();
    for (const place of places) {
      if (place >= 0) {
        change(REMOVE, place);
        continue;
      }
      const slot = Math.floor((-place - 2) / MOST_ITEMS);
      const indices = items.get(slot);
      if (indices === undefined) items.set(slot, [(-place - 2) % MOST_ITEMS]);
      else indices.push((-place - 2) % MOST_ITEMS);
    }
    for (const [slot, indices] of items) {
      const pack = this.#packs[slot] as Pack;
      if (pack.left === indices.length) {
        change(REMOVE, pack.address);
        if (pack.marks !== NONE) change(REMOVE, pack.marks);
        commits.push(() => {
          this.#packs[slot] = undefined;
          this.#free.push(slot);
        });
        continue;
      }
      const stored = marksOf(pack);
      const bits = stored.subarray(MARKS_HEADER);
      for (const i of indices) bits[i >>> 3] = (bits[i >>> 3] as number) | (1 << (i & 7));
      const at = pack.marks === NONE ? change(ADD, 0, stored) : change(UPDATE, pack.marks, stored);
      commits.push((done) => {
        pack.left -= indices.length;
        pack.marks = done[at] as number;
        pack.bits = bits;
      });
    }
    return {
      ...{ types, addresses, data },
      commit: (done) => {
        for (const commit of commits) commit(done);
      },
    };
  }
}

/** The marks of a pack, for changing. */
function marksOf({ address, count, bits }: Pack): Uint8Array {
  const stored = Buffer.alloc(MARKS_HEADER + Math.ceil(count / 8));
  stored.writeUInt32LE(Version.MARKS, 0);
  stored.writeDoubleLE(address, 8);
  stored.set(bits, MARKS_HEADER);
  return stored;
}

/** What marks say; undefined where the bytes are none. */
export function readMarks(bytes: Buffer): { pack: number; bits: Uint8Array } | undefined {
  if (bytes.length < MARKS_HEADER || bytes.readUInt16LE(0) !== Version.MARKS) return undefined;
  return { pack: bytes.readDoubleLE(8), bits: Uint8Array.prototype.slice.call(bytes, MARKS_HEADER) };
}

function isSet(bits: Uint8Array, i: number): boolean {
  return (((bits[i >>> 3] ?? 0) >>> (i & 7)) & 1) === 1;
}
