/** The tfjs target against the reference, on two backends of TensorFlow.js: all op samples, small nets, the module contract. */
import { beforeAll, describe } from "vitest";
import type { Backend } from "../backends/backend.ts";
import { conformance } from "../backends/conformance.ts";
import { tfjs } from "../backends/tfjs/index.ts";
import { useTfjs } from "./judges/tfjs-backend.ts";

describe("cpu", () => {
  beforeAll(async () => {
    await useTfjs("cpu");
  });
  conformance(tfjs as unknown as Backend, { required: true });
});

// without training: everything is folded when the module is made
describe("wasm, train=false", () => {
  beforeAll(async () => {
    await useTfjs("wasm");
  });
  conformance(tfjs as unknown as Backend, { required: true, options: { train: false } });
});
