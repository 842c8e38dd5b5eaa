/** kill -9 of a process in which several workers write to one file at once, while it is compacted. See kill.test.ts. */
import { describeKills } from './kills.js';

describeKills('three workers write', 3, 1 / 4);
