/**
 * Another process: opens argv[2] with the options in argv[3], prints one line of JSON (the status, or the code of the
 * error), adds entries while it lives, and ends when its stdin does, or when it is killed.
 */
import { CompactableBuffer } from '../../dist/esm/index.js';

const [, , file, options] = process.argv;
try {
  const buffer = await CompactableBuffer.open(file, JSON.parse(options));
  const { status, entries } = buffer.recovery;
  const { readOnly } = JSON.parse(options);
  if (!readOnly) buffer.add('by another process');
  console.log(JSON.stringify({ status, entries }));
  process.stdin.resume().on('end', () => buffer.close());
} catch (error) {
  console.log(JSON.stringify({ code: error.code }));
}
