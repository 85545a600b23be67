import * as z from "zod";
import * as x from "../ir/expr.ts";
import { describe } from "./attributes.ts";
import { mapKernel } from "./kernels.ts";
import { defineOp, type WeightSpec } from "./op.ts";
import { channels, perImage } from "./shape.ts";
import { mapPerChannel } from "./tensor.ts";

const always = (value: number): WeightSpec["init"] => ({ default: { kind: "constant", value }, paper: { kind: "constant", value } });

export const bn = defineOp({
  summary: "batch normalisation with running statistics",
  category: "normalisation",
  attrs: () =>
    z.strictObject({
      eps: z.number().min(0).default(1e-5).meta({ description: describe.eps }),
      momentum: z
        .number()
        .default(0.1)
        .meta({ description: "weight of the new batch in the running statistics (PyTorch's); only training uses it" }),
      affine: z.boolean().default(true).meta({ description: describe.affine }),
    }),
  arity: 1,
  infer: ([input]) => input!,
  weights: ([input], a): Record<string, WeightSpec> => {
    const shape = [channels(input!)];
    return {
      ...(a.affine ? { weight: { shape, init: always(1) }, bias: { shape, init: always(0) } } : {}),
      running_mean: { shape, trainable: false, init: always(0) },
      running_var: { shape, trainable: false, init: always(1) },
      num_batches_tracked: { shape: [], dtype: "i64", trainable: false, init: always(0) },
    };
  },
  cost: (_inputs, output) => ({ macs: 0, elementOps: 2 * perImage(output) }),
  reference: ([input], { weight, bias, running_mean: mean, running_var: variance }, a) =>
    mapPerChannel(input!, (v, c) => {
      const normal = (v - mean!.data[c]!) / Math.sqrt(variance!.data[c]! + a.eps);
      return normal * (weight?.data[c] ?? 1) + (bias?.data[c] ?? 0);
    }),
  lower: ({ name, inputs, output, weights, attrs }) => {
    const { weight, bias, running_mean: mean, running_var: variance } = weights;
    const reads = weight && bias ? [mean!, variance!, weight, bias] : [mean!, variance!];
    return [
      mapKernel(
        name,
        inputs,
        output,
        (v, m, s, w, b) => {
          const deviation = x.sqrt(x.add(s!, attrs.eps));
          const centred = x.sub(v!, m!);
          return w && b ? x.add(x.mul(centred, x.div(w, deviation)), b) : x.div(centred, deviation);
        },
        reads,
      ),
    ];
  },
  bound: {
    kind: "custom",
    of: ([input], { weight, bias, running_mean: mean, running_var: variance }, a) =>
      mapPerChannel(input!, (v, c) => {
        const scale = (weight?.data[c] ?? 1) / Math.sqrt(variance!.data[c]! + a.eps);
        return 4 * 2 ** -23 * (Math.abs(scale * v) + Math.abs(scale * mean!.data[c]!) + Math.abs(bias?.data[c] ?? 0));
      }).data,
  },
  samples: [
    { name: "map", inputs: [[2, 5, 3, 7]], attrs: {} },
    { name: "vector", inputs: [[3, 6]], attrs: {} },
    { name: "eps of TensorFlow, one pixel", inputs: [[1, 7, 1, 1]], attrs: { eps: 1e-3 } },
    { name: "no affine", inputs: [[1, 4, 5, 5]], attrs: { affine: false } },
  ],
});
