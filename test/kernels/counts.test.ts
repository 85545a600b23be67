/** Dispatches per net (kernels.md section 4.1) and memory against the lower bound (section 3.3). */
import { describe, expect, test } from "vitest";
import type { Graph } from "../../compiler/ir/graph.ts";
import type { Program } from "../../compiler/ir/kernel.ts";
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
      "layer1.0.se.fc1",
      "layer1.0.conv3+gate",
      "layer1.0.downsample+add+relu",
      "layer1.1.conv1+relu",
      "layer1.1.conv2+relu+squeeze",
      "layer1.1.se.fc1",
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
  /*
   * What the colour rule itself costs. MobileNetV3: the first block's residual add reads the stem's and the depthwise output, which also
   * stand in one dispatch: three values of 0.8 MB in three arenas, one of which holds the 3.2 MB expansion: 4.8 MB of 4.0 (1.2) at least.
   * U-Net: the last join (2 units) and the first level's skip with the join below it (1 + 1) lie apart: 4 units of 3.5 (1.14), and the
   * way through the bottom is an odd cycle, which needs a third, small arena.
   */
  const nets: readonly (readonly [name: string, colored: number, make: () => Graph])[] = [
    ["ResNet-50", 1.12, () => resnet50(false)],
    ["SE-ResNet-50", 1.12, () => resnet50(true)],
    ["MobileNetV3", 1.23, () => mobileNetV3()],
    ["U-Net", 1.16, () => unet()],
  ];
  for (const capabilities of [gpu, cpu])
    test.each(nets)(`%s in ${capabilities.arenas} arenas stays near the bytes alive at one time`, (_name, colored, make) => {
      const { program } = optimize(make(), capabilities);
      const { arenas, lowerBound } = program.memory;
      const total = arenas.reduce((a, b) => a + b, 0);
      expect(lowerBound).toBeGreaterThan(0);
      expect(arenas.length).toBeLessThanOrEqual(capabilities.arenas === "single" ? 1 : 4);
      expect(total / lowerBound).toBeLessThanOrEqual(capabilities.arenas === "single" ? 1.01 : colored);
      expect(total).toBeGreaterThanOrEqual(lowerBound);
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
