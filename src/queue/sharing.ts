/**
 * How the threads that have one queue open keep out of each other's way. A queue that no other thread can have open, one
 * in memory, has nothing to share.
 */
export interface Sharing {
  /** Begins a change or a look at the index; nobody else is at it until `leave`. Throws where it cannot be had. */
  enter(): void;
  leave(): void;
  /** Memory for the index. */
  allocate(bytes: number): ArrayBufferLike;
  /** Something may have become available: those who wait in other threads look. */
  announce(): void;
  /** Takes this thread's leave, before its handle is closed. */
  close(): void;
}

export const notShared: Sharing = {
  enter() {},
  leave() {},
  allocate: (bytes) => new ArrayBuffer(bytes),
  announce() {},
  close() {},
};
