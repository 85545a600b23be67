/** Random nets on wasm; also by `npm run matrix`, since engines choose between its two binaries. */
import type { Backend } from "../../backends/backend.ts";
import { wasm } from "../../backends/wasm/index.ts";
import { randomNets } from "./judge.ts";

const backend = wasm as unknown as Backend;

randomNets(backend, { nets: 200 });
randomNets(backend, { nets: 40, level: 0 });
randomNets(backend, { nets: 40, threads: 3 });
