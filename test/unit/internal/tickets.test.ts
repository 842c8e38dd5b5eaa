/** Tickets: valid until they are returned or their thread ends, in every thread of the process. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { runtime } from '../../../src/internal/load-binding.js';

const { native } = runtime();
const program = `
  const { parentPort } = require('node:worker_threads');
  import(${JSON.stringify(new URL('../../../dist/esm/internal/load-binding.js', import.meta.url).href)}).then(({ runtime }) => {
    const { native } = runtime();
    parentPort.on('message', (ticket) => native.returnTicket(ticket));
    parentPort.postMessage([native.drawTicket(), native.drawTicket()]);
  });
`;

it('are numbers of their own, and end when they are returned', () => {
  const tickets = Array.from({ length: 100 }, () => native.drawTicket());
  expect(new Set(tickets).size).toBe(100);
  for (const ticket of tickets) expect(Number.isSafeInteger(ticket) && ticket > 0).toBe(true);
  expect(tickets.every((ticket) => native.ticketIsValid(ticket))).toBe(true);
  for (const ticket of tickets.splice(50)) native.returnTicket(ticket);
  expect(tickets.every((ticket) => native.ticketIsValid(ticket))).toBe(true);
  const [one = 0] = tickets;
  native.returnTicket(one);
  native.returnTicket(one);
  expect(native.ticketIsValid(one)).toBe(false);
  for (const ticket of tickets) native.returnTicket(ticket);
});

it('of another thread end with it, and not before, whoever asks', async () => {
  const worker = new Worker(program, { eval: true });
  const [[first, second]] = (await once(worker, 'message')) as [[number, number]];
  expect([native.ticketIsValid(first), native.ticketIsValid(second)]).toEqual([true, true]);
  native.returnTicket(first); // it is not ours
  expect(native.ticketIsValid(first)).toBe(true);
  await worker.terminate();
  expect([native.ticketIsValid(first), native.ticketIsValid(second)]).toEqual([false, false]);
});

it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])('%s is none', (number) => {
  expect(native.ticketIsValid(number)).toBe(false);
  native.returnTicket(number);
});
