/** mmcb/keyv: a store for Keyv in a file. */
export { KeyvMmcb, type KeyvMmcbOptions } from './keyv-mmcb.js';
