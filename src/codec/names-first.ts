/**
 * Names first: a stored form of objects in which the names of their properties stand in front, apart from the values. It
 * is MessagePack with the records of msgpackr (https://github.com/kriszyp/msgpackr#record--object-structures), whose list
 * of structures is kept with each value:
 *
 *     offset  size
 *        0     1   0xc1, which MessagePack never uses
 *        1     1   how many structures: 1 to 8
 *        2     2   bytes of the structures, n: little-endian
 *        4     n   the structures, in MessagePack: a list of names each, that of the object itself first
 *      4+n         the object, where a byte of 0x40 + i stands for an object of structure i: its values follow
 *
 * Many values have the same structures. Of these only the bytes are compared, and the values are read by a function that
 * was compiled for them, which takes half the time of reading a map. Nothing else is needed to read a value, so that no
 * damage elsewhere can take it along.
 */
import { type Packr, RESERVE_START_SPACE, Unpackr } from 'msgpackr';
import { hashOfBytes } from '../internal/text.js';
import { MapRefusingPackr, packerOptions, plain, UNUSED } from './packers.js';

const HEADER = 4;
/** The packer leaves no more room than this in front of a value. */
const MOST_FRONT = 255;
/** Each takes two bytes there at least. */
const MOST_NAMES = MOST_FRONT / 2;
const MOST_STRUCTURES = 8;
/** Objects of further names are maps, within the others. */
const LIMITS = { maxSharedStructures: MOST_STRUCTURES, maxOwnStructures: 0, mapsAsObjects: true };
/** Objects of the same names that are met before it is worthwhile: a packer takes some 20 µs to make. */
const TIMES = 8;
/** Of the tree of names, before all are forgotten: where every object has other ones, none of them is worth knowing. */
const MOST_BRANCHES = 4096;

/** The names of an object's properties, in their order. */
type Names = readonly string[];

// ---- Writing ----

/** Encodes objects of certain names, and objects of certain names within them. */
class Shape {
  readonly names: Names;
  /** Names of objects within. */
  readonly #nested: readonly Names[];
  readonly #structures: string[][];
  readonly #front: Buffer;
  readonly #packr: Packr;
  /** The one that is being encoded: that it has these names is known. */
  #object: object | undefined;

  constructor(structures: string[][], front: Buffer) {
    this.names = structures[0] as Names;
    this.#nested = structures.slice(1);
    this.#structures = structures;
    this.#front = front;
    this.#packr = new MapRefusingPackr({
      ...packerOptions,
      ...LIMITS,
      structures,
      useRecords: (object: object) => this.#knows(object),
    });
  }

  #knows(object: object): boolean {
    if (object === this.#object) return true;
    for (const names of this.#nested) if (hasNames(object, names)) return true;
    return false;
  }

  /** The packer has met a structure that the front does not have: who reads it would not know it. */
  get #isSpoilt(): boolean {
    return this.#structures.length !== 1 + this.#nested.length;
  }

  /** Undefined: it was no object of these names after all. Throws what the packer throws. */
  encode(object: object): Buffer | undefined {
    if (this.#isSpoilt) return undefined;
    this.#object = object;
    const room = RESERVE_START_SPACE | this.#front.length;
    const bytes: Buffer = (this.#packr.pack as (value: unknown, options: number) => Buffer)(object, room);
    this.#object = undefined;
    if (this.#isSpoilt) return undefined;
    bytes.set(this.#front);
    return bytes;
  }
}

/** A tree of names: the shape of an object is where its names lead. */
class Branch {
  readonly next = new Map<string, Branch>();
  met = 0;
  shape: Shape | undefined;
  /** Of those that begin with one name, the shape of the last object. */
  latest: Shape | undefined;
}

export class NamesFirstEncoder {
  #root = new Branch();
  #branches = 0;
  /** That of the last object. */
  #last: Shape | undefined;

  /** The bytes of an object of names that were met often; undefined for everything else. Throws what the packer throws. */
  encode(value: unknown): Buffer | undefined {
    if (typeof value !== 'object' || value === null) return undefined;
    if (Object.getPrototypeOf(value) !== Object.prototype) return undefined;
    const shape = this.#last !== undefined && hasNames(value, this.#last.names) ? this.#last : this.#find(value);
    return shape?.encode(value);
  }

  #find(object: object): Shape | undefined {
    let branch = this.#root;
    let first: Branch | undefined;
    for (const name in object) {
      const next = branch.next.get(name) ?? this.#grow(branch, name, object);
      if (next === undefined) return undefined;
      branch = next;
      if (first !== undefined) continue;
      first = branch;
      if (first.latest !== undefined && hasNames(object, first.latest.names)) return this.#found(first.latest, first);
    }
    if (first === undefined) return undefined; // it has no names
    branch.met += 1;
    if (branch.met === TIMES) branch.shape = this.#learn(object);
    return branch.shape === undefined ? undefined : this.#found(branch.shape, first);
  }

  #found(shape: Shape, first: Branch): Shape {
    this.#last = shape;
    first.latest = shape;
    return shape;
  }

  /** Undefined where the object has more names than can be stored this way. */
  #grow(branch: Branch, name: string, object: object): Branch | undefined {
    let names = 0;
    for (const _ in object) names += 1;
    if (names > MOST_NAMES) return undefined;
    if (this.#branches === MOST_BRANCHES) {
      this.#root = new Branch();
      this.#branches = 0;
    }
    const next = new Branch();
    branch.next.set(name, next);
    this.#branches += 1;
    return next;
  }

  /** What is to be known of objects like this one; undefined: they are not to be stored this way. */
  #learn(object: object): Shape | undefined {
    const met: string[][] = [];
    try {
      new MapRefusingPackr({ ...packerOptions, ...LIMITS, structures: met }).pack(object);
    } catch {
      return undefined; // there is a Map in it, or something that cannot be stored at all
    }
    for (const structures of [met, met.slice(0, 1)]) {
      const packed = plain.pack(structures);
      if (structures.length === 0 || HEADER + packed.length > MOST_FRONT) continue;
      const front = Buffer.concat([Buffer.of(UNUSED, structures.length, packed.length, 0), packed]);
      return new Shape(structures, front);
    }
    return undefined;
  }
}

function hasNames(object: object, names: Names): boolean {
  let count = 0;
  for (const name in object) {
    if (name !== names[count]) return false;
    count += 1;
  }
  return count === names.length;
}

// ---- Reading ----

/** Reads values of certain structures. */
interface Reader {
  /** Where they begin with these bytes. */
  readonly front: Buffer;
  readonly unpackr: Unpackr;
}

/** A structure that nobody has. */
const NO_STRUCTURE = Buffer.of(0x7f);
const MOST_READERS = 1024;

export class NamesFirstDecoder {
  #last: Reader | undefined;
  /** By the hash of the bytes that they begin with. */
  readonly #readers = new Map<number, Reader>();
  readonly #range = { start: 0, end: 0 };

  /** Whether bytes [start, end) are of this form. */
  isOne(memory: Uint8Array, start: number, end: number): boolean {
    return end - start > HEADER && memory[start] === UNUSED && (memory[start + 1] as number) <= MOST_STRUCTURES;
  }

  /** Precondition: `isOne`. Throws where they are damaged. */
  decode(memory: Uint8Array, start: number, end: number): unknown {
    const last = this.#last;
    const reader = last !== undefined && beginsWith(memory, start, last.front) ? last : this.#find(memory, start);
    // msgpackr reads these at once and keeps nothing of the object, so that one serves nested calls too.
    this.#range.start = start + reader.front.length;
    this.#range.end = end;
    if (this.#range.start >= end) throw new RangeError('no value behind the names of its properties');
    return reader.unpackr.unpack(memory, this.#range);
  }

  #find(memory: Uint8Array, start: number): Reader {
    const size = HEADER + ((memory[start + 2] as number) | ((memory[start + 3] as number) << 8));
    const hash = hashOfBytes(memory, start, size, false);
    let reader = this.#readers.get(hash);
    if (reader === undefined || !beginsWith(memory, start, reader.front)) {
      reader = this.#make(Buffer.from(memory.subarray(start, start + size)));
      if (this.#readers.size === MOST_READERS) this.#readers.clear();
      this.#readers.set(hash, reader);
    }
    this.#last = reader;
    return reader;
  }

  #make(front: Buffer): Reader {
    const structures: unknown = plain.unpack(front, { start: HEADER, end: front.length });
    if (!Array.isArray(structures) || structures.length !== front[1] || !structures.every(isNames)) {
      throw new TypeError('the names of properties are damaged');
    }
    const unpackr = new Unpackr({ ...packerOptions, getStructures: () => structures, mapsAsObjects: true });
    // So that it asks for its structures now, and not in the middle of a value, which it would copy then.
    unpackr.unpack(NO_STRUCTURE);
    return { front, unpackr };
  }
}

function isNames(names: unknown): boolean {
  return Array.isArray(names) && names.every((name) => typeof name === 'string');
}

function beginsWith(memory: Uint8Array, start: number, front: Buffer): boolean {
  for (let i = 1; i < front.length; i++) if (memory[start + i] !== front[i]) return false;
  return true;
}
