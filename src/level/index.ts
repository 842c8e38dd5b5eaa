/** mmcb/level: an abstract-level database over one file. */
export { MmcbLevel, type MmcbLevelOptions, type MmcbLevelWriteOptions } from './mmcb-level.js';
