import { noAttrs } from "./attributes.ts";
import { defineOp } from "./op.ts";
import { reducedCount, reducedType, reduceKernel, reduceReference } from "./reduction.ts";
import { notMap, perImage } from "./shape.ts";

export const chanmean = defineOp({
  summary: "the mean over the channels at each position",
  category: "pooling",
  attrs: noAttrs,
  arity: 1,
  infer: ([input]) => notMap("chanmean", input!) ?? reducedType(input!, [1]),
  cost: ([input]) => ({ macs: 0, elementOps: perImage(input!) }),
  reference: ([input]) => reduceReference(input!, [1], "mean"),
  lower: ({ name, inputs, output }) => [reduceKernel(name, inputs[0]!, output, [1], "mean")],
  bound: { kind: "contraction", products: ([input]) => reducedCount(input!, [1]) },
  samples: [
    { name: "odd map", inputs: [[2, 7, 3, 5]], attrs: {} },
    { name: "one channel", inputs: [[1, 1, 4, 4]], attrs: {} },
  ],
});
