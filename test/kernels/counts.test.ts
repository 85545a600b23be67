/** Dispatches per net (kernels.md section 4.1) and memory against the lower bound (section 3.3). */
import { describe, expect, test } from "vitest";
import { programFor } from "../../backends/emit.ts";
import { webgpu } from "../../backends/webgpu/index.ts";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import type { Program } from "../../compiler/ir/kernel.ts";
import { shippedGraph } from "../judges/whole-nets.ts";
import { buildNet, mobileNetV3, resnet50, unet } from "./nets.ts";
import { cpu, gpu, kernelNames, optimize } from "./optimize.ts";

const kinds = (p: Program, kind: string): number => p.kernels.filter((k) => k.kind === kind).length;

describe("dispatches", () => {
  test("ResNet-50: 53 convolutions, maxpool, gap, fc", () => {
    const { program } = optimize(resnet50(false));
    expect(program.kernels.length).toBe(56);
    expect(kinds(program, "contract")).toBe(54);
  });

  test.each([gpu, cpu])("SE-ResNet-50: one excite kernel for each of its 16 gates ($order)", (capabilities) => {
    const { program } = optimize(resnet50(true), capabilities);
    expect(program.kernels.length).toBe(72);
    expect(kinds(program, "excite")).toBe(16);
    expect(kernelNames(program).slice(0, 11)).toEqual([
      "conv1+relu",
      "maxpool",
      "layer1.0.conv1+relu",
      "layer1.0.conv2+relu+squeeze",
      "layer1.0.se.fc1+fc2",
      "layer1.0.conv3+gate",
      "layer1.0.downsample+add+relu",
      "layer1.1.conv1+relu",
      "layer1.1.conv2+relu+squeeze",
      "layer1.1.se.fc1+fc2",
      "layer1.1.conv3+gate+add+relu",
    ]);
  });

  test("MobileNetV3-Large: every gate ends in the projection's K axis", () => {
    const { program } = optimize(mobileNetV3());
    expect(kinds(program, "excite")).toBe(8);
    expect(program.kernels.filter((k) => k.kind === "contract" && k.gate !== undefined).length).toBe(8);
    // 1 stem, 14 expansions, 15 depthwise, 15 projections, head, gap, two linears, 8 gates
    expect(program.kernels.length).toBe(1 + 14 + 15 + 15 + 1 + 1 + 2 + 8);
  });

  test("level 0 keeps every layer a loop", () => {
    const { program } = optimize(resnet50(true, 64), gpu, 1, 0);
    expect(program.kernels.every((k) => k.kind === "loop")).toBe(true);
  });
});

describe("memory", () => {
  /** Most kernels that may read and write one arena: what the colour rule costs without them is in kernels.md section 3.3. */
  const nets: readonly (readonly [file: string, net: string, mixed: number])[] = [
    ["resnet", "resnet18", 3],
    ["resnet", "resnet34", 6],
    ["resnet", "resnet50", 1],
    ["se_resnet50", "se_resnet50", 1],
    ["se_resnet50", "se_pre", 1],
    ["se_resnet50", "se_post", 1],
    ["se_resnet50", "se_identity", 1],
    ["se_resnet50", "se_3x3", 1],
    ["mobilenet_v3_large", "mobilenet_v3_large", 4],
    ["senet154", "senet154", 9],
    ["unet_scse", "unet", 2],
    ["unet_scse", "scse_unet", 2],
  ];
  test.each(nets)(
    "%s.se, %s: at most three arenas, within 1.05 of the bytes alive at one time, with %i mixed kernels",
    (file, net, mixed) => {
      const { memory } = programFor(webgpu, shippedGraph(`${file}.se`, net), { batch: 1, level: 2, diagnostics: new Diagnostics() });
      const total = memory.arenas.reduce((a, b) => a + b, 0);
      expect(memory.lowerBound).toBeGreaterThan(0);
      expect(total).toBeGreaterThanOrEqual(memory.lowerBound);
      expect(memory.arenas.length).toBeLessThanOrEqual(3);
      expect(total / memory.lowerBound).toBeLessThanOrEqual(1.05);
      expect(memory.mixed.size).toBeLessThanOrEqual(mixed);
    },
  );

  test.each([resnet50(true), mobileNetV3(), unet()])("a single arena is as small as what is alive at one time", (graph) => {
    const { arenas, lowerBound, mixed } = optimize(graph, cpu).program.memory;
    expect(arenas.length).toBe(1);
    expect(arenas[0]).toBeGreaterThanOrEqual(lowerBound);
    expect((arenas[0] as number) / lowerBound).toBeLessThanOrEqual(1.001);
    expect(mixed.size).toBe(0);
  });

  test("inputs live from the first kernel, outputs to the last", () => {
    const { program } = optimize(mobileNetV3(64));
    const place = (v: Program["inputs"][number]): readonly [number, number] => program.memory.places.get(v.value)?.live ?? [-1, -1];
    expect(place(program.inputs[0] as Program["inputs"][number])[0]).toBe(0);
    expect(place(program.outputs[0] as Program["inputs"][number])[1]).toBe(program.kernels.length - 1);
  });

  test("a chain of 5,000 layers is planned in one pass", () => {
    const net = buildNet();
    let x = net.input("image", "N", 4, 8, 8);
    for (let i = 0; i < 2500; i++) x = net.op("relu", net.op("conv", x, { out: 4, kernel: 3, bias: true }));
    const { program } = optimize(net.finish(x));
    expect(program.kernels.length).toBe(2500);
    expect(program.memory.arenas).toEqual([1024, 1024]);
  });
});
