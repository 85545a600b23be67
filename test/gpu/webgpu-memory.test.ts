/** Mixed kernels, which read and write one arena, on a device: Dawn finds nothing to refuse, and the numbers are right. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { programFor } from "../../backends/emit.ts";
import { importModule } from "../../backends/module/import-module.ts";
import { webgpu } from "../../backends/webgpu/index.ts";
import { openDevice } from "../../backends/webgpu/run.ts";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import { must } from "../../compiler/invariant.ts";
import { rounded, runReference } from "../../compiler/reference/run.ts";
import { hashedReader, inputsOf, shippedGraph } from "../judges/whole-nets.ts";

let device: GPUDevice;
beforeAll(async () => {
  const opened = await openDevice();
  if ("unavailable" in opened) throw new Error(opened.unavailable);
  device = opened.device;
});
afterAll(() => device.destroy());

test.each([
  ["mobilenet_v3_large.se", "mobilenet_v3_large", [1, 3, 64, 64]],
  ["unet_scse.se", "scse_unet", [1, 1, 32, 32]],
] as const)("%s: %s", async (file, net, shape) => {
  const graph = shippedGraph(file, net, { image: shape });
  const diagnostics = new Diagnostics();
  const weights = hashedReader(graph);
  const program = programFor(webgpu, graph, { batch: 1, level: 2, diagnostics });
  expect(program.memory.mixed.size).toBeGreaterThan(0);
  const context = { diagnostics, weights, source: file };
  const { artifacts } = webgpu.emit(program, { ...context, options: { variant: "register", f16: false } });
  const inputs = inputsOf(graph, 1);
  const tensors = Object.fromEntries(Object.entries(inputs).map(([name, x]) => [name, { shape, data: Float64Array.from(x) }]));
  const exact = runReference(graph, tensors, rounded(weights), { batch: 1 });

  const module = await importModule(artifacts, net);
  const loaded = await module.load({ device, weights: module.weights });
  device.pushErrorScope("validation");
  const got = await loaded.run(inputs);
  expect((await device.popErrorScope())?.message).toBeUndefined();
  loaded.dispose();
  for (const [name, { data }] of Object.entries(exact)) {
    const largest = data.reduce((top, v) => Math.max(top, Math.abs(v)), 0);
    const values = must(got[name], name);
    const error = data.reduce((most, v, i) => Math.max(most, Math.abs(v - (values[i] ?? Number.NaN))), 0);
    expect(values.length).toBe(data.length);
    expect(error / largest, name).toBeLessThanOrEqual(must(webgpu.wholeNetLimit, "limit"));
  }
});
