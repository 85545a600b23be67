import * as x from "../ir/expr.ts";
import { noAttrs } from "./attributes.ts";
import { broadcastFold, broadcastType, foldBound, mergeSamples } from "./broadcast.ts";
import { mapKernel } from "./kernels.ts";
import { defineOp } from "./op.ts";
import { perImage } from "./shape.ts";

const sum = (a: number, b: number): number => a + b;

export const add = defineOp({
  summary: "sum of the branches; sizes equal or 1",
  category: "merge",
  attrs: noAttrs,
  arity: "many",
  infer: (inputs) => broadcastType("add", inputs),
  cost: (inputs, output) => ({ macs: 0, elementOps: (inputs.length - 1) * perImage(output) }),
  reference: (inputs) => broadcastFold(inputs, sum),
  lower: ({ name, inputs, output }) => [mapKernel(name, inputs, output, (...terms) => terms.reduce((a, b) => x.add(a, b)))],
  bound: { kind: "custom", of: (inputs, _weights, _attrs, output) => foldBound(inputs, sum, output) },
  samples: mergeSamples,
});
