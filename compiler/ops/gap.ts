import * as z from "zod";
import { defineOp } from "./op.ts";
import { axesNamed, reducedCount, reducedType, reduceKernel, reduceReference } from "./reduction.ts";
import { notMap, perImage } from "./shape.ts";

export const gap = defineOp({
  summary: "global average pooling: the mean of each map",
  category: "pooling",
  attrs: () => z.strictObject({ over: z.enum(["hw", "h", "w"]).default("hw").meta({ description: "the axes that become 1" }) }),
  arity: 1,
  infer: ([input], a) => notMap("gap", input!) ?? reducedType(input!, axesNamed(a.over)),
  cost: ([input]) => ({ macs: 0, elementOps: perImage(input!) }),
  reference: ([input], _weights, a) => reduceReference(input!, axesNamed(a.over), "mean"),
  lower: ({ name, inputs, output, attrs }) => [reduceKernel(name, inputs[0]!, output, axesNamed(attrs.over), "mean")],
  bound: { kind: "contraction", products: ([input], a) => reducedCount(input!, axesNamed(a.over)) },
  samples: [
    { name: "odd map", inputs: [[2, 5, 7, 9]], attrs: {} },
    { name: "over h", inputs: [[1, 3, 4, 6]], attrs: { over: "h" } },
    { name: "over w", inputs: [[1, 3, 4, 6]], attrs: { over: "w" } },
    { name: "one pixel", inputs: [[3, 8, 1, 1]], attrs: {} },
    { name: "20 channels", inputs: [[1, 20, 14, 14]], attrs: {} },
  ],
});
