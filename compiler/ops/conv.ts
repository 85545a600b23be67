import * as z from "zod";
import * as x from "../ir/expr.ts";
import type { BufferUse, ContractKernel, DepthwiseKernel } from "../ir/kernel.ts";
import { f32 } from "../ir/type.ts";
import { count, describe, padding, size } from "./attributes.ts";
import { convolve } from "./convolution.ts";
import { defineOp, type WeightSpec } from "./op.ts";
import { batchOf, channels, convWindow, nothingLeft, notMap, pairOf, resolvePad, spatial, windowLength, wrongGroups } from "./shape.ts";

export const conv = defineOp({
  summary: "2-D convolution; groups = channels is depthwise",
  category: "convolution",
  attrs: () =>
    z.strictObject({
      out: count.meta({ description: describe.out }),
      kernel: size.meta({ description: describe.kernel }),
      stride: size.default(1).meta({ description: describe.stride }),
      pad: padding.default("half").meta({ description: describe.pad }),
      dilation: size.default(1).meta({ description: describe.dilation }),
      groups: count.default(1).meta({ description: describe.groups }),
      bias: z.boolean().default(false).meta({ description: describe.bias }),
    }),
  arity: 1,
  infer: ([input], a) => {
    const wrong = notMap("conv", input!) ?? wrongGroups(a.groups, channels(input!), a.out);
    if (wrong) return wrong;
    const [kernel, stride, dilation] = [pairOf(a.kernel), pairOf(a.stride), pairOf(a.dilation)];
    const hw = spatial(input!);
    const pad = resolvePad(a.pad, hw, kernel, stride, dilation);
    const h = windowLength(hw[0], pad[0], pad[2], kernel[0], stride[0], dilation[0]);
    const w = windowLength(hw[1], pad[1], pad[3], kernel[1], stride[1], dilation[1]);
    if (h < 1 || w < 1) return nothingLeft(hw, a.kernel);
    return f32(batchOf(input!), a.out, h, w);
  },
  weights: ([input], a): Record<string, WeightSpec> => {
    const [kh, kw] = pairOf(a.kernel);
    const fanIn = (channels(input!) / a.groups) * kh * kw;
    const uniform = { kind: "uniform", bound: 1 / Math.sqrt(fanIn) } as const;
    return {
      weight: {
        shape: [a.out, channels(input!) / a.groups, kh, kw],
        init: { default: uniform, paper: { kind: "normal", std: Math.sqrt(2 / (a.out * kh * kw)) } },
      },
      ...(a.bias ? { bias: { shape: [a.out], init: { default: uniform, paper: { kind: "constant", value: 0 } } } } : {}),
    };
  },
  cost: ([input], output, a) => {
    const [kh, kw] = pairOf(a.kernel);
    const [h, w] = spatial(output);
    return { macs: a.out * (channels(input!) / a.groups) * kh * kw * h * w, elementOps: 0 };
  },
  reference: ([input], { weight, bias }, a) => {
    const type = f32(...input!.shape);
    const hw = spatial(type);
    const [kernel, stride, dilation] = [pairOf(a.kernel), pairOf(a.stride), pairOf(a.dilation)];
    const pad = resolvePad(a.pad, hw, kernel, stride, dilation);
    const h = windowLength(hw[0], pad[0], pad[2], kernel[0], stride[0], dilation[0]);
    const w = windowLength(hw[1], pad[1], pad[3], kernel[1], stride[1], dilation[1]);
    return convolve(input!, weight!, bias, convWindow(type, f32(batchOf(type), a.out, h, w), a));
  },
  lower: ({ name, inputs, output, weights, attrs }) => {
    const input = inputs[0]!;
    const buffers: BufferUse[] = [
      { value: input, access: "read" },
      { value: weights.weight!, access: "read" },
      { value: output, access: "write" },
    ];
    if (weights.bias) buffers.push({ value: weights.bias, access: "read" });
    const shared = {
      name,
      buffers,
      from: [],
      window: convWindow(input.type, output.type, attrs),
      input: 0,
      weight: 1,
      output: 2,
      epilogue: weights.bias ? x.add(x.ACC, x.load(3, [x.index("c")])) : x.ACC,
    };
    const depthwise = attrs.groups > 1 && attrs.groups === channels(input.type);
    const kernel: ContractKernel | DepthwiseKernel = depthwise ? { kind: "depthwise", ...shared } : { kind: "contract", ...shared };
    return [kernel];
  },
  bound: {
    kind: "contraction",
    products: ([input], a) => {
      const [kh, kw] = pairOf(a.kernel);
      return (channels(input!) / a.groups) * kh * kw + (a.bias ? 1 : 0);
    },
  },
  samples: [
    { name: "3x3 on an odd map", inputs: [[1, 3, 7, 5]], attrs: { out: 5, kernel: 3 } },
    { name: "stride 2, bias, batch 2", inputs: [[2, 6, 7, 9]], attrs: { out: 4, kernel: 3, stride: 2, bias: true } },
    { name: "1x1, channels not a multiple of 4", inputs: [[2, 7, 5, 3]], attrs: { out: 9, kernel: 1 } },
    { name: "1x1 map", inputs: [[3, 8, 1, 1]], attrs: { out: 2, kernel: 1, bias: true } },
    { name: "1x1 on a map one pixel wide", inputs: [[2, 8, 6, 1]], attrs: { out: 4, kernel: 1 } },
    { name: "1x1 stride 2", inputs: [[1, 4, 7, 7]], attrs: { out: 8, kernel: 1, stride: 2 } },
    { name: "stem 7x7 stride 2", inputs: [[1, 3, 15, 17]], attrs: { out: 8, kernel: 7, stride: 2 } },
    { name: "groups", inputs: [[2, 12, 5, 6]], attrs: { out: 18, kernel: 3, groups: 3 } },
    { name: "dilation", inputs: [[1, 4, 9, 8]], attrs: { out: 4, kernel: 3, dilation: 2 } },
    { name: "dilation and no padding", inputs: [[1, 2, 9, 11]], attrs: { out: 3, kernel: [3, 2], dilation: [2, 3], pad: "valid" } },
    { name: "asymmetric padding", inputs: [[1, 3, 6, 5]], attrs: { out: 4, kernel: [3, 5], pad: [0, 3, 2, 1], stride: [2, 1] } },
    { name: "1x7 window", inputs: [[1, 4, 5, 9]], attrs: { out: 4, kernel: [1, 7] } },
    { name: "TensorFlow same, stride 2", inputs: [[1, 3, 8, 7]], attrs: { out: 4, kernel: 3, stride: 2, pad: "same", bias: true } },
    { name: "even kernel, half", inputs: [[1, 4, 6, 6]], attrs: { out: 4, kernel: 4 } },
    { name: "depthwise 3x3", inputs: [[2, 6, 7, 5]], attrs: { out: 6, kernel: 3, groups: 6, bias: true } },
    { name: "depthwise 5x5 stride 2, same", inputs: [[1, 8, 9, 10]], attrs: { out: 8, kernel: 5, stride: 2, groups: 8, pad: "same" } },
    { name: "depthwise with multiplier 3", inputs: [[1, 3, 5, 5]], attrs: { out: 9, kernel: 3, groups: 3 } },
    { name: "12 channels to 16", inputs: [[1, 12, 4, 4]], attrs: { out: 16, kernel: 3 } },
    { name: "one channel in and out", inputs: [[1, 1, 6, 5]], attrs: { out: 1, kernel: 3 } },
    { name: "3x3 stride 2 to one row", inputs: [[1, 8, 2, 4]], attrs: { out: 4, kernel: 3, stride: 2 } },
    { name: "3x3 to one column, batch 2", inputs: [[2, 4, 5, 1]], attrs: { out: 4, kernel: 3 } },
    { name: "3x3 on one pixel", inputs: [[2, 8, 1, 1]], attrs: { out: 4, kernel: 3 } },
    { name: "depthwise 3x3 to one row", inputs: [[1, 8, 2, 5]], attrs: { out: 8, kernel: 3, stride: 2, groups: 8 } },
    { name: "padding wider than the map", inputs: [[1, 4, 2, 2]], attrs: { out: 4, kernel: 7 } },
  ],
});
