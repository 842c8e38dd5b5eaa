/**
 * Group commit for engines that leave it to the caller: what is asked for while a commit is under way goes into the next
 * one, together.
 */

/** `commit` gets the pending operations, and resolves (or returns) when they are on the disk. */
export function groupCommit(commit) {
  let pending = [];
  let waiters = [];
  let running = false;

  async function run() {
    running = true;
    while (pending.length > 0) {
      const [operations, resolvers] = [pending, waiters];
      pending = [];
      waiters = [];
      try {
        await commit(operations);
        for (const { resolve } of resolvers) resolve();
      } catch (error) {
        for (const { reject } of resolvers) reject(error);
      }
      // The writers that were woken ask for their next commit before the next group starts.
      await new Promise(setImmediate);
    }
    running = false;
  }

  return (operation) =>
    new Promise((resolve, reject) => {
      pending.push(operation);
      waiters.push({ resolve, reject });
      if (!running) {
        running = true;
        queueMicrotask(run);
      }
    });
}
