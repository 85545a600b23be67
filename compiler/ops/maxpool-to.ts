import * as z from "zod";
import { f32 } from "../ir/type.ts";
import { size } from "./attributes.ts";
import { defineOp } from "./op.ts";
import { poolKernel, poolOps, poolReference } from "./pool.ts";
import { pooledTo, poolTo } from "./pool-to.ts";

export const maxpool_to = defineOp({
  summary: "maximum pooling to a fixed size that divides the map",
  category: "pooling",
  attrs: () => z.strictObject({ size: size.meta({ description: "height and width of the result; must divide those of the input" }) }),
  arity: 1,
  infer: ([input], a) => pooledTo("maxpool_to", input!, a.size),
  cost: ([input], output, a) => ({ macs: 0, elementOps: poolOps(output, poolTo(input!, a.size)) }),
  reference: ([input], _weights, a) => poolReference(input!, poolTo(f32(...input!.shape), a.size), "max"),
  lower: ({ name, inputs, output, attrs }) => [poolKernel(name, inputs[0]!, output, poolTo(inputs[0]!.type, attrs.size), "max")],
  bound: { kind: "exact" },
  samples: [
    { name: "14x14 to 7x7", inputs: [[1, 5, 14, 14]], attrs: { size: 7 } },
    { name: "to one row of 3", inputs: [[2, 3, 4, 9]], attrs: { size: [1, 3] } },
    { name: "as it is", inputs: [[1, 4, 5, 5]], attrs: { size: 5 } },
  ],
});
