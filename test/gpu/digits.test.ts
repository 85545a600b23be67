/** The trained example on webgpu. */
import type { Backend } from "../../backends/backend.ts";
import { webgpu } from "../../backends/webgpu/index.ts";
import { describeDigits } from "../judges/digits.ts";

describeDigits(webgpu as unknown as Backend);
