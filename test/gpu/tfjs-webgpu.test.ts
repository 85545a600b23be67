/** An emitted TensorFlow.js module on TensorFlow.js's own WebGPU backend, over Dawn: one small net with gates. */
import { createRequire } from "node:module";
import type * as Tf from "@tensorflow/tfjs";
import { expect, test } from "vitest";
import { rounded, runReference } from "../../compiler/reference/run.ts";
import { hashedReader, inputsOf, shippedGraph } from "../judges/whole-nets.ts";
import { emitTf } from "../modules/tfjs-net.ts";

const require = createRequire(import.meta.url);
const held = globalThis as { secWebgpu?: GPU };

test("plain on tfjs's webgpu, against the f64 reference", async (context) => {
  const dawn = (await import("webgpu")) as unknown as { create(flags: string[]): GPU; globals: object };
  Object.assign(globalThis, dawn.globals);
  // must outlive every device
  held.secWebgpu ??= dawn.create([]);
  if (!(await held.secWebgpu.requestAdapter())) {
    if (process.env.CI) throw new Error("no WebGPU adapter");
    return context.skip("no WebGPU adapter");
  }
  // what a page gives TensorFlow.js
  const navigator = { gpu: held.secWebgpu, userAgent: "node" };
  Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true, writable: true });
  const tf = require("@tensorflow/tfjs") as typeof Tf;
  require("@tensorflow/tfjs-backend-webgpu");
  expect(await tf.setBackend("webgpu")).toBe(true);

  const graph = shippedGraph("plain.se", "plain");
  const weights = hashedReader(graph);
  const inputs = inputsOf(graph, 1);
  const net = await (await emitTf(graph, weights)).load(tf);
  const got = (await net.run(inputs)).logits as Float32Array;
  const tensors = { image: { shape: [1, 3, 32, 32], data: Float64Array.from(inputs.image as Float32Array) } };
  const want = runReference(graph, tensors, rounded(weights)).logits?.data as Float64Array;
  const largest = want.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  const worst = want.reduce((m, v, i) => Math.max(m, Math.abs(v - (got[i] as number))), 0);
  expect(got.length).toBe(10);
  expect(worst).toBeLessThanOrEqual(1e-4 * largest);
  net.dispose();
});
