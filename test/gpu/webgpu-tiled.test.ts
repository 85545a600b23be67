/** The webgpu target against the reference, with tiled kernels everywhere: the ops that have tiles, small nets, the module contract. */
import type { Backend } from "../../backends/backend.ts";
import { conformance } from "../../backends/conformance.ts";
import { webgpu } from "../../backends/webgpu/index.ts";

// barriers are slow on a software adapter; all other ops print the same text in both variants
const tiled = new Set(["conv", "linear"]);

conformance(webgpu as unknown as Backend, { required: true, options: { variant: "tiled" }, levels: [2], only: (op) => tiled.has(op) });
