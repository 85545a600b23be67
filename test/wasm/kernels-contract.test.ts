/** Convolutions and linear layers of the wasm target, each kernel alone, in both binaries. */
import { describe, expect, it } from "vitest";
import { contractSteps } from "../../backends/wasm/contract-steps.ts";
import * as x from "../../compiler/ir/expr.ts";
import type { ContractKernel } from "../../compiler/ir/kernel.ts";
import { build, type Case, relu, silu } from "./kernel-case.ts";
import { worst } from "./kernels-harness.ts";

const SAME = [1, 1, 1, 1] as const;

const CASES: Readonly<Record<string, Case>> = {
  "1x1": { in: [16, 7, 9], out: 24 },
  "1x1 to a narrow panel": { in: [8, 5, 5], out: 12, bias: true },
  "1x1, channels of no vector": { in: [7, 5, 5], out: 10, bias: true, act: relu },
  "1x1, one part of a wide panel": { in: [5, 3, 7], out: 14, bias: true, act: (e) => x.add(e, 1), residual: true },
  "1x1, large map": { in: [8, 20, 23], out: 8, bias: true, act: relu },
  "1x1, the next panel loaded ahead": { in: [256, 7, 7], out: 36, bias: true },
  "1x1 stride 2": { in: [8, 9, 9], out: 16, stride: [2, 2] },
  "1x1 into a halo, with a residual of another": { in: [8, 7, 7], out: 16, halo: [1, 2], residual: true, act: relu, bias: true },
  "3x3": { in: [8, 14, 14], out: 16, kernel: [3, 3], pad: SAME, bias: true, act: relu },
  "3x3 on 7x7": { in: [12, 7, 7], out: 8, kernel: [3, 3], pad: SAME, residual: true },
  "3x3 stride 2": { in: [8, 15, 13], out: 8, kernel: [3, 3], stride: [2, 2], pad: SAME, bias: true },
  "3x3 dilation 2": { in: [8, 11, 11], out: 8, kernel: [3, 3], dilation: [2, 2], pad: [2, 2, 2, 2] },
  "3x3, uneven padding": { in: [4, 8, 8], out: 8, kernel: [3, 3], stride: [2, 2], pad: [0, 0, 1, 1] },
  stem: { in: [3, 23, 23], out: 16, kernel: [7, 7], stride: [2, 2], pad: [3, 3, 3, 3], bias: true, act: relu },
  "1x7": { in: [8, 9, 12], out: 8, kernel: [1, 7], pad: [0, 3, 0, 3] },
  "groups of 4": { in: [16, 9, 9], out: 16, groups: 4, kernel: [3, 3], pad: SAME, bias: true, act: relu },
  "groups of 8": { in: [32, 7, 7], out: 32, groups: 4, kernel: [3, 3], pad: SAME },
  "groups of 4, sums and residual, batch 2": {
    batch: 2,
    in: [16, 9, 13],
    out: 16,
    groups: 4,
    kernel: [3, 3],
    stride: [2, 1],
    pad: SAME,
    bias: true,
    scale: true,
    residual: true,
    squeeze: true,
    halo: [1, 2],
  },
  "groups of 2 and 4": { in: [16, 8, 8], out: 32, groups: 8, kernel: [3, 3], pad: SAME, squeeze: true, act: relu },
  "groups of 3 and 2": { in: [9, 6, 6], out: 6, groups: 3, kernel: [3, 3], pad: SAME, bias: true },
  "batch 3": { batch: 3, in: [8, 5, 5], out: 12, residual: true },
  "batch 2, 3x3": { batch: 2, in: [8, 6, 6], out: 8, kernel: [3, 3], pad: SAME, scale: true, bias: true },
  linear: { linear: true, in: [64, 1, 1], out: 10, bias: true },
  "linear, batch 5": { linear: true, batch: 5, in: [33, 1, 1], out: 24, bias: true, act: relu },
  silu: { in: [16, 9, 9], out: 16, bias: true, act: silu },
  "silu, 3x3, residual": { in: [8, 14, 14], out: 12, kernel: [3, 3], pad: SAME, bias: true, act: silu, residual: true },
  "gate on the weights": { in: [16, 9, 9], out: 8, gate: true, bias: true },
  "gate on the weights, batch 2": { batch: 2, in: [8, 13, 13], out: 12, gate: true, bias: true },
  "gate on the input": { in: [32, 3, 3], out: 40, gate: true, bias: true, act: relu },
  "gate on the input, batch 2": { batch: 2, in: [12, 3, 3], out: 40, gate: true },
  "gate, 3x3": { in: [8, 6, 6], out: 8, kernel: [3, 3], pad: SAME, gate: true },
  squeeze: { in: [8, 9, 9], out: 12, squeeze: true, bias: true },
  "squeeze in parts, before a residual": {
    batch: 2,
    in: [8, 20, 20],
    out: 14,
    kernel: [3, 3],
    pad: SAME,
    squeeze: true,
    residual: true,
    bias: true,
  },
  "squeeze after silu": { in: [8, 20, 20], out: 16, kernel: [3, 3], pad: SAME, squeeze: true, bias: true, act: silu },
  "squeeze and a gate on the input": { in: [16, 12, 12], out: 160, gate: true, squeeze: true },
};

describe.each([
  ["relaxed", true],
  ["plain", false],
] as const)("%s", (_, relaxed) => {
  it.each(Object.entries(CASES))("%s", (_name, c) => {
    const built = build(c);
    const steps = contractSteps(built.program, built.kernel as ContractKernel, { relaxed });
    expect(steps).toBeDefined();
    expect(worst(built, c, steps ?? [])).toBeLessThan(1);
  });
});
