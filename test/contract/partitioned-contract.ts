/** What every PartitionedQueue does, in memory and on a file; see test/unit/partitioned/contract.test.ts. */
import { badInputCases } from './partitioned-queue/bad-input.js';
import { boundsCases } from './partitioned-queue/bounds.js';
import { drainingCases } from './partitioned-queue/draining.js';
import { retryingCases } from './partitioned-queue/retrying.js';
import { seedCases } from './partitioned-queue/seeds.js';
import { type Home, PartitionedQueueSubject } from './partitioned-queue/subject.js';
import { tellingCases } from './partitioned-queue/telling.js';

export function partitionedQueueContract(home: Home): void {
  const subject = new PartitionedQueueSubject(home);
  seedCases(subject);
  drainingCases(subject);
  retryingCases(subject);
  boundsCases(subject);
  tellingCases(subject);
  badInputCases(subject);
}
