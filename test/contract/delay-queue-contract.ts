/** What every delay queue does, wherever it lives; see test/unit/queue/contract.test.ts. */
import type { Backend } from '../support/backends.js';
import { badInputCases } from './delay-queue/bad-input.js';
import { buffercompactCases } from './delay-queue/buffercompact.js';
import { consumerCases } from './delay-queue/consumers.js';
import { leaseCases } from './delay-queue/leases.js';
import { restartCases } from './delay-queue/restart.js';
import { storingCases } from './delay-queue/storing.js';
import { DelayQueueSubject } from './delay-queue/subject.js';

export function delayQueueContract(backend: Backend): void {
  const subject = new DelayQueueSubject(backend);
  buffercompactCases(subject);
  storingCases(subject);
  leaseCases(subject);
  consumerCases(subject);
  badInputCases(subject);
  restartCases(subject);
}
