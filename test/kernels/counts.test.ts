/** Dispatches per net (kernels.md section 4.1) and memory against the lower bound (section 3.3). */
import { describe, expect, test } from "vitest";
import type { Graph } from "../../compiler/ir/graph.ts";
import type { Program } from "../../compiler/ir/kernel.ts";
import { mobileNetV3, resnet50, unet } from "./nets.ts";
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
  const nets: readonly (readonly [string, () => Graph])[] = [
    ["ResNet-50", () => resnet50(false)],
    ["SE-ResNet-50", () => resnet50(true)],
    ["MobileNetV3", () => mobileNetV3()],
    ["U-Net", () => unet()],
  ];
  for (const capabilities of [gpu, cpu])
    test.each(nets)(`%s in ${capabilities.arenas} arenas needs at most 1.15 of the bytes alive at one time`, (_name, make) => {
      const { program } = optimize(make(), capabilities);
      const { arenas, lowerBound } = program.memory;
      const total = arenas.reduce((a, b) => a + b, 0);
      expect(lowerBound).toBeGreaterThan(0);
      expect(arenas.length).toBeLessThanOrEqual(capabilities.arenas === "single" ? 1 : 4);
      expect(total / lowerBound).toBeLessThanOrEqual(1.15);
      expect(total).toBeGreaterThanOrEqual(lowerBound);
    });
});
