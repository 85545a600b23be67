/** The trained example on every target that needs no GPU; webgpu is in gpu/digits.test.ts. */
import { statSync } from "node:fs";
import { expect, test } from "vitest";
import { builtInBackends } from "../backends/registry.ts";
import { describeDigits } from "./judges/digits.ts";

for (const backend of await builtInBackends()) if (backend.name !== "webgpu") describeDigits(backend);

test("the example is small enough to ship", () => {
  expect(statSync("examples/digits/digits_se_resnet20.safetensors").size).toBeLessThan(2e6);
});
