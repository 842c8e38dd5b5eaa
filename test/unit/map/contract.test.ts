import { describe } from 'vitest';
import { mapContract, subjects } from '../../contract/map-contract.js';
import { backends } from '../../support/backends.js';

describe.each(subjects)('$name', (subject) => {
  describe.each(backends)('in $name', (backend) => mapContract(subject, backend));
});
