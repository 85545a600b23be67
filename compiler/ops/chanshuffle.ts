import * as z from "zod";
import * as x from "../ir/expr.ts";
import { count } from "./attributes.ts";
import { moveKernel } from "./kernels.ts";
import { defineOp } from "./op.ts";
import { channels, notSplit } from "./shape.ts";
import { gather } from "./tensor.ts";

/** Channel i*(C/groups) + j goes to j*groups + i. */
export const chanshuffle = defineOp({
  summary: "deals the channels of the groups out in turn (ShuffleNet)",
  category: "moving",
  attrs: () => z.strictObject({ groups: count.meta({ description: "equal runs of channels" }) }),
  arity: 1,
  infer: ([input], { groups }) => notSplit("chanshuffle", input!, groups, "groups") ?? input!,
  cost: () => ({ macs: 0, elementOps: 0 }),
  reference: ([input], _weights, { groups }) =>
    gather(input!, input!.shape, (out, at) => {
      for (const [axis, i] of out.entries()) at[axis] = i;
      at[1] = (out[1]! % groups) * (input!.shape[1]! / groups) + Math.floor(out[1]! / groups);
    }),
  lower: ({ name, inputs, output, attrs: { groups } }) => [
    moveKernel(name, inputs[0]!, output, (n, c, ...space) => [
      n!,
      x.add(x.mul(x.imod(c!, groups), channels(output.type) / groups), x.idiv(c!, groups)),
      ...space,
    ]),
  ],
  bound: { kind: "exact" },
  samples: [
    { name: "3 groups", inputs: [[2, 12, 3, 5]], attrs: { groups: 3 } },
    { name: "2 groups of one", inputs: [[1, 2, 3, 3]], attrs: { groups: 2 } },
    { name: "vector", inputs: [[2, 10]], attrs: { groups: 5 } },
  ],
});
