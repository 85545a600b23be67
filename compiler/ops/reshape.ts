import * as z from "zod";
import { messages } from "../diagnostics/messages.gen.ts";
import { f32, shapeText } from "../ir/type.ts";
import { count } from "./attributes.ts";
import { defineOp } from "./op.ts";
import { reshapeKernel } from "./reshaping.ts";
import { batchOf, perImage } from "./shape.ts";

export const reshape = defineOp({
  summary: "the same values, in C, H, W order, under other sizes",
  category: "moving",
  attrs: () => z.strictObject({ dims: z.array(count).min(1).meta({ description: "[F] or [C, H, W]: the sizes without the batch" }) }),
  arity: 1,
  infer: ([input], a) => {
    const dims = shapeText(a.dims);
    if (a.dims.length !== 1 && a.dims.length !== 3) return { problem: messages.SE206.rank({ dims }), arg: "dims" };
    const wanted = a.dims.reduce((p, q) => p * q, 1);
    const given = perImage(input!);
    if (wanted !== given)
      return { problem: messages.SE206.reshape({ shape: shapeText(input!.shape), count: given, dims, wanted }), arg: "dims" };
    return f32(batchOf(input!), ...a.dims);
  },
  cost: () => ({ macs: 0, elementOps: 0 }),
  reference: ([input], _weights, a) => ({ shape: [input!.shape[0]!, ...a.dims], data: input!.data.slice() }),
  lower: ({ name, inputs, output }) => [reshapeKernel(name, inputs[0]!, output)],
  bound: { kind: "exact" },
  samples: [
    { name: "map to map", inputs: [[2, 6, 4, 5]], attrs: { dims: [8, 3, 5] } },
    { name: "vector to one pixel", inputs: [[2, 7]], attrs: { dims: [7, 1, 1] } },
    { name: "vector to map", inputs: [[1, 24]], attrs: { dims: [2, 3, 4] } },
    { name: "map to vector", inputs: [[2, 3, 2, 4]], attrs: { dims: [24] } },
    { name: "to one channel", inputs: [[1, 3, 4, 5]], attrs: { dims: [1, 6, 10] } },
  ],
});
