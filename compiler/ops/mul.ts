import * as x from "../ir/expr.ts";
import { noAttrs } from "./attributes.ts";
import { broadcastFold, broadcastType, mergeSamples } from "./broadcast.ts";
import { mapKernel } from "./kernels.ts";
import { defineOp } from "./op.ts";
import { perImage } from "./shape.ts";

const product = (a: number, b: number): number => a * b;

/** Relative errors add up in a product: (inputs - 1) eps |y|. */
export const mul = defineOp({
  summary: "product of the branches; sizes equal or 1",
  category: "merge",
  attrs: noAttrs,
  arity: "many",
  infer: (inputs) => broadcastType("mul", inputs),
  cost: (inputs, output) => ({ macs: 0, elementOps: (inputs.length - 1) * perImage(output) }),
  reference: (inputs) => broadcastFold(inputs, product),
  lower: ({ name, inputs, output }) => [mapKernel(name, inputs, output, (...factors) => factors.reduce((a, b) => x.mul(a, b)))],
  bound: {
    kind: "custom",
    of: (inputs, _weights, _attrs, output) => output.data.map((y) => (inputs.length - 1) * 2 ** -23 * Math.abs(y)),
  },
  samples: mergeSamples,
});
