import * as z from "zod";
import { defineOp } from "./op.ts";
import { axesNamed, reducedType, reduceKernel, reduceReference } from "./reduction.ts";
import { notMap, perImage } from "./shape.ts";

export const gmp = defineOp({
  summary: "global maximum pooling: the largest value of each map",
  category: "pooling",
  attrs: () => z.strictObject({ over: z.enum(["hw", "h", "w"]).default("hw").meta({ description: "the axes that become 1" }) }),
  arity: 1,
  infer: ([input], a) => notMap("gmp", input!) ?? reducedType(input!, axesNamed(a.over)),
  cost: ([input]) => ({ macs: 0, elementOps: perImage(input!) }),
  reference: ([input], _weights, a) => reduceReference(input!, axesNamed(a.over), "max"),
  lower: ({ name, inputs, output, attrs }) => [reduceKernel(name, inputs[0]!, output, axesNamed(attrs.over), "max")],
  bound: { kind: "exact" },
  samples: [
    { name: "odd map", inputs: [[2, 5, 7, 9]], attrs: {} },
    { name: "all negative", inputs: [[1, 6, 3, 5]], attrs: {}, range: [-9, -3] },
    { name: "over h", inputs: [[1, 3, 4, 6]], attrs: { over: "h" } },
    { name: "over w", inputs: [[1, 3, 4, 6]], attrs: { over: "w" } },
  ],
});
