/** The packers of msgpackr that `msgpack()` is made of. */
import { Packr } from 'msgpackr';

/** What all packers and unpackers have in common: the types that they know, and bytes with memory of their own. */
export const packerOptions = { moreTypes: true, copyBuffers: true } as const;

/** MessagePack never uses this byte: what begins with it is of another form. */
export const UNUSED = 0xc1;

/** Thrown by a MapRefusingPackr when it meets a Map. */
export const metMap = new Error('a Map');

/** In plain MessagePack a Map and an object look the same, and the Map would come back as an object. */
export class MapRefusingPackr extends Packr {
  // msgpackr asks for this when, and only when, it is about to write a Map.
  get mapAsEmptyObject(): boolean {
    throw metMap;
  }
}

/** Plain MessagePack: objects are maps. */
export const plain = new MapRefusingPackr({ useRecords: false, mapsAsObjects: true, ...packerOptions });
