/** Values the design documents name: the two hard sigmoids, the two pools of ResNets, gates that are exactly one half. */
import { describe, expect, test } from "vitest";
import type { Kernel } from "../../compiler/ir/kernel.ts";
import { f32 } from "../../compiler/ir/type.ts";
import { erf } from "../../compiler/ops/erf.ts";
import { opOf } from "../../compiler/ops/index.ts";
import type { Tensor } from "../../compiler/ops/op.ts";
import { runKernels } from "../../compiler/reference/run-kernels.ts";
import { randomTensor } from "../../compiler/reference/sample-graph.ts";

const vector = (...v: number[]): Tensor => ({ shape: [1, v.length], data: Float64Array.from(v) });
const map = (h: number, w: number): Tensor => randomTensor([1, 2, h, w], 7);

function reference(op: string, input: Tensor, attrs: object = {}): Tensor {
  const record = opOf(op);
  return record.reference([input], {}, record.attrs.parse(attrs) as never);
}

function inKernels(op: string, input: Tensor, attrs: object = {}): number[] {
  const record = opOf(op);
  const parsed = record.attrs.parse(attrs) as never;
  const x = { id: 0, type: f32(...input.shape), name: "x" };
  const type = record.infer([x.type], parsed);
  if ("problem" in type) throw new Error(type.problem.title);
  const y = { id: 1, type, name: "y" };
  let id = 2;
  const kernels: readonly Kernel[] = record.lower({
    name: op,
    inputs: [x],
    output: y,
    weights: {},
    attrs: parsed,
    temp: (shape) => ({ id: id++, type: f32(...shape), name: "t" }),
  });
  return [...(runKernels(kernels, new Map([[0, input.data]])).get(1) ?? [])];
}

describe.each([
  ["reference", (op: string, t: Tensor, a?: object) => [...reference(op, t, a).data]],
  ["kernels", inKernels],
] as const)("%s", (_, run) => {
  test("hsigmoid6 and hsigmoid5 differ at -2.75 and 2.75", () => {
    const [low, high] = run("hsigmoid6", vector(-2.75, 2.75));
    // 0.0416667 and 0.9583333, within the bound of the op
    expect(Math.abs(Number(low) - 1 / 24)).toBeLessThanOrEqual(2 * 2 ** -23);
    expect(Math.abs(Number(high) - 23 / 24)).toBeLessThanOrEqual(2 * 2 ** -23);
    expect(run("hsigmoid5", vector(-2.75, 2.75))).toEqual([0, 1]);
  });

  test("a gate of 0 is exactly one half", () => {
    for (const gate of ["sigmoid", "hsigmoid6", "hsigmoid5"]) expect(run(gate, vector(0))).toEqual([0.5]);
  });

  test("activations stay finite far out", () => {
    const far = vector(-1e4, -200, -100, 100, 200, 1e4);
    for (const op of ["sigmoid", "silu", "mish", "softplus", "tanh", "gelu", "elu", "hswish", "softmax"])
      for (const v of run(op, far)) expect(Number.isFinite(v), op).toBe(true);
    expect(run("sigmoid", far).map((v) => Math.abs(Math.round(v)))).toEqual([0, 0, 0, 1, 1, 1]);
  });

  test("maxpool with padding and with ceil: one size, other values", () => {
    const input = map(112, 112);
    const padded = run("maxpool", input, { kernel: 3, stride: 2, pad: 1 });
    const ceiled = run("maxpool", input, { kernel: 3, stride: 2, ceil: true });
    expect(padded.length).toBe(2 * 56 * 56);
    expect(ceiled.length).toBe(2 * 56 * 56);
    expect(padded).not.toEqual(ceiled);
    expect(run("maxpool", map(8, 8), { kernel: 3, stride: 2, ceil: true }).length).toBe(2 * 4 * 4);
  });

  test("an average that does not count padding is that of the elements inside", () => {
    const ones: Tensor = { shape: [1, 1, 3, 3], data: new Float64Array(9).fill(1) };
    const attrs = { kernel: 3, stride: 2, pad: 1 };
    for (const v of run("avgpool", ones, { ...attrs, count_pad: false })) expect(v).toBe(1);
    for (const v of run("avgpool", ones, { kernel: 3, stride: 2, pad: "same" })) expect(v).toBe(1);
    for (const v of run("avgpool", ones, attrs)) expect(v).toBeCloseTo(4 / 9, 7);
  });

  test("space to depth undoes pixelshuffle, and shuffling C/g groups undoes shuffling g", () => {
    const input = randomTensor([1, 12, 2, 3], 3);
    const shuffled = run("pixelshuffle", input, { factor: 2 });
    expect(run("pixelunshuffle", { shape: [1, 3, 4, 6], data: Float64Array.from(shuffled) }, { factor: 2 })).toEqual([...input.data]);
    const dealt = run("chanshuffle", input, { groups: 3 });
    expect(dealt).not.toEqual([...input.data]);
    expect(run("chanshuffle", { shape: input.shape, data: Float64Array.from(dealt) }, { groups: 4 })).toEqual([...input.data]);
  });
});

test("erf has the values of the tables", () => {
  // Abramowitz & Stegun, table 7.1
  expect(erf(0)).toBe(0);
  expect(erf(0.5)).toBeCloseTo(0.5204998778, 10);
  expect(erf(1)).toBeCloseTo(0.8427007929, 10);
  expect(erf(-2)).toBeCloseTo(-0.995322265, 10);
  expect(erf(5)).toBeCloseTo(1, 10);
});
