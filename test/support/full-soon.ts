/** Options of a file that is full after some hundred kilobytes, and stays so: nothing makes room. */
export const fullSoon = {
  maxSize: 262_144,
  initialSize: 65_536,
  segmentSize: 65_536,
  compaction: { policy: 'disabled' },
} as const;
