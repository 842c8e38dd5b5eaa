import { describe } from 'vitest';
import { EventStore } from '../../../src/index.js';
import { eventStoreContract } from '../../contract/event-store-contract.js';
import { tempFile } from '../../support/temp.js';

const small = { initialSize: 65_536, segmentSize: 65_536 };

describe.each([
  { name: 'a file', options: small, onFile: true },
  { name: "a file, durability 'interval'", options: { ...small, durability: 'interval' as const }, onFile: true },
  { name: "a file, durability 'process'", options: { ...small, durability: 'process' as const }, onFile: true },
  { name: 'a file, compressed', options: { ...small, compression: { threshold: 0 } }, onFile: true },
  { name: ':memory:', options: small, onFile: false },
])('EventStore in $name', ({ name, options, onFile }) => {
  let path = ':memory:';
  eventStoreContract({
    name,
    persistent: onFile,
    create: (more) => {
      path = onFile ? tempFile() : ':memory:';
      return EventStore.open(path, { ...options, ...more });
    },
    reopen: (more) => EventStore.open(path, { ...options, ...more }),
  });
});
