/** Kernels of one form share their code (wasm, webgpu): what may differ between them, and what may not. */
import { expect, test } from "vitest";
import type { Kernel, Program } from "../../compiler/ir/kernel.ts";
import { kernelForms } from "../../compiler/ir/kernel-form.ts";
import { resnet50 } from "./nets.ts";
import { gpu, optimize } from "./optimize.ts";

const { program } = optimize(resnet50(true), gpu);

const kernel = (name: string): Kernel => {
  const found = program.kernels.find((k) => k.name === name);
  if (!found) throw new Error(`no kernel ${name}`);
  return found;
};
const form = kernelForms(program);

test("layers that differ in name, weights and places alone have one form", () => {
  expect(form(kernel("layer1.1.conv2+relu+squeeze"))).toBe(form(kernel("layer1.2.conv2+relu+squeeze")));
  expect(form(kernel("layer1.1.se.fc1+fc2"))).toBe(form(kernel("layer1.2.se.fc1+fc2")));
  expect(new Set(program.kernels.map((k) => form(k))).size).toBeLessThan(program.kernels.length / 2 + 3);
});

test("another shape is another form", () => {
  expect(form(kernel("layer1.1.conv2+relu+squeeze"))).not.toBe(form(kernel("layer2.1.conv2+relu+squeeze")));
});

test("how a value is stored is part of the form", () => {
  const conv = kernel("layer1.1.conv2+relu+squeeze");
  const storage: Program["storage"] = new Map([...program.storage].map(([v, s]) => [v, { ...s, halo: s.halo + 1 }]));
  expect(form(conv, storage)).not.toBe(form(conv));
});

test("so is which buffers hold one value, and which hold weights", () => {
  const fused = kernel("layer1.1.conv3+gate+add+relu");
  const reads = fused.buffers.flatMap(({ value, access }, i) => (access === "read" && program.storage.has(value) ? [i] : []));
  const [first, second] = reads as [number, number];
  const value = fused.buffers[first]?.value as Kernel["buffers"][number]["value"];
  const other = fused.buffers[second]?.value as typeof value;
  // the same types and storage twice, once as one value and once as two
  const twin = { ...value };
  const storage: Program["storage"] = new Map([...program.storage, [twin, program.storage.get(value) as never]]);
  const withOther = (v: typeof value): Kernel => ({
    ...fused,
    buffers: fused.buffers.map((b) => (b.value === other ? { ...b, value: v } : b)),
  });
  expect(form(withOther(value), storage)).not.toBe(form(withOther(twin), storage));

  const noWeights = kernelForms({ ...program, weights: [] });
  expect(noWeights(fused)).not.toBe(form(fused));
});

test.each([
  [0, -0],
  [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  [Number.POSITIVE_INFINITY, Number.NaN],
])("a constant %d is another form than %d", (a, b) => {
  const conv = kernel("conv1+relu");
  const withConstant = (value: number): Kernel => ({ ...conv, epilogue: { kind: "const", value } }) as Kernel;
  expect(form(withConstant(a))).not.toBe(form(withConstant(b)));
  expect(form(withConstant(a))).toBe(form(withConstant(a)));
});
