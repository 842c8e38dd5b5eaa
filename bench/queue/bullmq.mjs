const GROUP = 100;

/** Jobs with an id, which BullMQ adds once; done by a worker that takes 100 side by side. */
export async function bullmqQueue(path) {
  const { Queue, Worker } = await import('bullmq');
  const connection = { path, maxRetriesPerRequest: null };
  const queue = new Queue('bench', { connection, defaultJobOptions: { removeOnComplete: true } });
  return {
    // A job that waits is not replaced by another of its id.
    replaces: false,
    async store(keys, value) {
      const data = value.toString();
      for (let i = 0; i < keys.length; i += GROUP) {
        const group = keys.slice(i, i + GROUP);
        await queue.addBulk(group.map((key) => ({ name: 'job', data, opts: { jobId: key.replace(':', '-') } })));
      }
    },
    retrieve: (n) =>
      new Promise((resolve, reject) => {
        let done = 0;
        const worker = new Worker('bench', async () => {}, { connection, concurrency: GROUP });
        worker.on('error', reject);
        worker.on('completed', () => {
          done += 1;
          if (done === n) worker.close().then(resolve, reject);
        });
      }),
    close: () => queue.close(),
  };
}
