/** PyTorch judges webgpu: whole nets at full size. */
import type { Backend } from "../../backends/backend.ts";
import { webgpu } from "../../backends/webgpu/index.ts";
import { describeTorch } from "../judges/describe-torch.ts";

describeTorch(webgpu as unknown as Backend);
