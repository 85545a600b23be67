/** Winograd convolutions of the wasm target, each alone, in both binaries, within the bound of their own (kernels.md section 1: 8 times). */
import { describe, expect, it } from "vitest";
import { winogradSteps } from "../../backends/wasm/winograd.ts";
import type { ContractKernel } from "../../compiler/ir/kernel.ts";
import { build, type Case, relu, silu } from "./kernel-case.ts";
import { worst } from "./kernels-harness.ts";

const window = { kernel: [3, 3], pad: [1, 1, 1, 1] } as const;

const CASES: Readonly<Record<string, Case>> = {
  even: { ...window, in: [8, 8, 12], out: 16, bias: true, act: relu },
  "odd height": { ...window, in: [8, 7, 6], out: 8, bias: true },
  "odd width": { ...window, in: [8, 6, 9], out: 8 },
  "odd both": { ...window, in: [12, 7, 7], out: 24, bias: true, act: relu },
  "one pixel": { ...window, in: [8, 1, 1], out: 8, bias: true },
  "no padding": { kernel: [3, 3], in: [8, 9, 8], out: 8, bias: true },
  "padding on two sides": { kernel: [3, 3], pad: [0, 1, 1, 0], in: [8, 9, 8], out: 8, bias: true },
  "many strips": { ...window, in: [4, 26, 24], out: 8, bias: true, act: relu },
  "chunks of channels": { ...window, in: [4, 16, 18], out: 64, bias: true },
  "a residual of another halo": { ...window, in: [8, 9, 9], out: 16, bias: true, residual: true, act: relu, halo: [1, 2] },
  "scale and silu": { ...window, in: [8, 10, 10], out: 16, bias: true, scale: true, act: silu },
  "batch 3": { ...window, batch: 3, in: [8, 6, 5], out: 8, bias: true, scale: true },
  "the next panel loaded ahead": { ...window, in: [256, 7, 7], out: 16, bias: true },
  squeeze: { ...window, in: [8, 9, 9], out: 16, squeeze: true, bias: true, act: relu },
  "a gate on the inputs": { ...window, in: [12, 9, 10], out: 16, bias: true, act: relu, gate: true },
  "a gate for each of 2 images": { ...window, batch: 2, in: [8, 26, 11], out: 64, bias: true, gate: true, squeeze: true },
  "squeeze before a residual, batch 2": { ...window, batch: 2, in: [4, 14, 14], out: 8, squeeze: true, residual: true, bias: true },
};

describe.each([
  ["relaxed", true],
  ["plain", false],
] as const)("%s", (_, relaxed) => {
  it.each(Object.entries(CASES))("%s", (_name, c) => {
    const built = build(c);
    const steps = winogradSteps(built.program, built.kernel as ContractKernel, { relaxed });
    expect(steps).toBeDefined();
    expect(worst(built, c, steps ?? [], 8)).toBeLessThan(1);
  });
});

it("is refused where channels do not fill panels and for other windows", () => {
  for (const c of [
    { ...window, in: [8, 8, 8], out: 12 },
    { ...window, in: [8, 8, 8], out: 8, stride: [2, 2] },
    { ...window, in: [8, 8, 8], out: 8, groups: 2 },
    { kernel: [5, 5], pad: [2, 2, 2, 2], in: [8, 8, 8], out: 8 },
  ] as const satisfies readonly Case[]) {
    const built = build(c);
    expect(winogradSteps(built.program, built.kernel as ContractKernel, { relaxed: true })).toBeUndefined();
  }
});
