/** Random nets on webgpu. */
import type { Backend } from "../../backends/backend.ts";
import { webgpu } from "../../backends/webgpu/index.ts";
import { randomNets } from "../random/judge.ts";

randomNets(webgpu as unknown as Backend, { nets: 40 });
