import { z } from "zod";
import * as x from "../ir/expr.ts";
import { numel } from "../ir/type.ts";
import { mapKernel } from "./kernels.ts";
import { defineOp } from "./op.ts";

export const relu = defineOp({
  summary: "max(x, 0)",
  category: "activation",
  attrs: z.strictObject({}),
  arity: 1,
  infer: ([input]) => input!,
  cost: (_inputs, output) => ({ macs: 0, elementOps: numel(output.shape) }),
  reference: ([input]) => ({ shape: input!.shape, data: input!.data.map((v) => Math.max(v, 0)) }),
  lower: ({ name, inputs, output }) => [mapKernel(name, inputs, output, (v) => x.max(v!, 0))],
  bound: { kind: "exact" },
  samples: [
    { name: "vector", inputs: [[2, 7]], attrs: {} },
    { name: "odd map", inputs: [[2, 3, 5, 7]], attrs: {} },
  ],
});
