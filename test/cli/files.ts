/** Files for the command line to work on. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { CompactableBuffer, IntMap, StringMap } from '../../src/index.js';
import { tempFile } from '../support/temp.js';

/** Two int keys, three string keys, one plain entry, one that was removed. */
export async function sampleFile(): Promise<string> {
  const file = tempFile();
  const buffer = await CompactableBuffer.open(file);
  new IntMap(buffer).set(1, { city: 'Amsterdam' }).set(-2, [1, 2, 3]);
  new StringMap(buffer).set('text', 'line 1\u2028line 2').set('when', new Date(0)).set('\ud800', null);
  buffer.remove(buffer.add('gone'));
  buffer.add('plain');
  await buffer.close();
  return file;
}

/** A file of test/fixtures/format/v1, unpacked. */
export function goldenFile(name: string): string {
  const packed = fileURLToPath(new URL(`../fixtures/format/v1/${name}.mmcb.gz`, import.meta.url));
  const file = tempFile(name);
  writeFileSync(file, gunzipSync(readFileSync(packed)));
  return file;
}
