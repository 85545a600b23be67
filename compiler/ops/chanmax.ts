import { noAttrs } from "./attributes.ts";
import { defineOp } from "./op.ts";
import { reducedType, reduceKernel, reduceReference } from "./reduction.ts";
import { notMap, perImage } from "./shape.ts";

export const chanmax = defineOp({
  summary: "the largest value over the channels at each position",
  category: "pooling",
  attrs: noAttrs,
  arity: 1,
  infer: ([input]) => notMap("chanmax", input!) ?? reducedType(input!, [1]),
  cost: ([input]) => ({ macs: 0, elementOps: perImage(input!) }),
  reference: ([input]) => reduceReference(input!, [1], "max"),
  lower: ({ name, inputs, output }) => [reduceKernel(name, inputs[0]!, output, [1], "max")],
  bound: { kind: "exact" },
  samples: [
    { name: "odd map", inputs: [[2, 7, 3, 5]], attrs: {} },
    { name: "all negative", inputs: [[1, 6, 3, 3]], attrs: {}, range: [-9, -3] },
  ],
});
