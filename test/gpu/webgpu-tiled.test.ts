/** The webgpu target against the reference, with tiled kernels everywhere: all op samples, small nets, the module contract. */
import type { Backend } from "../../backends/backend.ts";
import { conformance } from "../../backends/conformance.ts";
import { webgpu } from "../../backends/webgpu/index.ts";

conformance(webgpu as unknown as Backend, { required: true, options: { variant: "tiled" } });
