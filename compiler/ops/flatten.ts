import { f32 } from "../ir/type.ts";
import { noAttrs } from "./attributes.ts";
import { defineOp } from "./op.ts";
import { reshapeKernel } from "./reshaping.ts";
import { batchOf, notMap, perImage } from "./shape.ts";

export const flatten = defineOp({
  summary: "[N, C, H, W] to [N, C*H*W], in C, H, W order on every target",
  category: "moving",
  attrs: noAttrs,
  arity: 1,
  infer: ([input]) => notMap("flatten", input!) ?? f32(batchOf(input!), perImage(input!)),
  cost: () => ({ macs: 0, elementOps: 0 }),
  reference: ([input]) => ({ shape: [input!.shape[0]!, input!.data.length / input!.shape[0]!], data: input!.data.slice() }),
  lower: ({ name, inputs, output }) => [reshapeKernel(name, inputs[0]!, output)],
  bound: { kind: "exact" },
  samples: [
    { name: "odd map", inputs: [[2, 5, 3, 7]], attrs: {} },
    { name: "after gap", inputs: [[3, 6, 1, 1]], attrs: {} },
    { name: "one channel", inputs: [[2, 1, 4, 3]], attrs: {} },
    { name: "one row", inputs: [[2, 3, 1, 5]], attrs: {} },
  ],
});
