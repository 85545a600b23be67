import * as z from "zod";
import * as x from "../ir/expr.ts";
import { mapKernel } from "./kernels.ts";
import { defineOp, type WeightSpec } from "./op.ts";
import { channels, perImage } from "./shape.ts";
import { mapPerChannel } from "./tensor.ts";

export const affine = defineOp({
  summary: "scale and shift per channel",
  category: "normalisation",
  attrs: () =>
    z.strictObject({
      bias: z.boolean().default(true).meta({ description: "shift, too" }),
      start: z.number().default(1).meta({ description: "value of a fresh weight, e.g. 1e-6 for ConvNeXt's layer scale" }),
    }),
  arity: 1,
  infer: ([input]) => input!,
  weights: ([input], a): Record<string, WeightSpec> => {
    const constant = (value: number): WeightSpec => ({
      shape: [channels(input!)],
      init: { default: { kind: "constant", value }, paper: { kind: "constant", value } },
    });
    return { weight: constant(a.start), ...(a.bias ? { bias: constant(0) } : {}) };
  },
  cost: (_inputs, output, a) => ({ macs: 0, elementOps: (a.bias ? 2 : 1) * perImage(output) }),
  reference: ([input], { weight, bias }) => mapPerChannel(input!, (v, c) => v * weight!.data[c]! + (bias?.data[c] ?? 0)),
  lower: ({ name, inputs, output, weights: { weight, bias } }) => [
    mapKernel(name, inputs, output, (v, w, b) => (b ? x.add(x.mul(v!, w!), b) : x.mul(v!, w!)), bias ? [weight!, bias] : [weight!]),
  ],
  bound: {
    kind: "custom",
    of: ([input], { weight, bias }) =>
      mapPerChannel(input!, (v, c) => 4 * 2 ** -23 * (Math.abs(v * weight!.data[c]!) + Math.abs(bias?.data[c] ?? 0))).data,
  },
  samples: [
    { name: "map", inputs: [[2, 5, 3, 7]], attrs: {} },
    { name: "layer scale", inputs: [[1, 6, 3, 3]], attrs: { bias: false, start: 1e-6 } },
    { name: "vector", inputs: [[2, 7]], attrs: {} },
  ],
});
