/** Opens the int map whose path it is given, writes, and kills itself. */
import { binary, IntMap } from '../../dist/esm/index.js';

const map = await IntMap.open(process.argv[2], { codec: binary() });
map.set(0, map.get(0));
process.kill(process.pid, 'SIGKILL');
