import * as z from "zod";
import * as x from "../ir/expr.ts";
import { mapKernel } from "./kernels.ts";
import { defineOp, type WeightSpec } from "./op.ts";
import { channels, perImage } from "./shape.ts";
import { mapPerChannel } from "./tensor.ts";

export const prelu = defineOp({
  summary: "x where x > 0, else a learned factor times x",
  category: "activation",
  attrs: () => z.strictObject({ shared: z.boolean().default(false).meta({ description: "one factor for all channels" }) }),
  arity: 1,
  infer: ([input]) => input!,
  weights: ([input], a): Record<string, WeightSpec> => ({
    weight: {
      shape: [a.shared ? 1 : channels(input!)],
      init: { default: { kind: "constant", value: 0.25 }, paper: { kind: "constant", value: 0.25 } },
    },
  }),
  cost: (_inputs, output) => ({ macs: 0, elementOps: perImage(output) }),
  reference: ([input], { weight }, a) => mapPerChannel(input!, (v, c) => (v < 0 ? v * weight!.data[a.shared ? 0 : c]! : v)),
  lower: ({ name, inputs, output, weights }) => [
    mapKernel(name, inputs, output, (v, w) => x.select(x.lt(v!, 0), x.mul(v!, w!), v!), [weights.weight!]),
  ],
  bound: { kind: "rounding" },
  samples: [
    { name: "per channel", inputs: [[2, 5, 3, 7]], attrs: {} },
    { name: "shared", inputs: [[2, 5, 3, 7]], attrs: { shared: true } },
    { name: "vector", inputs: [[2, 7]], attrs: {} },
  ],
});
