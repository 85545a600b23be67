/** The trained example on every target that needs no GPU; webgpu is in gpu/digits.test.ts. */
import { builtInBackends } from "../backends/registry.ts";
import { describeDigits } from "./judges/digits.ts";

for (const backend of builtInBackends()) if (backend.name !== "webgpu") describeDigits(backend);
