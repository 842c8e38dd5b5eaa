import { describe } from 'vitest';
import { partitionedQueueContract } from '../../contract/partitioned-contract.js';
import { partitionedMapContract } from '../../contract/partitioned-map-contract.js';
import { homes } from './homes.js';

describe.each(homes)('PartitionedQueue in $name', (home) => partitionedQueueContract(home));
describe.each(homes)('PartitionedMap in $name', (home) => partitionedMapContract(home));
