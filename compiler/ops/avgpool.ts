import * as z from "zod";
import { describe, padding, size } from "./attributes.ts";
import { defineOp } from "./op.ts";
import { poolKernel, poolOps, poolReference, poolType } from "./pool.ts";
import { pairOf } from "./shape.ts";

/** `pad="same"` is TensorFlow's pool, which never counts padding. */
const counts = (a: { readonly pad: unknown; readonly count_pad: boolean }): boolean => a.count_pad && a.pad !== "same";

export const avgpool = defineOp({
  summary: "the mean of each window",
  category: "pooling",
  attrs: () =>
    z.strictObject({
      kernel: size.meta({ description: describe.kernel }),
      stride: size.optional().meta({ description: describe.poolStride }),
      pad: padding.default(0).meta({ description: describe.pad }),
      ceil: z.boolean().default(false).meta({ description: describe.ceil }),
      count_pad: z
        .boolean()
        .default(true)
        .meta({ description: "divide by the window with its padding (PyTorch, Caffe) instead of by the elements inside (TensorFlow)" }),
    }),
  arity: 1,
  infer: ([input], a) => poolType("avgpool", input!, a),
  cost: (_inputs, output, a) => ({ macs: 0, elementOps: poolOps(output, a) }),
  reference: ([input], _weights, a) => poolReference(input!, a, "mean", counts(a)),
  lower: ({ name, inputs, output, attrs }) => [poolKernel(name, inputs[0]!, output, attrs, "mean", counts(attrs))],
  bound: {
    kind: "contraction",
    products: (_inputs, a) => {
      const [kh, kw] = pairOf(a.kernel);
      return kh * kw;
    },
  },
  samples: [
    { name: "2x2", inputs: [[2, 3, 6, 8]], attrs: { kernel: 2 } },
    { name: "3x3 pad 1, padding counted", inputs: [[1, 5, 7, 9]], attrs: { kernel: 3, stride: 2, pad: 1 } },
    { name: "3x3 pad 1, padding not counted", inputs: [[1, 5, 7, 9]], attrs: { kernel: 3, stride: 2, pad: 1, count_pad: false } },
    { name: "ceil clips the last window", inputs: [[1, 4, 8, 8]], attrs: { kernel: 3, stride: 2, pad: 1, ceil: true } },
    { name: "ceil, padding not counted", inputs: [[1, 4, 8, 6]], attrs: { kernel: 3, stride: 2, ceil: true, count_pad: false } },
    { name: "TensorFlow same", inputs: [[1, 3, 7, 6]], attrs: { kernel: 3, stride: 2, pad: "same" } },
    { name: "asymmetric padding and window", inputs: [[1, 3, 4, 5]], attrs: { kernel: [3, 2], stride: 1, pad: [0, 1, 2, 0] } },
    { name: "1x1 window", inputs: [[1, 3, 4, 4]], attrs: { kernel: 1, stride: 2 } },
  ],
});
