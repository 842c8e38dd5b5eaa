/** What one writes without a library: an array that an interval empties. In memory, for one function, with no bound. */
export async function pushesToArray(count, measure) {
  const value = Buffer.alloc(100, 'x');
  const hundred = Array.from({ length: 100 }, () => value);
  let waiting = [];
  let processed = 0;
  const empty = () => {
    const batch = waiting;
    waiting = [];
    for (let i = 0; i < batch.length; i += 1000) processed += batch.slice(i, i + 1000).length;
  };
  const timer = setInterval(empty, 2 ** 31 - 1);
  console.log('an array and setInterval');
  await measure('push, 100 at a time', count, () => {
    for (let i = 0; i < count; i += 100) waiting.push(...hundred);
  });
  await measure('process, 1000 at a time', count, empty);
  await measure('push, one at a time', count, () => {
    for (let i = 0; i < count; i++) waiting.push(value);
  });
  clearInterval(timer);
  if (processed !== count) throw new Error(`${processed} of ${count} were processed`);
}
