import { describe } from 'vitest';
import { bufferContract } from '../../contract/buffer-contract.js';
import { backends } from '../../support/backends.js';

describe.each(backends)('CompactableBuffer in $name', (backend) => bufferContract(backend));
