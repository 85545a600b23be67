import * as z from "zod";
import { count, describe } from "./attributes.ts";
import { defineOp } from "./op.ts";
import { notSplit, perImage } from "./shape.ts";
import { normBound, normKernels, normReference, normWeights } from "./standardize.ts";

const attrs = () =>
  z.strictObject({
    groups: count.meta({ description: "runs of channels that are normalised together" }),
    eps: z.number().min(0).default(1e-5).meta({ description: describe.eps }),
    affine: z.boolean().default(true).meta({ description: describe.affine }),
  });

export const gn = defineOp({
  summary: "group normalisation",
  category: "normalisation",
  attrs,
  arity: 1,
  infer: ([input], a) => notSplit("gn", input!, a.groups, "groups") ?? input!,
  weights: ([input], a) => normWeights(input!, a.affine),
  cost: (_inputs, output) => ({ macs: 0, elementOps: 6 * perImage(output) }),
  reference: ([input], weights, a) => normReference(input!, weights, a.groups, a.eps),
  lower: (context) => normKernels(context, context.attrs.groups, context.attrs.eps),
  bound: normBound<ReturnType<typeof attrs>>((_shape, a) => a.groups),
  samples: [
    { name: "3 groups", inputs: [[2, 6, 3, 5]], attrs: { groups: 3 } },
    { name: "one group, one pixel", inputs: [[1, 10, 1, 1]], attrs: { groups: 1 } },
    { name: "vector, no affine", inputs: [[2, 12]], attrs: { groups: 4, affine: false } },
  ],
});
