/** Depthwise convolutions of the wasm target, each kernel alone, in both binaries. */
import { describe, expect, it } from "vitest";
import { depthwiseSteps, strips } from "../../backends/wasm/depthwise.ts";
import * as x from "../../compiler/ir/expr.ts";
import type { DepthwiseKernel } from "../../compiler/ir/kernel.ts";
import { build, type Case, relu, silu } from "./kernel-case.ts";
import { worst } from "./kernels-harness.ts";

const [ONE, TWO] = [
  [1, 1, 1, 1],
  [2, 2, 2, 2],
] as const;

const CASES: Readonly<Record<string, Omit<Case, "kind">>> = {
  "3x3": { in: [8, 7, 7], out: 8, kernel: [3, 3], pad: ONE, bias: true, act: relu },
  "3x3 stride 2": { in: [12, 15, 13], out: 12, kernel: [3, 3], stride: [2, 2], pad: ONE, bias: true, act: silu, halo: [2, 0] },
  "5x5": { in: [4, 14, 14], out: 4, kernel: [5, 5], pad: TWO, residual: true, halo: [1, 2] },
  "5x5 stride 2": { in: [8, 14, 14], out: 8, kernel: [5, 5], stride: [2, 2], pad: TWO },
  "7x7": { in: [8, 9, 9], out: 8, kernel: [7, 7], pad: [3, 3, 3, 3], scale: true },
  "3x3 dilation 2": { in: [4, 9, 9], out: 4, kernel: [3, 3], dilation: [2, 2], pad: TWO },
  "channels of no vector": { in: [7, 8, 11], out: 7, kernel: [3, 3], pad: ONE, bias: true, act: (e) => x.add(e, 1) },
  "uneven padding": { in: [4, 8, 8], out: 4, kernel: [3, 3], stride: [2, 2], pad: [0, 0, 1, 1] },
  "batch and sums": { batch: 2, in: [8, 9, 10], out: 8, kernel: [3, 3], pad: ONE, bias: true, act: silu, squeeze: true },
  "sums before a residual": { in: [10, 7, 7], out: 10, kernel: [5, 5], pad: TWO, bias: true, residual: true, squeeze: true },
  "one line": { in: [8, 1, 9], out: 8, kernel: [1, 3], pad: [0, 1, 0, 1], squeeze: true, bias: true },
};

describe.each([
  ["relaxed", true],
  ["plain", false],
] as const)("%s", (_, relaxed) => {
  it.each(Object.entries(CASES))("%s", (_name, given) => {
    const c: Case = { ...given, kind: "depthwise" };
    const built = build(c);
    const steps = depthwiseSteps(built.program, built.kernel as DepthwiseKernel, { relaxed });
    expect(steps).toBeDefined();
    expect(worst(built, c, steps ?? [])).toBeLessThan(1);
  });
});

it("strips cover every line and differ by one pixel", () => {
  for (let width = 1; width < 130; width++) {
    const lengths = strips(width);
    expect(lengths.reduce((a, b) => a + b, 0)).toBe(width);
    expect(Math.max(...lengths) - Math.min(...lengths)).toBeLessThanOrEqual(1);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(6);
  }
});
