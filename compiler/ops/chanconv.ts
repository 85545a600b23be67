import * as z from "zod";
import { messages } from "../diagnostics/messages.gen.ts";
import * as x from "../ir/expr.ts";
import { shapeText } from "../ir/type.ts";
import { count } from "./attributes.ts";
import { loopKernel, realAxes, tapAt } from "./kernels.ts";
import { defineOp, type Tensor, type WeightSpec } from "./op.ts";
import { channels, notMap } from "./shape.ts";
import { mapShape, zeros } from "./tensor.ts";

function reference(input: Tensor, weight: Tensor, bias: Tensor | undefined, kernel: number, circular: boolean): Tensor {
  const [n, c] = mapShape(input);
  const output = zeros(input.shape);
  const half = Math.floor(kernel / 2);
  for (let image = 0; image < n; image++)
    for (let to = 0; to < c; to++) {
      let sum = bias?.data[0] ?? 0;
      for (let k = 0; k < kernel; k++) {
        const from = to + k - half;
        if (circular) sum += weight.data[k]! * input.data[image * c + (((from % c) + c) % c)]!;
        else if (from >= 0 && from < c) sum += weight.data[k]! * input.data[image * c + from]!;
      }
      output.data[image * c + to] = sum;
    }
  return output;
}

export const chanconv = defineOp({
  summary: "1-D convolution along the channels of [N, C, 1, 1] (ECA)",
  category: "convolution",
  attrs: () =>
    z.strictObject({
      kernel: count.meta({ description: "odd; the padding is kernel // 2" }),
      pad_mode: z
        .enum(["zeros", "circular"])
        .default("zeros")
        .meta({ description: 'what stands beyond the first and last channel; "circular" wraps' }),
      bias: z.boolean().default(false).meta({ description: "add one number" }),
    }),
  arity: 1,
  infer: ([input], a) => {
    const wrong = notMap("chanconv", input!);
    if (wrong) return wrong;
    if (input!.shape[2] !== 1 || input!.shape[3] !== 1)
      return { problem: messages.SE205.pixel({ layer: "chanconv", shape: shapeText(input!.shape) }) };
    if (a.kernel % 2 === 0) return { problem: messages.SE206.even({ layer: "chanconv", kernel: a.kernel }), arg: "kernel" };
    return input!;
  },
  weights: (_inputs, a): Record<string, WeightSpec> => {
    const uniform = { kind: "uniform", bound: 1 / Math.sqrt(a.kernel) } as const;
    return {
      weight: { shape: [1, 1, a.kernel], init: { default: uniform, paper: { kind: "normal", std: Math.sqrt(2 / a.kernel) } } },
      ...(a.bias ? { bias: { shape: [1], init: { default: uniform, paper: { kind: "constant", value: 0 } } } } : {}),
    };
  },
  cost: ([input], _output, a) => ({ macs: channels(input!) * a.kernel, elementOps: 0 }),
  reference: ([input], { weight, bias }, a) => reference(input!, weight!, bias, a.kernel, a.pad_mode === "circular"),
  lower: ({ name, inputs, output, weights, attrs }) => {
    const c = channels(output.type);
    const half = Math.floor(attrs.kernel / 2);
    const window = { in: c, out: c, kernel: attrs.kernel, stride: 1, dilation: 1, before: half };
    const tap = tapAt(window, x.index("c"), x.index("k"));
    const circular = attrs.pad_mode === "circular";
    // imod wants non-negative operands, so whole turns are added first
    const from = circular ? x.imod(x.add(tap.at, Math.ceil(half / c) * c), c) : tap.at;
    const weight = x.load(1, [0, 0, attrs.kernel === 1 ? 0 : x.index("k")]);
    const product = x.mul(x.load(0, [x.index("n"), from, 0, 0]), weight);
    return [
      loopKernel({
        name,
        reads: [inputs[0]!, weights.weight!, ...(weights.bias ? [weights.bias] : [])],
        output,
        reduce: { over: realAxes([{ name: "k", size: attrs.kernel }]), fn: "add" },
        body: circular ? product : x.select(tap.inside, product, 0),
        epilogue: weights.bias ? x.add(x.ACC, x.load(2, [0])) : x.ACC,
      }),
    ];
  },
  bound: { kind: "contraction", products: (_inputs, a) => a.kernel + (a.bias ? 1 : 0) },
  samples: [
    { name: "kernel 5", inputs: [[2, 9, 1, 1]], attrs: { kernel: 5 } },
    { name: "circular", inputs: [[2, 7, 1, 1]], attrs: { kernel: 5, pad_mode: "circular" } },
    { name: "bias, kernel 1", inputs: [[1, 6, 1, 1]], attrs: { kernel: 1, bias: true } },
    { name: "circular, wider than the channels", inputs: [[1, 2, 1, 1]], attrs: { kernel: 7, pad_mode: "circular" } },
    { name: "zeros, wider than the channels", inputs: [[1, 3, 1, 1]], attrs: { kernel: 9 } },
  ],
});
