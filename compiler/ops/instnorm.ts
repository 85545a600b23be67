import * as z from "zod";
import { describe } from "./attributes.ts";
import { defineOp } from "./op.ts";
import { channels, notMap, perImage } from "./shape.ts";
import { normBound, normKernels, normReference, normWeights } from "./standardize.ts";

export const instnorm = defineOp({
  summary: "instance normalisation: each map by itself",
  category: "normalisation",
  attrs: () =>
    z.strictObject({
      eps: z.number().min(0).default(1e-5).meta({ description: describe.eps }),
      affine: z.boolean().default(false).meta({ description: describe.affine }),
    }),
  arity: 1,
  infer: ([input]) => notMap("instnorm", input!) ?? input!,
  weights: ([input], a) => normWeights(input!, a.affine),
  cost: (_inputs, output) => ({ macs: 0, elementOps: 6 * perImage(output) }),
  reference: ([input], weights, a) => normReference(input!, weights, input!.shape[1]!, a.eps),
  lower: (context) => normKernels(context, channels(context.inputs[0]!.type), context.attrs.eps),
  bound: normBound((shape) => shape[1]!),
  samples: [
    { name: "odd map", inputs: [[2, 5, 3, 7]], attrs: {} },
    { name: "affine", inputs: [[1, 6, 5, 5]], attrs: { affine: true } },
  ],
});
