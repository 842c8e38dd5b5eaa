const GROUP = 100;

/**
 * The job of a DelayQueue by hand: due times in a sorted set, values in a hash. A store sets the due time unless the key
 * waits, and the value; a retrieval takes what is due, oldest first, in a transaction.
 */
export async function redisQueue(path) {
  const { createClient } = await import('redis');
  const client = await createClient({ socket: { path } }).connect();
  return {
    replaces: true,
    async store(keys, value) {
      const text = value.toString();
      for (let i = 0; i < keys.length; i += GROUP) {
        const group = keys.slice(i, i + GROUP);
        await client
          .multi()
          .zAdd(
            'due',
            group.map((key, n) => ({ score: i + n, value: key })),
            { condition: 'NX' },
          )
          .hSet(
            'values',
            group.flatMap((key) => [key, text]),
          )
          .execAsPipeline();
      }
    },
    async retrieve(n) {
      let taken = 0;
      while (taken < n) {
        const keys = await client.zRangeByScore('due', 0, n, { LIMIT: { offset: 0, count: GROUP } });
        const [values] = await client.multi().hmGet('values', keys).zRem('due', keys).hDel('values', keys).exec();
        taken += values.length;
      }
    },
    close: () => client.close(),
  };
}
