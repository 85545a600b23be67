import * as z from "zod";
import { describe } from "./attributes.ts";
import { defineOp } from "./op.ts";
import { perImage } from "./shape.ts";
import { normBound, normKernels, normReference, normWeights } from "./standardize.ts";

export const ln = defineOp({
  summary: "layer normalisation over the channels, at each position",
  category: "normalisation",
  attrs: () =>
    z.strictObject({
      eps: z.number().min(0).default(1e-5).meta({ description: describe.eps }),
      affine: z.boolean().default(true).meta({ description: describe.affine }),
    }),
  arity: 1,
  infer: ([input]) => input!,
  weights: ([input], a) => normWeights(input!, a.affine),
  cost: (_inputs, output) => ({ macs: 0, elementOps: 6 * perImage(output) }),
  reference: ([input], weights, a) => normReference(input!, weights, "position", a.eps),
  lower: (context) => normKernels(context, "position", context.attrs.eps),
  bound: normBound(() => "position"),
  samples: [
    { name: "map", inputs: [[2, 7, 3, 5]], attrs: {} },
    { name: "vector", inputs: [[3, 10]], attrs: {} },
    { name: "eps 1e-6, no affine", inputs: [[1, 16, 2, 2]], attrs: { eps: 1e-6, affine: false } },
    { name: "far from 0", inputs: [[1, 12, 3, 3]], attrs: {}, range: [2, 6] },
  ],
});
