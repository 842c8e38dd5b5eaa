import { describe } from 'vitest';
import { delayQueueContract } from '../../contract/delay-queue-contract.js';
import { backends } from '../../support/backends.js';

describe.each(backends)('DelayQueue in $name', (backend) => delayQueueContract(backend));
