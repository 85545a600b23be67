import * as z from "zod";
import * as x from "../ir/expr.ts";
import type { BufferUse, ContractKernel } from "../ir/kernel.ts";
import { f32 } from "../ir/type.ts";
import { count } from "./attributes.ts";
import { convolve } from "./convolution.ts";
import { defineOp, type WeightSpec } from "./op.ts";
import { batchOf, channels, notVector } from "./shape.ts";

const window = (batch: number, inputs: number, out: number) =>
  ({
    batch,
    groups: 1,
    in: [inputs, 1, 1],
    out: [out, 1, 1],
    kernel: [1, 1],
    stride: [1, 1],
    dilation: [1, 1],
    pad: [0, 0, 0, 0],
  }) as const;

export const linear = defineOp({
  summary: "matrix product with [N, F]",
  category: "convolution",
  attrs: () =>
    z.strictObject({
      out: count.meta({ description: "output features" }),
      bias: z.boolean().default(true).meta({ description: "add one number per output feature" }),
    }),
  arity: 1,
  infer: ([input], a) => notVector("linear", input!) ?? f32(batchOf(input!), a.out),
  weights: ([input], a): Record<string, WeightSpec> => {
    const uniform = { kind: "uniform", bound: 1 / Math.sqrt(channels(input!)) } as const;
    return {
      weight: { shape: [a.out, channels(input!)], init: { default: uniform, paper: { kind: "normal", std: 0.001 } } },
      ...(a.bias ? { bias: { shape: [a.out], init: { default: uniform, paper: { kind: "constant", value: 0 } } } } : {}),
    };
  },
  cost: ([input], _output, a) => ({ macs: channels(input!) * a.out, elementOps: 0 }),
  reference: ([input], { weight, bias }, a) => {
    const [n = 1, c = 1] = input!.shape;
    return { shape: [n, a.out], data: convolve(input!, weight!, bias, window(n, c, a.out)).data };
  },
  lower: ({ name, inputs, output, weights, attrs }) => {
    const input = inputs[0]!;
    const buffers: BufferUse[] = [
      { value: input, access: "read" },
      { value: weights.weight!, access: "read" },
      { value: output, access: "write" },
    ];
    if (weights.bias) buffers.push({ value: weights.bias, access: "read" });
    const kernel: ContractKernel = {
      kind: "contract",
      name,
      buffers,
      from: [],
      window: window(batchOf(output.type) as number, channels(input.type), attrs.out),
      input: 0,
      weight: 1,
      output: 2,
      epilogue: weights.bias ? x.add(x.ACC, x.load(3, [x.index("c")])) : x.ACC,
    };
    return [kernel];
  },
  bound: { kind: "contraction", products: ([input], a) => channels(input!) + (a.bias ? 1 : 0) },
  samples: [
    { name: "classifier", inputs: [[1, 20]], attrs: { out: 10 } },
    { name: "batch 3, odd sizes, no bias", inputs: [[3, 7]], attrs: { out: 5, bias: false } },
    { name: "to one feature", inputs: [[2, 33]], attrs: { out: 1 } },
  ],
});
