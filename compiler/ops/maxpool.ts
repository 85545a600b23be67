import * as z from "zod";
import { describe, padding, size } from "./attributes.ts";
import { defineOp } from "./op.ts";
import { poolKernel, poolOps, poolReference, poolType } from "./pool.ts";

export const maxpool = defineOp({
  summary: "the largest value of each window; padding never wins",
  category: "pooling",
  attrs: () =>
    z.strictObject({
      kernel: size.meta({ description: describe.kernel }),
      stride: size.optional().meta({ description: describe.poolStride }),
      pad: padding.default(0).meta({ description: describe.poolPad }),
      dilation: size.default(1).meta({ description: describe.dilation }),
      ceil: z.boolean().default(false).meta({ description: describe.ceil }),
    }),
  arity: 1,
  infer: ([input], a) => poolType("maxpool", input!, a),
  cost: (_inputs, output, a) => ({ macs: 0, elementOps: poolOps(output, a) }),
  reference: ([input], _weights, a) => poolReference(input!, a, "max"),
  lower: ({ name, inputs, output, attrs }) => [poolKernel(name, inputs[0]!, output, attrs, "max")],
  bound: { kind: "exact" },
  samples: [
    { name: "2x2", inputs: [[2, 3, 6, 8]], attrs: { kernel: 2 } },
    { name: "3x3 stride 2 pad 1, all negative", inputs: [[1, 5, 7, 9]], attrs: { kernel: 3, stride: 2, pad: 1 }, range: [-9, -3] },
    { name: "3x3 stride 2, ceil (Caffe)", inputs: [[1, 4, 8, 8]], attrs: { kernel: 3, stride: 2, ceil: true } },
    { name: "ceil drops a window of padding", inputs: [[1, 2, 5, 5]], attrs: { kernel: 2, stride: 3, pad: 1, ceil: true } },
    { name: "dilation", inputs: [[1, 3, 9, 7]], attrs: { kernel: [3, 2], stride: 1, dilation: [2, 3] } },
    { name: "TensorFlow same", inputs: [[1, 3, 7, 6]], attrs: { kernel: 3, stride: 2, pad: "same" } },
    { name: "asymmetric padding", inputs: [[1, 3, 4, 5]], attrs: { kernel: 3, stride: 1, pad: [0, 1, 2, 0] } },
    { name: "stride over kernel", inputs: [[1, 3, 8, 8]], attrs: { kernel: 2, stride: 3 } },
  ],
});
