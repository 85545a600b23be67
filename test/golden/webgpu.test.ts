/**
 * The WGSL and tables of a small net with squeeze and excitation, as written: a change of any printer shows here as a readable difference.
 * Refresh with `vitest -u`. Also the size of a large module, which pages download.
 */
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import type { Backend } from "../../backends/backend.ts";
import { emitTarget } from "../../backends/emit.ts";
import { referenceNets } from "../../backends/testing-nets.ts";
import { importText } from "../../backends/module/import-module.ts";
import { sampleWeights } from "../../backends/testing-samples.ts";
import { toHalf } from "../../backends/webgpu/half.ts";
import { host } from "../../backends/webgpu/host.gen.ts";
import { webgpu } from "../../backends/webgpu/index.ts";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import { must } from "../../compiler/invariant.ts";
import type { Graph, Value } from "../../compiler/ir/graph.ts";
import { numel } from "../../compiler/ir/type.ts";
import type { WeightReader } from "../../compiler/weights/source.ts";
import { buildNet } from "../kernels/nets.ts";

const emit = (graph: Graph, batch: number, options: unknown, weights: WeightReader) =>
  emitTarget({ backend: webgpu as unknown as Backend, graph, options, weights, batch, level: 2, diagnostics: new Diagnostics(), source: "net.se" });

test.each(["se_bottleneck", "se_mobile"])("texts of %s", async (name) => {
  const { graph, batch } = must(
    referenceNets().find((n) => n.graph.name === name),
    name,
  );
  const { artifacts } = emit(graph, batch, { variant: "auto", f16: false }, sampleWeights);
  const kernels = artifacts.filter((a) => a.path.endsWith(".wgsl")).map((a) => `=== ${a.path}\n${a.contents as string}`);
  await expect(kernels.join("\n")).toMatchFileSnapshot(`webgpu/${name}.kernels.txt`);
  const module = must(artifacts[0], "module").contents as string;
  const steps = module.slice(module.indexOf("/** One dispatch each"), module.indexOf("const WEIGHTS"));
  await expect(steps).toMatchFileSnapshot(`webgpu/${name}.tables.txt`);
  await expect(must(artifacts[1], "types").contents as string).toMatchFileSnapshot(`webgpu/${name}.d.ts.txt`);
});

/** SE-ResNet-50, the gate after each block's last convolution. */
function seResnet50(): Graph {
  const net = buildNet("se_resnet50");
  const conv = (x: Value, out: number, kernel: number, stride: number, relu = true): Value => {
    const y = net.op("bn", net.op("conv", x, { out, kernel, stride, pad: kernel >> 1, bias: false }));
    return relu ? net.op("relu", y) : y;
  };
  let x = net.op("maxpool", conv(net.input("image", "N", 3, 224, 224), 64, 7, 2), { kernel: 3, stride: 2, pad: 1 });
  for (const [stage, blocks] of [3, 4, 6, 3].entries()) {
    const width = 64 << stage;
    for (let i = 0; i < blocks; i++) {
      const stride = i === 0 && stage > 0 ? 2 : 1;
      const u = conv(conv(conv(x, width, 1, 1), width, 3, stride), width * 4, 1, 1, false);
      const hidden = net.op("relu", net.op("conv", net.op("gap", u), { out: width / 4, kernel: 1, bias: true }));
      const gated = net.op("mul", [u, net.op("sigmoid", net.op("conv", hidden, { out: width * 4, kernel: 1, bias: true }))]);
      x = net.op("relu", net.op("add", [gated, i === 0 ? conv(x, width * 4, 1, stride, false) : x]));
    }
  }
  return net.finish(net.op("linear", net.op("flatten", net.op("gap", x)), { out: 1000, bias: true }));
}

/** Numbers do not matter for sizes, and zeros cost nothing. */
const zeros: WeightReader = {
  read: (w) => new Float32Array(numel(w.value.type.shape)),
  readExact: (w) => new Float64Array(numel(w.value.type.shape)),
};

test("SE-ResNet-50 with both variants: 72 dispatches, three arenas within 1.05 of the least, at most 26 kB of JavaScript", () => {
  const { artifacts, metrics, program } = emit(seResnet50(), 1, { variant: "auto", f16: false }, zeros);
  expect(metrics.dispatches).toBe(72);
  const memory = must(program, "program").memory;
  expect(must(metrics.arenaBytes, "bytes") / memory.lowerBound).toBeLessThanOrEqual(1.05);
  expect(memory.arenas.length).toBeLessThanOrEqual(3);
  const module = must(artifacts[0], "module").contents as string;
  expect(module).toContain(`${memory.lowerBound} are alive at one time`);
  expect(gzipSync(module).length).toBeLessThanOrEqual(26_000);
  // equal layers share their text: both variants together stay far below two texts a dispatch
  expect(artifacts.filter((a) => a.path.endsWith(".wgsl")).length).toBeLessThanOrEqual(70);
  expect(module).not.toMatch(/\bimport\s*[({"*]|\beval\(|\bFunction\(/);
});

test("f16 numbers round to nearest even and read back as themselves", async () => {
  const { widen } = await importText<{ widen: (from: Uint16Array, to: Float32Array) => void }>(`${host}\nexport { widen };`);
  const all = new Uint16Array(65_536).map((_, i) => i);
  const values = new Float32Array(65_536);
  widen(all, values);
  expect([...all].filter((bits) => !Number.isNaN(values[bits]) && toHalf(values[bits] as number) !== bits)).toEqual([]);
  const cases: readonly (readonly [number, number])[] = [
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [65_519, 0x7bff],
    [65_520, 0x7c00],
    [2 ** -25, 0],
    [3 * 2 ** -25, 2],
    [2047.9999, 0x6800],
    [-0.1, 0xae66],
  ];
  for (const [value, bits] of cases) expect(toHalf(value)).toBe(bits);
});
