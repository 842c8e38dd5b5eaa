/** mmcb/unstorage: a driver for unstorage in a file. */
export { type MmcbDriver, type MmcbDriverOptions, mmcbDriver, mmcbDriver as default } from './driver.js';
